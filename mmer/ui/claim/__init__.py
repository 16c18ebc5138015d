"""Test the claim."""
