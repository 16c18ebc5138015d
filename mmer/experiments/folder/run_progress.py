"""How far an experiment is, as its status.json says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunStatus:
    """status.json, and what can be seen of the process."""

    state: str = "waiting"  # waiting (never begun) | starting | running | finished | failed | stopped | lost
    pid: int = 0
    host: str = ""
    born: str = ""  # when the process began, as the system counts; tells it from a later one with the same number
    started: str = ""  # ISO, UTC
    heartbeat: float = 0.0  # unix seconds
    stage: str = ""
    done: float = 0.0  # share, 0 to 1
    seconds_left: float | None = None
    runs_finished: int = 0
    runs: int = 0
    epoch: int = 0
    message: str = ""  # why it failed, or was lost
    last_words: tuple[str, ...] = ()  # end of the log of one that failed or was lost; not in the file

    @property
    def active(self) -> bool:
        return self.state in ("starting", "running")
