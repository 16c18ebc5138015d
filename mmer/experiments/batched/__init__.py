"""All runs of an experiment as one batch: what the trainer does on a GPU. docs/experiments.md says how the parts fit together."""
