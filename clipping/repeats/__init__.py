"""Stretches that media files share, found by sound and picture."""
