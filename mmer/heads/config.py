"""What a head says of itself: its config.json, without its weights. Reads and writes it, and checks it before anything is built."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmer import __version__
from mmer.choices.emotions import EMOTIONS
from mmer.choices.fusion_models import COMBINATION, FUSION_MODELS
from mmer.encoders.presets import PRESETS
from mmer.errors import HeadError
from mmer.heads.checks import check_config
from mmer.phrasing import say_count

FORMAT = 1
CONFIG = "config.json"
ADDED = frozenset(["measured_clips", "clips", "speech_dim"])  # fields that the configs of the first releases lack


@dataclass(frozen=True)
class HeadConfig:
    """Everything about a head but its arrays; saved as config.json beside them."""

    name: str  # e.g. "late-fs"; a loaded head goes by its folder's name, which may be another by now
    title: str  # as shown to people, e.g. "Late fusion of text, frames and syllables"
    fusion: str  # a key of FUSION_MODELS, or combination
    units: tuple[str, ...]  # letters of the units it reads, e.g. ("T", "F", "S")
    preset: str  # of the encoders whose states it was trained on
    text_layers: tuple[str, ...] = ()  # names of the text encoder's layers; the paper: "1" to "12"
    speech_layers: tuple[str, ...] = ()  # names of the speech encoder's layers; the paper: "1" to "12"
    dim: int = 768  # of the text encoder's states; the paper: 768
    speech_dim: int | None = None  # of the speech encoder's; None: as many, as in the paper
    hidden: int = 128  # width of the two feed-forward layers of a branch ([5]'s); unused by models without one
    heads: int = 8  # attention heads; the paper is silent
    feedforward: int = 384  # inner width of an encoder block; the paper is silent
    blocks: int = 3  # coattention or encoder blocks; the paper: 3
    dropout: float = 0.2  # after each feed-forward layer while training; the paper: 0.2
    classes: tuple[str, ...] = EMOTIONS  # in the order of the logits
    members: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # combination: role -> {"name", "sha256"}
    temperature: float = 1.0  # logits are divided by it; fitted on clips of speakers that it never heard
    margin: float = 0.0  # below this gap between the two highest probabilities the verdict is "not sure"
    measured_clips: int | None = None  # that temperature and margin were fitted on; None: how sure it is was never measured
    normalised: bool = False  # whether speech states are normalised with the arrays in the weight file
    novelty_threshold: float | None = None  # distance above which a clip is "unfamiliar"; None: the head has no reference
    trained_on: str = ""  # one sentence for people; "" for an untrained head, which is never sure
    licence: str = ""  # of the weights
    caveat: str = ""  # one sentence for people, e.g. that voices and words were paired artificially
    training: Mapping[str, Any] = field(default_factory=dict)  # run, seed, counts of the data, date
    metrics: Mapping[str, Any] = field(default_factory=dict)  # as in the model card
    weights: Mapping[str, str] = field(default_factory=dict)  # file -> sha256; filled in by save_head
    clips: Mapping[str, str] = field(default_factory=dict)  # clip_list.FILE -> sha256; {}: which clips it was trained on isn't known
    version: str = __version__  # of mmer
    format: int = FORMAT  # of this file

    def __post_init__(self) -> None:
        if self.fusion != COMBINATION and self.fusion not in FUSION_MODELS:
            known = ", ".join([*FUSION_MODELS, COMBINATION])
            raise HeadError(f"Head {self.name} has the unknown fusion {self.fusion!r}; known are {known}.")
        check_config(self)
        if self.measured_clips is not None and self.measured_clips < 1:
            raise HeadError(
                f"Head {self.name} was measured on {say_count(self.measured_clips, 'clip')}; it must be 1 or more, or null for never."
            )

    @property
    def role(self) -> str:
        return "combined" if self.fusion == COMBINATION else FUSION_MODELS[self.fusion].role

    def width(self, unit: str) -> int:
        """Of a unit's states."""
        return self.dim if unit == "T" else self.speech_dim or self.dim

    def count_layers(self, unit: str) -> int:
        return len(self.text_layers if unit == "T" else self.speech_layers)

    @property
    def joint_width(self) -> int:
        """In which the head's units meet; see fusion.join_width."""
        return self.width("T" if "T" in self.units else "F")

    @property
    def has_attention(self) -> bool:
        return self.fusion in FUSION_MODELS and FUSION_MODELS[self.fusion].has_attention


def check_encoders(config: HeadConfig) -> None:
    """Raises HeadError where a head of a preset that is known has not that preset's layers and widths."""
    preset = PRESETS.get(config.preset)
    if preset is None or config.fusion == COMBINATION:
        return
    for unit in config.units:
        found, wanted = (config.count_layers(unit), config.width(unit)), (len(preset.name_layers(unit)), preset.width(unit))
        if found != wanted:
            raise HeadError(
                f"Head {config.name} reads {say_count(found[0], 'layer')} of {say_count(found[1], 'number')} for {unit}, but the "
                f"preset {config.preset} gives "
                f"{wanted[0]} of {wanted[1]}; it was made for other encoders. Install it again, or take it out of the folder."
            )


def shape_model(fusion: str, units: Sequence[str], preset: str, sizes: Mapping[str, Any], **further: Any) -> HeadConfig:
    """The config of a model for a preset's encoders: their layers and widths, and `sizes` of its own (hidden, heads ...)."""
    encoders = PRESETS[preset]
    return HeadConfig(
        fusion=fusion,
        units=tuple(units),
        preset=preset,
        text_layers=encoders.name_layers("T"),
        speech_layers=encoders.name_layers("F"),
        dim=encoders.text.dim,
        speech_dim=None if encoders.speech.dim == encoders.text.dim else encoders.speech.dim,
        **sizes,
        **further,
    )


def read_layer_runs(config: HeadConfig) -> dict[str, np.ndarray]:
    """Unit -> (runs, layers) normalised layer weights of every run of the head's experiment; {} for a head that is no run of one."""
    found: dict[str, np.ndarray] = {}
    stored = config.training.get("layer weights", {})
    if not isinstance(stored, Mapping):
        raise HeadError(f"Head {config.name} stores its runs' layer weights as {stored!r:.60}; install the head again.")
    for unit, rows in stored.items():
        layers = config.text_layers if unit == "T" else config.speech_layers
        try:
            found[unit] = np.array(rows, dtype=float).reshape(-1, len(layers))
        except (TypeError, ValueError) as error:
            raise HeadError(f"Head {config.name} tells no {len(layers)} layer weights of {unit} a run; install the head again.") from error
    return found


def read_layer_rate(config: HeadConfig) -> float | None:
    """So many times as fast as the rest of the head its layer weights learned; None where its training does not say."""
    experiments = config.training.get("experiments", {})
    stored = [config.training.get("config"), *(experiments.values() if isinstance(experiments, Mapping) else ())]
    rates = [one["layer_rate"] for one in stored if isinstance(one, Mapping) and "layer_rate" in one]
    known = [float(rate) for rate in rates if isinstance(rate, int | float) and math.isfinite(rate)]
    return max(known, default=None)
