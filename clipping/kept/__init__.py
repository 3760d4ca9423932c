"""What is remembered of media files: cache, corrections, edits, themes."""
