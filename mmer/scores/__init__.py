"""Labels and logits -> numbers with intervals and tests."""
