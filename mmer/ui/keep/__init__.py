"""Compare and keep."""
