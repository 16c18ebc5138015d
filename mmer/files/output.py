"""Writes a file completely or not at all, or writes to standard output instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mmer.errors import DataError
from mmer.files.replace import open_new
from mmer.files.streams import open_output

OUTPUT = Path("-")  # in place of a file's name: standard output


def write_file(path: Path | str, content: str | bytes) -> Path:
    """A file of this content, as open_file does it. Returns its path. Raises DataError."""
    with open_file(path) as file:
        file.write(content.encode("utf-8", errors="backslashreplace") if isinstance(content, str) else content)
    return Path(path)


@contextmanager
def open_file(path: Path | str) -> Iterator[BinaryIO]:
    """Written under a temporary name, then renamed: a file of this name is never half written. `-` is standard output. Raises DataError."""
    path = Path(path)
    try:
        with open_output() if path == OUTPUT else open_new(path) as file:
            yield file
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"Can't write {path}: {reason}. Choose a folder that exists and can be written to.") from error
