"""The paper's global normalisation of speech states (section 3.2), per layer and dimension over the training part."""

from __future__ import annotations

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
        found: np.ndarray = ((states - self.mean[:, None]) / self.deviation[:, None]).astype(np.float32, copy=False)
        return found
