"""Cancel reaches every stage: whoever starts work says when it is not wanted any more, and long loops below ask in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mmer.errors import Cancelled

LOOK_SECONDS = 0.1  # between two looks of those who wait
_is_unwanted: ContextVar[Callable[[], bool]] = ContextVar("is_unwanted", default=lambda: False)


@contextmanager
def stop_when(is_unwanted: Callable[[], bool]) -> Iterator[None]:
    """During the block, in this thread, `check_stopped` raises once `is_unwanted()`."""
    before = _is_unwanted.set(is_unwanted)
    try:
        yield
    finally:
        _is_unwanted.reset(before)


def read_stop() -> Callable[[], bool]:
    """What says whether this thread's work is not wanted any more, for another thread or a stage of its own."""
    return _is_unwanted.get()


def check_stopped() -> None:
    """For long loops, once per step. Raises Cancelled when the work is not wanted any more."""
    if _is_unwanted.get()():
        raise Cancelled("Cancelled. Nothing was changed.")


@contextmanager
def hold_lock(lock: threading.Lock) -> Iterator[None]:
    """The lock, while those who wait for it can be cancelled. Raises Cancelled."""
    while not lock.acquire(timeout=LOOK_SECONDS):
        check_stopped()
    try:
        check_stopped()
        yield
    finally:
        lock.release()
