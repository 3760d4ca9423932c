"""Features of many files: only those that are missing or stale."""
