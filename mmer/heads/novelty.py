"""How unlike its training clips a clip is: their mean-pooled speech states as whitened principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmer.heads.normalisation import MIN_DEVIATION
from mmer.phrasing import say_count


@dataclass(frozen=True, eq=False)
class Novelty:
    """What mean-pooled training features look like: a few whitened principal components and the size of the rest."""

    mean: np.ndarray  # (values,) values = layers * dim
    basis: np.ndarray  # (components, values), orthonormal rows
    scale: np.ndarray  # (components,) standard deviation along each
    residual: np.ndarray  # (1,) root mean square length of what the components leave


def novelty_vector(states: np.ndarray) -> np.ndarray:
    """(layers, frames, dim) normalised speech states of one clip -> (layers * dim,) what fit_novelty wants."""
    found: np.ndarray = states.mean(1, dtype=np.float64).astype(np.float32).ravel()
    return found


def fit_novelty(vectors: np.ndarray, *, components: int = 16) -> Novelty:
    """Reference of training clips; vectors (clips, values) from novelty_vector."""
    if len(vectors) <= components:
        raise ValueError(f"{say_count(components, 'component')} need more than {say_count(len(vectors), 'clip')}")
    mean = vectors.mean(0, dtype=np.float64)
    centred = vectors - mean
    _, singular, basis = np.linalg.svd(centred, full_matrices=False)
    residual = np.sqrt(np.square(singular[components:]).sum() / len(vectors))
    scale = np.maximum(singular[:components] / np.sqrt(len(vectors)), MIN_DEVIATION)
    arrays = (mean, basis[:components], scale, np.array([max(residual, MIN_DEVIATION)]))
    return Novelty(*(a.astype(np.float32) for a in arrays))


def novelty_distance(novelty: Novelty, vector: np.ndarray) -> float:
    """How far a clip is from the training clips, whose root mean square distance is 1."""
    centred = vector.astype(np.float64) - novelty.mean
    along = novelty.basis @ centred  # (components,)
    rest = np.square(centred).sum() - np.square(along).sum()
    known = np.mean(np.square(along / novelty.scale))
    return float(np.sqrt((known + max(rest, 0.0) / float(novelty.residual[0]) ** 2) / 2))
