"""A prediction -> the numbers that explain it."""
