"""Samples from -1 to 1 -> 16-bit PCM, at one scale everywhere, so that what is heard, saved and read back is the same sound."""

from __future__ import annotations

import numpy as np

FULL_SCALE = 32768  # what readers of 16-bit files divide by


def round_samples(samples: np.ndarray) -> np.ndarray:
    """(samples,) float -> int16, rounded to the nearest step; a sample that was read from a 16-bit file is that file's again."""
    return np.clip(np.rint(samples.astype(np.float64) * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
