"""What the lesson knows of one clip: its analysis, a slice of its encoder states, and its leave-one-out curve if it was measured.

The last two are stored beside an example's analysis as lesson.json, format "mmer-lesson" version 1 (docs/lesson.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmer.errors import DataError
from mmer.exports.json_values import decode_array, encode_base64
from mmer.results import Analysis, SpeechStates

FORMAT, VERSION = "mmer-lesson", 1
SHOWN = 8  # dimensions of the states that are kept; the lesson prints the first few


@dataclass(frozen=True, eq=False)
class FrameStates:
    """The first dimensions of every frame's state: enough to average by hand."""

    values: np.ndarray  # (layers, frames, shown) float32, as the encoder gave them
    times: np.ndarray  # (frames,) seconds, centre of each frame
    step: float  # seconds between frames
    dim: int  # width of the whole state
    layer_names: tuple[str, ...]  # (layers,)


@dataclass(frozen=True, eq=False)
class LessonClip:
    """One clip of the lesson."""

    name: str  # of the example's folder; "" for a visitor's own clip
    title: str  # as shown
    emotion: str  # what the clip is meant to be; "" where nobody knows
    analysis: Analysis
    frames: FrameStates
    leave_one_out: Mapping[str, Any] | None  # as leave_one_out_to_json writes it; None: not measured yet
    recorded: bool = True  # False: synthesised speech

    @property
    def can_be_right(self) -> bool:
        """Whether what the clip is meant to be is known, and one of the classes that the models tell apart."""
        return self.emotion in self.analysis.best.classes


def slice_states(states: SpeechStates) -> FrameStates:
    """The part of the encoder's states that the lesson prints."""
    hidden = states.hidden
    return FrameStates(hidden[:, :, :SHOWN].astype(np.float32), states.times, states.step, hidden.shape[2], states.layer_names)


def lesson_to_json(clip: LessonClip) -> dict[str, Any]:
    """Frames and curve, with the identities of what they were computed from."""
    frames = clip.frames
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_from": identify(clip.analysis),
        "frames": {
            "values": encode_base64(frames.values),
            "times": frames.times.tolist(),
            "step": frames.step,
            "dim": frames.dim,
            "layer_names": list(frames.layer_names),
        },
        "leave_one_out": clip.leave_one_out,
    }


def identify(analysis: Analysis) -> dict[str, Any]:
    """What a stored lesson hangs on: other sound, encoders or heads make it stale."""
    heads = {role: prediction.head_sha256 for role, prediction in analysis.predictions.items()}
    return {"clip": analysis.clip.sha256, "text": analysis.transcript.text, "speech": analysis.encoders.get("speech", ""), "heads": heads}


def lesson_from_json(data: Mapping[str, Any], analysis: Analysis) -> tuple[FrameStates, Mapping[str, Any] | None] | None:
    """(frames, curve or None) that were stored for this very analysis; None when they belong to another sound, encoder or head.

    Raises: DataError when it is no such file.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT or data.get("version") != VERSION:
        raise DataError(
            f'This is no "{FORMAT}" of version {VERSION}; store the examples again: python -m mmer.ui assets/examples pretrained'
        )
    if data.get("made_from") != identify(analysis):
        return None
    try:
        stored = data["frames"]
        frames = FrameStates(
            decode_array(stored["values"], "frames.values"),
            np.asarray(stored["times"], dtype=float),
            float(stored["step"]),
            int(stored["dim"]),
            tuple(stored["layer_names"]),
        )
        return frames, data["leave_one_out"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"The stored lesson is damaged ({error!r}); store the examples again.") from error
