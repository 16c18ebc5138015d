"""What models said about many clips -> one table of utterances that can be filtered, counted and taken along (docs/error-analysis.md)."""
