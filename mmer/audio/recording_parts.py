"""A file -> the recordings that stand in it one after another, and what their headers say about how much there is.

Decoders read the first recording of a file and go by its header. Two files put together, a header that was written before the length
was known, or one that names less or more than there is, would lose half of the sound without a word: so the file's extent is read here.
Formats: Ogg (RFC 3533), FLAC (RFC 9639), RIFF and RF64 (EBU Tech 3306), AIFF, AU, MPEG audio with Xing and VBRI headers, MP4, WebM, AMR.
"""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mmer.audio.mpeg_frames import Buffer, find_frame, measure_tag, read_frame

MAX_PARTS = 50  # of one file
MAX_PAGES = 300_000  # Ogg pages or MPEG frames that are walked through: two hours
ALIKE = 0.5  # correlation of neighbouring samples above which bytes are taken for sound: random bytes have 0, speech at 16 kHz 0.8 to 0.99
SPARE = 4096  # bytes behind a recording that need no word

OTHER_START = re.compile(rb"RIFF.{4}WAVEfmt |OggS\x00\x02\x00{8}|fLaC[\x00\x80]\x00\x00\x22\x10\x00", re.DOTALL)
CUT_OFF = "The file ends before {what}: it was probably cut off."

Order = Literal["little", "big"]  # of the bytes of a number


@dataclass(frozen=True)
class Part:
    """One recording of a file."""

    start: int  # bytes into the file, half open
    end: int
    share: float | None = None  # of the sound that its header names, how much is there; None where it names no length
    patch: tuple[int, bytes] | None = None  # (bytes after start, new bytes) where a header was written before the length was known
    sentences: tuple[str, ...] = ()  # what the person should know


class PartFile(io.RawIOBase):
    """A part as a file of its own."""

    def __init__(self, path: Path, part: Part):
        self.file = path.open("rb", buffering=0)
        self.part = part
        self.place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.part.end - self.part.start}[whence]
        self.place = max(base + offset, 0)
        return self.place

    def readinto(self, buffer) -> int:
        self.file.seek(self.part.start + self.place)
        wanted = max(min(len(buffer), self.part.end - self.part.start - self.place), 0)
        data = bytearray(self.file.read(wanted))
        if self.part.patch is not None:
            offset, new = self.part.patch
            for i, byte in enumerate(new):
                if 0 <= offset + i - self.place < len(data):
                    data[offset + i - self.place] = byte
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def find_parts(path: Path) -> tuple[Part, ...]:
    """The recordings of a file in order, at most MAX_PARTS; the whole file as one where its format isn't known. Raises: OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        parts = list(split_file(data))
    if len(parts) <= MAX_PARTS:
        return tuple(parts)
    sentence = f"The file holds {len(parts)} recordings one after another, of which the first {MAX_PARTS} are read."
    return (*parts[: MAX_PARTS - 1], add_sentence(parts[MAX_PARTS - 1], sentence))


def split_file(data: Buffer) -> Iterator[Part]:
    """The parts of a file; behind FLAC and MPEG audio, which don't say how long they are, one of another format may begin."""
    other = OTHER_START.search(data, SPARE) if data[:4] == b"fLaC" or data[:3] == b"ID3" or read_frame(data, 0) else None
    if other is None:
        yield from split_format(data)
        return
    at = other.start()
    yield from split_format(data[:at])
    yield from (Part(at + part.start, at + part.end, part.share, part.patch, part.sentences) for part in split_format(data[at:]))


def split_format(data: Buffer) -> Iterator[Part]:
    start = data[:12]
    if start[:4] == b"OggS":
        yield from split_ogg(data)
    elif start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        yield from split_chunks(data)
    elif start[:4] == b".snd":
        yield read_au(data)
    elif start[4:8] == b"ftyp":
        yield from split_boxes(data)
    elif start[:4] == b"fLaC":
        yield from cut_at(data, rb"fLaC[\x00\x80]\x00\x00\x22")
    elif start[:4] == b"caff":
        yield read_caf(data)
    elif start[:4] == b"riff":
        yield describe_end(data, int.from_bytes(data[16:24], "little"))
    elif start[:8] == b"NIST_1A\n":
        yield read_nist(data)
    elif start[:5] == b"TTA1\x01":
        yield from cut_at(data, rb"TTA1\x01\x00")
    elif start[:5] == b"#!AMR":
        yield from cut_at(data, rb"#!AMR(?:-WB)?\n")
    elif start[:4] == b"\x1aE\xdf\xa3":
        yield from cut_at(data, rb"\x1aE\xdf\xa3(?=.{1,60}(?:webm|matroska))")
    elif start[:3] == b"ID3" or read_frame(data, 0):
        yield from split_mpeg(data)
    else:
        yield Part(0, len(data))


def cut_at(data: Buffer, pattern: bytes) -> Iterator[Part]:
    """Parts that each begin with what the file begins with."""
    starts = sorted({0, *(match.start() for match in re.finditer(pattern, data, re.DOTALL))})
    yield from (Part(a, b) for a, b in zip(starts, [*starts[1:], len(data)]))


def add_sentence(part: Part, sentence: str) -> Part:
    return Part(part.start, part.end, part.share, part.patch, (*part.sentences, sentence))


# ---- Ogg: pages of logical streams; a stream that begins after another's data is chained to it ----

SOUND_HEADS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")


def split_ogg(data: Buffer) -> Iterator[Part]:
    at, link, sounds = 0, 0, 0
    end = 0  # of the last page
    has_data, has_ended, is_cut = False, False, False
    for _ in range(MAX_PAGES):
        if data[at : at + 4] != b"OggS" or at + 27 > len(data):
            at = data.find(b"OggS", at)  # damaged, or something else between two recordings
            if at < 0:
                break
            continue
        count = data[at + 26]
        body = at + 27 + count
        length = sum(data[at + 27 : body])
        begins = bool(data[at + 5] & 2)
        if begins and has_data:
            yield describe_link(link, at, sounds, is_cut=False)
            link, sounds, has_data, has_ended = at, 0, False, False
        sounds += begins and any(data[body : body + len(head)] == head for head in SOUND_HEADS)
        has_data, has_ended = has_data or not begins, bool(data[at + 5] & 4)
        is_cut = body + length > len(data)
        at = end = body + length
    last = describe_link(link, len(data), sounds, is_cut=is_cut or not has_ended)
    yield add_sentence(last, name_rest(len(data) - end)) if end and len(data) - end > SPARE else last


def describe_link(start: int, end: int, sounds: int, *, is_cut: bool) -> Part:
    sentences = []
    if sounds > 1:
        sentences.append(f"The file holds {sounds} sound tracks; the first is read and the others are not.")
    if is_cut:
        sentences.append(CUT_OFF.format(what="the recording's own mark of its end"))
    return Part(start, end, sentences=tuple(sentences))


# ---- RIFF, RF64 and AIFF: chunks with their sizes ----

Chunk = tuple[bytes, int, int]  # name, first byte of its content, size that is written


def split_chunks(data: Buffer) -> Iterator[Part]:
    start = 0
    while True:
        part, end = read_chunks(data, start)
        if data[end : end + 4] in (b"RIFF", b"RIFX", b"RF64", b"FORM") and data[end + 8 : end + 12] in (b"WAVE", b"AIFF", b"AIFC"):
            yield Part(start, end, part.share, part.patch, part.sentences)
            start = end
        else:
            yield part
            return


def read_chunks(data: Buffer, start: int) -> tuple[Part, int]:
    """The recording that begins at `start`, up to the file's end, and where its own header says that it ends."""
    order: Order = "big" if data[start : start + 4] in (b"RIFX", b"FORM") else "little"
    written = int.from_bytes(data[start + 4 : start + 8], order)
    end = min(start + 8 + written + written % 2, len(data)) if 4 < written < 0xFFFFFFFF else len(data)
    sound: Chunk | None = None
    shape = b""
    whole = 0  # the size of the sound in 64 bits
    for name, at, size in walk_chunks(data, start + 12, order):
        if name == b"ds64":
            whole = int.from_bytes(data[at + 8 : at + 16], order)
            end = min(start + 8 + int.from_bytes(data[at : at + 8], order), len(data))
        if name == b"fmt ":
            shape = data[at : at + 16]
        if name in (b"data", b"SSND"):
            sound = (name, at, whole if size == 0xFFFFFFFF and whole else size)
            break
    if sound is None:  # a film, for example
        return describe_end(data, start + 8 + written if written < 0x7FFFF000 else 0, start), len(data)
    return describe_sound(data, start, end, sound, order, shape)


def walk_chunks(data: Buffer, at: int, order: Order) -> Iterator[Chunk]:
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], order)
        yield data[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def describe_sound(data: Buffer, start: int, end: int, sound: Chunk, order: Order, shape: bytes) -> tuple[Part, int]:
    _, at, size = sound
    rest = len(data) - at
    is_empty = end > at and is_chain(data, at, end, order)
    if (size == 0 and not is_empty) or size >= 0x7FFFF000:  # written before the length was known
        patch = (at - 4 - start, min(rest, 0x7FFFF000).to_bytes(4, order)) if size == 0 else None
        return Part(start, len(data), patch=patch), len(data)
    after = at + size + size % 2
    if after >= len(data):
        return Part(start, len(data), share=min(rest / size, 1.0) if size else None), len(data)
    patch = None
    if is_chain(data, after, end, order):
        more = [(place, size) for name, place, size in walk_chunks(data, after, order) if name == sound[0] and place < end]
        patch = (more[0][0] - 8 - start, b"junk") if more else None  # libsndfile would read the last one in place of the first
        unread = sum(size for _, size in more) or (0 if data[end : end + 4] in (b"RIFF", b"RIFX", b"RF64", b"FORM") else len(data) - end)
    elif end >= len(data) - 1 and goes_on(data, after, end, shape, order):
        sentence = f"The header names {size:,} bytes of sound, but {end - after:,} more follow that go on like it; all were read."
        return Part(start, len(data), patch=(at - 4 - start, (end - at).to_bytes(4, order)), sentences=(sentence,)), end
    else:
        unread = len(data) - after
    sentences = (name_unread(size, unread),) if unread > SPARE else ()
    return Part(start, len(data), 1.0, patch, sentences), max(end, after)


def goes_on(data: Buffer, at: int, end: int, shape: bytes, order: Order) -> bool:
    """Whether bytes behind the sound are 16 bit samples as well: neighbours are alike in sound, and in nothing else that stands there."""
    kind, channels, width = (int.from_bytes(shape[i : i + 2], order) for i in (0, 2, 14))
    if (kind, width) != (1, 16) or not 1 <= channels <= 8 or end - at < SPARE:
        return False
    count = min(end - at, 1 << 20) // 2
    samples = np.frombuffer(data[at : at + 2 * count], "<i2" if order == "little" else ">i2").astype(float)
    before, behind = samples[:-channels] - samples.mean(), samples[channels:] - samples.mean()
    power = float(np.dot(before, before))
    return power > 0 and float(np.dot(before, behind)) / power > ALIKE


def is_chain(data: Buffer, at: int, end: int, order: Order) -> bool:
    """Whether well-formed chunks lead from `at` to `end`, give or take a byte."""
    while at + 8 <= end:
        if not re.fullmatch(rb"[A-Za-z0-9_ \xa9.-]{4}", data[at : at + 4]):
            return False
        size = int.from_bytes(data[at + 4 : at + 8], order)
        at += 8 + size + size % 2
    return end - 8 < at <= end + 1


def name_unread(named: int, unread: int) -> str:
    return (
        f"The header names {named:,} bytes of sound, but {unread:,} more bytes follow that it does not name; they were not read. "
        "If the recording is longer than this, save it again."
    )


def read_au(data: Buffer) -> Part:
    at, size = (int.from_bytes(data[i : i + 4], "big") for i in (4, 8))
    rest = len(data) - at
    if size == 0xFFFFFFFF or size == 0 or rest <= 0:
        return Part(0, len(data))
    sentences = (name_unread(size, rest - size),) if rest - size > SPARE else ()
    return Part(0, len(data), min(rest / size, 1.0), sentences=sentences)


def describe_end(data: Buffer, written: int, start: int = 0) -> Part:
    """All of the file, of which the header says that it ends at `written`."""
    return Part(start, len(data), sentences=(CUT_OFF.format(what="its header says that it does"),) if written > len(data) + 1 else ())


def read_caf(data: Buffer) -> Part:
    at = 8
    while at + 12 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 12], "big", signed=True)
        if size < 0:  # written before the length was known: to the file's end
            break
        at += 12 + size
        if name == b"data":
            unread = len(data) - at if data[at : at + 4] == b"caff" else 0
            return Part(0, len(data), sentences=(name_unread(size, unread),)) if unread > SPARE else describe_end(data, at)
    return Part(0, len(data))


def read_nist(data: Buffer) -> Part:
    """NIST SPHERE: a header in text that names samples."""
    facts = dict(re.findall(rb"(sample_count|sample_n_bytes|channel_count|sample_coding) -\w+ (\S+)", data[:1024]))
    counts = [facts.get(key, b"") for key in (b"sample_count", b"sample_n_bytes", b"channel_count")]
    if not all(re.fullmatch(rb"\d{1,9}", count) for count in counts) or facts.get(b"sample_coding", b"pcm") not in (
        b"pcm",
        b"ulaw",
        b"alaw",
    ):
        return Part(0, len(data))
    return describe_end(data, 1024 + int(counts[0]) * int(counts[1]) * int(counts[2]))


# ---- MP4: boxes ----


def split_boxes(data: Buffer) -> Iterator[Part]:
    """A second "ftyp" box at the top level begins another film or recording."""
    at, starts = 0, [0]
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if data[at + 4 : at + 8] == b"ftyp" and at:
            starts.append(at)
        if size < 8:
            break
        at += size
    yield from (Part(a, b) for a, b in zip(starts, [*starts[1:], len(data)]))


# ---- MPEG audio ----


def split_mpeg(data: Buffer) -> Iterator[Part]:
    """A tag, or a frame that says how many follow, begins another recording once frames of the one before have been seen."""
    at, start, frames, named, is_cut = 0, 0, 0, 0, False
    for _ in range(MAX_PAGES):
        tag = measure_tag(data, at)
        frame = None if tag else find_frame(data, at)
        if frame is not None:
            at, found = frame
        if frames and (data[at : at + 3] == b"ID3" or (frame is not None and found.named is not None)):
            yield Part(start, at, count_share(frames, named))
            start, frames, named = at, 0, 0
        if tag:
            at += tag
        elif frame is None:
            break
        else:
            named = found.named or named
            is_cut = at + found.size > len(data) and not named
            frames += found.named is None and at + found.size <= len(data)
            at += found.size
    if frames or not start:
        unread = len(data) - at if frames else 0
        sentences = [CUT_OFF.format(what="its last frame is complete")] * is_cut + [name_rest(unread)] * (unread > SPARE)
        yield Part(start, len(data), count_share(frames, named), sentences=tuple(sentences))


def name_rest(unread: int) -> str:
    return f"Behind the sound the file holds {unread:,} bytes that are no sound of its kind; they were not read."


def count_share(frames: int, named: int) -> float | None:
    return min(frames / named, 1.0) if named else None
