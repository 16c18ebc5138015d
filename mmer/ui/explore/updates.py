"""What the handlers of the Explore tab change."""

from __future__ import annotations

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
