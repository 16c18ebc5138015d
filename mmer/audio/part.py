"""One recording of a file: where it lies, what its header gets wrong, and what the person should know of it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmer.audio.mpeg_frames import Buffer
from mmer.phrasing import say_count

SPARE = 4096  # bytes behind a recording that need no word
CUT_OFF = "The file ends before {what}: it was probably cut off."


@dataclass(frozen=True)
class Part:
    """One recording of a file."""

    start: int  # bytes into the file, half open
    end: int
    share: float | None = None  # of the sound that its header names, how much is there; None where it names no length
    patch: tuple[int, int, bytes] | None = None  # (bytes after start, bytes left out, bytes put in) where a header misleads decoders
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

    @property
    def size(self) -> int:
        _, out, new = self.part.patch or (0, 0, b"")
        return self.part.end - self.part.start - out + len(new)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        self.place = min(max(base + offset, 0), self.size)  # a header may name any place
        return self.place

    def readinto(self, buffer: Any) -> int:
        wanted = max(min(len(buffer), self.size - self.place), 0)
        at, out, new = self.part.patch or (0, 0, b"")
        data = self._read(self.place, min(self.place + wanted, at))  # before the patch, in it, behind it
        data += new[max(self.place - at, 0) : max(self.place + wanted - at, 0)]
        shift = out - len(new)
        data += self._read(max(self.place, at + len(new)) + shift, self.place + wanted + shift)
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)

    def _read(self, start: int, end: int) -> bytes:
        self.file.seek(self.part.start + start)
        return self.file.read(end - start) if end > start else b""

    def close(self) -> None:
        self.file.close()
        super().close()


def add_sentence(part: Part, sentence: str) -> Part:
    return Part(part.start, part.end, part.share, part.patch, (*part.sentences, sentence))


def shift_parts(parts: Iterable[Part], at: int) -> Iterator[Part]:
    """Parts that were found in the file from `at` on."""
    yield from (replace(part, start=at + part.start, end=at + part.end) for part in parts)


def describe_end(data: Buffer, written: int, start: int = 0) -> Part:
    """All of the file, of which the header says that it ends at `written`."""
    return Part(start, len(data), sentences=(CUT_OFF.format(what="its header says that it does"),) if written > len(data) + 1 else ())


def name_unread(named: int, unread: int) -> str:
    return (
        f"The header names {say_count(named, 'byte')} of sound, but {unread:,} more bytes follow that it does not name; they were "
        "not read. "
        "If the recording is longer than this, save it again."
    )


def name_rest(unread: int) -> str:
    return f"Behind the sound the file holds {unread:,} bytes that are no sound of its kind; they were not read."
