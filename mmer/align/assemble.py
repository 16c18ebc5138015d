"""Spoken words with their phones, from any aligner -> the tiers of an Alignment: written words, syllables, phones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from mmer.align.syllables import syllabify
from mmer.results import Alignment, Notice, Segment, Transcript


@dataclass(frozen=True)
class SpokenWord:
    """One spoken word in time; several of them may say one written word ("21")."""

    word: int  # index of the written word
    start: float  # seconds
    end: float
    phones: tuple[Segment, ...] = ()  # empty when the aligner gave none
    score: float | None = None  # mean per 10 ms frame


def assemble_alignment(
    spoken: Iterable[SpokenWord], transcript: Transcript, *, source: str, score: float | None = None, notices: Sequence[Notice] = ()
) -> Alignment:
    """Tiers of `spoken` words in time order. Syllables are cut within each spoken word; words carry the label that was written.

    `score` defaults to the mean of the word scores weighted by their durations.
    """
    spoken = tuple(spoken)
    words = tuple(_merge_word(index, tuple(group), transcript) for index, group in groupby(spoken, key=lambda s: s.word))
    syllables = tuple(syllable for word in spoken for syllable in cut_syllables(word.phones))
    phones = tuple(phone for word in spoken for phone in word.phones)
    return Alignment(words, syllables, phones, source, mean_score(words) if score is None else score, notices=tuple(notices))


def _merge_word(index: int, parts: Sequence[SpokenWord], transcript: Transcript) -> Segment:
    return Segment(transcript.words[index].text, parts[0].start, parts[-1].end, index, mean_score(parts))


def cut_syllables(phones: Sequence[Segment]) -> list[Segment]:
    """Syllables of one spoken word's phones, labelled by their phones: "HH AE"."""
    ranges = syllabify([phone.label for phone in phones])
    return [_join_phones(phones[first:last]) for first, last in ranges]


def _join_phones(phones: Sequence[Segment]) -> Segment:
    return Segment(" ".join(p.label for p in phones), phones[0].start, phones[-1].end, phones[0].word, mean_score(phones))


def mean_score(segments: Sequence[Segment] | Sequence[SpokenWord]) -> float | None:
    """Mean of the scores weighted by duration; None when one has none."""
    scored = [(s.score, s.end - s.start) for s in segments if s.score is not None]
    if not scored or len(scored) < len(segments):
        return None
    return sum(score * duration for score, duration in scored) / sum(duration for _, duration in scored)
