"""Standard output and standard error that never stop the work: their reader may go away, their disk be full, or they may be closed."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO

from mmer.errors import DataError


class Stream(io.RawIOBase):
    """Writes to a descriptor. After the first failure what is written is dropped, and `error` says why; None: the stream is closed."""

    def __init__(self, descriptor: int | None):
        self.descriptor = descriptor
        self.error: OSError | None = None if descriptor is not None else OSError(errno.EBADF, "it is closed")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        if self.descriptor is None:
            raise io.UnsupportedOperation("this stream is closed")
        return self.descriptor

    def isatty(self) -> bool:
        return self.descriptor is not None and os.isatty(self.descriptor)

    def write(self, data: Any) -> int:
        if self.error is None and self.descriptor is not None:
            try:
                return os.write(self.descriptor, data)
            except OSError as error:
                self.error = error
        return len(data)

    @property
    def failed(self) -> bool:
        """Whether something was lost that somebody wanted: a reader who went away and a closed stream wanted nothing more."""
        return self.descriptor is not None and self.error is not None and not isinstance(self.error, BrokenPipeError)

    @property
    def reason(self) -> str:
        return "" if self.error is None else self.error.strerror or str(self.error)


@contextmanager
def keep_working() -> Iterator[Stream | None]:
    """Inside, printing never fails. Gives the stream of standard output; None where a program has put something else in its place."""
    before = sys.stdout, sys.stderr
    if None in before:
        occupy_descriptors()
    streams = []
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = open_stream(getattr(sys, name), descriptor)
        streams.append(stream)
        if stream is not None:
            setattr(sys, name, wrap_stream(stream, getattr(sys, name)))
        elif isinstance(getattr(sys, name), io.TextIOWrapper):  # a notebook's stream, or a string that collects, takes every character
            getattr(sys, name).reconfigure(errors="backslashreplace")
    try:
        yield streams[0]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def open_stream(current: TextIO | None, descriptor: int) -> Stream | None:
    """A guarded stream for `descriptor`; None where `current` is not the process's own output, as in a test."""
    if current is None:
        return Stream(None)
    try:
        return Stream(descriptor) if current.fileno() == descriptor else None
    except OSError:  # it has no descriptor
        return None


def wrap_stream(stream: Stream, current: TextIO | None) -> TextIO:
    """`stream` as text, encoded and buffered as it was before; a character that the terminal lacks is written as its number."""
    if current is not None:
        current.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(stream),
        encoding=getattr(current, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=getattr(current, "line_buffering", False),
        write_through=getattr(current, "write_through", False),
    )


def occupy_descriptors() -> None:
    """Fills the place of a closed standard output, so that the next opened file does not get what libraries print."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


@contextmanager
def open_output() -> Iterator[BinaryIO]:
    """Standard output for bytes, after what was printed before. Raises DataError when it is closed."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if sys.stdout is None or (isinstance(raw, Stream) and raw.descriptor is None):
        raise DataError("Standard output is closed, so nothing can be written there. Name a file in place of -.")
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
