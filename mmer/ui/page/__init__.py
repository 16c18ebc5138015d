"""What the whole page needs."""
