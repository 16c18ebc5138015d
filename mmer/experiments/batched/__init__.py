"""All runs of an experiment as one batch: what the trainer does on a GPU. docs/training.md says how the parts fit together."""
