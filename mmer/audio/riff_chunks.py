"""RIFF, RF64 and AIFF: a file of chunks with their sizes -> its recordings, of headers that name less, more or nothing as well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from mmer.audio.mpeg_frames import Buffer
from mmer.audio.part import SPARE, Part, add_sentence, describe_end, name_rest, name_unread
from mmer.phrasing import say_count

ALIKE = 0.5  # correlation of neighbouring samples above which bytes are taken for sound: random bytes have 0, speech at 16 kHz 0.8 to 0.99

KNOWN_CHUNKS = (
    b"fmt ", b"data", b"LIST", b"fact", b"bext", b"cue ", b"smpl", b"inst", b"id3 ", b"ID3 ", b"PEAK", b"junk", b"JUNK", b"iXML", b"DISP",
    b"COMM", b"SSND", b"MARK", b"NAME", b"AUTH", b"ANNO",
)  # fmt: skip
ByteOrder = Literal["little", "big"]  # of the bytes of a number
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
    order: ByteOrder = "big" if data[start : start + 4] in (b"RIFX", b"FORM") else "little"
    written = int.from_bytes(data[start + 4 : start + 8], order)
    end = min(start + 8 + written + written % 2, len(data)) if 4 < written < 0xFFFFFFFF else len(data)
    sound: Chunk | None = None
    before: list[Chunk] = []
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
        before.append((name, at, size))
    if sound is None:  # a film, for example, which may go on in another RIFF
        part = describe_end(data, start + 8 + written if 4 < written < 0x7FFFF000 else 0, start)
        rest = len(data) - end
        return (add_sentence(part, name_rest(rest)) if rest > SPARE and data[end + 8 : end + 11] != b"AVI" else part), len(data)
    part, end = describe_sound(data, start, end, sound, order, shape)
    return pad_chunks(data, start, before, sound, part), end


def walk_chunks(data: Buffer, at: int, order: ByteOrder) -> Iterator[Chunk]:
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], order)
        yield data[at : at + 4], at + 8, size
        at = find_next(data, at + 8, size)


def find_next(data: Buffer, at: int, size: int) -> int:
    """Where the chunk behind one of `size` bytes at `at` begins: behind an odd one stands a byte more, which some programs leave out."""
    end = at + size
    is_bare = size % 2 and data[end : end + 4] in KNOWN_CHUNKS and data[end + 1 : end + 5] not in KNOWN_CHUNKS
    return end if is_bare else end + size % 2


def pad_chunks(data: Buffer, start: int, before: list[Chunk], sound: Chunk, part: Part) -> Part:
    """The part with a header in which every odd chunk has its byte more: decoders don't find the sound without."""
    _, at, _ = sound
    if all(find_next(data, place, size) == place + size + size % 2 for _, place, size in before):
        return part
    chunks = b"".join(data[place - 8 : place + size] + bytes(size % 2) for _, place, size in before)
    header = data[start : start + 12] + chunks + data[at - 8 : at]
    if part.patch is not None and part.patch[0] == at - 4 - start:
        header = header[:-4] + part.patch[2]
    return replace(part, patch=(0, at - start, header))


def describe_sound(data: Buffer, start: int, end: int, sound: Chunk, order: ByteOrder, shape: bytes) -> tuple[Part, int]:
    _, at, size = sound
    rest = len(data) - at
    is_empty = end > at and is_chain(data, at, end, order)
    if (size == 0 and not is_empty) or size >= 0x7FFFF000:  # written before the length was known
        patch = (at - 4 - start, 4, min(rest, 0x7FFFF000).to_bytes(4, order)) if size == 0 else None
        return Part(start, len(data), patch=patch), len(data)
    after = find_next(data, at, size)
    if after >= len(data):
        return Part(start, len(data), share=min(rest / size, 1.0) if size else None), len(data)
    patch = None
    if is_chain(data, after, end, order):
        more = [(place, size) for name, place, size in walk_chunks(data, after, order) if name == sound[0] and place < end]
        patch = (more[0][0] - 8 - start, 4, b"junk") if more else None  # libsndfile would read the last one in place of the first
        unread = sum(size for _, size in more) or (0 if data[end : end + 4] in (b"RIFF", b"RIFX", b"RF64", b"FORM") else len(data) - end)
    elif end >= len(data) - 1 and goes_on(data, after, end, shape, order):
        sentence = (
            f"The header names {say_count(size, 'byte')} of sound, but {end - after:,} more follow that go on like it; all were read."
        )
        return Part(start, len(data), patch=(at - 4 - start, 4, (end - at).to_bytes(4, order)), sentences=(sentence,)), end
    else:
        unread = len(data) - after
    sentences = (name_unread(size, unread),) if unread > SPARE else ()
    return Part(start, len(data), 1.0, patch, sentences), max(end, after)


def goes_on(data: Buffer, at: int, end: int, shape: bytes, order: ByteOrder) -> bool:
    """Whether bytes behind the sound are 16 bit samples as well: neighbours are alike in sound, and in nothing else that stands there."""
    kind, channels, width = (int.from_bytes(shape[i : i + 2], order) for i in (0, 2, 14))
    if (kind, width) != (1, 16) or not 1 <= channels <= 8 or end - at < SPARE:
        return False
    count = min(end - at, 1 << 20) // 2
    samples = np.frombuffer(data[at : at + 2 * count], "<i2" if order == "little" else ">i2").astype(float)
    before, behind = samples[:-channels] - samples.mean(), samples[channels:] - samples.mean()
    power = float(np.dot(before, before))
    return power > 0 and float(np.dot(before, behind)) / power > ALIKE


def is_chain(data: Buffer, at: int, end: int, order: ByteOrder) -> bool:
    """Whether well-formed chunks lead from `at` to `end`, give or take a byte."""
    while at + 8 <= end:
        if not re.fullmatch(rb"[A-Za-z0-9_ \xa9.-]{4}", data[at : at + 4]):
            return False
        size = int.from_bytes(data[at + 4 : at + 8], order)
        at = find_next(data, at + 8, size)
    return end - 8 < at <= end + 1
