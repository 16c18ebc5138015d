"""What a head says about a clip, and which other head speaks where it can't."""

from __future__ import annotations

from collections.abc import Mapping

from mmer.errors import HeadError
from mmer.heads.head import AnyHead, CombinedHead, Head
from mmer.results import (
    Features,
    Notice,
    Prediction,
)


def predict(
    head: AnyHead, features: Features, heads: Mapping[str, AnyHead]
) -> tuple[dict[str, Prediction], dict[str, str], tuple[Notice, ...]]:
    """Predictions by role (late, early, combined), the roles that can't speak with the reason, and what to tell the person.

    Late fusion leaves out what a clip lacks. Early fusion needs all its units: without them the head among `heads` speaks that
    makes do with what there is (frames and text); with no words no early fusion is possible.

    Raises: HeadError when no model can speak.
    """
    spoken, silent = dict(head.predict_all(features)), head.unavailable(features)
    notices: tuple[Notice, ...] = ()
    stand_in = find_stand_in(features, heads, head.config.classes) if "early" in silent else None
    if stand_in is not None:
        spoken["early"] = stand_in.predict(features)
        notices = (Notice("fusion", f"{silent.pop('early')} {stand_in.config.title} speaks for early fusion instead."),)
        if isinstance(head, CombinedHead) and "late" in spoken:
            spoken["combined"] = head.combine(spoken["early"], spoken["late"])
            del silent["combined"]
    if not spoken:
        raise HeadError(f"No model can speak about this clip. {' '.join(silent.values())}")
    untrained = [p.head for p in spoken.values() if not heads[p.head].config.trained_on]
    if untrained:
        sentence = f"Untrained: {', '.join(untrained)}. The numbers follow the equations but say nothing about emotion."
        notices = (*notices, Notice("fusion", sentence))
    return {role: spoken[role] for role in ("late", "early", "combined") if role in spoken}, silent, notices


def find_stand_in(features: Features, heads: Mapping[str, AnyHead], classes: tuple[str, ...]) -> Head | None:
    """The early-fusion head of these classes that reads the most of the units there are."""
    early = [head for head in heads.values() if isinstance(head, Head) and head.role == "early" and head.config.classes == classes]
    able = [head for head in early if not head.unavailable(features)]
    return max(able, key=lambda head: len(head.config.units), default=None)
