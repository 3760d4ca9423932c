"""Media files: streams, frames and sound by timestamp."""
