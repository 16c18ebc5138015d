"""Asks the models what the lesson needs beyond an analysis: the encoder's frames, and what each word's absence changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mmer.errors import EditError
from mmer.interventions.curves import FIRST_MEDIUM, FIRST_TIER, LeaveOneOut
from mmer.interventions.leave_one_out import leave_one_out, leave_one_out_to_json
from mmer.lesson.lesson_clip import FrameStates, LessonClip, slice_states
from mmer.pipeline import Analyzer
from mmer.results import Analysis
from mmer.stages import Progress


def encode_frames(analyzer: Analyzer, analysis: Analysis) -> FrameStates:
    """The slice of the speech encoder's states, encoded anew."""
    return slice_states(analyzer.speech.encode(analysis.clip.samples))


def measure_words(
    analyzer: Analyzer,
    clip: LessonClip,
    *,
    most_seconds: float = math.inf,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    leave_out: Callable[..., LeaveOneOut] = leave_one_out,
) -> LessonClip:
    """The clip with its leave-one-out curve over words, each taken out of the sound and the text at once.

    Raises: EditError when it has no words that can be left out, or more than `most_seconds` of sound would be encoded; Cancelled.
    """
    analysis = clip.analysis
    if analysis.alignment is None:
        raise EditError("This clip has no alignment, so no word can be taken out of its sound.")
    options: dict[str, Any] = {"most_seconds": most_seconds, "progress": progress, "cancelled": cancelled}
    result = leave_out(analyzer, analysis, tier=FIRST_TIER, medium=FIRST_MEDIUM, **options)
    curve: Mapping[str, Any] = leave_one_out_to_json(result)
    return replace(clip, leave_one_out=curve)
