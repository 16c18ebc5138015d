"""What an extraction does, the pieces of it that processes are given, and the record of what could not be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mmer.align import Options, identify_aligner
from mmer.choices.units import UNITS, aligned_units, speech_units
from mmer.datasets.dataset import Utterance
from mmer.encoders.presets import PRESETS, Preset
from mmer.errors import DataError
from mmer.feature_store.feature_index import FeatureRecord


@dataclass(frozen=True)
class ExtractionJob:
    """What an extraction does; sent to every process."""

    features: Path  # folder of the cache
    preset_name: str
    units: tuple[str, ...] = field(default_factory=lambda: tuple(UNITS))
    aligner: str | None = "sphinx"  # for utterances without an alignment file
    device: str = "cpu"
    check: bool = False  # read every entry through
    again: bool = False  # try once more what could not be had before
    copies: int = 0  # augmented copies of every clip
    aligner_options: Options = field(default_factory=dict)

    @property
    def preset(self) -> Preset:
        return PRESETS[self.preset_name]

    @property
    def speech_units(self) -> tuple[str, ...]:
        return tuple(u for u in self.units if u in speech_units())

    @property
    def aligned(self) -> bool:
        return bool(set(self.units) & set(aligned_units()))

    def name_aligner(self, utterance: Utterance) -> str:
        """Who finds the words of `utterance`: file | an aligner's identity | none; "" when no unit needs them."""
        return "" if not self.aligned else "file" if utterance.alignment else self.identity or "none"

    @cached_property
    def identity(self) -> str:
        """The identity of the aligner, "" without one. Raises AlignmentError when it is not installed."""
        return identify_aligner(self.aligner, self.aligner_options) if self.aligner else ""


@dataclass(frozen=True)
class SpeechTask:
    utterance: Utterance
    identity: str  # identify_speech's


@dataclass(frozen=True)
class TextTask:
    texts: tuple[str, ...]
    names: tuple[str, ...]  # of the first utterance that says each


def check_units(units: Sequence[str] | None) -> tuple[str, ...]:
    """The named units in the order of UNITS, or all of them. Raises DataError for a name that is not a unit."""
    if units is None:
        return tuple(UNITS)
    wrong = [u for u in units if u not in UNITS]
    if wrong or not units:
        raise DataError(f"Units {' '.join(units)!r}: name some of {', '.join(UNITS)}.")
    return tuple(u for u in UNITS if u in units)


def describe_failure(name: str, reason: str) -> FeatureRecord:
    """The record of an utterance of which no speech unit could be had."""
    return FeatureRecord(name, None, None, (), dict.fromkeys(speech_units(), reason))
