"""Files on disk, read with care and written whole."""
