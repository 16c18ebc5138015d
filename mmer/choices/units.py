"""The units: the kinds of segments into which a clip is divided, each read by a branch of its own. The paper has five."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mmer.choices.rows import Rows, load_named

TEXT, FRAMES, ALIGNMENT = "text", "frames", "alignment"  # what a unit's segments come from


@dataclass(frozen=True)
class Unit:
    """One kind of segment."""

    key: str  # one capital letter, the paper's where it has the unit: in files, flags and links
    name: str  # "phones": of a branch, a tier, a lane of the page
    one: str  # "phone"
    source: (
        str  # TEXT: word pieces of the text encoder; FRAMES of the speech encoder; ALIGNMENT: spans of time over whose frames is averaged
    )
    spans: str = ""  # ALIGNMENT: the tier of Alignment that holds them, or "module:function" that makes them of an Alignment
    needs_phones: bool = False  # ALIGNMENT: whether they can't be had where only the words' times are known
    lane: int | None = None  # place of its lane on the time axis, counted from above; None: it has another picture there
    pixels: int = 0  # height of the lane
    typical: int = 0  # segments in an utterance of 4.5 s, IEMOCAP's mean; for estimates before anything is extracted. Frames: see preset

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Z]", self.key):
            raise ValueError(f"a unit's key is one capital letter, not {self.key!r}")
        if (self.source == ALIGNMENT) != bool(self.spans):
            raise ValueError(f"{self.name}: spans go with the source {ALIGNMENT!r} and no other")

    @property
    def is_text(self) -> bool:
        return self.source == TEXT

    @property
    def is_frames(self) -> bool:
        return self.source == FRAMES

    @property
    def is_aligned(self) -> bool:
        return self.source == ALIGNMENT

    def find(self, alignment: Any) -> tuple[Any, ...]:
        """The unit's results.Segments in an Alignment, in time order; () for text and frames, which need none."""
        if ":" in self.spans:
            return tuple(load_named(self.spans)(alignment))
        return getattr(alignment, self.spans) if self.spans else ()


UNITS: Rows[Unit] = Rows(
    Unit("T", "text", "word piece", TEXT, typical=15),
    Unit("F", "frames", "frame", FRAMES),
    Unit("P", "phones", "phone", ALIGNMENT, spans="phones", needs_phones=True, lane=3, pixels=30, typical=40),
    Unit("S", "syllables", "syllable", ALIGNMENT, spans="syllables", needs_phones=True, lane=2, pixels=32, typical=20),
    Unit("W", "words", "word", ALIGNMENT, spans="words", lane=1, pixels=36, typical=14),
)


def speech_units() -> tuple[str, ...]:
    """Letters of all that is heard."""
    return tuple(key for key, unit in UNITS.items() if not unit.is_text)


def aligned_units() -> tuple[str, ...]:
    """Letters of what can't be had without an alignment."""
    return tuple(key for key, unit in UNITS.items() if unit.is_aligned)


def aligned_by_name() -> dict[str, Unit]:
    """The same as rows, by their names, the longest segments first: "words", "syllables", "phones"."""
    return {unit.name: unit for unit in reversed([*UNITS.values()]) if unit.is_aligned}


def list_units() -> str:
    """For a flag's help: "T F P S W: text, frames, phones, syllables, words"."""
    return f"{' '.join(UNITS)}: {', '.join(unit.name for unit in UNITS.values())}"


def name_unit(key: str, otherwise: str | None = None) -> str:
    """A unit's name; `otherwise`, or what was asked for itself, for what is none."""
    return UNITS[key].name if key in UNITS else key if otherwise is None else otherwise
