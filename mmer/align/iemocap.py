"""IEMOCAP's own forced alignments (sphinx3's `.wdseg`, `.phseg`, `.syseg`) -> Alignment.

Each line is `start frame, end frame, score, label`: 10 ms frames with INCLUSIVE ends, so a segment ends where frame end + 1 begins.
A phone comes with its neighbours and its place in the word (`W SIL AH b`); only the phone itself is kept, as one of ARPAbet's 39: reduced
vowels and unreleased stops (AX, TD ...) take their full ones. A sound of no known alphabet keeps its name and is noted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer.align.assemble import cut_syllables, find_holders, match_labels, mean_score
from mmer.align.phones import ARPABET, SPHINX3, strip_stress
from mmer.errors import AlignmentError
from mmer.files.encoding import decode_text
from mmer.results import Alignment, Notice, Segment, Transcript, Word

FRAME = 0.01  # seconds
MOST_DIGITS = 8  # of the number of a frame: eleven days
MAX_BYTES = 20_000_000  # of a file
_VARIANT = re.compile(r"\(\d+\)$")


@dataclass(frozen=True)
class Line:
    """One labelled line, fillers and silences left out."""

    label: str  # for a phone or syllable all that stands in the last columns
    start: float  # seconds
    end: float
    score: float  # per frame


def read_iemocap(wdseg: str | Path, phseg: str | Path, syseg: str | Path | None = None, transcript: Transcript | None = None) -> Alignment:
    """The alignment of one utterance. Without `syseg` the syllables are cut from the phones; without `transcript` the word file is it.

    Raises AlignmentError naming the file and line when one is missing, empty or broken, or when its words are not the transcript's.
    """
    lines = read_segments(wdseg)
    if not lines:
        raise AlignmentError(f"{Path(wdseg).name} holds no words, only silence.")
    transcript = transcript or iemocap_transcript(wdseg)
    indices = match_labels([read_word(line.label) for line in lines], transcript)
    said: dict[int, list[Line]] = {}
    for line, index in zip(lines, indices):
        said.setdefault(index, []).append(line)
    words = tuple(_merge_word(index, parts, transcript) for index, parts in said.items())
    parts = _read_phones(phseg, lines, indices)
    phones = tuple(phone for part in parts for phone in part)
    unknown = sorted({phone.label for phone in phones} - ARPABET)
    if syseg is None:
        syllables = tuple(syllable for part in parts for syllable in cut_syllables(part))
    else:
        syllables = _read_syllables(read_segments(syseg), phones, words)
    notices = (Notice("alignment", f"{Path(phseg).name} has sounds that are not ARPAbet's: {', '.join(unknown)}."),) if unknown else ()
    return Alignment(words, syllables, phones, "IEMOCAP", mean_score(words), notices=notices)


def iemocap_transcript(wdseg: str | Path) -> Transcript:
    """The transcript that a `.wdseg` file holds, lower-case and without punctuation."""
    words, at = [], 0
    for line in read_segments(wdseg):
        text = read_word(line.label)
        words.append(Word(text, at, at + len(text), (text,), line.start, line.end))
        at += len(text) + 1
    return Transcript(" ".join(word.text for word in words), tuple(words), "file")


def read_segments(path: str | Path) -> list[Line]:
    """The labelled lines of one file in time order. Raises AlignmentError naming file and line."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise AlignmentError(f"{path.name} has more than {MAX_BYTES // 10**6} MB; the alignment of one utterance has far less.")
    except OSError as error:
        raise AlignmentError(f"{path.name} can't be read: {error.strerror}.") from error
    text = decode_text(data, path.name, error=AlignmentError, advice="Save it as UTF-8.")
    rows = [(number, row.split()) for number, row in enumerate(text.splitlines(), 1) if row.strip()]
    if not rows or rows[0][1][:2] != ["SFrm", "EFrm"]:
        raise AlignmentError(f"{path.name} is not an IEMOCAP alignment: its first line must begin with “SFrm EFrm”.")
    lines: list[Line] = []
    for number, columns in rows[1:]:
        if columns[0] == "Total":
            break
        line = _read_line(columns, path.name, number)
        if lines and line.start < lines[-1].end - 1e-6:
            raise AlignmentError(f"{path.name}, line {number}: frame {columns[0]} lies before the end of the line above.")
        lines.append(line)
    return [line for line in lines if not is_filler(line.label)]


def _read_line(columns: Sequence[str], name: str, number: int) -> Line:
    try:
        first, last, score = read_frame(columns[0]), read_frame(columns[1]), read_score(columns[2])
        label = " ".join(columns[3:])
    except (ValueError, IndexError) as error:
        found = " ".join(columns)[:100]
        raise AlignmentError(f"{name}, line {number}: expected two frames, a score and a label, found “{found}”.") from error
    if not label or last < first or first < 0:
        raise AlignmentError(f"{name}, line {number}: “{' '.join(columns)[:100]}” has no label or ends before it begins.")
    frames = last - first + 1
    return Line(label, round(first * FRAME, 2), round((last + 1) * FRAME, 2), score / frames)


def read_frame(digits: str) -> int:
    """Raises ValueError for what is no number of a frame, or one after the longest recording there can be."""
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"{len(digits)} digits")
    return int(digits)


def read_score(text: str) -> float:
    """Raises ValueError for what is no number."""
    score = float(text)
    if not math.isfinite(score):
        raise ValueError(f"{text} is no number")
    return score


def is_filler(label: str) -> bool:
    """Sentence marks, silence and noises: <s> </s> <sil> ++LAUGHTER++ SIL +BREATH+."""
    first = label.split()[0]
    return first.startswith(("<", "+")) or first == "SIL"


def read_word(label: str) -> str:
    """ "THERE'S(2)" -> "there's"."""
    return _VARIANT.sub("", label).lower()


def read_phone(label: str) -> str:
    """ "AH0" -> "AH", "AX" -> "AH", "TD" -> "T"; what is in no known alphabet stays as it is."""
    phone = strip_stress(label.upper())
    return SPHINX3.get(phone, phone)


def _merge_word(index: int, lines: Sequence[Line], transcript: Transcript) -> Segment:
    segments = [Segment(line.label, line.start, line.end, index, line.score) for line in lines]
    return Segment(transcript.words[index].text, lines[0].start, lines[-1].end, index, mean_score(segments))


def _read_phones(path: str | Path, words: Sequence[Line], indices: Sequence[int]) -> list[list[Segment]]:
    """Phones grouped by the line of `words` that holds them."""
    parts: list[list[Segment]] = [[] for _ in words]
    found = read_segments(path)
    for line, at in zip(found, find_holders([(line.start + line.end) / 2 for line in found], [(w.start, w.end) for w in words])):
        phone = read_phone(line.label.split()[0])
        if at < 0:
            raise AlignmentError(f"{Path(path).name}: the phone {phone} at {line.start:.2f} s lies outside every word.")
        parts[at].append(Segment(phone, line.start, line.end, indices[at], line.score))
    return parts


def _read_syllables(lines: Sequence[Line], phones: Sequence[Segment], words: Sequence[Segment]) -> tuple[Segment, ...]:
    """Labelled by the phones in them: the file's own labels may be joined by blanks or underscores, with or without stress."""
    inside: list[list[str]] = [[] for _ in lines]
    for phone, at in zip(phones, find_holders([(p.start + p.end) / 2 for p in phones], [(line.start, line.end) for line in lines])):
        if at >= 0:
            inside[at].append(phone.label)
    holders = find_holders([(line.start + line.end) / 2 for line in lines], [(w.start, w.end) for w in words])
    found = []
    for line, labels, at in zip(lines, inside, holders):
        own = [read for part in re.split(r"[\s_\-.]+", line.label) if (read := read_phone(part)) in ARPABET]
        found.append(Segment(" ".join(labels or own) or line.label, line.start, line.end, words[at].word if at >= 0 else -1, line.score))
    return tuple(found)
