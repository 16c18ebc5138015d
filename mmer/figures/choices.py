"""What the figures read out of an Analysis: the chosen emotion's numbers, centred over the classes or raw."""

from __future__ import annotations

import numpy as np

from ..results import Analysis, Branch, Prediction


def find_class(analysis: Analysis, emotion: str | None) -> int:
    """Index of the emotion among the classes; None means the one that the best model names."""
    prediction = analysis.best
    return prediction.classes.index(emotion or prediction.label)


def centre_classes(values: np.ndarray) -> np.ndarray:
    """(..., classes) minus the mean over the classes: the softmax ignores what all classes share."""
    return values - values.mean(axis=-1, keepdims=True)


def choose_values(values: np.ndarray, chosen: int, *, centred: bool) -> np.ndarray:
    """(..., classes) -> (...): the chosen class, in logits."""
    return (centre_classes(values) if centred else values)[..., chosen]


def find_late(analysis: Analysis) -> Prediction | None:
    """The prediction whose logits are an exact sum over segments; None where no such model spoke."""
    return next((p for p in analysis.predictions.values() if p.branches), None)


def find_branch(analysis: Analysis, unit: str) -> Branch | None:
    late = find_late(analysis)
    return next((b for b in late.branches or () if b.unit == unit), None) if late else None
