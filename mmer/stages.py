"""The stages of one analysis: what was computed before is used again, the rest is timed, reported and can be cancelled."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

from mmer.stopping import check_stopped, stop_when

Item = TypeVar("Item")
Progress = Callable[[float, str], None]  # (share done in [0, 1], what is being done)
IsCancelled = Callable[[], bool]
# stage -> (what the person reads, rough share of the work before it ends)
STAGES = {
    "transcribe": ("Recognising the words", 0.45),
    "align": ("Aligning words and sound", 0.60),
    "encode speech": ("Encoding the speech", 0.85),
    "encode text": ("Encoding the words", 0.92),
    "pool": ("Pooling frames into phones, syllables and words", 0.95),
    "fuse": ("Running the fusion models", 1.0),
}


def split_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of at most `size`, taken only when they are asked for."""
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch


class StageResults:
    """One visitor's last result of every stage, with what it was computed from: what has not changed is not computed again."""

    def __init__(self) -> None:
        self._stages: dict[str, tuple[Hashable, Any]] = {}

    def recall(self, stage: str, key: Hashable) -> Any | None:
        known, value = self._stages.get(stage, (None, None))
        return value if known == key else None

    def keep(self, stage: str, key: Hashable, value: Any) -> None:
        self._stages[stage] = (key, value)


class Stages:
    """Runs the stages of one analysis: reuse, timing, progress, cancel."""

    def __init__(self, earlier: StageResults | None, progress: Progress | None, cancelled: IsCancelled | None):
        self.earlier = earlier or StageResults()
        self.progress = progress or (lambda share, text: None)
        self.cancelled = cancelled or (lambda: False)
        self.timings: dict[str, float] = {}
        self.devices: dict[str, str] = {}  # stage -> where it was computed, of those whose models may be on a card
        self._done = 0.0

    def run(self, stage: str, key: Hashable, compute: Callable[[], Any], *, device: Callable[[], str] | None = None) -> Any:
        """`device` says where it was computed, once it is; of what was computed before, what it said then.

        Raises: Cancelled before a stage that the person no longer wants.
        """
        with stop_when(self.cancelled):
            check_stopped()
            found = self._run(stage, key, compute, device)
            if where := self.earlier.recall(f"device of {stage}", key):
                self.devices[stage] = where
            return found

    def _run(self, stage: str, key: Hashable, compute: Callable[[], Any], device: Callable[[], str] | None) -> Any:
        text, end = STAGES[stage]
        known = self.earlier.recall(stage, key)
        if known is not None:
            self.timings[stage] = 0.0
        else:
            self.progress(self._done, text)
            start = time.perf_counter()
            known = compute()
            self.timings[stage] = time.perf_counter() - start
            self.earlier.keep(stage, key, known)
            if device is not None:
                self.earlier.keep(f"device of {stage}", key, device())
        self._done = end
        return known
