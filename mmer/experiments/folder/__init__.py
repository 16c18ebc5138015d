"""The folder of one experiment on disk."""
