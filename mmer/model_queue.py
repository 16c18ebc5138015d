"""One model, many people: work takes turns in the order in which it was asked for, and whoever waits knows the place.

Only work on models takes turns. A stage that waits for something else, such as another program, lends its turn to the others meanwhile
(`ModelQueue.lend`), and comes back before those who asked later.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mmer.errors import Busy, Cancelled
from mmer.phrasing import say_count

LOOK_SECONDS = 0.25  # between two looks at whether one who waits still wants it


@dataclass(frozen=True, eq=False)
class Ticket:
    """A place in the line, from `ModelQueue.ask` until `ModelQueue.leave`."""

    number: int  # counts up; the lowest number that wants the turn has it next
    visitor: Hashable


@dataclass(frozen=True)
class QueueLimits:
    """How long a line may be."""

    places: int | None = None  # of all visitors together; None: as many as come
    each: int | None = None  # of one visitor


UNBOUNDED = QueueLimits()


class ModelQueue:
    """The line of those who want the models, and who has them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._tickets: dict[int, Ticket] = {}  # of all who asked and have not left
        self._wanting: set[int] = set()  # of those who will want the turn
        self._ready: set[int] = set()  # of those whose thread waits for it: one that never came to wait holds nobody up
        self._holder: int | None = None
        self._mine = threading.local()  # .held: the ticket and its `cancelled`, in the thread that has the turn

    def ask(self, visitor: Hashable = None, bounds: QueueLimits = UNBOUNDED) -> Ticket:
        """A place at the end of the line. Raises Busy where there is none left, or this visitor has taken enough."""
        with self._changed:
            taken = sum(ticket.visitor == visitor for ticket in self._tickets.values()) if visitor is not None else 0
            if bounds.each is not None and taken >= bounds.each:
                raise Busy(
                    f"{say_count(taken, 'of your requests is', 'of your requests are')} in line already. Wait for it to end, or "
                    "cancel it, and ask again."
                )
            if bounds.places is not None and len(self._tickets) >= bounds.places:
                raise Busy(
                    f"{say_count(len(self._tickets), 'request is', 'requests are')} in line for the models, which is all there is "
                    "room for. Ask again in a minute."
                )
            ticket = Ticket(next(self._numbers), visitor)
            self._tickets[ticket.number] = ticket
            self._wanting.add(ticket.number)
            return ticket

    def leave(self, ticket: Ticket) -> None:
        """The place is free again, whether its turn came or not."""
        with self._changed:
            self._tickets.pop(ticket.number, None)
            self._wanting.discard(ticket.number)
            if self._holder == ticket.number:
                self._holder = None
            self._changed.notify_all()

    def count_before(self, ticket: Ticket) -> int:
        """How many have the turn or will have it before this one; 0 for the one that has it."""
        with self._changed:
            if self._holder == ticket.number:
                return 0
            return sum(number < ticket.number for number in self._wanting) + (self._holder is not None)

    @contextmanager
    def hold(self, ticket: Ticket, cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """The turn, once it has come, until the block ends; the ticket is used up. Raises Cancelled while waiting."""
        try:
            self._wait(ticket, cancelled)
            self._mine.held = ticket, cancelled
            yield
        finally:
            self._mine.held = None
            self.leave(ticket)

    @contextmanager
    def take(
        self, visitor: Hashable = None, cancelled: Callable[[], bool] = lambda: False, bounds: QueueLimits = UNBOUNDED
    ) -> Iterator[None]:
        """Ask, wait and hold in one. Raises Busy, Cancelled."""
        with self.hold(self.ask(visitor, bounds), cancelled):
            yield

    def try_hold(self, ticket: Ticket) -> bool:
        """Whether the turn has come; it is then had until `leave`, in whatever threads. For one who looks now and then."""
        with self._changed:
            if self._holder is None and not any(number < ticket.number for number in self._wanting):
                self._holder = ticket.number
                self._wanting.discard(ticket.number)
            return self._holder == ticket.number

    @contextmanager
    def lend(self) -> Iterator[None]:
        """Others may have this thread's turn during the block; it comes back first of all. Nothing where the thread has no turn."""
        held = getattr(self._mine, "held", None)
        if held is None:
            yield
            return
        ticket, cancelled = held
        with self._changed:
            self._holder = None
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._wanting.add(ticket.number)
            self._wait(ticket, cancelled)

    def _wait(self, ticket: Ticket, cancelled: Callable[[], bool]) -> None:
        with self._changed:
            self._ready.add(ticket.number)
            try:
                while self._holder is not None or min(self._ready) != ticket.number:
                    if cancelled():
                        raise Cancelled("Cancelled before its turn came. Nothing was changed.")
                    self._changed.wait(LOOK_SECONDS)
                self._holder = ticket.number
            finally:
                self._ready.discard(ticket.number)
                self._wanting.discard(ticket.number)
                self._changed.notify_all()
