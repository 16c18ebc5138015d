"""Writes files that are complete or not there at all, and respects what is there already: pipes, devices, links, permissions."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, data: bytes, *, sync: bool = False) -> None:
    """`data` as the content of `path`, as open_new does it. Raises: OSError, leaving nothing behind."""
    with open_new(path, sync=sync) as file:
        file.write(data)


@contextmanager
def open_new(path: Path, *, sync: bool = False) -> Iterator[BinaryIO]:
    """A file to write into, under a name of its own until it is whole: whoever reads `path`, or writes it too, never meets half a file.

    A link is followed, so that it stays a link; permissions and owner of a file that is there are kept; what is no regular file, such as a
    pipe or /dev/null, is written to and never replaced; nor is the file that standard output goes to (/dev/stdout).

    `sync`: the data are on the disk before the name is, for what must outlive a power cut. Raises: OSError, leaving nothing behind.
    """
    found = find_status(path)
    if found is not None and (output := find_output(found)) is not None:
        with open(output, "wb", closefd=False) as file:
            yield file
    elif found is not None and not stat.S_ISREG(found.st_mode):
        with open(path, "wb", opener=_open_existing) as file:
            yield file
    else:
        with _open_replacement(path, found, sync=sync) as file:
            yield file


@contextmanager
def _open_replacement(path: Path, found: os.stat_result | None, *, sync: bool) -> Iterator[BinaryIO]:
    if found is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name[:50]}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(temporary, "wb", opener=_open_own) as file:
            if found is not None:
                _take_over(temporary, found)
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def find_status(path: Path) -> os.stat_result | None:
    """The status of the file that `path` leads to; None where there is none. Raises: OSError for links in a circle and impossible names."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except ValueError as error:  # a zero byte, or half a character, in the name
        raise OSError(errno.EINVAL, f"this can't be the name of a file ({error})", str(path)) from error


def find_output(found: os.stat_result) -> int | None:
    """Which of this process's own outputs, 1 or 2, goes to the file with this status; None for any other file."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):  # it is closed
            if os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    return None


def _open_existing(name: str, flags: int) -> int:
    """Opens without O_CREAT, so that no file is made if the pipe or device has disappeared meanwhile."""
    return os.open(name, flags & ~(os.O_CREAT | os.O_TRUNC))


def _open_own(name: str, flags: int) -> int:
    """Opens the temporary file without following a link that somebody may have put there."""
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _take_over(path: Path, found: os.stat_result) -> None:
    """Copies owner and permissions of the file that is replaced. Where the owner can't be changed, the permissions still are."""
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(path, found.st_uid, found.st_gid)
    os.chmod(path, stat.S_IMODE(found.st_mode))


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes, as hex. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_parts(folder: Path, *, seconds: float = 0.0) -> None:
    """Removes half-written files that killed processes left in a folder that long ago."""
    for part in folder.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            if time.time() - part.stat().st_mtime >= seconds:
                part.unlink()
