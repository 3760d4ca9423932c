"""Chapters of media files: shown, merged, embedded."""
