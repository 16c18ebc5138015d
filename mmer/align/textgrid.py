"""Praat's TextGrid <-> Alignment. Reads long, short and JSON files, writes long ones.

Praat's own rule (manual page "TextGrid file formats") is followed: numbers, "strings" and <flags> that stand free count, all else is
comment. praatio is not used for reading: it takes a short file that is cut off for a whole one.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from mmer.align.assemble import bare_letters, cut_syllables, find_holders, is_silence, match_labels
from mmer.align.phones import map_phone
from mmer.errors import AlignmentError
from mmer.files.encoding import decode_text
from mmer.files.guarded_json import parse_json
from mmer.results import Alignment, Notice, Segment, Transcript, Word

TIER_NAMES = {
    "words": ("words", "word", "ort", "orthography"),
    "phones": ("phones", "phone", "phonemes", "segments"),
    "syllables": ("syllables", "syllable"),
}
MAX_CHARACTERS = 5_000_000  # of a file, an hour of speech; a clip is far shorter, and others wait while it is read
MAX_TEXT = 50_000  # characters of all words, as for a typed transcript
NO_TEXTGRID = "This is not a TextGrid: it doesn't begin with the file type “ooTextFile” and the class “TextGrid”."
HEAD = 1000  # characters of a file in which its type is looked for; comments may stand before it
BINARY, BINARY_ADVICE = "ooBinaryFile", "is one of Praat's binary files. Save it as a text file: in Praat, Save as text file."
OVERLAP = 1e-4  # seconds by which neighbours may overlap, since other programs round; the earlier is trimmed
SHORTEST = 1e-6  # seconds; what is shorter has no length
LATEST = 1e6  # seconds, eleven days: beyond it a number of seconds is none
TOLERANCE = 0.05  # seconds that a tier may go on after the recording, for other programs' rounding
_TOKEN = re.compile(r'"(?P<string>(?:[^"]|"")*)"|(?<!\S)<(?P<flag>\w+)>(?!\S)|(?<!\S)(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)')

_INVISIBLE = re.compile(  # control characters, lone surrogates, and marks that turn the direction of writing
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Tier:
    """One interval tier as it stands in the file."""

    name: str
    intervals: tuple[tuple[float, float, str], ...]  # start, end in seconds, label


def read_textgrid(source: str | Path, transcript: Transcript | None = None, *, duration: float | None = None) -> Alignment:
    """The alignment that a TextGrid holds; `source` is a Path or the text of the file (str), `duration` (seconds) that of its recording.

    Needs a tier "words"; "phones" (ARPAbet or IPA) gives phones, and "syllables" or else maximal onset gives syllables. Without
    `transcript` the word tier is the transcript: `Segment.word` counts in `textgrid_transcript(source)`.

    Raises AlignmentError when the file is broken, its tiers overlap or go on after the recording, or its words are not the transcript's.
    """
    tiers = read_tiers(source)
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


def textgrid_transcript(source: str | Path) -> Transcript:
    """The transcript that a TextGrid's word tier holds. Raises AlignmentError when it has none."""
    labels = _find_labels(read_tiers(source), "words")
    if not labels:
        raise AlignmentError("The TextGrid has no words.")
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
            lines += [f"            text = {_quote(label)}"]
    return "\n".join(lines) + "\n"


def read_tiers(source: str | Path) -> tuple[Tier, ...]:
    """The interval tiers of a TextGrid, checked to run forward in time. Raises AlignmentError saying what is wrong where."""
    text = read_text(source)
    tiers = _parse_json(text) if text.lstrip().startswith("{") else _parse_tokens(text)
    if _INVISIBLE.search("".join(label for tier in tiers for _, _, label in tier.intervals)):
        tiers = tuple(Tier(t.name, tuple((start, end, _INVISIBLE.sub("", label)) for start, end, label in t.intervals)) for t in tiers)
    return tuple(_trim_overlaps(tier) for tier in tiers)


def read_text(source: str | Path) -> str:
    """The text of a TextGrid: itself, or a file's in UTF-8 or UTF-16, as Praat saves it. Raises AlignmentError."""
    if isinstance(source, str):  # always the text itself: a visitor's words are never taken for a path
        if not source.strip():
            raise AlignmentError("The TextGrid is empty.")
        if source.startswith(BINARY):
            raise AlignmentError(f"The TextGrid {BINARY_ADVICE}")
        _check_size(len(source), "The TextGrid")
        return source.removeprefix("\ufeff")
    path = source
    try:
        _check_size(path.stat().st_size, f"The TextGrid “{path.name}”")
        data = path.read_bytes()
    except OSError as error:
        raise AlignmentError(f"The TextGrid “{path.name}” can't be read: {error.strerror}.") from error
    if not data.strip():
        raise AlignmentError(f"The TextGrid “{path.name}” is empty.")
    if data.startswith(BINARY.encode()):
        raise AlignmentError(f"The TextGrid “{path.name}” {BINARY_ADVICE}")
    return decode_text(data, f"The TextGrid “{path.name}” can't be read", error=AlignmentError, advice="Save it in Praat as a text file.")


def _check_size(size: int, name: str) -> None:
    if size > MAX_CHARACTERS:
        raise AlignmentError(f"{name} has {size / 1e6:.0f} MB; the limit is {MAX_CHARACTERS // 10**6} MB. Cut it to the clip.")


def _parse_tokens(text: str) -> tuple[Tier, ...]:
    reader = _Tokens(text)
    if "ooTextFile" not in text[:HEAD]:  # anything but a TextGrid, and none that is cut off
        raise AlignmentError(NO_TEXTGRID)
    if not reader.take("string", "the file type").startswith("ooTextFile") or reader.take("string", "the object class") != "TextGrid":
        raise AlignmentError(NO_TEXTGRID)
    reader.take("number", "the start time")
    reader.take("number", "the end time")
    if reader.take("flag", "<exists>") != "exists":
        raise AlignmentError("The TextGrid says that it has no tiers.")
    tiers = [reader.take_tier(number) for number in range(1, reader.take_count("the number of tiers") + 1)]
    return tuple(tier for tier in tiers if tier is not None)


class _Tokens:
    """The free-standing values of a TextGrid, taken one by one; each call names what it expects for the message."""

    def __init__(self, text: str):
        self._matches: Iterator[re.Match[str]] = _TOKEN.finditer(_blank_comments(text))

    def take(self, kind: str, what: str, *about: object) -> str:
        """`what` is a format for `about`, filled in where it is needed: there are tens of thousands of values and mostly no message."""
        match = next(self._matches, None)
        if match is None:
            raise AlignmentError(f"The TextGrid is cut off: it ends where {what.format(*about)} should stand.")
        if match.lastgroup != kind:
            raise AlignmentError(f"The TextGrid is broken: instead of {what.format(*about)} it has {match.group()[:40]}.")
        return match[kind]

    def take_all(self, count: int, kinds: Sequence[str], tier: str) -> list[str]:
        """The values of `count` entries, each of these kinds in this order: a file may have tens of thousands of them."""
        found = list(itertools.islice(self._matches, count * len(kinds)))
        if [match.lastgroup for match in found] == list(kinds) * count:
            return [match[match.lastgroup] for match in found]  # type: ignore[index]
        self._matches = itertools.chain(found, self._matches)
        for entry in range(1, count + 1):  # which one it is
            for kind in kinds:
                self.take(
                    kind, "a time of entry {} in tier “{}”" if kind == "number" else "the label of entry {} in tier “{}”", entry, tier
                )
        raise AssertionError("nothing is wrong with these entries")

    def take_count(self, what: str) -> int:
        value = self.take("number", what)
        if not value.isdigit() or len(value) > 9:
            raise AlignmentError(f"The TextGrid is broken: {what} is {value[:40]}.")
        return int(value)

    def take_tier(self, number: int) -> Tier | None:
        """The next tier; None for a tier of points, which holds no segments."""
        kind = self.take("string", f"the class of tier {number}")
        name = self.take("string", f"the name of tier {number}").replace('""', '"')
        self.take("number", "the start of tier “{}”", name)
        self.take("number", "the end of tier “{}”", name)
        size = self.take_count(f"the size of tier “{name}”")
        if kind not in ("IntervalTier", "TextTier"):
            raise AlignmentError(f"The TextGrid is broken: tier “{name}” has the unknown class “{kind}”.")
        numbers = 2 if kind == "IntervalTier" else 1
        values = self.take_all(size, ["number"] * numbers + ["string"], name)
        if kind == "TextTier":
            return None
        starts, ends, labels = values[::3], values[1::3], values[2::3]
        plain = {label: label.replace('""', '"').strip() for label in set(labels)}
        return Tier(name, tuple(zip(map(float, starts), map(float, ends), map(plain.__getitem__, labels))))


def _blank_comments(text: str) -> str:
    """Praat ignores what follows an exclamation mark outside a string."""
    return text if "!" not in text else re.sub(r'("(?:[^"]|"")*")|![^\n]*', lambda m: m.group(1) or "", text)


def _parse_json(text: str) -> tuple[Tier, ...]:
    """praatio's two JSON layouts and the Montreal Forced Aligner's: tiers as a mapping by name, or as a list."""
    try:
        tiers = parse_json(text, "The TextGrid", error=AlignmentError, half_characters=True)["tiers"]
        named = tiers.items() if isinstance(tiers, dict) else [(tier["name"], tier) for tier in tiers]
        return tuple(
            Tier(str(name), tuple((float(e[0]), float(e[1]), str(e[2]).strip()) for e in tier["entries"]))
            for name, tier in named
            if "interval" in str(tier.get("type", tier.get("class", "interval"))).lower()
        )
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise AlignmentError("The JSON file is not a TextGrid: it needs “tiers”, each with “entries” of [start, end, label].") from error


def _trim_overlaps(tier: Tier) -> Tier:
    """The tier running forward in time from 0 on: programs that round write neighbours that overlap by a little, and then the earlier ends
    where the next begins. Raises AlignmentError for what overlaps by more, has no length or is no time.
    """
    _check_times(tier)
    begins = [max(start, 0.0) for start, _, _ in tier.intervals]
    limits = [*reversed([*accumulate(reversed(begins[1:]), min)]), math.inf]  # where the first of all that follow begins
    trimmed = []
    for number, ((_, stop, label), begin, limit) in enumerate(zip(tier.intervals, begins, limits), 1):
        end = max(begin, min(stop, limit))
        if end - begin < SHORTEST and not is_silence(label):
            raise AlignmentError(f"{_place(tier, number)} has no length: it runs from {begin:.3f} to {end:.3f} s.")
        trimmed.append((begin, end, label))
    return Tier(tier.name, tuple(trimmed))


def _check_times(tier: Tier) -> None:
    last = 0.0
    for number, (start, stop, _) in enumerate(tier.intervals, 1):
        if not (abs(start) <= LATEST and abs(stop) <= LATEST):  # NaN is none of these
            times = f"{start:g} to {stop:g}"
            raise AlignmentError(f"{_place(tier, number)} runs from {times}: a time must be a number of seconds, at most {LATEST:,.0f}.")
        if start < last - OVERLAP:
            raise AlignmentError(f"{_place(tier, number)} begins at {start:.3f} s, before {last:.3f} s where the one before it ends.")
        if stop < start:
            raise AlignmentError(f"{_place(tier, number)} has no length: it runs from {start:.3f} to {stop:.3f} s.")
        last = stop


def _place(tier: Tier, number: int) -> str:
    return f"Interval {number} (“{tier.intervals[number - 1][2][:40]}”) of the tier “{tier.name[:40]}”"


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


def split_interval(labels: Sequence[str], start: float, end: float, word: int) -> list[Segment]:
    """Segments of equal length: one foreign phone may stand for two of ours."""
    if len(labels) == 1:
        return [Segment(labels[0], start, end, word)]
    step = (end - start) / len(labels)
    ends = [start + step * (i + 1) for i in range(len(labels) - 1)] + [end]
    return [Segment(label, begin, stop, word) for label, begin, stop in zip(labels, [start, *ends[:-1]], ends)]


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


def _quote(label: str) -> str:
    return '"' + " ".join(label.split()).replace('"', '""') + '"'
