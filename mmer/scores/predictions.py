"""The predictions of an experiment's runs as a frame, and confusion counts of them.

A frame has one row per run and utterance of its validation and test part: COLUMNS, and logit.<emotion> per class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmer.errors import DataError
from mmer.results import EMOTIONS

RUN = ["fold", "repetition"]
KEYS = ["part", *RUN, "utterance"]  # of a row
COLUMNS = (*KEYS, "speaker", "session", "gender", "label", "predicted")
LOGITS = [f"logit.{emotion}" for emotion in EMOTIONS]


def select_part(predictions: pd.DataFrame, part: str = "test") -> pd.DataFrame:
    """The rows of one part. Raises DataError when columns are missing, a label is unknown, or an utterance stands in a repetition twice."""
    missing = [name for name in COLUMNS if name not in predictions]
    if missing:
        raise DataError(f"The predictions lack the columns {', '.join(missing)}; they are not those of an experiment.")
    rows = predictions[predictions["part"].astype(str) == part]
    if rows.empty:
        raise DataError(f"The predictions have no rows of the {part} part; no run of this experiment has finished.")
    for column in ("label", "predicted"):
        unknown = set(rows[column].astype(str)) - set(EMOTIONS)
        if unknown:
            raise DataError(f"The predictions have the {column} {sorted(unknown)[0]!r}; known ones are {', '.join(EMOTIONS)}.")
    once = ["repetition", "utterance"] if part == "test" else KEYS
    twice = rows[rows.duplicated(once)]
    if len(twice):
        name, repetition = twice.iloc[0][["utterance", "repetition"]]
        raise DataError(f"Utterance {name} stands twice in the {part} part of repetition {repetition + 1}; each is predicted once there.")
    return rows


def count_groups(rows: pd.DataFrame, columns: str | Sequence[str]) -> tuple[np.ndarray, list[Any]]:
    """(repetitions, groups, classes, classes) int confusion counts, and the groups' names: what stands in the column(s), sorted."""
    repetition, _ = pd.factorize(rows["repetition"], sort=True)
    names = rows[columns] if isinstance(columns, str) else pd.MultiIndex.from_frame(rows[list(columns)])
    group, groups = pd.factorize(names, sort=True)
    label, said = (pd.Categorical(rows[column].astype(str), categories=EMOTIONS).codes for column in ("label", "predicted"))
    counts = np.zeros((repetition.max() + 1, len(groups), len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(counts, (repetition, group, label, said), 1)
    return counts, groups.tolist()


def have_session_folds(rows: pd.DataFrame) -> bool:
    """Whether every fold tests one session of its own, as in the paper's protocol."""
    pairs = rows[["fold", "session"]].astype({"session": str}).drop_duplicates()
    named = bool((pairs["session"] != "").all())
    return named and pairs["fold"].is_unique and pairs["session"].is_unique and len(pairs) > 1
