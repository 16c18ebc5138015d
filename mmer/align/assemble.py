"""Spoken words with their phones, from any aligner -> the tiers of an Alignment: written words, syllables, phones."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from mmer.align.syllables import syllabify
from mmer.errors import AlignmentError
from mmer.results import Alignment, Notice, Segment, Transcript, Word


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


def find_holders(times: Iterable[float], spans: Sequence[tuple[float, float]]) -> list[int]:
    """Index of the span [start, end) that holds each time, -1 where none does; `spans` run forward in time without overlaps.

    Each is looked up by halving: a file may have tens of thousands of intervals in two tiers.
    """
    starts = [start for start, _ in spans]
    found = [bisect_right(starts, time) - 1 for time in times]
    return [at if at >= 0 and time < spans[at][1] else -1 for at, time in zip(found, times)]


UNKNOWN = "<unk>"  # what the Montreal Forced Aligner calls a word that its dictionary lacks


def match_labels(labels: Sequence[str], transcript: Transcript) -> list[int]:
    """Index of the written word for each word label of another aligner, silences left out before.

    A written word takes the labels that spell it ("21", "there's", or "there" + "'s") or the spoken words it stands for ("twenty" + "one");
    "<unk>" takes the place of one spoken word. Raises AlignmentError with the first pair that doesn't match.
    """
    found: list[int] = []
    at = 0
    for index, word in enumerate(transcript.words):
        used = _count_labels(labels, at, word)
        if used is None:
            there = f"“{labels[at]}”" if at < len(labels) else "nothing more"
            raise AlignmentError(
                f"Word {index + 1} of the transcript is “{word.text}”, but the aligned words have {there} in its place. "
                "Both must hold the same words in the same order."
            )
        found += [index] * used
        at += used
    if at < len(labels):
        raise AlignmentError(f"The aligned words go on after the last word of the transcript, with “{labels[at]}”.")
    return found


def _count_labels(labels: Sequence[str], start: int, word: Word) -> int | None:
    """How many labels from `start` on say `word`; None when they don't."""
    if not word.spoken:
        written = bare_letters(word.text)
        return (written and _count_spelling(labels, start, written)) or 0
    at = start
    for spoken in word.spoken:
        used = _count_spelling(labels, at, bare_letters(spoken))
        if not used:  # "21" itself, or "twenty-one" as one label
            return _count_spelling(labels, start, bare_letters(word.text)) or _count_spelling(
                labels, start, bare_letters("".join(word.spoken))
            )
        at += used
    return at - start


def _count_spelling(labels: Sequence[str], start: int, letters: str) -> int | None:
    """How many labels from `start` on spell `letters` together; an unknown word counts as one."""
    spelled = ""
    for count, label in enumerate(islice(labels, start, None), 1):
        if count == 1 and label == UNKNOWN:
            return 1
        spelled += bare_letters(label)
        if spelled == letters and spelled:
            return count
        if not letters.startswith(spelled):
            return None
    return None


def bare_letters(text: str) -> str:
    """Lower-case letters and digits alone, so that "Don't," and "don't" are the same."""
    return "".join(c for c in text.lower() if c.isalnum())


def align_from_recogniser(transcript: Transcript) -> Alignment:
    """Words at the recogniser's own, rough times (about 0.1 s late); no phones or syllables. Used when no aligner succeeds.

    Raises AlignmentError when the transcript carries no times (a typed one).
    """
    words: list[Segment] = []
    end = 0.0
    for index, word in enumerate(transcript.words):
        if word.start is None or word.end is None:
            continue
        start = max(word.start, end)  # neighbours may overlap by a rounding
        if word.end > start:
            words.append(Segment(word.text, start, word.end, index))
            end = word.end
    if not words:
        raise AlignmentError("The transcript carries no word times: only a recognised transcript does.")
    notice = Notice("alignment", "Word times are the recogniser's own and only approximate.")
    return Alignment(tuple(words), (), (), transcript.source, approximate=True, notices=(notice,))


def split_interval(labels: Sequence[str], start: float, end: float, word: int) -> list[Segment]:
    """Segments of equal length: one foreign phone may stand for two of ours."""
    if len(labels) == 1:
        return [Segment(labels[0], start, end, word)]
    step = (end - start) / len(labels)
    ends = [start + step * (i + 1) for i in range(len(labels) - 1)] + [end]
    return [Segment(label, begin, stop, word) for label, begin, stop in zip(labels, [start, *ends[:-1]], ends)]
