"""What leaving segments out showed: the curves, and where their baselines disagree on the sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmer.errors import EditError
from mmer.explain.because import WordFlip
from mmer.explain.steps import centre, share_overlap, speech_attention, text_attention
from mmer.results import Analysis
from mmer.word_contributions import own_segments

BASELINES = ("silence", "noise")
# how a claim is tested until somebody asks for something else: in the lesson and in the page alike
FIRST_TIER, FIRST_MEDIUM, FIRST_FILL = "words", "both", "noise"
MOST_NAMED = 6  # segments in one sentence
DIGITS = 3  # after the point, as the shell prints; a drop that is 0 in them has no sign to speak of


@dataclass(frozen=True, eq=False)
class Curve:
    """How far each logit falls when a segment is left out, against one baseline."""

    baseline: str  # silence | noise; "mask" where only the text was changed
    drops: Mapping[str, np.ndarray]  # role -> (segments, classes) original logit minus logit without the segment, not centred


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """The curves over a tier's segments, the contributions and the attention."""

    tier: str  # words | syllables | phones
    medium: str  # sound | text | both
    classes: tuple[str, ...]
    labels: tuple[str, ...]  # (segments,)
    starts: np.ndarray  # (segments,) seconds; NaN for a word that is not in the sound
    ends: np.ndarray  # (segments,)
    words: np.ndarray  # (segments,) index of the written word, -1 for none
    places: np.ndarray  # (segments,) index in Alignment's tier; for medium "text" in Transcript.words
    curves: tuple[Curve, ...]  # one per baseline
    contributions: np.ndarray | None  # (segments, classes) late fusion's, of the medium's branches, not centred; None without late fusion
    outside: np.ndarray | None  # (classes,) contributions of these branches that lie in no segment: pauses, punctuation
    attention: np.ndarray | None  # (segments,) early fusion's, mean over its speech units; with medium "both" of both directions; or None
    left_out: tuple[str, ...]  # segments that could not be muted, each with the reason
    parent: str  # sha256 of the clip

    def curve(self, baseline: str) -> Curve:
        """Raises EditError when there is none against this baseline."""
        for found in self.curves:
            if found.baseline == baseline:
                return found
        raise EditError(f"There is no curve against {baseline}; there are {', '.join(c.baseline for c in self.curves)}.")


def find_flips(drops: Sequence[np.ndarray]) -> np.ndarray:
    """(segments, classes) whether leaving a segment out speaks for an emotion against one baseline and against it with another.

    `drops`: (segments, classes) of each baseline, centred here; one that is 0 in the printed digits has no sign.
    """
    signs = np.sign(np.round([centre(np.asarray(one, dtype=float)) for one in drops], DIGITS))
    found: np.ndarray = (signs.max(axis=0) > 0) & (signs.min(axis=0) < 0)
    return found


def read_flips(result: LeaveOneOut, emotion: str, *, role: str) -> np.ndarray:
    """(segments,) whether the sign of the role's drop for an emotion depends on the baseline."""
    return find_flips([curve.drops[role] for curve in result.curves])[:, result.classes.index(emotion)]


def describe_flips(names: Sequence[str]) -> str:
    """One sentence on the segments whose drop changes its sign; "" when there is none."""
    if not names:
        return ""
    shown, further = ", ".join(f"“{name}”" for name in names[:MOST_NAMED]), len(names) - MOST_NAMED
    shown += f" and {further} more" if further > 0 else ""
    its = "its" if len(names) == 1 else "their"
    return f"± {shown}: silence and noise in {its} place disagree on the sign, so nothing follows about the direction."


@dataclass(frozen=True, eq=False)
class Segments:
    """The segments to leave out."""

    labels: tuple[str, ...]
    starts: np.ndarray
    ends: np.ndarray
    words: np.ndarray
    places: np.ndarray
    are_words: bool = False


def sum_contributions(analysis: Analysis, segments: Segments, medium: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(segments, classes) and (classes,): what late fusion's branches of the medium add in each segment, and outside all.

    A word has what it owns (word_contributions.py), as everywhere. A part that lies in two syllables or phones is shared by time. With
    the branches' biases all of it sums to their logits.
    """
    late = analysis.predictions.get("late")
    chosen = [b for b in (late.branches or ()) if (b.unit == "T") in allowed(medium)] if late else []
    if not chosen:
        return None, None
    inside = np.zeros((len(segments.labels), len(analysis.best.classes)))
    outside = np.zeros(len(analysis.best.classes))
    for branch in chosen:
        values = branch.contributions.astype(np.float64)
        share = own_unit(analysis, segments, branch.unit) if segments.are_words else place_unit(analysis, segments, branch.unit)
        inside += share @ values
        outside += (1 - share.sum(0)) @ values
    return inside, outside


def own_unit(analysis: Analysis, segments: Segments, unit: str) -> np.ndarray:
    """(segments, unit's segments) 1 where a word owns a segment, else 0. What no word owns may be owned by one that is not of the text."""
    owners = own_segments(analysis, unit).words
    share = (segments.words[:, None] == owners[None]) & (owners >= 0)[None]
    if unit != "T" and (segments.words < 0).any():
        middles = ((analysis.starts[unit] + analysis.ends[unit]) / 2)[None]
        held = (middles >= segments.starts[:, None]) & (middles < segments.ends[:, None])
        share |= held & (owners < 0)[None] & (segments.words < 0)[:, None]
    found: np.ndarray = share.astype(np.float64)
    return found


def sum_attention(analysis: Analysis, segments: Segments, medium: str) -> np.ndarray | None:
    """(segments,) attention on each, mean over early fusion's speech units and, for medium "both", over its two directions."""
    early = analysis.predictions.get("early")
    if early is None or not early.coattention:
        return None
    rows = []
    for unit, maps in early.coattention.items():
        count = len(analysis.labels[unit])
        if False in allowed(medium):
            rows.append(place_unit(analysis, segments, unit) @ speech_attention(maps, count))
        if True in allowed(medium):
            rows.append(place_unit(analysis, segments, "T") @ text_attention(maps, count))
    found: np.ndarray | None = np.mean(rows, axis=0)
    return found


def allowed(medium: str) -> tuple[bool, ...]:
    """Whether a unit of the medium is text."""
    return {"sound": (False,), "text": (True,), "both": (False, True)}[medium]


def place_unit(analysis: Analysis, segments: Segments, unit: str) -> np.ndarray:
    """(segments, unit's segments) the share of each of the unit's segments that lies in each segment: by time, for text by word."""
    if unit == "T":
        found: np.ndarray = ((segments.words[:, None] == analysis.words["T"][None]) & (segments.words[:, None] >= 0)).astype(np.float64)
        return found
    return share_overlap(segments.starts, segments.ends, analysis.starts[unit], analysis.ends[unit])


def find_word_flips(result: LeaveOneOut, analysis: Analysis) -> tuple[WordFlip, ...] | None:
    """The words whose muting changed the shown verdict alike against every baseline, largest drop first.

    None where that was not tried on this analysis (another clip or tier, or the sound or the text alone), and where nothing changed it for
    certain but something may: a word could not be muted, or silence and noise in its place disagree.
    """
    best = analysis.best
    is_of_it = result.parent == analysis.clip.sha256 and result.classes == best.classes and all(best.role in c.drops for c in result.curves)
    if not is_of_it or result.tier != "words" or result.medium != "both":
        return None
    drops = np.stack([curve.drops[best.role] for curve in result.curves]).astype(np.float64)  # (baselines, segments, classes)
    winners = np.argmax(best.logits.astype(np.float64) - drops, axis=2)
    verdict = best.classes.index(best.label)
    changed = (winners == winners[0]).all(axis=0) & (winners[0] != verdict) & (result.words >= 0)
    if not changed.any() and (result.left_out or (winners != verdict).any()):
        return None
    order = np.argsort(-centre(drops)[:, :, verdict].mean(axis=0), kind="stable")
    return tuple(WordFlip(int(result.words[i]), best.classes[int(winners[0, i])]) for i in order if changed[i])
