"""Tasks -> answers, computed by several processes. Each keeps what it has loaded; a crashed one is replaced, and its task is reported."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from mmer.errors import MmerError


@dataclass(frozen=True)
class WorkerCrash:
    """The answer of a process that was ended from outside or by a fault in native code."""

    signal: int

    def __str__(self) -> str:
        why = " (memory may have run out)" if self.signal == signal.SIGKILL else ""
        return f"The process that worked on it was ended by signal {self.signal}{why}."


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    task: Any = None


def run_tasks(make: Callable[[], Callable[[Any], Any]], tasks: Iterable[Any], *, workers: int) -> Generator[tuple[Any, Any]]:
    """Yields (task, answer) in the order in which they finish. `make` returns the function that does a task; each process calls it once.

    The answer is a WorkerCrash when the process was killed over the task. An MmerError ends everything and is raised here; so does a bug,
    after its traceback. Closing the iterator ends all processes at once.
    """
    if workers == 1:
        do = make()
        for task in tasks:
            yield task, do(task)
        return
    waiting = deque(tasks)
    crew = [_start(make) for _ in range(min(workers, len(waiting)))]
    try:
        for worker in crew:
            _give(worker, waiting)
        while any(worker.task is not None for worker in crew):
            busy: dict[Any, _Worker] = {worker.connection: worker for worker in crew if worker.task is not None}
            for connection in wait(list(busy)):
                worker = busy[connection]
                task, answer = worker.task, _receive(worker)
                if isinstance(answer, WorkerCrash):
                    crew[crew.index(worker)] = worker = _start(make)
                _give(worker, waiting)
                yield task, answer
    finally:
        for worker in crew:
            worker.process.terminate()
        for worker in crew:
            worker.process.join()
            worker.connection.close()


def _start(make: Callable[[], Callable[[Any], Any]]) -> _Worker:
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in an unknown state
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, make), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, waiting: deque[Any]) -> None:
    worker.task = waiting.popleft() if waiting else None
    if worker.task is not None:
        with contextlib.suppress(BrokenPipeError):  # it died while idle: _receive finds out
            worker.connection.send(worker.task)


def _receive(worker: _Worker) -> Any:
    try:
        answer = worker.connection.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode or 0
        if code >= 0:
            raise RuntimeError(f"A worker process ended with exit code {code}; its own message stands above.") from None
        return WorkerCrash(-code)
    if isinstance(answer, MmerError):
        raise answer
    return answer


def _work(connection: Connection, make: Callable[[], Callable[[Any], Any]]) -> None:
    """What a worker process runs; it ends with its parent, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the workers
    try:
        do = make()
        while True:
            connection.send(do(connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except MmerError as error:
        connection.send(error)


def count_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
