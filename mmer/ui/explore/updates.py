"""What the handlers of the Explore tab change, and how another tab shows a clip there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import gradio as gr


class ExploreUpdate(TypedDict, total=False):
    """New values of components of `Inputs` and `Results`; what is not named stays as it is."""

    audio: str | None  # path
    transcript: str
    head: str | None
    aligner: str | None
    analyse: gr.Button
    transcribe: gr.Button
    empty: Any
    body: gr.Column
    stages: str
    verdict: str
    notices: str
    views: str
    trace: str
    download: str  # path


@dataclass(frozen=True)
class ExploreLink:
    """How another tab shows a clip here."""

    session: gr.State  # the visitor's; who has put an analysis into it ...
    show_again: Callable[[Any], Any]  # ... hands the event that did so to this, and gets the event that shows it
    views: gr.HTML  # changes with every result that is shown
