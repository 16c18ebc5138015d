"""What the models say without each word, syllable or phone in turn, beside the two things that claim to explain them.

Each segment is muted in the sound (its word pieces masked in the text) and everything is encoded again: dropping its pooled features
from late fusion would only repeat that sum. Equations 2 and 3 give the contributions, Figure 3's coattention the attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from mmer.choices.units import aligned_by_name
from mmer.errors import EditError
from mmer.exports.json_values import encode
from mmer.interventions.curves import BASELINES, Curve, LeaveOneOut, Segments, find_flips, sum_attention, sum_contributions
from mmer.interventions.edited_clip import SHORTEST, EditedClip, find_range, read_edited_clip
from mmer.interventions.edits import MEDIA, Target, check_choice
from mmer.interventions.ranks import chance_of, rank_agreements
from mmer.interventions.same_models import check_analysis
from mmer.interventions.sound import mute_range
from mmer.interventions.words import mask_words
from mmer.pipeline import Analyzer, Variant
from mmer.results import SAMPLE_RATE, Analysis
from mmer.stages import Progress

FORMAT = "mmer-leave-one-out"
VERSION = 1


def leave_one_out(
    analyzer: Analyzer,
    analysis: Analysis,
    *,
    tier: str = "words",
    medium: str = "sound",
    baselines: Sequence[str] = BASELINES,
    seed: int = 0,
    most_seconds: float = math.inf,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> LeaveOneOut:
    """The drop of every logit for every segment, against each baseline. All changed versions run in batches of bounded memory.

    `most_seconds`: of sound that may be encoded in all, where others wait.
    Raises: EditError when the tier is not there or has no text, or that is too much, HeadError when the analysis was made by other
    models; Cancelled.
    """
    check_request(tier, medium, baselines)
    check_analysis(analyzer, analysis)
    edited = read_edited_clip(analysis)
    segments, left_out = list_segments(edited, tier, medium)
    baselines = ("mask",) if medium == "text" else tuple(dict.fromkeys(baselines))
    check_work(len(baselines) * len(segments.labels), analysis.clip.duration, most_seconds)
    variants = make_variants(analyzer, edited, segments, tier, medium, baselines, seed)
    scores = analyzer.score_variants(
        analysis, variants, count=len(baselines) * len(segments.labels), progress=progress, cancelled=cancelled
    )
    curves = [{role: read_drops(analysis, role, rows, len(baselines), k) for role, rows in scores.items()} for k in range(len(baselines))]
    contributions, outside = sum_contributions(analysis, segments, medium)
    return LeaveOneOut(
        tier=tier,
        medium=medium,
        classes=analysis.best.classes,
        labels=segments.labels,
        starts=segments.starts,
        ends=segments.ends,
        words=segments.words,
        places=segments.places,
        curves=tuple(Curve(baseline, drops) for baseline, drops in zip(baselines, curves)),
        contributions=contributions,
        outside=outside,
        attention=sum_attention(analysis, segments, medium),
        left_out=left_out,
        parent=analysis.clip.sha256,
    )


def check_request(tier: str, medium: str, baselines: Sequence[str]) -> None:
    check_choice("tier", tier, tuple(aligned_by_name()))
    check_choice("medium", medium, MEDIA)
    if not baselines:
        raise EditError("Name at least one baseline: silence or noise.")
    for baseline in baselines:
        check_choice("baseline", baseline, BASELINES)
    if tier != "words" and medium != "sound":
        raise EditError(f"The text has no {tier}: choose words, or change the sound alone.")


def check_work(versions: int, seconds: float, most: float) -> None:
    """Raises EditError when so many versions of so long a clip would keep others waiting for minutes."""
    if versions * seconds > most:
        raise EditError(
            f"{versions} versions of {seconds:.0f} s are more than this page encodes at once ({most:.0f} s in all); take a shorter clip, "
            "choose words, or run mmer yourself."
        )


def list_segments(edited: EditedClip, tier: str, medium: str) -> tuple[Segments, tuple[str, ...]]:
    """What can be left out, and what can't with the reason. Raises EditError when nothing can."""
    alignment, words = edited.alignment, edited.transcript.words
    placed = {s.word: s for s in alignment.words} if alignment else {}
    rows: list[tuple[str, float, float, int, int]] = []
    left_out: list[str] = []
    if medium == "text":
        for i, word in enumerate(words):
            start, end = (placed[i].start, placed[i].end) if i in placed else (np.nan, np.nan)
            rows.append((word.text, start, end, i, i))
    else:
        if alignment is None:
            instead = "leave words out of the text instead" if words else "this clip has no words either"
            raise EditError(f"There is no alignment, so no part of the sound can be named; {instead}.")
        for place, s in enumerate(alignment.tier(aligned_by_name()[tier].key)):
            if s.end - s.start < SHORTEST - 1e-9:
                left_out.append(f"{s.label} at {s.start:.2f} s: it lasts only {1000 * (s.end - s.start):.0f} ms")
            elif medium == "both" and s.word < 0:
                left_out.append(f"{s.label} at {s.start:.2f} s: it is no word of the text")
            else:
                rows.append((s.label, s.start, s.end, s.word, place))
        if medium == "both":
            left_out += [f"{word.text}: it was not found in the sound" for i, word in enumerate(words) if i not in placed]
    if not rows:
        raise EditError(f"This clip has no {tier} that can be left out.")
    labels, starts, ends, numbers, places = zip(*rows)
    times = np.array(starts), np.array(ends)
    return Segments(labels, *times, np.array(numbers), np.array(places), are_words=tier == "words"), tuple(left_out)


def make_variants(
    analyzer: Analyzer, edited: EditedClip, segments: Segments, tier: str, medium: str, baselines: Sequence[str], seed: int
) -> Iterator[Variant]:
    """For each segment one version per baseline, made when it is asked for."""
    for number, place in enumerate(segments.places):
        words = None
        if medium != "sound":
            words = mask_words(edited.transcript, [int(segments.words[number])], analyzer.text)
        for baseline in baselines:
            samples = None
            if medium != "text":
                samples = mute_segment(edited, segments, number, aligned_by_name()[tier].one, int(place), baseline, seed)
            yield Variant(samples, words)


def mute_segment(edited: EditedClip, segments: Segments, number: int, kind: str, place: int, baseline: str, seed: int) -> np.ndarray:
    index = int(segments.words[number]) if kind == "word" and segments.words[number] >= 0 else None
    if kind == "word" and index is None:  # another clip's words under this transcript have a place but no number
        first, last = (round(t * SAMPLE_RATE) for t in (segments.starts[number], segments.ends[number]))
    else:
        first, last = find_range(edited, Target(kind, index=place if index is None else index))
    return mute_range(edited.clip.samples, first, last, fill=baseline, seed=seed)


def read_drops(analysis: Analysis, role: str, rows: np.ndarray, count: int, k: int) -> np.ndarray:
    """(segments, classes) of baseline k out of `count`, whose rows take turns."""
    found: np.ndarray = analysis.predictions[role].logits.astype(np.float64)[None] - rows[k::count]
    return found


def leave_one_out_to_json(result: LeaveOneOut) -> dict[str, Any]:
    """Plain JSON types, format "mmer-leave-one-out" version 1, with the rank correlations for every role, baseline and emotion.

    "flips" names the drops whose sign depends on the baseline; "chance" is how often shuffled ranks agree as strongly.
    """
    agreements = [
        rank_agreements(result, emotion, role=role, baseline=curve.baseline)
        for curve in result.curves
        for role in curve.drops
        for emotion in result.classes
    ]
    data = {f.name: encode(getattr(result, f.name)) for f in fields(result)}
    data["flips"] = {role: find_flips([curve.drops[role] for curve in result.curves]).tolist() for role in result.curves[0].drops}
    judged = [encode(a) | {"chance": None if a.rho is None else chance_of(a.rho, a.n)} for found in agreements for a in found]
    return {"format": FORMAT, "version": VERSION, **data, "agreements": judged}
