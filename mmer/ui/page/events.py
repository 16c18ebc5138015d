"""How the tabs' events are wired alike, and how much one call may ask of the models where strangers wait."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mmer.model_queue import QueueLimits

if TYPE_CHECKING:
    import gradio as gr

HIDDEN: dict[str, Any] = {"api_visibility": "undocumented"}  # callable, but not part of the described API
QUIET: dict[str, Any] = {"show_progress": "hidden", **HIDDEN}
LOOK: dict[str, Any] = {"queue": False, "show_progress": "hidden"}  # after an action
POLL: dict[str, Any] = {"queue": False, **QUIET}  # looks don't wait behind analyses
# Gradio's queue refuses nobody: whoever wants the models stands in `Analyzer.queue`, which is bounded and says the place
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": None}
BATCH_QUEUE: dict[str, Any] = {"concurrency_id": "batch", "concurrency_limit": None}
IMPORT_QUEUE: dict[str, Any] = {"concurrency_id": "import", "concurrency_limit": 1}  # a large file takes memory while it is read
WAITING_KINDS = tuple(kind["concurrency_id"] for kind in (MODEL_QUEUE, BATCH_QUEUE, IMPORT_QUEUE))
BOUNDS = {False: QueueLimits(), True: QueueLimits(places=24, each=2)}  # is_public -> of the line for the models
# of the line for a batch, whose recordings stand in the line for the models one by one
BATCH_BOUNDS = {False: QueueLimits(), True: QueueLimits(places=6, each=1)}
MOST_THREADS = 120  # of handlers: everybody in both lines, and as many looks, examples and exports
# is_public -> seconds of sound that one leave-one-out may encode: 40 words of a 25 s clip, twice
MOST_SECONDS = {False: math.inf, True: 2000.0}


def let_looks_pass(app: gr.Blocks) -> None:
    """Showing, examples, lists and exports don't queue: only events that wait for something are Gradio's to queue."""
    for event in app.fns.values():
        if event.concurrency_id not in WAITING_KINDS and not event.types_generator:
            event.queue = False
