"""Experiments and extractions on a Ray cluster."""
