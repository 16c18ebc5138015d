"""The recipe of the heads that ship."""
