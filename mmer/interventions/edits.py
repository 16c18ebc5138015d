"""What can be changed about a clip, as plain data: frozen dataclasses with a JSON form (docs/interventions.md).

A target counts words, syllables, phones and seconds in the clip as it was before the first edit of a list, whatever the edits before
it removed. SwapVoice, SwapWords and CorrectWords begin anew: targets after them count in what they put there.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mmer.choices.units import Unit, aligned_by_name
from mmer.errors import EditError

PLACES = {"sound": "in the sound", "text": "in the text", "both": "in the sound and the text"}
MEDIA = ("sound", "text", "both")
FILLS = ("silence", "noise")
MAX_SEMITONES = 24.0
MIN_TEMPO, MAX_TEMPO = 0.25, 4.0
MAX_DECIBELS = 60.0


def list_target_tiers() -> dict[str, Unit]:
    """What a target may be a number of: "word", "syllable", "phone"."""
    return {unit.one: unit for unit in aligned_by_name().values()}


@dataclass(frozen=True)
class Target:
    """A word, syllable or phone by its number, or a span of time."""

    tier: str  # word | syllable | phone | span
    index: int | None = None  # from 0 on; None for a span. A word's is its index in Transcript.words, the others' that in their tier
    start: float | None = None  # seconds; None but for a span
    end: float | None = None

    def __post_init__(self) -> None:
        if self.tier == "span":
            if not (isinstance(self.start, int | float) and isinstance(self.end, int | float) and 0 <= self.start < self.end < math.inf):
                raise EditError(f"The span from {self.start} to {self.end} s is none; give two times in seconds, the earlier one first.")
        elif self.tier not in list_target_tiers():
            raise EditError(f"There is no tier {self.tier!r}; choose {', '.join(list_target_tiers())}, or a span in seconds.")
        elif not isinstance(self.index, int) or self.index < 0:
            raise EditError(f"{self.index!r} is no number of a {self.tier}.")


@dataclass(frozen=True)
class Mute:
    """The target is not heard: silence or noise in its place; in the text its word pieces become [MASK]. Lengths stay."""

    target: Target
    medium: str = "sound"  # sound | text | both
    fill: str = "silence"  # silence | noise: seeded, with the long-term spectrum and the level of what it replaces
    seed: int = 0  # of the noise

    def __post_init__(self) -> None:
        check_choice("medium", self.medium, MEDIA)
        check_choice("fill", self.fill, FILLS)


@dataclass(frozen=True)
class Remove:
    """The target is cut out of the sound; its words are dropped from the text."""

    target: Target
    medium: str = "sound"

    def __post_init__(self) -> None:
        check_choice("medium", self.medium, MEDIA)


@dataclass(frozen=True)
class Isolate:
    """Everything but the target is muted; in the text all other words become [MASK]."""

    target: Target
    medium: str = "sound"
    fill: str = "silence"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("medium", self.medium, MEDIA)
        check_choice("fill", self.fill, FILLS)


@dataclass(frozen=True)
class ChangePitch:
    """The target's pitch moved, its length kept."""

    target: Target
    semitones: float

    def __post_init__(self) -> None:
        check_range("pitch change", self.semitones, -MAX_SEMITONES, MAX_SEMITONES, "semitones")


@dataclass(frozen=True)
class ChangeTempo:
    """The target said faster (factor above 1) or slower, its pitch kept."""

    target: Target
    factor: float

    def __post_init__(self) -> None:
        check_range("tempo", self.factor, MIN_TEMPO, MAX_TEMPO, "times as fast")


@dataclass(frozen=True)
class ChangeLoudness:
    """The target turned up or down."""

    target: Target
    decibels: float

    def __post_init__(self) -> None:
        check_range("loudness change", self.decibels, -MAX_DECIBELS, MAX_DECIBELS, "dB")


@dataclass(frozen=True)
class SwapVoice:
    """Another clip's sound under the same words. Its segments are kept and belong to none of the words."""

    sha256: str  # of the other clip
    name: str = ""


@dataclass(frozen=True)
class SwapWords:
    """Other words under the same voice. The sound's segments are kept and belong to none of the words."""

    text: str


@dataclass(frozen=True)
class CorrectWords:
    """The words that are really said, in place of what was recognised; they are aligned with the sound."""

    text: str


Edit = Mute | Remove | Isolate | ChangePitch | ChangeTempo | ChangeLoudness | SwapVoice | SwapWords | CorrectWords
KINDS: Mapping[str, type] = types.MappingProxyType(
    {
        "mute": Mute,
        "remove": Remove,
        "isolate": Isolate,
        "pitch": ChangePitch,
        "tempo": ChangeTempo,
        "loudness": ChangeLoudness,
        "swap voice": SwapVoice,
        "swap words": SwapWords,
        "correct words": CorrectWords,
    }
)


def edit_to_json(edit: Edit) -> dict[str, Any]:
    """{"kind", and the edit's fields}; of the target only what it has."""
    kind = next(kind for kind, made in KINDS.items() if type(edit) is made)
    data: dict[str, Any] = {"kind": kind}
    for f in fields(edit):
        value = getattr(edit, f.name)
        data[f.name] = {k.name: v for k in fields(value) if (v := getattr(value, k.name)) is not None} if f.name == "target" else value
    return data


def edit_from_json(data: Any) -> Edit:
    """The edit that was written. Raises EditError naming the key that is missing, unknown or of the wrong type."""
    if not isinstance(data, Mapping) or data.get("kind") not in KINDS:
        found = data.get("kind") if isinstance(data, Mapping) else data
        raise EditError(f'An edit needs a "kind" out of {", ".join(KINDS)}; found {str(found)[:60]!r}.')
    rest = {key: value for key, value in data.items() if key != "kind"}
    if "target" in rest:
        rest["target"] = build(Target, rest["target"], "target")
    edit: Edit = build(KINDS[data["kind"]], rest, data["kind"])
    return edit


def build(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise EditError(f"{where}: expected an object, found {str(data)[:60]!r}.")
    hints = typing.get_type_hints(kind)
    for name, value in data.items():
        if name not in hints:
            raise EditError(f"{where}: {name!r} is unknown; known are {', '.join(hints)}.")
        fits = tuple({float: (int, float)}.get(t, t) for t in typing.get_args(hints[name]) or (hints[name],))
        flat = tuple(t for entry in fits for t in (entry if isinstance(entry, tuple) else (entry,)))
        if not isinstance(value, flat) or isinstance(value, bool):
            raise EditError(f"{where}: {name!r} can't be {str(value)[:60]!r}.")
    try:
        return kind(**data)
    except TypeError as error:
        missing = [f.name for f in fields(kind) if f.name not in data]
        raise EditError(f"{where}: there is no {missing[0]!r}.") from error


def parse_target(text: str) -> Target:
    """`word:3`, `syllable:2`, `phone:5` (counting from 1) or `0.31-0.52` (seconds). Raises EditError."""
    tier, colon, number = text.strip().partition(":")
    try:
        if colon:
            return Target(tier, index=int(number) - 1)
        start, _, end = text.partition("-")
        return Target("span", start=float(start), end=float(end))
    except ValueError as error:
        raise EditError(f"{text!r} is no target; write word:3, syllable:2, phone:5 (counting from 1) or 0.31-0.52 (seconds).") from error


def check_choice(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise EditError(f"There is no {what} {value!r}; choose one of: {', '.join(known)}.")


def check_range(what: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:
        raise EditError(f"A {what} of {value:g} {unit} is out of range; choose one from {low:g} to {high:g}.")
