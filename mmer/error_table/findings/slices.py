"""Slices worth a look: values of one column, or of two together, whose utterances are right more or less often than the others.

Exploratory: all slices with enough clips are tried, so p is corrected for their number (Holm 1979), and what stands out is to be tried on
other data. Speakers, not utterances, are what varies: the deviation of a gap is that of whole speakers (cluster-robust, Liang and Zeger
1986), with as few degrees of freedom as the side with fewer speakers has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import t as student

from mmer.error_table.filters import IS, RANGE, Filter
from mmer.error_table.table import NOTED, NUMBER, RIGHT, WRONG, UtteranceTable, is_of_answers
from mmer.errors import DataError
from mmer.phrasing import say_count
from mmer.scores.metrics import correct_holm

FEWEST_CLIPS = 20  # of a slice, and of the rest
FEWEST_SPEAKERS = 5  # of a slice, and of the rest: a few say nothing of others
MOST_VALUES = 12  # different values of a column of texts
MOST_PARTS = 120  # values of all columns together: 7,260 slices
SHOWN = 12
NEVER = ("utterance", "label", "speaker", "text", "words")  # a speaker is never a slice: the bars show them with their intervals


@dataclass(frozen=True)
class Slice:
    """One group of utterances beside all others, over the classes that both have."""

    filters: tuple[Filter, ...]
    clips: int
    speakers: int  # 0 where they aren't known
    inside: float  # mean recall of the classes that both have
    outside: float
    deviation: float  # of the gap
    p: float  # corrected for the number of slices

    @property
    def gap(self) -> float:
        return self.inside - self.outside

    @property
    def sentence(self) -> str:
        speakers = f" of {say_count(self.speakers, 'speaker')}" if self.speakers else ""
        found = "beyond chance" if self.p < 0.05 else "not beyond chance"
        return (
            f"{' '.join(map(str, self.filters))}: UA {self.inside:.0%}, elsewhere {self.outside:.0%} "
            f"({self.gap * 100:+.0f} points; {say_count(self.clips, 'clip')}{speakers}; corrected p = {self.p:.2g}, {found})"
        )


def list_slices(table: UtteranceTable) -> tuple[tuple[Slice, ...], str]:
    """The SHOWN slices with the largest gaps, and a sentence on what was tried and how.

    Raises DataError for a joined or unlabelled table.
    """
    shares, labels, speakers = read_right(table)
    parts = list_parts(table)
    tried: list[tuple[Slice, float]] = []
    for chosen in [*((one,) for one in parts), *combinations(parts, 2)]:
        if len(chosen) == 2 and chosen[0][0].column == chosen[1][0].column:
            continue
        inside = np.logical_and.reduce([rows for _, rows in chosen])
        found = compare(inside, shares, labels, speakers)
        if found is not None:
            tried.append((Slice(tuple(one for one, _ in chosen), *found[:5], 1.0), found[5]))
    corrected = correct_holm([p for _, p in tried])
    found_slices = [Slice(**{**vars(one), "p": p}) for (one, _), p in zip(tried, corrected)]
    first = sorted(found_slices, key=lambda one: -abs(one.gap))[:SHOWN]
    unit = f"{FEWEST_SPEAKERS} speakers" if (speakers >= 0).any() else "utterances taken for independent, since speakers aren't known"
    if not tried:
        return (), f"Nothing was compared: no slice has {say_count(FEWEST_CLIPS, 'clip')} and {unit}, nor as many beside it."
    beyond = say_count(sum(p < 0.05 for p in corrected), "slice")
    said = (
        f"Exploratory: {say_count(len(tried), 'slice')} with at least {say_count(FEWEST_CLIPS, 'clip')} and {unit} were compared "
        f"with all others, over the classes that both have; p is corrected for that number (Holm). "
        f"Beyond chance: {beyond}. Try what you find on other data."
    )
    return tuple(first), said


def read_right(table: UtteranceTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(utterances,) share of the runs that were right (nan where it can't be judged), class, speaker; -1 where unknown."""
    frame = table.frame
    if table.has("flip"):
        raise DataError("Slices are those of one experiment or batch; leave the second one out.")
    judged = frame["outcome"].isin((RIGHT, WRONG)).to_numpy()
    if not judged.any():
        raise DataError("No utterance has a label that is one of the classes, so there is nothing to compare.")
    right = (frame["outcome"] == RIGHT).to_numpy(float)
    shares = (frame["runs_right"] / frame["runs"]).to_numpy(float) if table.has("runs_right") else right
    labels = np.array([table.classes.index(name) if name in table.classes else -1 for name in frame["label"]])
    names = frame["speaker"].tolist() if table.has("speaker") else [""] * len(frame)
    places: dict[str, int] = {}
    speakers = np.array([places.setdefault(name, len(places)) if name else -1 for name in names])
    return np.where(judged, shares, np.nan), labels, speakers if len(places) > 1 else np.full(len(frame), -1)


def list_parts(table: UtteranceTable) -> list[tuple[Filter, np.ndarray]]:
    """(filter, its rows) for each value of a column that says what a clip is; numbers in thirds."""
    found = []
    for column in table.columns:
        if column.name in (*NEVER, *NOTED) or is_of_answers(column.name):
            continue
        cells = table.frame[column.name].to_numpy()
        if column.kind == NUMBER:
            known = cells[~np.isnan(cells)]
            if len(np.unique(known)) < 2:
                continue
            parts = [Filter(column.name, RANGE, (), low, high) for low, high in cut_thirds(known)]
            found += [(part, (cells >= part.low) & (cells <= part.high)) for part in parts]
        else:
            values = sorted({cell for cell in cells.tolist() if cell})
            if 2 <= len(values) <= MOST_VALUES:
                found += [(Filter(column.name, IS, (value,)), cells == value) for value in values]
    return [part for part in found if part[1].sum() >= FEWEST_CLIPS][:MOST_PARTS]


def cut_thirds(known: np.ndarray) -> list[tuple[float, float]]:
    """(lowest, highest) value of each third; equal numbers are in the same one, so that there may be fewer."""
    values = np.unique(known)
    bounds = [*np.quantile(known, [1 / 3, 2 / 3], method="nearest").tolist(), float(values[-1])]
    ends, low = [], float(values[0])
    for bound in dict.fromkeys(bounds):
        ends.append((low, float(bound)))
        above = values[values > bound]
        if not len(above):
            break
        low = float(above[0])
    return ends


def compare(
    inside: np.ndarray, shares: np.ndarray, labels: np.ndarray, speakers: np.ndarray
) -> tuple[int, int, float, float, float, float] | None:
    """(clips, speakers, UA inside, UA outside, deviation of the gap, p) over the classes that both have; None where one is too small."""
    judged = ~np.isnan(shares) & (labels >= 0)
    sides = [inside & judged, ~inside & judged]
    common = sorted(set(labels[sides[0]].tolist()) & set(labels[sides[1]].tolist()))
    sides = [side & np.isin(labels, common) for side in sides]
    counts = [len(np.unique(speakers[side])) if (speakers >= 0).any() else 0 for side in sides]
    if not common or min(int(side.sum()) for side in sides) < FEWEST_CLIPS or 0 < min(counts) < FEWEST_SPEAKERS:
        return None
    recalls = np.zeros(2)
    pulls = np.zeros(len(shares))  # how much each utterance moves the gap
    for k, side in enumerate(sides):
        for label in common:
            rows = side & (labels == label)
            mean = shares[rows].mean()
            recalls[k] += mean / len(common)
            pulls[rows] = (shares[rows] - mean) / rows.sum() / len(common)
    used = sides[0] | sides[1]
    if min(counts):
        clusters = np.bincount(speakers[used] - speakers[used].min(), weights=pulls[used])
        freedom, n = min(counts) - 1, len(np.unique(speakers[used]))
    else:
        clusters, n = pulls[used], int(used.sum())
        freedom = min(int(side.sum()) for side in sides) - 1
    deviation = float(np.sqrt((clusters**2).sum() * n / (n - 1)))
    gap = recalls[0] - recalls[1]
    p = float(2 * student.sf(abs(gap) / deviation, freedom)) if deviation > 0 else 1.0
    return int(sides[0].sum()), counts[0], float(recalls[0]), float(recalls[1]), deviation, p
