"""Tasks on a Ray cluster: what nodes there are, what a task may take, and who sees the shared folders.

Nothing but paths and sentences crosses the network. A task answers "" or what a person can mend; Ray tries it again when its worker or
node dies; a bug in it stays loud.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer import __version__
from mmer.errors import Cancelled, DataError

LOOK = 1.0  # seconds between two looks at the tasks
UNSEEN = 90.0  # seconds for which a machine may not see what another one wrote: file systems remember what was not there
PATIENCE = 5.0  # seconds for a cluster to answer
GRACE = 30.0  # seconds in which cancelled tasks may stop by themselves
OBJECT_STORE = 100 * 2**20  # bytes, of a cluster that is started here: only paths pass through it


# What tasks share


@dataclass(frozen=True)
class ClusterJob:
    """What every task has to know of the process that asked."""

    places: tuple[Path, ...]  # hidden folders in the shared ones: who sees them sees those; the first holds what tasks report
    version: str
    command: tuple[str, ...]

    @property
    def board(self) -> Path:
        return self.places[0]

    @property
    def stop(self) -> Path:
        """There when all tasks shall stop."""
        return self.board / "stop"

    def check_node(self) -> None:
        """Raises DataError when this node has another version, or not the same folders."""
        host = socket.gethostname()
        if self.version != __version__:
            raise DataError(f"{host} has mmer {__version__} instead of {self.version}; install the same version on all nodes.")
        for place in self.places:
            if not place.is_dir():
                raise DataError(
                    f"{host} does not see {place.parent} as the machine that asked does; runs, features and data must be on a filesystem "
                    "that all nodes see under the same path."
                )


@contextmanager
def open_job(folders: Sequence[Path]) -> Iterator[ClusterJob]:
    """A hidden folder in each of the shared ones, until the end."""
    token = f".ray-{uuid.uuid4().hex[:12]}"
    job = ClusterJob(tuple(folder / token for folder in folders), __version__, tuple(sys.argv))
    try:
        for place in job.places:
            try:
                place.mkdir(parents=True)
            except OSError as error:
                raise DataError(f"Can't write to {place.parent}: {error.strerror}.") from error
        yield job
    finally:
        for place in job.places:
            shutil.rmtree(place, ignore_errors=True)


# The cluster


@dataclass(frozen=True)
class Node:
    cpus: float
    gpus: float
    memory: float  # bytes


@dataclass(frozen=True)
class Resources:
    """Of a task."""

    cpus: int
    gpus: float
    memory: float  # bytes


@dataclass(frozen=True)
class Task:
    do: Callable[..., str]
    arguments: tuple[Any, ...]
    needs: Resources
    retries: int


@contextmanager
def connect(address: str | None) -> Iterator[Any]:
    """The module ray, connected. What is connected already stays so. Raises DataError without Ray, or when no cluster answers."""
    try:
        import ray
    except ImportError as error:
        raise DataError("Ray is not installed; run pip install -e '.[ray]', or use --executor local.") from error
    if ray.is_initialized():
        yield ray
        return
    place = address or os.environ.get("RAY_ADDRESS") or "local"
    if not answers(place):
        raise DataError(f"No Ray cluster answers at {place}; start one with `ray start --head`, or leave --ray-address out.")
    here: dict[str, Any] = {"include_dashboard": False, "object_store_memory": OBJECT_STORE} if place == "local" else {}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster started here tells nobody
    try:
        ray.init(address=place, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True, **here)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise DataError(
            f"No Ray cluster could be used at {place} ({error}); start one with `ray start --head`, set RAY_AUTH_MODE and "
            "RAY_AUTH_TOKEN_PATH as there if it asks for a token, or leave --ray-address out."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def answers(address: str) -> bool:
    """Whether something listens at host:port; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):  # "local", "auto"
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError):
        return False
    return True


def list_nodes(ray: Any) -> tuple[Node, ...]:
    """Those that live."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return tuple(Node(r.get("CPU", 0.0), r.get("GPU", 0.0), r.get("memory", 0.0)) for r in found)


def count_slots(nodes: Sequence[Node], needs: Resources) -> int:
    """Tasks that run at once."""
    return sum(
        int(min(node.cpus // needs.cpus, node.gpus // needs.gpus if needs.gpus else math.inf, max(1, node.memory // needs.memory)))
        for node in nodes
    )


def wants_card(device: str, nodes: Sequence[Node]) -> bool:
    """Whether what computes on the device of this name needs a card, in a cluster that may have none."""
    return device.startswith("cuda") or (device == "auto" and any(node.gpus for node in nodes))


def choose_needs(nodes: Sequence[Node], tasks: int, *, cpus: int, gpus: float, memory: float) -> Resources:
    """Without `cpus`, as many for each task as leave the number of tasks at once as high as can be.

    Raises DataError when no node has them.
    """
    memory = min([memory, *(node.memory for node in nodes if node.memory)])
    most = count_slots(nodes, Resources(cpus or 1, gpus, memory))
    if not most:
        wanted = f"{cpus or 1} CPU{'s' if cpus > 1 else ''}" + (f" and {gpus:g} GPU" if gpus else "")
        raise DataError(
            f"No node of the Ray cluster has {wanted} for a task; ask for less with --ray-cpus, --ray-gpus, --threads or --device."
        )
    if cpus:
        return Resources(cpus, gpus, memory)
    largest = max(int(node.cpus) for node in nodes)
    return next(needs for c in range(largest, 0, -1) if count_slots(nodes, needs := Resources(c, gpus, memory)) >= min(tasks, most))


def run_tasks(ray: Any, job: ClusterJob, tasks: Mapping[str, Task], *, look: Callable[[], None]) -> Iterator[tuple[str, str]]:
    """(name, "" or what went wrong) as they end; `look` is called every second. Left early, by an error or a signal, it stops them all.

    Raises Cancelled after SIGTERM.
    """
    names = {submit(ray, task): name for name, task in tasks.items()}
    waiting = list(names)
    with _listening() as stopping:
        try:
            while waiting:
                ended, waiting = ray.wait(waiting, num_returns=1, timeout=LOOK)
                look()
                for reference in ended:
                    yield names[reference], read_answer(ray, reference)
                if stopping.is_set() and waiting:
                    raise Cancelled("The work was stopped; the same command goes on.")
        finally:
            if waiting:
                stop_tasks(ray, job, waiting)


@contextmanager
def _listening() -> Iterator[threading.Event]:
    """Set by SIGTERM, in place of Ray's own handler, which ends the process at once. Only the main thread gets signals."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGTERM, before)


def submit(ray: Any, task: Task) -> Any:
    options = {
        "num_cpus": task.needs.cpus,
        "num_gpus": task.needs.gpus,
        "memory": int(task.needs.memory),
        "max_retries": task.retries,
        "retry_exceptions": False,
        "max_calls": 1,  # a process of its own, which takes its memory with it
        "scheduling_strategy": "SPREAD",
    }
    return ray.remote(**options)(task.do).remote(*task.arguments)


def read_answer(ray: Any, reference: Any) -> str:
    """A task's answer, or that its workers died; a bug in it is raised here with its traceback."""
    try:
        return str(ray.get(reference))
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        return f"its worker died and could not be replaced ({str(error).strip().splitlines()[0]})."


def stop_tasks(ray: Any, job: ClusterJob, references: Sequence[Any]) -> None:
    """Asks them to stop, which keeps their folders in order, and waits for it."""
    with suppress(OSError):
        job.stop.touch()
    for reference in references:
        ray.cancel(reference, force=False)
    ray.wait(list(references), num_returns=len(references), timeout=GRACE)


def appears(path: Path, *, seconds: float = UNSEEN) -> bool:
    """Whether a file that another machine wrote is to be seen here, soon."""
    end = time.monotonic() + seconds
    while not path.is_file():
        if time.monotonic() > end:
            return False
        with suppress(OSError):
            os.listdir(path.parent)  # asks the file server anew
        time.sleep(0.2)
    return True
