"""A trained model on disk: its settings, its weights, how sure it may be."""
