"""What people note of utterances: notes, tags, labels in dispute; a file per experiment or batch (docs/error-analysis.md)."""
