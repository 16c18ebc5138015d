"""A recording -> samples."""
