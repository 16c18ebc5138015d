"""A TextGrid's text -> its interval tiers as they stand in the file: long, short and JSON.

Praat's own rule (manual page "TextGrid file formats") is followed: numbers, "strings" and <flags> that stand free count, all else is
comment. praatio is not used for reading: it takes a short file that is cut off for a whole one.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from mmer.align.phones import is_silence
from mmer.errors import AlignmentError
from mmer.files.encoding import decode_text
from mmer.files.guarded_json import parse_json

MAX_CHARACTERS = 5_000_000  # of a file, an hour of speech; a clip is far shorter, and others wait while it is read
NO_TEXTGRID = "This is not a TextGrid: it doesn't begin with the file type “ooTextFile” and the class “TextGrid”."
HEAD = 1000  # characters of a file in which its type is looked for; comments may stand before it
BINARY, BINARY_ADVICE = "ooBinaryFile", "is one of Praat's binary files. Save it as a text file: in Praat, Save as text file."
OVERLAP = 1e-4  # seconds by which neighbours may overlap, since other programs round; the earlier is trimmed
SHORTEST = 1e-6  # seconds; what is shorter has no length
LATEST = 1e6  # seconds, eleven days: beyond it a number of seconds is none
_TOKEN = re.compile(r'"(?P<string>(?:[^"]|"")*)"|(?<!\S)<(?P<flag>\w+)>(?!\S)|(?<!\S)(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)')
_INVISIBLE = re.compile(  # control characters, lone surrogates, and marks that turn the direction of writing
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Tier:
    """One interval tier as it stands in the file."""

    name: str
    intervals: tuple[tuple[float, float, str], ...]  # start, end in seconds, label


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
            return [match[match.lastgroup or 0] for match in found]
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
            what = "the one before it ends" if number > 1 else "the recording begins"
            raise AlignmentError(f"{_place(tier, number)} begins at {start:.3f} s, before {last:.3f} s where {what}.")
        if stop < start:
            raise AlignmentError(f"{_place(tier, number)} has no length: it runs from {start:.3f} to {stop:.3f} s.")
        last = stop


def _place(tier: Tier, number: int) -> str:
    return f"Interval {number} (“{tier.intervals[number - 1][2][:40]}”) of the tier “{tier.name[:40]}”"


def quote(label: str) -> str:
    return '"' + " ".join(label.split()).replace('"', '""') + '"'
