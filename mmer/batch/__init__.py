"""Many clips -> a table with a row each (docs/api.md)."""
