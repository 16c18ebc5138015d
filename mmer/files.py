"""Files that are whole or not there at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from pathlib import Path


def replace_file(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Writes under a name of its own, then renames: whoever reads `path`, or writes it at the same time, never meets half a file.

    `sync`: the data are on the disk before the name is, for what must outlive a power cut. Raises: OSError, leaving nothing behind.
    """
    temporary = path.with_name(f".{path.name[:50]}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes, as hex. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_parts(folder: Path, *, seconds: float = 0.0) -> None:
    """Removes what killed processes left half-written in a folder that long ago."""
    for part in folder.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            if time.time() - part.stat().st_mtime >= seconds:
                part.unlink()
