"""What visitors leave in memory goes when they do.

Gradio gives a state its lifetime when a handler returns it; ours are changed in place, so their time never ran. A task beside the server
looks at when each page was last used.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from gradio.utils import get_upload_folder

from mmer.results import Alignment, Transcript
from mmer.stages import StageResults
from mmer.ui.explore.session import LessonSession, Session
from mmer.ui.page.upload_folder import KEPT_SECONDS, sweep
from mmer.ui.texts import page as texts

CLOSED_SECONDS = 5 * 60  # how long a page's results outlive it: a phone that slept, or a line that broke, comes back to them
LOOK_SECONDS = 20.0
MOST_MEMORY = 3 * 2**30  # bytes of all visitors' results together
LET_GO = texts.say_let_go(MOST_MEMORY // 2**30)


@contextlib.asynccontextmanager
async def forget_while_serving(server: Any) -> AsyncIterator[None]:
    """The lifespan of the web server `server`, as Gradio's `launch(app_kwargs={"lifespan": ...})` takes it."""
    task = asyncio.create_task(look_again(server.state_holder))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def look_again(holder: Any) -> None:
    while True:
        forget_unused(holder, datetime.now())
        make_room(holder)
        await asyncio.to_thread(sweep, Path(get_upload_folder()))
        await asyncio.sleep(LOOK_SECONDS)


def forget_unused(holder: Any, now: datetime) -> None:
    """Drops the states of pages that were closed, or not used, long enough ago. `holder`: Gradio's StateHolder."""
    with holder.lock:
        for name, used in list(holder.time_last_used.items()):
            state = holder.session_data.get(name)
            idle = (now - used).total_seconds()
            if state is None or idle > KEPT_SECONDS or (state.is_closed and idle > CLOSED_SECONDS):
                holder.session_data.pop(name, None)
                holder.time_last_used.pop(name, None)


def make_room(holder: Any, most_bytes: int = MOST_MEMORY) -> None:
    """Drops the results of those who were away longest until all together take `most_bytes`; their owners get a message when they ask."""
    with holder.lock:
        names = sorted(holder.session_data, key=lambda name: holder.time_last_used.get(name, datetime.min))
        visits = [[v for v in holder.session_data[name].state_data.values() if isinstance(v, Session | LessonSession)] for name in names]
    counted: set[int] = set()  # what several visitors share, an example, is the newest one's: it stays as long as that does
    sizes = [count_bytes(visit, counted) for visit in reversed(visits)][::-1]
    total = sum(sizes)
    for visit, size in zip(visits, sizes):
        if total <= most_bytes:
            return
        if size:
            for session in visit:
                session.let_results_go(LET_GO)
            total -= size


def count_bytes(value: Any, counted: set[int]) -> int:
    """Of all arrays that `value` leads to, but those `counted` before."""
    if isinstance(value, str | bytes | int | float | Alignment | Transcript) or value is None or id(value) in counted:
        return 0
    counted.add(id(value))
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(count_bytes(part, counted) for part in value.values())
    if isinstance(value, list | tuple):
        return sum(count_bytes(part, counted) for part in value)
    if dataclasses.is_dataclass(value) or isinstance(value, StageResults):
        return sum(count_bytes(part, counted) for part in vars(value).values())
    return 0
