"""Where what visitors send lies: a folder of this process's own, swept by age and by size, strays included, and gone with the process.

Gradio deletes the files that it knows of. It does not know of uploads that broke off, nor of those of a process that was killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mmer.ui.texts import page as texts

try:
    import fcntl
except ImportError:  # not on Windows, where the folder of a killed process is found by its age alone
    fcntl = None  # type: ignore[assignment]

KEPT_SECONDS = 30 * 60  # how long a recording and a visitor's results are kept without being used
MOST_BYTES = 4 * 2**30  # of all visitors' files together; the oldest go first
FRESH_SECONDS = 60.0  # an empty folder may have been made for a file that is just being written
LOCK = ".in-use"  # held by the process whose folder it is
GONE = texts.say_gone(KEPT_SECONDS // 60, MOST_BYTES // 2**30)


@contextlib.contextmanager
def own_upload_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder that Gradio and this process's temporary files use during the block; deleted at its end, and at SIGTERM.

    `parent`: default GRADIO_TEMP_DIR, else a folder in the system's temporary one. What earlier processes left below it goes at once.
    """
    parent = parent or Path(
        os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / f"mmer-uploads-{getattr(os, 'getuid', str)()}"
    )
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix="visit-", dir=parent))
    before = os.environ.get("GRADIO_TEMP_DIR"), tempfile.tempdir
    os.environ["GRADIO_TEMP_DIR"], tempfile.tempdir = str(folder), str(folder)
    with end_at_sigterm():
        try:
            with (folder / LOCK).open("w") as lock:
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            tempfile.tempdir = before[1]
            if before[0] is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before[0]


def serve_and_end(serve: Callable[[], None]) -> NoReturn:
    """Serves with an upload folder of this process's own, and ends the process with 0 when it was stopped. Errors pass through."""
    try:
        with own_upload_folder():
            serve()
    except KeyboardInterrupt:  # a second Ctrl+C, while Gradio closes; the first one it takes for itself
        pass
    # The recogniser may still be at work in a thread of the server. Python's usual end would stop that thread where it next wants the
    # interpreter, in the middle of C++ code, and C++ then aborts the whole process (signal 6). os._exit runs no more Python at all.
    # Nothing is left to do: the folder is deleted, the system releases locks and pipes, and an aligner's program ends with its pipe.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextlib.contextmanager
def end_at_sigterm() -> Iterator[None]:
    """During the block SIGTERM ends the process as Ctrl+C does, so that what must be deleted is deleted; a second one changes nothing."""

    def interrupt(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def remove_abandoned(parent: Path) -> None:
    """Folders of processes that are gone: nobody holds their lock."""
    for folder in parent.glob("visit-*"):
        try:
            with (folder / LOCK).open("a") as lock:
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                elif time.time() - folder.stat().st_ctime < 24 * 3600:
                    continue
        except OSError:  # in use, or another user's
            continue
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class UploadedFile:
    path: Path
    size: int  # bytes
    changed: float  # of the name or the content, whichever was later: a copy may have its original's date


def list_files(folder: Path) -> list[UploadedFile]:
    """All files below `folder` but the lock."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                status = os.lstat(os.path.join(place, name))
                found += [UploadedFile(Path(place, name), status.st_size, status.st_ctime)] if name != LOCK else []
    return found


def sweep(folder: Path, *, now: float | None = None, most_seconds: float = KEPT_SECONDS, most_bytes: float = MOST_BYTES) -> int:
    """Deletes the files below `folder` that did not change for `most_seconds`, then the oldest until `most_bytes` are left; how many."""
    now = time.time() if now is None else now
    files = sorted(list_files(folder), key=lambda file: file.changed)
    total = sum(file.size for file in files)
    removed = 0
    for file in files:
        if now - file.changed <= most_seconds and total <= most_bytes:
            break
        with contextlib.suppress(OSError):  # somebody else was faster
            file.path.unlink()
            removed += 1
        total -= file.size
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # it is not empty
            if path != str(folder) and now - os.stat(path).st_ctime > FRESH_SECONDS:
                os.rmdir(path)
    return removed
