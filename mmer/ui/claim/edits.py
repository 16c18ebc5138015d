"""What the widgets of "Test the claim" hold -> an edit: the part, named in the list, selected in the views or given in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmer.choices.units import UNITS, aligned_units
from mmer.errors import DataError, EditError
from mmer.files.guarded_json import parse_json
from mmer.interventions.edits import (
    ChangeLoudness,
    ChangePitch,
    ChangeTempo,
    CorrectWords,
    Edit,
    Isolate,
    Mute,
    Remove,
    SwapVoice,
    SwapWords,
    Target,
)
from mmer.results import Analysis
from mmer.ui.texts import claim as texts

SELECTED = "selected"
STRETCH = "stretch"
AMOUNTS = {"pitch": 4.0, "tempo": 1.5, "loudness": -12.0}  # action -> the value that is offered first
IN_TEXT = ("mute", "mute noise", "remove", "isolate")  # actions that know a medium
WHOLE = ("words", "correct", "voice")  # actions on the whole clip


def list_parts(analysis: Analysis) -> list[tuple[str, str]]:
    """Everything that can be named: what is selected, then each word, syllable and phone."""
    parts = [(texts.SELECTED, SELECTED), (texts.STRETCH, STRETCH)]
    parts += [(texts.name_word(i + 1, word.text), f"word:{i}") for i, word in enumerate(analysis.transcript.words)]
    for tier, segments in (("syllable", "syllables"), ("phone", "phones")):
        if analysis.alignment is not None:
            found = enumerate(getattr(analysis.alignment, segments))
            parts += [(texts.name_segment(tier, i + 1, s.label, s.start), f"{tier}:{i}") for i, s in found]
    return parts


@dataclass(frozen=True)
class EditRequest:
    """What the widgets hold; the fields are named as the components of `ClaimPanel` are."""

    place: str  # the linked views' selection as JSON; second among the arguments of its event, where claim.js writes it
    part: str
    start: float | None  # seconds
    end: float | None
    action: str
    medium: str
    amount: float | None
    words: str
    voice: str | None  # SHA-256 of a clip in the list


def read_edit(analysis: Analysis, request: EditRequest) -> Edit:
    """The edit that the widgets describe. Raises EditError for what is missing."""
    action, medium, part, amount = request.action, request.medium, request.part, request.amount
    if action in WHOLE:
        return read_whole(action, request.words, request.voice)
    stretch = (request.start, request.end)
    target = read_selection(analysis, request.place) if part == SELECTED else read_stretch(stretch) if part == STRETCH else read_part(part)
    if medium == "both" and target.tier in ("syllable", "phone"):
        medium = "sound"  # the text has none; what was done is said with the result
    if action in AMOUNTS:
        if amount is None or not math.isfinite(amount):
            raise EditError(texts.say_how_much(texts.AMOUNTS[action]))
        made: Mapping[str, Callable[[Target, float], Edit]] = {"pitch": ChangePitch, "tempo": ChangeTempo, "loudness": ChangeLoudness}
        return made[action](target, float(amount))
    if action == "remove":
        return Remove(target, medium=medium)
    if action == "isolate":
        return Isolate(target, medium=medium)
    return Mute(target, medium=medium, fill="noise" if action == "mute noise" else "silence")


def read_whole(action: str, words: str, voice: str | None) -> Edit:
    if action == "voice":
        if not voice:
            raise EditError(texts.NO_VOICE)
        return SwapVoice(voice)
    if not words or not words.strip():
        raise EditError(texts.NO_WORDS)
    return SwapWords(words) if action == "words" else CorrectWords(words)


def read_stretch(stretch: tuple[float | None, float | None]) -> Target:
    start, end = stretch
    if start is None or end is None:
        raise EditError(texts.NO_STRETCH)
    return Target("span", start=float(start), end=float(end))


def read_part(part: str) -> Target:
    tier, _, index = str(part).partition(":")
    return Target(tier, index=int(index) if index.isdecimal() else None)


def read_place(place: str) -> dict[str, Any]:
    """The linked views' selection. Raises EditError when it is none."""
    try:
        selection = parse_json(place or "{}", texts.THE_SELECTION)
    except DataError as error:
        raise EditError(texts.UNREADABLE) from error
    if not isinstance(selection, dict):
        raise EditError(texts.UNREADABLE)
    return selection


def read_selection(analysis: Analysis, place: str) -> Target:
    """What is selected in the linked views. Raises EditError when nothing is, or when it is nothing of this clip."""
    selection = read_place(place)
    unit, segment, word, span = (selection.get(key) for key in ("unit", "segment", "word", "span"))
    if unit in ("W", "T") and isinstance(word, int) and word >= 0:
        return Target("word", index=word)
    if unit in aligned_units() and unit != "W" and isinstance(segment, int):
        return Target(UNITS[unit].one, index=segment)
    if isinstance(span, list) and len(span) == 2 and all(isinstance(t, int | float) and math.isfinite(t) for t in span):
        start, end = max(0.0, float(span[0])), min(float(span[1]), analysis.clip.duration)
        return Target("span", start=start, end=end)
    if not analysis.transcript.words and analysis.alignment is None:
        raise EditError(texts.SELECT_STRETCH)
    raise EditError(texts.SELECT_PART)
