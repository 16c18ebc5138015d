"""Data sets -> features on disk -> trained, calibrated and described heads."""
