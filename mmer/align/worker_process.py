"""A program that answers JSON lines, started once and asked many times: survives noise, silence and the death of the other side."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence

from mmer.errors import AlignmentError

START_SECONDS = 60.0  # a first import from a cold disk
_FRAMES = re.compile("\x1b\\[[0-9;]*m|[\u2500-\u257f]+")  # colours and boxes around messages
ERROR_LINES = 30  # of standard error kept for the message


class WorkerProcess:
    """One process behind a lock. After its death the next request starts it again, once for each request."""

    def __init__(self, command: Sequence[str], *, start_seconds: float = START_SECONDS):
        self._command = list(command)
        self._start_seconds = start_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: deque[str] = deque(maxlen=ERROR_LINES)
        self._readers: tuple[threading.Thread, ...] = ()
        self._number = 0
        self.hello: dict = {}  # what the process said when it was ready

    def start(self) -> None:
        """Raises AlignmentError when the process can't start or doesn't say that it is ready."""
        with self._lock:
            self._start()

    def ask(self, request: dict, *, seconds: float) -> dict:
        """The answer to one request.

        Raises AlignmentError with the answer's own error, or when none came within `seconds` or after one restart.
        """
        with self._lock:
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

    def _exchange(self, request: dict, seconds: float) -> dict | None:
        """None when the process died."""
        assert self._process is not None and self._process.stdin is not None
        self._number += 1
        number = self._number
        try:
            self._process.stdin.write(json.dumps({"id": number, **request}) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, OSError):
            return None
        return self._read_answer(seconds, lambda answer: answer.get("id") == number)

    def _read_answer(self, seconds: float, wanted) -> dict | None:
        """The first JSON object that is wanted; None at the end of the output. Noise in between doesn't make the wait longer."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
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
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):  # a last flush to a process that is gone
                stream.close()  # type: ignore[union-attr]
        said = last_sentence("".join(self._errors))
        return f": {said}" if said else ""


def _pass_lines(stream, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _keep_lines(stream, kept: deque[str]) -> None:
    """Drains standard error all the time, so that the other side never blocks on a full pipe."""
    for line in stream:
        kept.append(line)


def _read_object(line: str) -> dict | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None  # noise
    return value if isinstance(value, dict) else None


def last_sentence(stderr: str) -> str:
    """The message of a traceback or of a click error: what follows its last indented line, without the exception's name and heading."""
    lines = [_FRAMES.sub(" ", line).rstrip() for line in stderr.splitlines()]
    lines = [line for line in lines if line.strip()]
    if not any(line.startswith("  File ") for line in lines):
        return lines[-1].strip().removeprefix("Error: ").rstrip(".") if lines else ""
    last = max(i for i, line in enumerate(lines) if line.startswith("  "))
    heading, *rest = [line.strip() for line in lines[last + 1 :]] or [""]
    name, _, message = heading.partition(": ")
    parts = [message if " " not in name else heading, *rest]
    return " ".join(part for part in parts if part and not part.endswith("Error:")).rstrip(".")
