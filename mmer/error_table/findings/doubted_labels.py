"""Labels worth checking: utterances that every repetition calls the same other class, as surely as it calls that class's own.

The bound of sureness is that of confident learning (Northcutt et al. 2021): the mean probability of a class over the utterances that have
it as their label. Repetitions learned from much the same utterances, so they are no independent judges: an error that all make is likelier
than their number suggests, and none of this says that a label is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mmer.error_table.filters import IS, RANGE, Filter
from mmer.error_table.table import WRONG, UtteranceTable
from mmer.errors import DataError
from mmer.phrasing import say_count

FEWEST_RUNS = 2


@dataclass(frozen=True)
class DoubtedLabels:
    """The utterances that all runs call one class, which is not their label."""

    answer: str
    utterances: int
    expected: float  # if each run erred by itself, as often as runs do on that label
    filters: tuple[Filter, ...]

    @property
    def sentence(self) -> str:
        return f"{say_count(self.utterances, 'utterance')} with another label that all runs call {self.answer}"


def list_doubted(table: UtteranceTable) -> tuple[tuple[DoubtedLabels, ...], str]:
    """One entry for each class that all runs call utterances of another label, most first, and how it was computed.

    Raises DataError for a table without repetitions.
    """
    if table.has("flip") or not table.has("runs") or table.frame["runs"].max() < FEWEST_RUNS:
        raise DataError("Only an experiment with two repetitions or more can say which labels all of them doubt.")
    frame = table.frame
    rates = measure_rates(table)
    found = []
    for k, answer in enumerate(table.classes):
        own = frame["label"] == answer
        if not own.any():
            continue
        bound = float(f"{frame.loc[own, f'p_{answer}'].mean():.4g}")
        rows = (frame["answer"] == answer) & (frame["outcome"] == WRONG) & (frame["runs_agree"] == 1) & (frame[f"p_{answer}"] >= bound)
        rows &= frame["runs"] >= FEWEST_RUNS
        labels = [table.classes.index(name) for name in frame.loc[~own, "label"]]
        expected = float(np.sum(rates[labels, k] ** frame.loc[~own, "runs"].to_numpy(float))) if labels else 0.0
        filters = (
            Filter("answer", IS, (answer,)),
            Filter("outcome", IS, (WRONG,)),
            Filter("runs_agree", RANGE, (), 1.0, math.inf),
            Filter("runs", RANGE, (), float(FEWEST_RUNS), math.inf),
            Filter(f"p_{answer}", RANGE, (), bound, math.inf),
        )
        if rows.any():
            found.append(DoubtedLabels(answer, int(rows.sum()), expected, filters))
    listed, expected = sum(one.utterances for one in found), sum(one.expected for one in found)
    alike = (frame["runs_agree"] == 1).mean()
    said = (
        "Exploratory: all repetitions say the same other class, with a mean probability of at least what that class has on average "
        f"where it is the label. Of {say_count(len(frame), 'utterance')} {listed:,} are listed. Repetitions learn from much the same "
        f"clips: on {alike:.0%} of all utterances they say the same, right or wrong (if they erred independently, {expected:.1f} would "
        "be wrong alike), so that all agree says little by itself: listen before you doubt a label."
    )
    return tuple(sorted(found, key=lambda one: -one.utterances)), said


def measure_rates(table: UtteranceTable) -> np.ndarray:
    """(classes, classes) how often a run calls an utterance of each label each class; rows of labels that do not occur are 0."""
    place = {name: k for k, name in enumerate(table.classes)}
    counts = np.zeros((len(place), len(place)))
    answers = table.select_answers()
    np.add.at(counts, (answers["label"].map(place).to_numpy(int), answers["predicted"].map(place).to_numpy(int)), 1)
    whole: np.ndarray = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return whole
