"""Labels and logits -> the figures of the paper and of the model cards.

WA is the share of clips that are right, UA the mean recall of the classes that occur: scikit-learn's accuracy and balanced accuracy.
Labels are class indices, (clips,) int; probabilities are (clips, classes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RELIABILITY_BINS = 10


def count_confusions(labels: np.ndarray, predicted: np.ndarray, *, classes: int = 4) -> np.ndarray:
    """(classes, classes) int: rows are what it is, columns what was said."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predicted)), 1)
    return matrix


def measure_ua(labels: np.ndarray, predicted: np.ndarray, *, classes: int = 4) -> float:
    """Unweighted accuracy: mean recall over the classes that occur in `labels`."""
    matrix = count_confusions(labels, predicted, classes=classes)
    occurring = matrix.sum(1) > 0
    return float(np.mean(np.diag(matrix)[occurring] / matrix.sum(1)[occurring]))


def measure_wa(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Weighted accuracy: share of clips that are right."""
    return float(np.mean(np.asarray(labels) == np.asarray(predicted)))


def measure_macro_f1(labels: np.ndarray, predicted: np.ndarray, *, classes: int = 4) -> float:
    matrix = count_confusions(labels, predicted, classes=classes)
    sides = matrix.sum(0) + matrix.sum(1)
    return float(np.mean(2 * np.diag(matrix)[sides > 0] / sides[sides > 0]))


@dataclass(frozen=True)
class ReliabilityBin:
    low: float  # of the highest probability
    high: float
    clips: int
    confidence: float  # mean highest probability
    accuracy: float


def measure_reliability(labels: np.ndarray, probabilities: np.ndarray, *, bins: int = RELIABILITY_BINS) -> tuple[ReliabilityBin, ...]:
    """Confidence against accuracy in equal steps of the highest probability; empty steps are left out."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    return tuple(
        ReliabilityBin(b / bins, (b + 1) / bins, int(n), float(confidence[index == b].mean()), float(right[index == b].mean()))
        for b in range(bins)
        if (n := (index == b).sum())
    )
