"""Who trains an experiment and how far it is: a lock that one process holds, a status with a heartbeat; starting and stopping processes.

The operating system frees the lock of a process that ends in whatever way, so "running" in the file alone proves nothing: it must be held.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

from mmer.errors import Cancelled, DataError, MmerError
from mmer.experiments.folder.run_progress import RunStatus
from mmer.experiments.folder.runs import LOCK, LOG, RunFolder

BEAT = 2.0  # seconds between heartbeats
STALE = 30.0  # seconds without one after which a process counts as lost
PATIENCE = 2.0  # seconds to wait for the lock: somebody may just be asking whether it is held
QUICKEST = 0.2  # seconds between two writings of the status
GRACE = 20.0  # seconds from SIGTERM to SIGKILL
LAST_WORDS = 12  # lines of the log
BEGINNING = ("state", "pid", "host", "born", "started", "heartbeat", "stage")  # what a new process changes in the status


def read_status(folder: RunFolder, *, now: float | None = None) -> RunStatus:
    """The status as it is: "lost" when it says that it runs but nobody does. Raises DataError when status.json is damaged."""
    if not folder.has("status"):
        return RunStatus()
    status = _read_file(folder)
    silence = (time.time() if now is None else now) - status.heartbeat
    here = status.host == socket.gethostname()
    if status.state == "running":
        if silence > STALE:
            return _lose(folder, status, f"Process {status.pid} on {status.host} has given no sign of life for {silence:.0f} s.")
        if here and not is_held(folder):
            status = _read_file(folder)  # it may have ended between the two looks
            if status.state == "running" and not is_held(folder):
                return _lose(folder, status, f"Process {status.pid} ended without any message.")
    elif status.state == "starting" and here and not is_process(status.pid, status.born):
        status = _read_file(folder)
        if status.state == "starting":
            return _lose(folder, status, f"Process {status.pid} ended before it began to train.")
    return replace(status, last_words=folder.tail_log(LAST_WORDS)) if status.state == "failed" else status


def _read_file(folder: RunFolder) -> RunStatus:
    stored = folder.read("status")
    names = {f.name for f in fields(RunStatus)} - {"last_words"}
    if (
        not isinstance(stored, dict)
        or not isinstance(stored.get("heartbeat", 0.0), int | float)
        or not isinstance(stored.get("pid", 0), int)
    ):
        raise DataError(f"{folder.path / 'status.json'} is damaged; resume the experiment {folder.name}, or delete it.")
    return RunStatus(**{name: value for name, value in stored.items() if name in names})


def _write_file(folder: RunFolder, status: RunStatus) -> None:
    content = asdict(status)
    del content["last_words"]
    folder.write("status", content)


def _lose(folder: RunFolder, status: RunStatus, message: str) -> RunStatus:
    return replace(status, state="lost", message=message, seconds_left=None, last_words=folder.tail_log(LAST_WORDS))


def is_held(folder: RunFolder) -> bool:
    """Whether a process of this machine holds the lock."""
    if not (folder.path / LOCK).exists():
        return False
    try:
        with FileLock(folder.path / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that we may only read is trained by nobody we could know of
        return False


def find_birth(pid: int) -> str:
    """When a process began, in the system's ticks since boot; "" where that can't be known, or it is gone or a zombie."""
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if values[0] in "ZX" else values[19]


def is_process(pid: int, born: str) -> bool:
    """Whether this very process still lives. Without /proc (not Linux): whether one of its number does."""
    if born:
        return find_birth(pid) == born
    if pid <= 0 or Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


# The process that trains


class RunLock:
    """The lock that the training process holds on its folder, through which it reports how far it is. Made by lock_run()."""

    def __init__(self, folder: RunFolder, status: RunStatus):
        self.folder = folder
        self.stopping = threading.Event()  # set by SIGTERM and SIGINT
        self._status, self._written = status, 0.0
        self._guard = threading.Lock()
        self._log_is_stdout = _is_stdout(folder.path / LOG)

    @property
    def status(self) -> RunStatus:
        return self._status

    def update(self, **changes: Any) -> None:
        """stage, done, seconds_left, runs_finished, runs, epoch, message. Cheap: the file is written a few times a second at most."""
        with self._guard:
            self._status = replace(self._status, **changes)
            if time.monotonic() - self._written >= QUICKEST:
                self._write()

    def beat(self) -> None:
        with self._guard:
            self._write()

    def end(self, state: str, message: str = "") -> None:
        with self._guard:
            self._status = replace(self._status, state=state, message=message, seconds_left=None)
            self._write()

    def _write(self) -> None:
        self._status = replace(self._status, heartbeat=time.time())
        _write_file(self.folder, self._status)
        self._written = time.monotonic()

    def say(self, text: str) -> None:
        """Prints a line, and keeps it in log.txt."""
        print(text, flush=True)
        if not self._log_is_stdout:
            self.folder.append_log(text)

    def check(self) -> None:
        """Raises Cancelled when the process was asked to stop."""
        if self.stopping.is_set():
            raise Cancelled(
                f"{self.folder.name} was stopped; `python -m mmer runs resume {self.folder.name} --runs {self.folder.path.parent}` goes on."
            )


@contextmanager
def lock_run(folder: RunFolder, *, runs: int = 0, stage: str = "starting") -> Iterator[RunLock]:
    """The right to train in a folder, with a heartbeat as long as it lasts.

    The status ends as finished; as stopped when the body raises Cancelled or KeyboardInterrupt, or returns with runs left after a signal;
    as failed with the error's sentence otherwise. Errors go on. Raises DataError when another process holds the folder.
    """
    file_lock = FileLock(folder.path / LOCK, thread_local=False)
    try:
        file_lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        other = _read_file(folder) if folder.has("status") else RunStatus()
        raise DataError(
            f"{folder.name} is already being trained by process {other.pid} on {other.host}; stop it first, or wait."
        ) from error
    except OSError as error:
        raise DataError(f"Can't write to {folder.path}: {error.strerror}.") from error
    try:
        lock = RunLock(folder, replace(_begin(os.getpid(), "running"), runs=runs, stage=stage))
        lock.beat()
        with _beating(lock), _listening(lock.stopping):
            yield from _watch(lock)
    finally:
        file_lock.release()


def _refuse(folder: RunFolder, status: RunStatus) -> DataError:
    return DataError(f"{folder.name} is already being trained by process {status.pid} on {status.host}; stop it first, or wait.")


def _begin(pid: int, state: str) -> RunStatus:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return RunStatus(state, pid, socket.gethostname(), find_birth(pid), started, time.time(), "starting")


def _watch(lock: RunLock) -> Iterator[RunLock]:
    try:
        yield lock
    except (Cancelled, KeyboardInterrupt):
        lock.end("stopped")
        raise
    except BaseException as error:
        lock.end("failed", _describe_error(error))
        if not lock._log_is_stdout:
            lock.folder.append_log(str(error) if isinstance(error, MmerError) else traceback.format_exc())
        raise
    status = lock.status
    left = status.runs_finished < status.runs if status.runs else status.done < 1
    lock.end("stopped" if lock.stopping.is_set() and left else "finished")


def _describe_error(error: BaseException) -> str:
    return str(error) if isinstance(error, MmerError) else "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


@contextmanager
def _beating(lock: RunLock) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT):
            with suppress(DataError):  # a full disk may have room again at the next beat; the body will say so if not
                lock.beat()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _listening(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT ask to stop; a second SIGINT interrupts. In a thread that isn't the main one no signal arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_stdout(path: Path) -> bool:
    """Whether what this process prints is written to that file anyway."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), path.stat())
    except (OSError, ValueError, AttributeError):
        return False


# Those who start and stop it


def launch_run(folder: RunFolder, *, command: Sequence[str] | None = None) -> int:
    """`mmer train --resume FOLDER` as a process of its own, which outlives this one; it writes to log.txt. Returns its number.

    Raises DataError when one is at it already.
    """
    status = read_status(folder)
    if status.active or is_held(folder):
        raise _refuse(folder, status)
    before = _read_file(folder) if folder.has("status") else RunStatus()
    arguments = command or (sys.executable, "-m", "mmer", "train", "--resume", str(folder.path.resolve()))
    package = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join(dict.fromkeys([package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]))
    with (folder.path / LOG).open("ab") as log:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"},
        )
    threading.Thread(target=process.wait, name=f"wait for {folder.name}", daemon=True).start()  # so that it leaves no zombie
    if not folder.has("status") or _read_file(folder) == before:  # else it was quicker than we are
        now = _begin(process.pid, "starting")
        _write_file(folder, replace(before, **{name: getattr(now, name) for name in BEGINNING}, seconds_left=None, message=""))
    return process.pid


def stop_run(folder: RunFolder, *, grace: float = GRACE) -> RunStatus:
    """Ends the process: SIGTERM, and SIGKILL when it still lives after `grace` seconds. Returns the status, which is then "stopped".

    Raises DataError when nothing runs, or on another machine, or it isn't certain that the process is the one that trains.
    """
    status = read_status(folder)
    if not status.active:
        raise DataError(f"{folder.name} is not being trained: it is {status.state}.")
    if status.host != socket.gethostname():
        raise DataError(f"{folder.name} is trained by process {status.pid} on {status.host}; stop it there.")
    if not is_process(status.pid, status.born) or status.pid in (0, 1, os.getpid()):
        raise DataError(f"Process {status.pid} is not the one that trains {folder.name}; check it yourself.")
    _send(status.pid, signal.SIGTERM)
    if not _wait_for_end(status, grace):
        _send(status.pid, signal.SIGKILL)
        _wait_for_end(status, PATIENCE)
    with FileLock(folder.path / LOCK, timeout=PATIENCE):
        after = _read_file(folder)
        if after.active:  # it had no time to say so itself
            _write_file(folder, replace(after, state="stopped", message="", seconds_left=None))
    return read_status(folder)


def _send(pid: int, number: signal.Signals) -> None:
    """To the process and, where it leads a group of its own, to all of them."""
    with suppress(ProcessLookupError):
        if number == signal.SIGKILL and os.getpgid(pid) == pid != os.getpgid(0):
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _wait_for_end(status: RunStatus, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_process(status.pid, status.born):
            return True
        time.sleep(0.05)
    return False
