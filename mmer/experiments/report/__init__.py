"""Experiments -> tables, pages and cards."""
