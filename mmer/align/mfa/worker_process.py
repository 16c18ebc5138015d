"""A program that answers JSON lines, started once and asked many times: survives noise, silence and the death of the other side."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer.align.mfa.messages import last_sentence
from mmer.errors import AlignmentError, Cancelled
from mmer.stopping import LOOK_SECONDS, check_stopped, hold_lock

START_SECONDS = 60.0  # a first import from a cold disk
ANSWER_SECONDS, CLIP_SHARE = 10.0, 0.5  # an answer may take so long, and so many seconds more for each second of sound
ERROR_LINES = 30  # of standard error kept for the message


def limit_seconds(duration: float = 0.0) -> float:
    """How long an answer about `duration` seconds of sound may take: a clip takes tens of milliseconds, so the rest is a hung process."""
    return ANSWER_SECONDS + CLIP_SHARE * duration


class WorkerProcess:
    """One process behind a lock. After its death the next request starts it again, once for each request.

    Whoever waits, for the lock or for an answer, can be cancelled (mmer.stopping); a process that was at work then is ended.
    """

    def __init__(self, command: Sequence[str], *, start_seconds: float = START_SECONDS):
        self._command = list(command)
        self._start_seconds = start_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: deque[str] = deque(maxlen=ERROR_LINES)
        self._readers: tuple[threading.Thread, ...] = ()
        self._number = 0
        self.hello: dict[str, Any] = {}  # what the process said when it was ready

    def start(self) -> None:
        """Raises AlignmentError when the process can't start or doesn't say that it is ready."""
        with self._lock:
            self._start()

    def ask(self, request: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """The answer to one request.

        Raises AlignmentError with the answer's own error, or when none came within `seconds` or after one restart; Cancelled.
        """
        with hold_lock(self._lock):
            for attempt in (1, 2):
                if self._process is None or self._process.poll() is not None:
                    self._start()
                answer = self._exchange(request, seconds)
                if answer is not None:
                    break
                detail = self._stop()
                if attempt == 2:
                    raise AlignmentError(f"The aligner's process ended twice without an answer{detail}.")
        if answer is not None and "error" in answer:
            raise AlignmentError(f"The aligner says: {answer['error'].rstrip('.')}.")
        return answer or {}

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _start(self) -> None:
        self._lines, self._errors = queue.Queue(), deque(maxlen=ERROR_LINES)
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8", errors="replace"
            )
        except OSError as error:
            raise AlignmentError(f"{self._command[0]} can't be started: {error.strerror}.") from error
        self._readers = (
            threading.Thread(target=_pass_lines, args=(self._process.stdout, self._lines), daemon=True),
            threading.Thread(target=_keep_lines, args=(self._process.stderr, self._errors), daemon=True),
        )
        for reader in self._readers:
            reader.start()
        hello = self._read_answer(self._start_seconds, lambda answer: "ready" in answer or "error" in answer)
        if hello is None or "error" in hello:
            detail = self._stop()
            raise AlignmentError(
                "The aligner's process did not start: " + (hello["error"] if hello else detail.strip(" :") or "no answer") + "."
            )
        self.hello = hello

    def _exchange(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """None when the process died."""
        assert self._process is not None and self._process.stdin is not None
        self._number += 1
        number = self._number
        line = json.dumps({"id": number, **request}) + "\n"
        threading.Thread(target=_write_line, args=(self._process.stdin, line), daemon=True).start()  # one that reads nothing would block us
        return self._read_answer(seconds, lambda answer: answer.get("id") == number)

    def _read_answer(self, seconds: float, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The first JSON object that is wanted; None at the end of the output. Noise in between doesn't make the wait longer."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                check_stopped()
                line = self._lines.get(timeout=min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
            except Cancelled:
                self._stop()
                raise
            except queue.Empty:
                if time.monotonic() < deadline:
                    continue
                self._stop()
                raise AlignmentError(f"The aligner gave no answer within {seconds:.0f} s.") from None
            if line is None:
                return None
            answer = _read_object(line)
            if answer is not None and wanted(answer):
                return answer

    def _stop(self) -> str:
        """Ends the process; returns what it last wrote to standard error, as the end of a sentence."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.kill()
        process.wait()
        for reader in self._readers:
            reader.join(timeout=1.0)
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            with contextlib.suppress(OSError):  # a last flush to a process that is gone
                stream.close()
        said = last_sentence("".join(self._errors))
        return f": {said}" if said else ""


def run_command(command: Sequence[str], *, seconds: float, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One program run to its end, with what it wrote. Raises AlignmentError when it takes longer than `seconds`; Cancelled."""
    deadline = time.monotonic() + seconds
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace", env=env
    ) as process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    out, errors = process.communicate(timeout=LOOK_SECONDS)
                    return subprocess.CompletedProcess(command, process.returncode, out, errors)
                check_stopped()
                if time.monotonic() >= deadline:
                    raise AlignmentError(f"{Path(command[0]).name} took longer than {seconds:.0f} s.")
        except BaseException:
            process.kill()
            raise


def _write_line(stream: Any, line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the process is gone, which its output's end says
        stream.write(line)
        stream.flush()


def _pass_lines(stream: Iterable[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _keep_lines(stream: Iterable[str], kept: deque[str]) -> None:
    """Drains standard error all the time, so that the other side never blocks on a full pipe."""
    for line in stream:
        kept.append(line)


def _read_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None  # noise
    return value if isinstance(value, dict) else None
