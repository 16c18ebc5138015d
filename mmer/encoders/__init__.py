"""Frozen encoders: where their weights come from, their states, and what models read of them."""
