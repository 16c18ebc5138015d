"""The predictions of an experiment's runs as a frame, and confusion counts of them.

A frame has one row per run and utterance of its validation and test part: COLUMNS, and logit.<class> for each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmer.datasets.classes import order_classes
from mmer.errors import DataError

RUN = ["fold", "repetition"]
KEYS = ["part", *RUN, "utterance"]  # of a row
COLUMNS = (*KEYS, "speaker", "session", "gender", "label", "predicted")
LOGIT = "logit."  # before a class's name: the column of its logit; these columns stand in the order of the classes


def read_classes(predictions: pd.DataFrame) -> tuple[str, ...]:
    """The classes that were told apart: those with a logit, in its columns' order; without logits, as the labels have them."""
    named = tuple(column.removeprefix(LOGIT) for column in predictions.columns if column.startswith(LOGIT))
    return named or order_classes({*predictions["label"].astype(str), *predictions["predicted"].astype(str)})


def list_logits(predictions: pd.DataFrame) -> list[str]:
    """The columns that hold the logits, one for each class."""
    return [f"{LOGIT}{name}" for name in read_classes(predictions)]


def select_part(predictions: pd.DataFrame, part: str = "test") -> pd.DataFrame:
    """The rows of one part. Raises DataError when columns are missing, a label is unknown, or an utterance stands in a repetition twice."""
    missing = [name for name in COLUMNS if name not in predictions]
    if missing:
        raise DataError(f"The predictions lack the columns {', '.join(missing)}; they are not those of an experiment.")
    rows = predictions[predictions["part"].astype(str) == part]
    if rows.empty:
        raise DataError(f"The predictions have no rows of the {part} part; no run of this experiment has finished.")
    classes = read_classes(predictions)
    for column in ("label", "predicted"):
        unknown = set(rows[column].astype(str)) - set(classes)
        if unknown:
            raise DataError(f"The predictions have the {column} {sorted(unknown)[0]!r}; known ones are {', '.join(classes)}.")
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
    classes = read_classes(rows)
    label, said = (pd.Categorical(rows[column].astype(str), categories=classes).codes for column in ("label", "predicted"))
    counts = np.zeros((repetition.max() + 1, len(groups), len(classes), len(classes)), np.int64)
    np.add.at(counts, (repetition, group, label, said), 1)
    return counts, groups.tolist()


def have_session_folds(rows: pd.DataFrame) -> bool:
    """Whether every fold tests one session of its own, as in the paper's protocol."""
    pairs = rows[["fold", "session"]].astype({"session": str}).drop_duplicates()
    named = bool((pairs["session"] != "").all())
    return named and pairs["fold"].is_unique and pairs["session"].is_unique and len(pairs) > 1
