"""The Montreal Forced Aligner, in an interpreter of its own."""
