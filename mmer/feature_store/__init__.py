"""Features of a data set on disk."""
