"""See and hear why a machine finds an emotion in speech: multi-level fusion of speech and text encoders."""

__version__ = "0.1.0"
