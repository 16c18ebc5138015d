"""Praat's TextGrid <-> Alignment. Reads long, short and JSON files (textgrid_tiers.py), writes long ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmer.align.assemble import bare_letters, cut_syllables, find_holders, match_labels, split_interval
from mmer.align.fit import check_counts
from mmer.align.phones import is_silence, map_phone
from mmer.align.textgrid_tiers import Tier, quote, read_tiers
from mmer.errors import AlignmentError
from mmer.results import Alignment, Notice, Segment, Transcript, Word

TIER_NAMES = {
    "words": ("words", "word", "ort", "orthography"),
    "phones": ("phones", "phone", "phonemes", "segments"),
    "syllables": ("syllables", "syllable"),
}
MAX_TEXT = 50_000  # characters of all words, as for a typed transcript
TOLERANCE = 0.05  # seconds that a tier may go on after the recording, for other programs' rounding


def read_textgrid(source: str | Path, transcript: Transcript | None = None, *, duration: float | None = None) -> Alignment:
    """The alignment that a TextGrid holds; `source` is a Path or the text of the file (str), `duration` (seconds) that of its recording.

    Needs a tier "words"; "phones" (ARPAbet or IPA) gives phones, and "syllables" or else maximal onset gives syllables. Without
    `transcript` the word tier is the transcript: `Segment.word` counts in `textgrid_transcript(source)`.

    Raises AlignmentError when the file is broken, its tiers overlap or go on after the recording, or its words are not the transcript's.
    """
    tiers = read_tiers(source)
    if duration is not None:
        check_counts({kind: len(_find_labels(tiers, kind) or ()) for kind in TIER_NAMES}, duration)
    words = _find_labels(tiers, "words")
    if words is None:
        raise AlignmentError(
            f"The TextGrid has no tier of words. Its tiers are: {', '.join(t.name for t in tiers) or 'none'}. Name one of them “words”."
        )
    if not words:
        raise AlignmentError("The TextGrid's tier of words is empty.")
    transcript = transcript or _write_transcript(words)
    indices = match_labels([label for _, _, label in words], transcript)
    merged = _merge_words(words, indices, transcript)
    phones, parts = _read_phones(_find_labels(tiers, "phones"), words, indices)
    syllables = _read_syllables(_find_labels(tiers, "syllables"), parts, merged)
    begin = min(tier.intervals[0][0] for tier in tiers if tier.intervals)  # of the file: pauses are intervals too
    for tier in (merged, syllables, phones):
        _check_end(tier, duration, begin=begin)
    if duration is not None:
        merged, syllables, phones = (_clip_end(tier, duration) for tier in (merged, syllables, phones))
    return Alignment(merged, syllables, phones, "TextGrid", notices=_absence_notices(phones, syllables))


def textgrid_transcript(source: str | Path, *, duration: float | None = None) -> Transcript:
    """The words of a TextGrid. Raises AlignmentError when it has none, or more than `duration` seconds can hold."""
    labels = _find_labels(read_tiers(source), "words")
    if not labels:
        raise AlignmentError("The TextGrid has no words.")
    if duration is not None:
        check_counts({"words": len(labels)}, duration)
    return _write_transcript(labels)


def _write_transcript(labels: Sequence[tuple[float, float, str]]) -> Transcript:
    if (characters := sum(len(label) + 1 for _, _, label in labels)) > MAX_TEXT:
        raise AlignmentError(f"The TextGrid's words have {characters:,} characters; the limit is {MAX_TEXT:,}. Cut it to the clip.")
    words, at = [], 0
    for start, end, label in labels:
        spoken = label.lower().strip('.,;:!?"“”()')
        words.append(Word(label, at, at + len(label), (spoken,) if bare_letters(spoken) else (), start, end))
        at += len(label) + 1
    return Transcript(" ".join(word.text for word in words), tuple(words), "file")


def write_textgrid(alignment: Alignment, duration: float) -> str:
    """A long TextGrid with the tiers words, syllables and phones, each without gaps from 0 to `duration` (seconds). Save it as UTF-8.

    A tier that the alignment doesn't have is left out.
    """
    tiers = [(n, getattr(alignment, n)) for n in ("words", "syllables", "phones") if n == "words" or getattr(alignment, n)]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {_number(duration)}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, segments) in enumerate(tiers, 1):
        intervals = _fill_gaps(segments, duration)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"', "        xmin = 0"]
        lines += [f"        xmax = {_number(duration)}", f"        intervals: size = {len(intervals)}"]
        for count, (start, end, label) in enumerate(intervals, 1):
            lines += [f"        intervals [{count}]:", f"            xmin = {_number(start)}", f"            xmax = {_number(end)}"]
            lines += [f"            text = {quote(label)}"]
    return "\n".join(lines) + "\n"


def _find_labels(tiers: Sequence[Tier], kind: str) -> list[tuple[float, float, str]] | None:
    """Intervals that hold something of the tier of this kind ("words", or "SPEAKER - words"), from 0 on; None when there is no such tier.

    Raises AlignmentError when several tiers could be meant.
    """
    found = [tier for tier in tiers if tier.name.split(" - ")[-1].strip().lower() in TIER_NAMES[kind]]
    if len(found) > 1:
        raise AlignmentError(f"The TextGrid has {len(found)} tiers of {kind} ({', '.join(t.name for t in found)}). Keep one speaker's.")
    if not found:
        return None
    silent = (lambda label: is_silence(label) and label.lower() != "spn") if kind == "phones" else is_silence
    left_out = {label for label in {label for _, _, label in found[0].intervals} if silent(label)}
    return [(max(start, 0.0), end, label) for start, end, label in found[0].intervals if label not in left_out]


def _merge_words(words: Sequence[tuple[float, float, str]], indices: Sequence[int], transcript: Transcript) -> tuple[Segment, ...]:
    spans: dict[int, tuple[float, float]] = {}
    for (start, end, _), index in zip(words, indices):
        spans[index] = (spans[index][0] if index in spans else start, end)
    return tuple(Segment(transcript.words[index].text, start, end, index) for index, (start, end) in spans.items())


def _read_phones(
    phones: Sequence[tuple[float, float, str]] | None, words: Sequence[tuple[float, float, str]], indices: Sequence[int]
) -> tuple[tuple[Segment, ...], list[list[Segment]]]:
    """The phones, and the same grouped by the word label (spoken word) that holds their middle."""
    parts: list[list[Segment]] = [[] for _ in words]
    alphabet = {label: map_phone(label) for label in {label for _, _, label in phones or ()}}
    at = 0
    for start, end, label in phones or ():
        middle = (start + end) / 2
        while at < len(words) and words[at][1] <= middle:
            at += 1
        mapped = alphabet[label]
        if not mapped and (label.lower() == "spn" or (at < len(words) and is_silence(label))):
            continue  # the sound of an unknown word: its phones are not known
        if not mapped:
            raise AlignmentError(f"“{label}” at {start:.3f} s in the tier of phones is neither an ARPAbet nor an IPA sound of English.")
        if at == len(words) or words[at][0] > middle:
            raise AlignmentError(f"The phone “{label}” at {start:.3f} s lies outside every word of the TextGrid.")
        parts[at] += split_interval(mapped, start, end, indices[at])
    return tuple(phone for part in parts for phone in part), parts


def _read_syllables(
    syllables: Sequence[tuple[float, float, str]] | None, parts: Sequence[Sequence[Segment]], words: Sequence[Segment]
) -> tuple[Segment, ...]:
    """The file's own syllables, labelled by their phones where there are any; without such a tier, maximal onset over the phones."""
    if syllables is None:
        return tuple(syllable for part in parts for syllable in cut_syllables(part))
    phones = [phone for part in parts for phone in part]
    inside: list[list[str]] = [[] for _ in syllables]
    for phone, at in zip(phones, find_holders([(p.start + p.end) / 2 for p in phones], [(start, end) for start, end, _ in syllables])):
        if at >= 0:
            inside[at].append(phone.label)
    holders = find_holders([(start + end) / 2 for start, end, _ in syllables], [(w.start, w.end) for w in words])
    return tuple(
        Segment(" ".join(labels) or label, start, end, words[at].word if at >= 0 else -1)
        for (start, end, label), labels, at in zip(syllables, inside, holders)
    )


def _check_end(segments: Sequence[Segment], duration: float | None, *, begin: float) -> None:
    """`begin`: where the file's times start, above 0 in what was cut out of a longer recording with its times kept."""
    if duration is not None and segments and segments[-1].end > duration + TOLERANCE:
        last = segments[-1]
        if begin > TOLERANCE and last.end - begin <= duration + TOLERANCE:
            raise AlignmentError(
                f"The TextGrid's times begin at {begin:.2f} s and go on to {last.end:.2f} s, but the recording lasts {duration:.2f} s: "
                "they count from the start of a longer recording. "
                f"Shift them by -{begin:.2f} s (in Praat: Shift times by), or give the whole one."
            )
        raise AlignmentError(
            f"The TextGrid goes on to {last.end:.2f} s (“{last.label}”), but the recording ends at {duration:.2f} s. "
            "Check that they belong together."
        )


def _clip_end(segments: Sequence[Segment], duration: float) -> tuple[Segment, ...]:
    inside = tuple(s for s in segments if s.end <= duration)  # they run forward in time: at most the next one is cut
    cut = segments[len(inside) : len(inside) + 1]
    return inside + tuple(replace(s, end=duration) for s in cut if s.start < duration)


def _absence_notices(phones: Sequence[Segment], syllables: Sequence[Segment]) -> tuple[Notice, ...]:
    missing = [name for name, tier in (("phones", phones), ("syllables", syllables)) if not tier]
    if not missing:
        return ()
    return (Notice("alignment", f"The TextGrid has no {' and no '.join(missing)}, so what needs them is left out."),)


def _fill_gaps(segments: Sequence[Segment], duration: float) -> list[tuple[float, float, str]]:
    """Intervals without gaps from 0 to `duration`, with empty labels between the segments."""
    intervals: list[tuple[float, float, str]] = []
    end = 0.0
    for segment in _clip_end(segments, duration):
        start = end if abs(segment.start - end) < 1e-6 else segment.start
        if start > end:
            intervals.append((end, start, ""))
        intervals.append((start, segment.end, segment.label))
        end = segment.end
    if duration - end > 1e-6 or not intervals:
        intervals.append((end, duration, ""))
    elif end != duration:
        intervals[-1] = (intervals[-1][0], duration, intervals[-1][2])
    return intervals


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
