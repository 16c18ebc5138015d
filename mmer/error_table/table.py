"""The table of utterances: a row per utterance, columns that say what they hold, and every single answer behind them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mmer.datasets.dataset import Utterance
from mmer.errors import DataError

TEXT, NUMBER = "text", "number"
RIGHT, WRONG = "right", "wrong"  # in the column outcome; "" where there is no label to judge by
SEEN_APART = "in_training"  # the column that says which clips a head was trained on
OF_ANSWERS = re.compile(
    r"(answer|outcome|flip|runs|runs_right|runs_agree|entropy|margin|loss|fold|state|verdict|p_.*|logit_.*|(late|early|combined)(_.*)?)(\.[ab])?"
)
NOTED = ("notes", "note_tags", "note_disputed", "note_coders")  # columns of what people noted, who saw the answers
DIGITS = 7  # of a number, as it is written and as a filter reads it


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    name: str
    kind: str  # TEXT or NUMBER
    meaning: str  # a sentence for whoever meets the name for the first time
    unit: str = ""  # "s", "Hz"; "" for counts, shares and texts


@dataclass(frozen=True, eq=False)
class UtteranceTable:
    """What one source, or two that were joined, say about every utterance."""

    title: str  # "experiment ravdess-linear-f"
    frame: pd.DataFrame  # a row per utterance; text columns hold str, "" where unknown; number columns float64, nan where unknown
    columns: tuple[Column, ...]  # of the frame, in its order
    classes: tuple[str, ...]
    answers: pd.DataFrame  # every single answer: utterance, repetition, fold, speaker, session, label, predicted, logit.<class>
    notes: tuple[str, ...] = ()  # sentences on what is missing or must be known to read the table
    utterances: Mapping[str, Utterance] | None = None  # by name, where the data set was read; None: its clips can't be found
    listed: Mapping[str, Mapping[str, str]] | None = None  # by name, of a batch: the cells of its row, as they were read

    def find_column(self, name: str) -> Column:
        """Raises DataError for a name that the table does not have."""
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            known = ", ".join(column.name for column in self.columns)
            raise DataError(f"There is no column {name[:60]!r} in this table; it has {known}.")
        return found

    def has(self, name: str) -> bool:
        return any(column.name == name for column in self.columns)

    def keep(self, rows: np.ndarray) -> UtteranceTable:
        """The table of some rows: `rows` (utterances,) bool."""
        return replace(self, frame=self.frame[rows].reset_index(drop=True))

    def add(self, columns: Sequence[Column], values: Mapping[str, np.ndarray], *, notes: Iterable[str] = ()) -> UtteranceTable:
        """The table with further columns; `values` has (utterances,) of each."""
        frame = pd.concat([self.frame, pd.DataFrame(dict(values), index=self.frame.index)], axis=1)
        return replace(self, frame=frame, columns=(*self.columns, *columns), notes=(*self.notes, *notes))

    def select_answers(self) -> pd.DataFrame:
        """The single answers about the utterances that are in the table, with a label to judge them by."""
        shown = self.answers[self.answers["utterance"].isin(set(self.frame["utterance"]))]
        return shown[shown["label"].isin(self.classes) & shown["predicted"].isin(self.classes)]


def is_of_answers(name: str) -> bool:
    """Whether a column says what a model answered, not what the clip is."""
    return OF_ANSWERS.fullmatch(name) is not None


def decides_score(name: str) -> bool:
    """Whether a score of rows chosen by this column would only say how they were chosen.

    How alike the runs answered, or how sure they were, may be asked: how often they are right then is no foregone conclusion.
    """
    if name in NOTED:
        return True  # who tags what is wrong makes the score of what is tagged
    return is_of_answers(name) and name.removesuffix(".a").removesuffix(".b") not in ("runs", "runs_agree", "entropy", "fold", "state")


def write_number(value: float) -> str:
    """A number as tables and filters have it; "" for one that is unknown."""
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.{DIGITS}g}"


def round_numbers(values: np.ndarray) -> np.ndarray:
    """As write_number writes them, so that what a person sees is what a filter compares."""
    return np.array([float(write_number(value) or "nan") for value in values.tolist()], float)


def read_texts(name: str, cells: Sequence[str], meaning: str) -> tuple[Column, np.ndarray]:
    """A column of what a file holds: numbers where every cell that is filled is one in its plain form, else texts.

    "007" and "1e3" stay texts: somebody's name for a speaker is not the number seven.
    """
    numbers = [_read_plain(cell) for cell in cells]
    if any(cell.strip() for cell in cells) and all(number is not None or not cell.strip() for number, cell in zip(numbers, cells)):
        return Column(name, NUMBER, meaning), np.array([math.nan if number is None else number for number in numbers], float)
    return Column(name, TEXT, meaning), np.array(cells, dtype=object)


def _read_plain(cell: str) -> float | None:
    text = cell.strip()
    digits = text.removeprefix("-").partition(".")[0]
    if not text or not text.isascii() or len(text) > 20 or not digits.isdigit() or (len(digits) > 1 and digits[0] == "0"):
        return None
    try:
        return float(text)
    except ValueError:
        return None
