"""The one path from a clip's states to model input; the app, the CLI and training use it.

FEATURES_VERSION in feature_store/cache.py is raised when these numbers change.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmer.choices.units import UNITS, aligned_units
from mmer.encoders.pooling import pool_segments
from mmer.results import Alignment, Features, SpeechStates, TextStates, UnitStates
from mmer.word_contributions import own_moments


def extract_features(
    preset: str,
    speech: SpeechStates | None,
    text: TextStates | None,
    alignment: Alignment | None,
    *,
    absent: Mapping[str, str] | None = None,
    pooled: Mapping[str, np.ndarray] | None = None,
) -> Features:
    """Units F, P, S, W from the speech states (and alignment), T from the text states. `pooled` (unit -> (layers, segments, dim)) are
    states that were pooled already, elsewhere than here.

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
    return Features(preset, units, missing)


def _frames(speech: SpeechStates, alignment: Alignment | None) -> UnitStates:
    return UnitStates(
        "F",
        speech.hidden,
        tuple(f"{time:.2f} s" for time in speech.times),
        np.maximum(speech.times - speech.step / 2, 0.0),
        speech.times + speech.step / 2,
        own_moments(speech.times, alignment.words if alignment else ()),
    )
