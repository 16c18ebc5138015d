"""Intervals of a UA: what is drawn again or left out, and what that makes of it (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from mmer.scores.metrics import mean_known, mean_recall
from mmer.scores.predictions import count_groups, have_session_folds

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0  # of all resampling: the same predictions have the same interval


def resample_ua(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(resamples,) pooled UA when group g counts weights[:, g] times; counts (repetitions, groups, classes, classes)."""
    hits, totals = np.diagonal(counts, axis1=-2, axis2=-1).astype(float), counts.sum(-1).astype(float)
    return mean_known(mean_recall(weights @ hits, weights @ totals))  # (repetitions, resamples, classes) each


def draw_weights(sizes: Sequence[int] | np.ndarray, *, resamples: int, seed: int = SEED) -> np.ndarray:
    """(resamples, groups): how often each of `sizes` equal things per group is drawn, with replacement, as many as there are."""
    sizes = np.asarray(sizes)
    return np.random.default_rng([seed, len(sizes)]).multinomial(sizes.sum(), sizes / sizes.sum(), size=resamples)


def measure_interval(rows: pd.DataFrame, *, resamples: int = RESAMPLES, by_session: bool | None = None) -> dict[str, Any] | None:
    """Interval of the pooled UA: by session where a session is a fold, since its speakers share one model, else by speaker.

    None with a single one. `by_session` says which for a slice of the rows.
    """
    if have_session_folds(rows) if by_session is None else by_session:
        return jackknife_interval(count_groups(rows, "session")[0], of="sessions")
    return bootstrap_speakers(rows, resamples=resamples)


def bootstrap_speakers(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Any] | None:
    """Percentile interval of the pooled UA over speakers drawn with replacement; None with a single speaker."""
    counts, speakers = count_groups(rows, "speaker")
    if len(speakers) < 2:
        return None
    return read_interval(resample_ua(counts, draw_weights(np.ones(len(speakers), int), resamples=resamples, seed=seed)), "speakers")


def bootstrap_utterances(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Any] | None:
    """Percentile interval of the pooled UA over utterances drawn with replacement within each class; None with a single utterance.

    An utterance brings the answers of all repetitions. Utterances of one class with the same answers are drawn as one group.
    """
    counts, utterances = count_groups(rows, "utterance")
    if len(utterances) < 2:
        return None
    hits, totals = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1)
    _, first, sizes = np.unique(np.concatenate([hits, totals]).transpose(1, 0, 2), axis=0, return_index=True, return_counts=True)
    label = totals[:, first].sum(0).argmax(-1)  # (groups,)
    weights = np.zeros((resamples, len(first)))
    for c in np.unique(label):
        weights[:, label == c] = draw_weights(sizes[label == c], resamples=resamples, seed=seed + int(c))
    return read_interval(resample_ua(counts[:, first], weights), "utterances")


def read_interval(values: np.ndarray, of: str) -> dict[str, Any]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high), "level": LEVEL, "resamples": len(values), "of": of}


def jackknife_interval(counts: np.ndarray, minus: np.ndarray | None = None, *, of: str) -> dict[str, Any] | None:
    """Interval of the pooled UA (or of its difference to that of `minus`) from leaving out one group after the other; None with one group.

    counts (repetitions, groups, classes, classes). Tukey's pseudo-values with Student's t, which has groups - 1 degrees of freedom: for few
    groups, of which the percentiles of a bootstrap are too narrow.
    """
    groups = counts.shape[1]
    if groups < 2:
        return None
    weights = np.concatenate([np.ones((1, groups)), 1 - np.eye(groups)])
    values = resample_ua(counts, weights) - (0.0 if minus is None else resample_ua(minus, weights))
    pseudo = groups * values[0] - (groups - 1) * values[1:]
    reach = float(student.ppf((1 + LEVEL) / 2, groups - 1) * pseudo.std(ddof=1) / np.sqrt(groups))
    low, high = float(values[0]) - reach, float(values[0]) + reach
    if minus is None:
        low, high = max(0.0, low), min(1.0, high)
    return {"low": low, "high": high, "level": LEVEL, "resamples": groups, "of": of}
