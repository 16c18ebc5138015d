"""The last safety net: a bug becomes one sentence for the person, and a file with its traceback for us."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from mmer import __version__
from mmer.errors import Bug, MmerError

BUG = "This is a bug in mmer"
T = TypeVar("T")


def catch_bugs(call: Callable[[], T]) -> T:
    """What `call` returns. Raises MmerError as it does; Bug, naming the file with the traceback, in place of anything else."""
    try:
        return call()
    except MmerError:
        raise
    except MemoryError as error:
        raise MmerError("The memory of this machine ran out over it. Close other programs, or cut the recording.") from error
    except Exception as error:  # the one place: whatever nobody foresaw
        raise Bug(describe_bug(error)) from error


def is_bug(sentence: str) -> bool:
    """Whether a sentence, such as the reason why a row could not be used, was written by describe_bug."""
    return BUG in sentence


def describe_bug(error: Exception) -> str:
    """Describes a bug in one sentence. Its traceback goes into a file, which the same bug overwrites when it happens again."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    sentence = f"{BUG}, not a fault of what you gave it ({what[:200]})."
    places = "".join(f"{frame.filename}:{frame.lineno}\n" for frame in traceback.extract_tb(error.__traceback__))
    text = f"mmer {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n{''.join(traceback.format_exception(error))}"
    try:
        path = reserve_file(f"{type(error).__name__}\n{places}", os.getpid())
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as failed:
        return f"{sentence} Its traceback could not be kept ({failed.strerror}): {' '.join(text.split())[-400:]}"
    return f"{sentence} Please report it with the file {path}, which holds the traceback."


@lru_cache(maxsize=100)
def reserve_file(mistake: str, process: int) -> str:
    """The path of a new, empty file that only its owner may read; the same one for the same mistake in one process. Raises OSError."""
    descriptor, path = tempfile.mkstemp(prefix="mmer-bug-", suffix=".txt")
    os.close(descriptor)
    return path
