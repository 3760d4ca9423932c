"""Segments cut out of media files, left out of them, or joined."""
