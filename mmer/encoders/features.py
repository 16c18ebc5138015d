"""The one path from a clip's states to model input; the app, the CLI and training use it.

FEATURES_VERSION in feature_store/cache.py is raised when these numbers change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mmer.choices.units import UNITS, aligned_units
from mmer.encoders.pooling import pool_segments
from mmer.errors import TranscriptError
from mmer.results import Alignment, Features, SpeechStates, TextStates, UnitStates
from mmer.word_contributions import own_moments

MAX_PAIRS = 60_000_000  # word pieces times frames, or phones: one attention map of it takes 240 MB, and three are needed at once


def extract_features(
    preset: str,
    speech: SpeechStates | None,
    text: TextStates | None,
    alignment: Alignment | None,
    *,
    absent: Mapping[str, str] | None = None,
    pooled: Mapping[str, np.ndarray] | None = None,
    seconds: float = math.inf,
) -> Features:
    """Units F, P, S, W from the speech states (and alignment), T from the text states. `pooled` (unit -> (layers, segments, dim)) are
    states that were pooled already, elsewhere than here. Of the speech units the first `seconds` are kept, as count_begun counts them.

    What can't be had is left out and named in `Features.absent`; `absent` gives the reasons known to the caller
    (unit -> sentence), e.g. why there is no alignment. Nothing is filled with zeros.
    """
    reasons = dict(absent or {})
    units: dict[str, UnitStates] = {}
    if text is not None and text.hidden.shape[1]:
        units["T"] = UnitStates("T", text.hidden, text.tokens, None, None, text.words)
    if speech is not None:
        units["F"] = _frames(speech, alignment)
        for unit in aligned_units():
            segments = alignment.tier(unit) if alignment else ()
            if segments:
                states = pooled[unit] if pooled and unit in pooled else pool_segments(speech.hidden, speech.times, segments)
                units[unit] = UnitStates(
                    unit,
                    states,
                    tuple(s.label for s in segments),
                    np.array([s.start for s in segments]),
                    np.array([s.end for s in segments]),
                    np.array([s.word for s in segments]),
                )
    missing = {unit: reasons.get(unit, f"There are no {UNITS[unit].name} for this clip.") for unit in UNITS if unit not in units}
    return Features(preset, {unit: cut_unit(found, seconds) for unit, found in units.items()}, missing)


def cut_unit(found: UnitStates, seconds: float) -> UnitStates:
    """The segments of the first `seconds`; all of a text."""
    if found.starts is None or found.ends is None or math.isinf(seconds):
        return found
    end = count_begun(found.starts, found.unit, seconds)
    if end == len(found.labels):
        return found
    return UnitStates(found.unit, found.states[:, :end], found.labels[:end], found.starts[:end], found.ends[:end], found.words[:end])


def count_begun(starts: np.ndarray, unit: str, seconds: float) -> int:
    """How many segments of a speech unit belong to a clip's first `seconds`, at least one where there is any: phones, syllables and words
    that begin in them, frames whose centre lies in them. `starts` (segments,)."""
    if unit != "F":
        return min(len(starts), max(1, int(np.searchsorted(starts, seconds))))
    if len(starts) < 3:
        return len(starts)
    step = starts[-1] - starts[-2]  # the first frame's begin may be cut off at 0
    return max(1, int(np.searchsorted(starts + step / 2, seconds - 1e-6)))


def check_pieces(pieces: int, segments: int) -> None:
    """Raises TranscriptError when text and clip together are too long for early fusion, where each piece looks at each frame or phone."""
    if pieces * segments > MAX_PAIRS:
        raise TranscriptError(
            f"The words are {pieces:,} pieces of text to the model, which reads at most {MAX_PAIRS // segments:,} beside a clip this long. "
            "Cut the clip, or type only what is said."
        )


def _frames(speech: SpeechStates, alignment: Alignment | None) -> UnitStates:
    return UnitStates(
        "F",
        speech.hidden,
        tuple(f"{time:.2f} s" for time in speech.times),
        np.maximum(speech.times - speech.step / 2, 0.0),
        speech.times + speech.step / 2,
        own_moments(speech.times, alignment.words if alignment else ()),
    )
