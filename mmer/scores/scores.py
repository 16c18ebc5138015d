"""Predictions of an experiment's runs -> its scores: UA, WA, macro F1, their spread and intervals.

Every score is computed from confusion counts, (..., classes, classes) with rows what it is and columns what was said. Recall, accuracy
and F1 are scikit-learn's; paper, Section 3.2, for UA and the 25 runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmer.scores.intervals import RESAMPLES, bootstrap_utterances, measure_interval
from mmer.scores.metrics import mean_known, measure_counts
from mmer.scores.predictions import count_groups, have_session_folds, read_classes, select_part

CHANCE_DEVIATIONS = 1.645  # above chance, in standard errors, above which a UA is more than chance: 5 to 7 of 100 guessing runs get there
SLICE = "slice of the metadata"  # a column of their own for the values of others, whatever those are called


def _spread(values: Sequence[float]) -> float | None:
    """Sample standard deviation; None of a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def score_runs(predictions: pd.DataFrame, *, part: str = "test") -> list[dict[str, Any]]:
    """[{"fold", "repetition", "utterances", "ua", "wa", "macro_f1", "at_chance"}] per run, repetition by repetition."""
    rows = select_part(predictions, part)
    counts, runs = count_groups(rows, ["repetition", "fold"])
    counts = counts.sum(0)  # a run is of one repetition
    found = measure_counts(counts)
    return [
        {"fold": int(fold), "repetition": int(repetition), "utterances": int(counts[i].sum())}
        | {k: float(v[i]) for k, v in found.items()}
        | {"at_chance": is_at_chance(counts[i])}
        for i, (repetition, fold) in enumerate(runs)
    ]


def is_at_chance(counts: np.ndarray) -> bool:
    """Whether a UA is no higher than guessing could give: confusion counts (classes, classes) of one run.

    Guessing is right with 1 / classes in each class; the UA then has the standard error of a mean of so many binomial shares. False where
    fewer than two classes occur: whoever always says the same is right there.
    """
    totals = counts.sum(-1)
    totals = totals[totals > 0]
    if len(totals) < 2:
        return False
    chance = 1 / len(totals)
    error = float(np.sqrt((chance * (1 - chance) / totals).sum())) / len(totals)
    return float(measure_counts(counts)["ua"]) <= chance + CHANCE_DEVIATIONS * error


def summarise(
    predictions: pd.DataFrame, *, metadata: Mapping[str, Mapping[str, str]] | None = None, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """JSON: every score of the test predictions at hand; the runs need not all be finished.

    "ua", "wa", "macro_f1" are means over runs, as the paper's. "pooled_ua" is computed over all folds of a repetition together, then
    averaged over repetitions; "interval" is its interval (see measure_interval). `metadata` adds slices: column -> utterance -> value.
    """
    rows = select_part(predictions)
    runs = score_runs(predictions)
    by_fold = [float(np.mean([r["ua"] for r in runs if r["fold"] == fold])) for fold in sorted({r["fold"] for r in runs})]
    repetitions = sorted({r["repetition"] for r in runs})
    by_repetition = [float(np.mean([r["ua"] for r in runs if r["repetition"] == repetition])) for repetition in repetitions]
    counts, speakers = count_groups(rows, "speaker")
    return {
        "runs": len(runs),
        "folds": len(by_fold),
        "repetitions": len(repetitions),
        "utterances": int(rows["utterance"].nunique()),
        "speakers": len(speakers),
        **{name: float(np.mean([r[name] for r in runs])) for name in ("ua", "wa", "macro_f1")},
        "ua_over_runs_sd": _spread([r["ua"] for r in runs]),
        "ua_over_folds_sd": _spread(by_fold),
        "ua_over_repetitions_sd": _spread(by_repetition),
        **{f"pooled_{name}": float(mean_known(values)) for name, values in measure_counts(counts.sum(1)).items()},
        "interval": measure_interval(rows, resamples=resamples),
        "per_repetition": [{"value": r, "ua": ua} for r, ua in zip(repetitions, by_repetition)],
        **{f"per_{column}": score_groups(rows, column, resamples=resamples) for column in ("fold", "session", "speaker")},
        "confusion": average_confusion(rows),
        "slices": {
            **{column: score_slices(rows, column, resamples=resamples) for column in ("gender", "label")},
            **{
                name: score_slices(rows.assign(**{SLICE: rows["utterance"].map(values).fillna("")}), SLICE, resamples=resamples)
                for name, values in (metadata or {}).items()
            },
        },
    }


def average_confusion(rows: pd.DataFrame) -> dict[str, Any]:
    """{"classes", "counts": summed over repetitions, "rows": each row's shares, mean over repetitions; a class that never occurs has 0}."""
    counts = count_groups(rows, "label")[0].sum(1)  # (repetitions, classes, classes)
    totals = counts.sum(-1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    return {"classes": list(read_classes(rows)), "counts": counts.sum(0).tolist(), "rows": np.nan_to_num(mean_known(shares)).tolist()}


def score_groups(rows: pd.DataFrame, column: str, *, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """The scores of each fold, session or speaker: pooled within each repetition, mean over repetitions; unnamed ones are left out.

    Their intervals resample utterances within each class: they speak of these speakers alone.
    """
    return _score_each(rows, column, lambda own: bootstrap_utterances(own, resamples=resamples))


def score_slices(rows: pd.DataFrame, column: str, *, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """The scores of each value of a column (gender, label, improvised or scripted ...), with measure_interval's intervals."""
    by_session = have_session_folds(rows)
    return _score_each(rows, column, lambda own: measure_interval(own, resamples=resamples, by_session=by_session))


def _score_each(rows: pd.DataFrame, column: str, bootstrap: Callable[[pd.DataFrame], dict[str, Any] | None]) -> list[dict[str, Any]]:
    found = []
    for value, own in rows.groupby(column, sort=True, observed=True):
        if value == "":
            continue
        counts = count_groups(own, "label")[0].sum(1)  # (repetitions, classes, classes)
        scores = measure_counts(counts)
        row: dict[str, Any] = {"value": value if isinstance(value, str) else int(value), "utterances": int(own["utterance"].nunique())}
        row |= {"speakers": int(own["speaker"].nunique()), "repetitions": len(counts)}
        row |= {name: float(np.mean(values)) for name, values in scores.items()}
        found.append(row | {"ua_over_repetitions_sd": _spread(scores["ua"].tolist()), "interval": bootstrap(own)})
    return found
