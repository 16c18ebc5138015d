"""Logits -> probabilities that mean what they say: temperature, the margin of "not sure", and how far off they are."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

PRIOR = 0.3  # deviation of the logarithm of a temperature that is known from no clip: about two thirds lie in 0.74 to 1.35
UNSURE_ACCURACY = 0.5  # below the margin fewer verdicts than this are right
MIN_CLIPS = 100  # of speakers never heard; fewer can't tell how sure a head may be (docs/metrics.md)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64."""
    z = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float64)
    found: np.ndarray = z / z.sum(-1, keepdims=True)
    return found


def fit_temperature(logits: np.ndarray, labels: np.ndarray, *, clips: int | None = None) -> float:
    """The temperature in [0.05, 20] with the lowest negative log likelihood; logits (predictions, classes), labels (predictions,) int.

    With `clips`, the number of different clips that the predictions are of, it is shrunk towards 1: the logarithm of the temperature has
    a normal prior with mean 0 and deviation PRIOR, so that a few clips hardly move it and a few hundred decide. Several predictions of
    one clip (of several runs) count as one clip. docs/metrics.md says how PRIOR was chosen.
    """

    def loss(log_temperature: float) -> float:
        z = logits.astype(np.float64) / np.exp(log_temperature)
        top = z.max(1)
        mean = float(np.mean(top + np.log(np.exp(z - top[:, None]).sum(1)) - z[np.arange(len(z)), labels]))
        return mean if clips is None else mean + log_temperature**2 / (2 * PRIOR**2 * clips)

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def mean_log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log likelihood of labels (clips,) under logits (clips, classes)."""
    return float(-np.log(softmax(logits)[np.arange(len(labels)), labels]).mean())


def fit_margin(probabilities: np.ndarray, labels: np.ndarray, *, accuracy: float = 0.5, minimum: int = 20) -> float:
    """The largest gap such that of the clips with a smaller one fewer than `accuracy` are right; 0 where there is none.

    The gap is between the two highest of probabilities (clips, classes); at least `minimum` clips must lie below it.
    """
    second, first = np.sort(probabilities, 1)[:, -2:].T
    order = np.argsort(first - second, kind="stable")
    gaps = (first - second)[order]
    right = (probabilities.argmax(1) == labels)[order]
    share = np.cumsum(right) / np.arange(1, len(right) + 1)  # of the clips up to and with this one
    below = np.flatnonzero((share < accuracy) & (np.arange(1, len(right) + 1) >= minimum))
    if not below.size:
        return 0.0
    last = below[-1]
    return float(gaps[last + 1] if last + 1 < len(gaps) else np.nextafter(gaps[last], 2))


def ece(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error: mean |confidence - accuracy| over equal-width bins of confidence, weighted by their clips."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # bins are (a, b]
    gaps = [abs(right[index == b].mean() - confidence[index == b].mean()) * (index == b).mean() for b in np.unique(index)]
    return float(sum(gaps))
