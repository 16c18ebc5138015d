"""What visitors leave in memory goes when they do.

Gradio gives a state its lifetime when a handler returns it; ours are changed in place, so their time never ran. A task beside the server
looks at when each page was last used.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from .session import KEPT_SECONDS

CLOSED_SECONDS = 5 * 60  # how long a page's results outlive it: a phone that slept, or a line that broke, comes back to them
LOOK_SECONDS = 20.0


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
