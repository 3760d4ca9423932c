"""Data kept about media files between runs: cache, corrections, edits, themes."""
