"""Clips are loaded, encoded and written at the same time: three stages with a bounded store between each two, and what waited for what."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

WRITERS = 4  # threads: a checksum and a file take longer than the forward pass of a short clip on a card
Item = TypeVar("Item")
Choose = Callable[[list[Any]], list[Any]]


@dataclass
class StageTimes:
    """Seconds of the three stages so far. The device's three add up to the time since it had its encoder."""

    source: str = "aligner"  # what the first stage is called
    computing: float = 0.0  # of the device
    for_clips: float = 0.0  # the device waited for clips
    for_disk: float = 0.0  # the device waited until there was room for what it had made
    source_waited: float = 0.0  # loaded clips waited for the device
    disk_waited: float = 0.0  # the writing threads waited for the device, on average

    def name_bottleneck(self) -> str:
        """device | disk | what the first stage is called; "" before anything was measured."""
        found = {"device": self.computing, self.source: self.for_clips, "disk": self.for_disk}
        return max(found, key=lambda name: found[name]) if any(found.values()) else ""

    def describe_shortly(self) -> str:
        """The bottleneck and the device's share of work, for a line of progress; "" before anything was measured."""
        name, whole = self.name_bottleneck(), self.computing + self.for_clips + self.for_disk
        return f"the {name} is the bottleneck (the device works {self.computing / whole:.0%} of the time)" if name else ""

    def describe(self) -> str:
        """The same with all that was measured, in one sentence; "" before anything was."""
        name = self.name_bottleneck()
        if not name:
            return ""
        return (
            f"The {name} was the bottleneck: the device computed for {self.computing:.1f} s, waited {self.for_clips:.1f} s for clips and "
            f"{self.for_disk:.1f} s for the disk; loaded clips waited {self.source_waited:.1f} s for the device, the disk "
            f"{self.disk_waited:.1f} s for something to write."
        )


class Handover(Generic[Item]):
    """Items on their way from one thread to another, of a bounded weight together; a heavier one goes alone."""

    def __init__(self, limit: float, weigh: Callable[[Item], float]):
        self.limit, self.weigh = limit, weigh
        self._items: list[Item] = []
        self._weight = 0.0
        self._changed = threading.Condition()
        self._full = self._ended = False

    def put(self, item: Item) -> float:
        """Waits for room; dropped after `close`. Returns the seconds of waiting."""
        begun, weight = time.monotonic(), self.weigh(item)
        with self._changed:
            while not self._ended and self._items and self._weight + weight > self.limit:
                self._full = True
                self._changed.notify_all()
                self._changed.wait()
            self._full = False
            if not self._ended:
                self._items.append(item)
                self._weight += weight
            self._changed.notify_all()
        return time.monotonic() - begun

    def take(self, choose: Choose, enough: float = 0.0) -> tuple[list[Item], float]:
        """What `choose` takes of all items, once they weigh `enough` or no more can come; [] at the end. And the seconds of waiting."""
        begun = time.monotonic()
        with self._changed:
            while not (self._ended or self._full or (self._items and self._weight >= enough)):
                self._changed.wait()
            waited = time.monotonic() - begun
            taken = choose(self._items) if self._items else []
            chosen = set(map(id, taken))
            self._items = [item for item in self._items if id(item) not in chosen]
            self._weight = sum(map(self.weigh, self._items))
            self._full = False
            self._changed.notify_all()
        return taken, waited

    def end(self) -> None:
        """No more will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is taken any more either."""
        with self._changed:
            self._items, self._ended = [], True
            self._changed.notify_all()


@dataclass(frozen=True)
class StageWork:
    """What the device's thread and the writing threads do, and how much may wait for them."""

    encode: Callable[[Sequence[Any]], Sequence[Any]]  # a batch of loaded items -> what was made of each
    write: Callable[[Any, Any], Any]  # an item and what was made of it -> what is yielded of it
    choose: Choose  # of the loaded items the next batch
    weigh: Callable[[Any], float]
    batch: float  # weight of a batch; less is taken where nothing more comes
    ahead: float  # of items that are loaded before the device has time for them
    behind: float  # of those that are encoded before the disk has


def run_stages(loaded: Iterable[tuple[Any, bool]], stages: StageWork, times: StageTimes) -> Generator[Any]:
    """Yields what `write` returns of each item, as it is done. `loaded` are items with whether the device is needed: others are yielded.

    `loaded` is read in the caller's thread. What a stage raises ends all of them and is raised here; so does closing the iterator, after
    the batch that the device works on.
    """
    run = _Run(stages, times)
    try:
        for item, needs_device in loaded:
            if needs_device:
                times.source_waited += run.loaded.put(item)
            else:
                yield item
            yield from run.drain()
        run.loaded.end()
        while run.is_working():
            yield from run.drain(wait=0.2)
        yield from run.drain()
    finally:
        run.stop()


class _Run:
    """The threads of a run and what lies between them."""

    def __init__(self, stages: StageWork, times: StageTimes):
        self.stages, self.times = stages, times
        self.loaded: Handover[Any] = Handover(stages.ahead, stages.weigh)
        self.encoded: Handover[Any] = Handover(stages.behind, lambda found: stages.weigh(found[0]))
        self.done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._lock = threading.Lock()
        work = [self._encode, *[self._write] * WRITERS]
        self.threads = [threading.Thread(target=self._guard, args=(each,), daemon=True) for each in work]
        for thread in self.threads:
            thread.start()

    def drain(self, *, wait: float = 0.0) -> Generator[Any]:
        """What is done by now; waits so many seconds for the first. Raises what ended a thread."""
        while self.failure is None:
            try:
                yield self.done.get(timeout=wait) if wait else self.done.get_nowait()
            except queue.Empty:
                break
            wait = 0.0
        if self.failure is not None:
            raise self.failure

    def is_working(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def stop(self) -> None:
        self.loaded.close()
        self.encoded.close()
        for thread in self.threads:
            thread.join()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # raised again in the caller's thread
            self.failure = self.failure or error
            self.loaded.close()
            self.encoded.close()

    def _encode(self) -> None:
        stages, times = self.stages, self.times
        while True:
            batch, waited = self.loaded.take(stages.choose, stages.batch)
            times.for_clips += waited
            if not batch:
                break
            begun = time.monotonic()
            found = stages.encode(batch)
            times.computing += time.monotonic() - begun
            for each in zip(batch, found):
                times.for_disk += self.encoded.put(each)
        self.encoded.end()

    def _write(self) -> None:
        while True:
            found, waited = self.encoded.take(lambda items: items[:1])
            with self._lock:
                self.times.disk_waited += waited / WRITERS
            if not found:
                break
            self.done.put(self.stages.write(*found[0]))
