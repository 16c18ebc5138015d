"""What each written word adds to a decision (Equations 2 and 3, read backwards): every segment of every branch has one owner, or none.

The page, the shell, the report and all files take a word's contribution from here, so that they say the same of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmer.choices.units import UNITS
from mmer.results import Analysis, Prediction, Segment, Transcript

NOBODY = -1  # owner of a segment that belongs to no word
SAME_TIME = 1e-9  # seconds by which a frame's centre may differ from a word's edge through rounding, as in pooling.py
SAME_EDGE = 1e-4  # seconds by which a segment may cross a word's edge without straddling it; alignment files are no more exact
BETWEEN = "between words"
NOT_DIVIDED = "sound not divided"
PUNCTUATION = "punctuation"
MOST_LOST = 10  # words not found in the sound that are named


@dataclass(frozen=True, eq=False)
class SegmentOwners:
    """Who owns the segments of one unit."""

    words: np.ndarray  # (segments,) int, index in Transcript.words; NOBODY for none
    straddles: np.ndarray  # (segments,) bool: a word's edge lies inside the segment; it has one owner all the same


@dataclass(frozen=True, eq=False)
class WordContributions:
    """Logits of the additive model = words.sum(0) + rest + biases, exactly; each by branch. Not centred, before the temperature.

    All values are already times `share`, which is 1/2 where they enter a combined prediction together with another model's.
    """

    role: str  # of the prediction they add up to; with share < 1 they are a part of it
    share: float
    units: tuple[str, ...]  # of the branches, in their order
    texts: tuple[str, ...]  # (words,) as written
    placed: np.ndarray  # (words,) bool: found in the sound; a word that was not has its text part alone
    divided: bool  # whether any word has a place in the sound
    parts: Mapping[str, np.ndarray]  # unit -> (words, classes) the branch's part of each word
    rests: Mapping[str, np.ndarray]  # unit -> (classes,) what no word owns
    biases: np.ndarray  # (classes,) of all branches together
    counts: Mapping[str, np.ndarray]  # unit -> (words,) how many segments each word owns
    straddling: Mapping[str, np.ndarray]  # unit -> (words,) how many of these cross a word's edge

    @property
    def words(self) -> np.ndarray:
        """(words, classes) each word's whole contribution."""
        return sum(self.parts.values(), np.zeros((len(self.texts), len(self.biases))))

    @property
    def rest(self) -> np.ndarray:
        """(classes,) what no word owns, all branches together."""
        return sum(self.rests.values(), np.zeros(len(self.biases)))


def find_additive(analysis: Analysis) -> Prediction | None:
    """The prediction whose logits are a sum over segments, if there is one."""
    return next((p for p in analysis.predictions.values() if p.branches), None)


def word_contributions(analysis: Analysis, role: str | None = None) -> WordContributions | None:
    """What each word adds to a role's logits, by default to those of the model that is a sum over segments.

    A combined role takes its share of that model's. None where the role has no such sum in it.
    """
    model = find_additive(analysis)
    wanted = model if role is None else analysis.predictions.get(role)
    if model is None or wanted is None or model.role not in (wanted.role, *wanted.members):
        return None
    share = 1 / len(wanted.members) if wanted.members else 1.0
    count, classes = len(analysis.transcript.words), len(model.classes)
    parts, rests, counts, straddling = {}, {}, {}, {}
    for branch in model.branches or ():
        owners = own_segments(analysis, branch.unit)
        inside = owners.words >= 0
        values = share * branch.contributions.astype(np.float64)
        parts[branch.unit] = np.zeros((count, classes))
        np.add.at(parts[branch.unit], owners.words[inside], values[inside])
        rests[branch.unit] = values[~inside].sum(0)
        counts[branch.unit] = np.bincount(owners.words[inside], minlength=count)
        straddling[branch.unit] = np.bincount(owners.words[inside & owners.straddles], minlength=count)
    placed = find_placed(analysis)
    return WordContributions(
        role=wanted.role,
        share=share,
        units=tuple(parts),
        texts=tuple(word.text for word in analysis.transcript.words),
        placed=placed,
        divided=bool(placed.any()),
        parts=parts,
        rests=rests,
        biases=share * np.sum([b.bias.astype(np.float64) for b in model.branches or ()], axis=0),
        counts=counts,
        straddling=straddling,
    )


def find_placed(analysis: Analysis) -> np.ndarray:
    """(words,) bool: the written words that the alignment found in the sound."""
    placed = np.zeros(len(analysis.transcript.words), dtype=bool)
    placed[[s.word for s in list_placed(analysis) if s.word >= 0]] = True
    return placed


def list_placed(analysis: Analysis) -> tuple[Segment, ...]:
    """The alignment's words in time order; a number that no written word has counts as none."""
    tier = analysis.alignment.words if analysis.alignment else ()
    known = range(len(analysis.transcript.words))
    return tuple(s if s.word in known else Segment(s.label, s.start, s.end, NOBODY) for s in tier)


def own_segments(analysis: Analysis, unit: str) -> SegmentOwners:
    """The owners of a unit's segments: those that the models read, else the alignment's tier.

    Word pieces belong to the word whose letters they are, punctuation to none. Words are their own. Phones and syllables belong to the
    aligner's word, else to the word that holds their middle. A frame belongs to the word whose [start, end) holds its centre, and to
    none where there is no such word; the frame that pooling lends to a word shorter than a frame stays its neighbour's.
    """
    if unit == "T":
        return own_pieces(analysis.transcript, np.asarray(analysis.token_offsets))
    words = list_placed(analysis)
    given, starts, ends = read_segments(analysis, unit)
    if unit == "F":
        return SegmentOwners(own_moments(find_centres(starts, ends), words), find_straddling(starts, ends, words))
    if unit != "W":
        given = np.where(given >= 0, given, own_moments((starts + ends) / 2, words))
    return SegmentOwners(given, find_straddling(starts, ends, words))


def read_segments(analysis: Analysis, unit: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(segments,) words as the aligner gave them, NOBODY for none, then starts and ends in seconds."""
    if unit in analysis.labels:
        given, starts, ends = analysis.words[unit], analysis.starts[unit], analysis.ends[unit]
    else:
        tier = analysis.alignment.tier(unit) if analysis.alignment and UNITS[unit].is_aligned else ()
        given, starts, ends = (np.array([getattr(s, name) for s in tier]) for name in ("word", "start", "end"))
    numbers = np.asarray(given).astype(int)
    known = (numbers >= 0) & (numbers < len(analysis.transcript.words))
    return np.where(known, numbers, NOBODY), np.asarray(starts, dtype=float), np.asarray(ends, dtype=float)


def own_pieces(transcript: Transcript, offsets: np.ndarray) -> SegmentOwners:
    """offsets (pieces, 2), half open character ranges -> the word with most of each piece's characters, the first of several."""
    firsts, lasts = (np.array([getattr(w, name) for w in transcript.words], dtype=int) for name in ("start_char", "end_char"))
    order = np.argsort(firsts, kind="stable")
    firsts, lasts = firsts[order], lasts[order]
    reached = np.maximum.accumulate(lasts)
    owners, straddles = np.full(len(offsets), NOBODY), np.zeros(len(offsets), dtype=bool)
    for i, (start, end) in enumerate(offsets):
        at, after = np.searchsorted(reached, start, side="right"), np.searchsorted(firsts, end, side="left")
        shared = np.minimum(lasts[at:after], end) - np.maximum(firsts[at:after], start)
        if len(shared) and shared.max() > 0:
            owners[i], straddles[i] = order[at + int(np.argmax(shared))], np.count_nonzero(shared > 0) > 1
    return SegmentOwners(owners, straddles)


def own_moments(times: np.ndarray, words: tuple[Segment, ...]) -> np.ndarray:
    """times (moments,) in seconds -> (moments,) number of the word whose [start, end) holds each, NOBODY where none does."""
    if not words:
        return np.full(len(times), NOBODY)
    starts, ends, numbers = (np.array([getattr(s, name) for s in words]) for name in ("start", "end", "word"))
    at = np.searchsorted(starts - SAME_TIME, times, side="right") - 1
    inside = (at >= 0) & (times < ends[at] - SAME_TIME)
    return np.where(inside, numbers[at], NOBODY)


def find_centres(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(frames,) seconds. The first frame's start may be cut off at the clip's beginning; its end is not."""
    centres: np.ndarray = (starts + ends) / 2
    if len(starts) > 1 and starts[0] == 0 and ends[0] < ends[1] - starts[1]:
        centres[0] = ends[0] - (ends[1] - starts[1]) / 2
    return centres


def find_straddling(starts: np.ndarray, ends: np.ndarray, words: tuple[Segment, ...]) -> np.ndarray:
    """(segments,) bool: whether a word begins or ends inside each."""
    edges = np.unique([edge for s in words for edge in (s.start, s.end)])
    return np.searchsorted(edges, ends - SAME_EDGE, side="left") > np.searchsorted(edges, starts + SAME_EDGE, side="right")


def name_rest(unit: str, *, divided: bool) -> str:
    """What those segments of a unit are that no word owns."""
    if unit == "T":
        return PUNCTUATION
    return BETWEEN if divided else NOT_DIVIDED


def group_rests(found: WordContributions) -> dict[str, np.ndarray]:
    """What no word owns by its name, such as "between words" -> (classes,); names that nothing belongs to are left out."""
    groups: dict[str, np.ndarray] = {}
    for unit, values in found.rests.items():
        name = name_rest(unit, divided=found.divided)
        groups[name] = groups.get(name, 0.0) + values
    return {name: values for name, values in groups.items() if values.any()}


def describe_division(found: WordContributions) -> str:
    """One sentence about words that have no place in the sound; empty where each has one."""
    if found.placed.all():
        return ""
    if not found.divided:
        return "Without an alignment the sound is not divided into words" + (": a word has its text alone." if "T" in found.units else ".")
    lost = [text for text, placed in zip(found.texts, found.placed) if not placed]
    shown = ", ".join(lost[:MOST_LOST]) + (f" and {len(lost) - MOST_LOST} more" if len(lost) > MOST_LOST else "")
    return f"Not found in the sound, so with their text alone: {shown}."


def word_contributions_to_json(found: WordContributions) -> dict[str, Any]:
    """Plain JSON types: every word with its parts, what no word owns, and the biases; all of it adds up to the role's logits."""
    whole = found.words
    words = [
        {
            "text": text,
            "in_the_sound": bool(found.placed[i]),
            "contribution": whole[i].tolist(),
            "parts": {unit: part[i].tolist() for unit, part in found.parts.items()},
            "segments": {unit: int(count[i]) for unit, count in found.counts.items()},
            "straddling": {unit: int(count[i]) for unit, count in found.straddling.items()},
        }
        for i, text in enumerate(found.texts)
    ]
    rest = {unit: {"name": name_rest(unit, divided=found.divided), "value": values.tolist()} for unit, values in found.rests.items()}
    return {"role": found.role, "words": words, "rest": rest, "biases": found.biases.tolist()}
