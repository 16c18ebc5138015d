"""Labels and logits -> the figures of the paper and of the model cards.

WA is the share of clips that are right, UA the mean recall of the classes that occur: scikit-learn's accuracy and balanced accuracy.
Labels are class indices, (clips,) int; probabilities are (clips, classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RELIABILITY_BINS = 10


def count_confusions(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> np.ndarray:
    """(classes, classes) int: rows are what it is, columns what was said."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predicted)), 1)
    return matrix


def count_used(labels: np.ndarray, predicted: np.ndarray) -> int:
    """How many classes it takes to count these: a class beyond them neither occurs nor was said, so no score would see it."""
    return int(max(np.max(labels, initial=0), np.max(predicted, initial=0))) + 1


def mean_recall(hits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """UA: (..., classes) right and all utterances -> (...) mean recall over the classes that occur, nan where none does."""
    occurring = totals > 0
    recall = np.divide(hits, totals, out=np.zeros(hits.shape), where=occurring)
    return mean_where(recall, occurring)


def measure_counts(counts: np.ndarray) -> dict[str, np.ndarray]:
    """{"ua", "wa", "macro_f1"}: (..., classes, classes) -> (...), nan where there are no utterances."""
    hits, is_so, said = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2)
    f1 = np.divide(2 * hits, is_so + said, out=np.zeros(hits.shape), where=is_so + said > 0)
    whole = counts.sum((-2, -1))
    accuracy = np.divide(hits.sum(-1), whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return {"ua": mean_recall(hits, is_so), "wa": accuracy, "macro_f1": mean_where(f1, is_so + said > 0)}


def mean_where(values: np.ndarray, known: np.ndarray, axis: int = -1) -> np.ndarray:
    number = known.sum(axis)
    whole = np.where(known, values, 0.0).sum(axis)
    found: np.ndarray = np.divide(whole, number, out=np.full(np.shape(whole), np.nan), where=number > 0)
    return found


def measure_ua(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Unweighted accuracy: mean recall over the classes that occur in `labels`."""
    return float(measure_counts(count_confusions(labels, predicted, classes=count_used(labels, predicted)))["ua"])


def measure_wa(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Weighted accuracy: share of clips that are right."""
    return float(np.mean(np.asarray(labels) == np.asarray(predicted)))


def measure_macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over the classes that occur as label or as prediction."""
    return float(measure_counts(count_confusions(labels, predicted, classes=count_used(labels, predicted)))["macro_f1"])


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


def mean_known(values: np.ndarray, axis: int = 0) -> np.ndarray:
    return mean_where(values, ~np.isnan(values), axis)


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction, in the order given."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.ones(len(order))
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, p_values[place] * (len(order) - rank)))
        corrected[place] = highest
    return corrected.tolist()
