"""Files that people have -> utterances and texts with labels."""
