"""ZeroGPU, a Space to which a graphics card is lent for some seconds at a time: the models' work on that card, all else outside.

The package `spaces` forks a process for each card that is lent, and pickles what goes in and comes out. It has to be imported before
torch, so this module is the first that app.py imports. Nothing else knows of it; on other machines nothing of it happens.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

ON_ZERO = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # as `spaces` itself reads it
if ON_ZERO:
    import spaces

import numpy as np

from mmer.align import Options
from mmer.errors import MmerError
from mmer.heads.head import AnyHead
from mmer.pipeline import Analyzer, Variant
from mmer.results import Alignment, Analysis, Clip, Notice, Parent, Transcript
from mmer.stages import Progress, Stages

START_SECONDS = 10  # of the card: a new process, CUDA and the weights
SECONDS_PER_SECOND = 0.05  # of the card, per second of sound
LONGEST_REASON = 200  # characters of what `spaces` says
WAITING = "Asking for a graphics card and computing on it"

Task = Callable[..., Any]
Decorate = Callable[..., Task]  # (task, duration=from the task's arguments to seconds) -> the task, done where a card is; `spaces.GPU`


def load_analyzer(*, preset: str, heads_folder: Path, device: str = "auto", aligner_options: Options | None = None) -> Analyzer:
    """The app's analyzer: on ZeroGPU one that asks for a card, elsewhere the plain one on `device`. Raises as Analyzer.load does."""
    options: dict[str, Any] = {"preset": preset, "heads_folder": heads_folder, "aligner_options": aligner_options}
    if not ON_ZERO:
        return Analyzer.load(**options, device=device)
    import gradio
    import httpx

    analyzer = CardAnalyzer.load(**options)
    assert isinstance(analyzer, CardAnalyzer)
    # what `spaces` raises: for quotas, queues and what broke in its process, for its service's answers, and where that can't be reached
    refusals = (gradio.Error, RuntimeError, httpx.HTTPError, OSError)
    analyzer.use_card(Analyzer.load(**options, device="cuda"), spaces.GPU, refusals)
    return analyzer


class CardAnalyzer(Analyzer):
    """An analyzer with models on the CPU that lets others compute on a card that is lent; where none is, its own do, with a sentence."""

    def use_card(self, on_card: Analyzer, decorate: Decorate, refusals: tuple[type[Exception], ...]) -> None:
        """`on_card`: the same models on the card. `refusals`: what the decorated tasks raise where no card is had."""
        on_card.find_speech = lambda samples: ()  # its model runs in threads, which a forked process does not have; `_read` asks our own
        self.refusals = refusals
        self.compute = {
            "read": decorate(catch_refusals(on_card.analyze_parts), duration=ask_to_read),
            "score": decorate(catch_refusals(on_card.score_variants), duration=ask_to_score),
        }

    def _read(
        self,
        clip: Clip,
        transcript: Transcript,
        alignment: Alignment | None,
        reasons: dict[str, str],
        notices: tuple[Notice, ...],
        chosen: AnyHead,
        head: str,
        parent: Parent | None,
        stages: Stages,
    ) -> Analysis:
        stages.progress(0.6, WAITING)
        try:
            analysis: Analysis = self.ask_card("read", clip, transcript, alignment, absent=reasons, head=head, parent=parent)
        except self.refusals as error:
            refused = Notice("encoders", describe_refusal(error), "info")
            return super()._read(clip, transcript, alignment, reasons, (*notices, refused), chosen, head, parent, stages)
        stages.progress(1.0, "Done")
        return replace(
            analysis,
            clip=clip,  # these three not as the copies that came back
            transcript=transcript,
            alignment=alignment,
            timings={**stages.timings, **analysis.timings},
            devices={**stages.devices, **analysis.devices},
            notices=tuple(dict.fromkeys((*analysis.notices, *notices))),
            speech_seconds=None if transcript.words else sum(end - start for start, end in self.find_speech(clip.samples)),
        )

    def score_variants(
        self,
        analysis: Analysis,
        variants: Iterable[Variant],
        *,
        count: int,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> dict[str, np.ndarray]:
        made = list(variants)
        report = progress or (lambda share, text: None)
        report(0.0, WAITING)
        try:
            scores: dict[str, np.ndarray] = self.ask_card("score", analysis, made, count=count)
            return scores
        except self.refusals as error:
            report(0.0, describe_refusal(error))
        return super().score_variants(analysis, made, count=count, progress=progress, cancelled=cancelled)

    def ask_card(self, task: str, *args: Any, **options: Any) -> Any:
        """What the task returns; others have the models' turn meanwhile. Raises what the task refused, and `refusals`."""
        with self.queue.lend():
            result = self.compute[task](*args, **options)
        if isinstance(result, MmerError):
            raise result
        return result


def catch_refusals(task: Task) -> Task:
    """The task, which returns our own errors: of whatever else is raised there, `spaces` brings back no more than the class's name."""

    def compute(*args: Any, **options: Any) -> Any:
        try:
            return task(*args, **options)
        except MmerError as error:
            return error

    return compute


def ask_to_read(clip: Clip, *args: Any, **options: Any) -> int:
    """Seconds of the card for an analysis."""
    return ask_seconds(clip.duration)


def ask_to_score(analysis: Analysis, variants: list[Variant], **options: Any) -> int:
    """Seconds of the card for changed versions of a clip."""
    return ask_seconds(analysis.clip.duration * (1 + len(variants)))


def ask_seconds(sound: float) -> int:
    """Seconds of the card for so many seconds of sound. Shorter ones are lent earlier; a task that takes longer may be aborted."""
    return math.ceil(START_SECONDS + SECONDS_PER_SECOND * sound)


def describe_refusal(error: Exception) -> str:
    """A sentence of our own around what `spaces` says."""
    title, message = getattr(error, "title", ""), str(getattr(error, "message", error))
    reason = ": ".join(part for part in (title, " ".join(message.split()).strip(" .")) if part) or type(error).__name__
    if len(reason) > LONGEST_REASON:
        reason = reason[:LONGEST_REASON] + "…"
    return f"No graphics card could be used ({reason}). The CPU computed this instead, which takes longer."
