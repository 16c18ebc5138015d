"""The paper's global normalisation of speech states (section 3.2), per layer and dimension over the training part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

MIN_DEVIATION = 1e-5  # of a feature; below it the feature is a constant


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Global normalisation of speech states: (states - mean) / deviation. Affine, so it commutes with pooling."""

    mean: np.ndarray  # (layers, dim) over the frames of the training part
    deviation: np.ndarray  # (layers, dim)

    def apply(self, states: np.ndarray) -> np.ndarray:
        """states (layers, segments, dim) -> the same shape, float32."""
        return ((states - self.mean[:, None]) / self.deviation[:, None]).astype(np.float32, copy=False)


def fit_normalisation(clips: Iterable[np.ndarray]) -> Normalisation:
    """Mean and deviation of every layer and dimension over all frames of the clips, each (layers, frames, dim)."""
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for states in clips:
        x = states.astype(np.float64)
        count, total, squares = count + x.shape[1], total + x.sum(1), squares + np.square(x).sum(1)
    if not count:
        raise ValueError("no frames to normalise by")
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), MIN_DEVIATION**2))
    return Normalisation(mean.astype(np.float32), deviation.astype(np.float32))
