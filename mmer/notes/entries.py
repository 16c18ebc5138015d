"""One thing that one person noted of one utterance, and the codebook of tags; checked wherever it comes from."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mmer.errors import DataError

NOTE, TAG, DISPUTED, CODED = KINDS = ("note", "tag", "disputed", "coded")
LONGEST_NOTE, LONGEST_TAG, LONGEST_CODER, LONGEST_NAME = 4000, 60, 40, 1000  # characters
LONGEST_DEFINITION = 1000
MOST_ENTRIES = 200_000  # of one file
MOST_TAGS = 500  # of a codebook
IDENTITY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """A note, a tag, "the label is disputed", or "I have coded this one"; what was taken back stays, with the time at which it was."""

    id: str  # 32 hexadecimal digits, never used again
    utterance: str
    coder: str  # name or initials
    kind: str  # one of KINDS
    value: str  # the note's text, or the tag; "" for the others
    start: float | None = None  # seconds of the clip that a note is about; None: all of it
    end: float | None = None
    made: str = ""  # ISO 8601, UTC
    gone: str = ""  # when it was taken back; "" while it holds

    @property
    def holds(self) -> bool:
        return not self.gone


@dataclass(frozen=True, eq=False)
class Notes:
    """All that was noted of one experiment or batch."""

    entries: tuple[Entry, ...] = ()  # in the order in which they were made
    codebook: Mapping[str, str] = field(default_factory=dict)  # tag -> what it means; "" where nobody said

    @property
    def current(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.holds)


def make_entry(utterance: Any, coder: Any, kind: Any, value: Any = "", *, start: Any = None, end: Any = None) -> Entry:
    """A new entry, made now. Raises DataError for what can't be one."""
    return check_entry(Entry(uuid.uuid4().hex, utterance, coder, kind, value, start, end, read_clock()))


def read_clock() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read_entry(stored: Any) -> Entry:
    """An entry of a file that anybody may have written. Raises DataError."""
    names = ("id", "utterance", "coder", "kind", "value", "start", "end", "made", "gone")
    if not isinstance(stored, Mapping) or not set(stored) <= set(names):
        raise DataError(f"{str(stored)[:60]!r} is no entry of notes; it has {', '.join(names)}.")
    given = {"value": "", "start": None, "end": None, "made": "", "gone": ""} | dict(stored)
    missing = [name for name in names if name not in given]
    if missing:
        raise DataError(f"An entry of notes lacks {', '.join(missing)}.")
    return check_entry(Entry(**given))


def check_entry(entry: Entry) -> Entry:
    """The same with plain texts and times as numbers. Raises DataError."""
    check_text(entry.utterance, "The utterance", LONGEST_NAME)
    coder = check_text(entry.coder, "The coder's name", LONGEST_CODER)
    if entry.kind not in KINDS:
        raise DataError(f"{str(entry.kind)[:40]!r} is no kind of entry; known are {', '.join(KINDS)}.")
    value = entry.value
    if entry.kind == NOTE:
        value = check_text(value, "A note", LONGEST_NOTE, lines=True)
    elif entry.kind == TAG:
        value = check_tag(value)
    elif value != "":
        raise DataError(f"An entry of the kind {entry.kind} holds no text, not {str(value)[:40]!r}.")
    start, end = (check_seconds(seconds) for seconds in (entry.start, entry.end))
    if (start is not None or end is not None) and entry.kind != NOTE:
        raise DataError("Only a note can be about a part of the clip.")
    if start is not None and end is not None and end <= start:
        raise DataError(f"A note's part ends at {end:g} s, before it begins at {start:g} s; name a later end.")
    if not isinstance(entry.id, str) or not IDENTITY.fullmatch(entry.id):
        raise DataError(f"{str(entry.id)[:40]!r} is no entry's number, which has 32 hexadecimal digits.")
    for time in (entry.made, entry.gone):
        check_time(time)
    return Entry(entry.id, entry.utterance, coder, entry.kind, value, start, end, entry.made, entry.gone)


def check_text(text: Any, what: str, longest: int, *, lines: bool = False) -> str:
    """The text without blanks around it. Raises DataError for none, too long a one, or one with control characters."""
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{what} is empty; write something.")
    if len(text) > longest:
        raise DataError(f"{what} has {len(text):,} characters; at most {longest:,} are kept.")
    if any(not c.isprintable() and not (lines and c in "\n\t") for c in text):
        raise DataError(f"{what} holds characters that can't be seen: {text[:40]!a}.")
    return text.strip() if what != "The utterance" else text


def check_tag(tag: Any) -> str:
    """In small letters, so that one word is one tag. Raises DataError."""
    text = check_text(tag, "A tag", LONGEST_TAG).casefold()
    if any(mark in text for mark in ",;|"):
        raise DataError(f"The tag {text!r} holds a comma, a semicolon or a bar, which stand between tags; give each its own.")
    return text


def check_seconds(seconds: Any) -> float | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds) or not 0 <= seconds < 1e6:
        raise DataError(f"{str(seconds)[:40]!r} is no time in a clip, in seconds from 0.")
    return float(seconds)


def check_time(time: Any) -> None:
    try:
        if time != "":
            datetime.fromisoformat(time)
    except (TypeError, ValueError) as error:
        raise DataError(f"{str(time)[:40]!r} is no time such as 2026-01-31T12:00:00+00:00.") from error


def check_codebook(codebook: Any) -> dict[str, str]:
    """Raises DataError for what is no mapping of tags to what they mean."""
    if not isinstance(codebook, Mapping) or len(codebook) > MOST_TAGS:
        raise DataError(f"A codebook names at most {MOST_TAGS} tags, each with what it means.")
    found = {}
    for tag, definition in codebook.items():
        if not isinstance(definition, str):
            raise DataError(f"The definition of the tag {str(tag)[:40]!r} is no text.")
        found[check_tag(tag)] = check_text(definition, "A definition", LONGEST_DEFINITION, lines=True) if definition.strip() else ""
    return found


def list_coders(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Everybody who noted something that holds, by name."""
    return tuple(sorted({entry.coder for entry in entries if entry.holds}))
