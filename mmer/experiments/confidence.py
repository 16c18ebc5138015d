"""The test predictions of an experiment's runs -> how sure its heads may be: temperature and margin, or that it was never measured.

The validation part can't tell: it chose when training stopped and mostly holds the training speakers' own voices, so a head looks surer
there than new speakers find it. Here all runs' predictions of speakers that the run had never heard are put together. As they fit the
temperature, figures that judge it are cross-fitted: each fold's clips by the temperature and margin of the other folds. docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mmer.experiments.trainer.outputs import Outputs
from mmer.heads.calibration import MIN_CLIPS, UNSURE_ACCURACY, ece, fit_margin, fit_temperature, mean_log_loss, softmax
from mmer.phrasing import say_count
from mmer.scores.metrics import measure_reliability
from mmer.scores.predictions import list_logits, read_classes, select_part

MARGIN_CLIPS = 20  # different clips that must lie below a margin


@dataclass(frozen=True)
class Confidence:
    """How sure a head may be; without a measurement its temperature is 1, its margin 0, and it never says "sure"."""

    temperature: float
    margin: float
    clips: int | None  # different clips of unheard speakers that both were fitted on; None: never measured
    figures: Mapping[str, Any] = field(default_factory=dict)  # for the model card; JSON


def measure_confidence(predictions: pd.DataFrame, splits: Sequence[Mapping[str, Any]]) -> Confidence:
    """Fitted on the pooled test predictions of all runs on speakers that none of the run's own clips is of.

    `splits` as in splits.json. Below MIN_CLIPS clips, or where they can't be cut in two for cross-fitting, nothing is fitted.
    """
    rows = select_unheard(predictions, splits)
    clips = rows["utterance"].nunique()
    groups = rows["fold"] if rows["fold"].nunique() > 1 else rows["speaker"]
    if clips < MIN_CLIPS or groups.nunique() < 2:
        speakers = rows["speaker"].nunique()
        why = (
            f"How sure it is was never measured: its runs have test predictions of {say_count(clips, 'clip')} of "
            f"{say_count(speakers, 'speaker')} they had never "
            f"heard, and at least {MIN_CLIPS} of two speakers are needed."
        )
        return Confidence(1.0, 0.0, None, {"never measured": why})
    found = fit_rows(rows)
    return Confidence(*found, clips, describe_fit(rows, groups, found))


def select_unheard(predictions: pd.DataFrame, splits: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The test rows of speakers that the row's run neither trained nor stopped on; a row without a speaker's name is left out."""
    rows = select_part(predictions)
    speakers = dict(zip(rows["utterance"].astype(str), rows["speaker"].astype(str)))  # every utterance is tested once
    heard = {
        (split["fold"], split["repetition"]): {speakers.get(name, "") for part in ("train", "validation") for name in split[part]}
        for split in splits
    }
    runs = zip(rows["fold"], rows["repetition"], rows["speaker"].astype(str))
    kept = [bool(speaker) and (fold, repetition) in heard and speaker not in heard[fold, repetition] for fold, repetition, speaker in runs]
    return rows[np.array(kept, dtype=bool)]


def read_outputs(rows: pd.DataFrame) -> Outputs:
    """Labels and logits of a predictions frame, in its order."""
    classes = read_classes(rows)
    labels = np.array([classes.index(label) for label in rows["label"].astype(str)], dtype=np.int64)
    return Outputs(labels, rows[list_logits(rows)].to_numpy(np.float32))


def fit_rows(rows: pd.DataFrame) -> tuple[float, float]:
    """(temperature, margin) of predictions; several of one clip count as one."""
    outputs, clips = read_outputs(rows), rows["utterance"].nunique()
    temperature = fit_temperature(outputs.logits, outputs.labels, clips=clips)
    least = round(MARGIN_CLIPS * len(rows) / clips)
    margin = fit_margin(softmax(outputs.logits / temperature), outputs.labels, accuracy=UNSURE_ACCURACY, minimum=least)
    return temperature, margin


def describe_fit(rows: pd.DataFrame, groups: pd.Series, fitted: tuple[float, float]) -> dict[str, Any]:
    """What was fitted, and cross-fitted figures: those of a group's rows by the temperature and margin of all other groups."""
    outputs = read_outputs(rows)
    scaled, margins, temperatures = np.zeros(outputs.logits.shape), np.zeros(len(rows)), []
    for group in sorted(groups.unique()):
        own = (groups == group).to_numpy()
        temperature, margin = fit_rows(rows[~own])
        temperatures.append(temperature)
        scaled[own], margins[own] = outputs.logits[own] / temperature, margin
    probabilities, labels = softmax(scaled), outputs.labels
    second, first = np.sort(probabilities, 1)[:, -2:].T
    sure, right = (first - second >= margins) & (margins > 0), probabilities.argmax(1) == labels
    return {
        "temperature": round(fitted[0], 4),
        "margin": round(fitted[1], 4),
        "clips": int(rows["utterance"].nunique()),
        "speakers": int(rows["speaker"].nunique()),
        "predictions": len(rows),
        "temperature when cross-fitted, lowest": round(min(temperatures), 4),
        "temperature when cross-fitted, highest": round(max(temperatures), 4),
        "mean log loss, temperature 1": round(mean_log_loss(outputs.logits, labels), 4),
        "mean log loss, cross-fitted": round(mean_log_loss(scaled, labels), 4),
        "ece, temperature 1": round(ece(softmax(outputs.logits.astype(np.float64)), labels), 4),
        "ece, cross-fitted": round(ece(probabilities, labels), 4),
        "sure share": round(float(sure.mean()), 4),
        "accuracy when sure": round(float(right[sure].mean()), 4) if sure.any() else None,
        "accuracy when not sure": round(float(right[~sure].mean()), 4) if not sure.all() else None,
        "reliability": [asdict(b) for b in measure_reliability(labels, probabilities)],
    }
