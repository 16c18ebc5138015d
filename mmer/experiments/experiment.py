"""The settings of an experiment: one model on one data set, all its folds and repetitions. Saved as config.json in its folder.

An experiment is a cell of the paper's tables. Its runs (5 folds x 5 repetitions, the paper's 25) differ only in their split and their seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mmer.align import list_choices, list_options
from mmer.choices.emotions import EMOTIONS
from mmer.choices.fusion_models import FUSION_MODELS, FusionModel
from mmer.choices.units import UNITS, speech_units
from mmer.datasets.classes import check_classes
from mmer.datasets.folds import Split, SplitPlan
from mmer.devices.choice import NAMES, is_device_name
from mmer.encoders.presets import PRESETS
from mmer.errors import DataError
from mmer.heads.config import HeadConfig, shape_model

STACKED, PRECISIONS = ("auto", "yes", "no"), ("auto", "float32", "tf32", "bfloat16")
MODEL = ("hidden", "dropout", "blocks", "heads", "feedforward")  # settings that are arguments of the model


@dataclass(frozen=True)
class Setting:
    """One number of an experiment."""

    name: str  # of the field of Experiment, or one of MODEL
    title: str
    note: str  # where its default comes from
    low: float
    high: float
    whole: bool = True

    def check(self, value: Any) -> None:
        """Raises DataError for what is no number between low and high, or no whole one where it must be."""
        fits = isinstance(value, int | float) and self.low <= value <= self.high and (not self.whole or float(value).is_integer())
        if not fits:
            kind = "a whole number" if self.whole else "a number"
            shown = f"{value:g}" if isinstance(value, int | float) else repr(value)[:40]
            raise DataError(f"{self.title} is {shown}: it must be {kind} from {self.low:g} to {self.high:g}.")


PROTOCOL = (
    Setting("folds", "Folds", "The paper uses 5. Where the data has sessions, each session is a fold.", 2, 50),
    Setting("repetitions", "Repetitions", "The paper uses 5.", 1, 50),
    Setting("seed", "Seed", "It decides folds, initial weights and dropout.", 0, 2**31 - 1),
    Setting("share", "Validation share", "The paper uses 0.1 of the utterances that are not tested.", 0.01, 0.9, whole=False),
)
SETTINGS = (
    Setting("epochs", "Epochs at most", "The paper names no number; most runs end earlier, when patience runs out.", 1, 10_000),
    Setting("patience", "Patience (epochs)", "The paper names no number; its reference [5] uses 4.", 1, 10_000),
    Setting("min_steps", "Steps before patience counts", "We use 200; IEMOCAP takes 500 steps in 4 epochs.", 0, 10**6),
    Setting("batch_size", "Batch size", "The paper uses 32; each run has batches of its own.", 1, 4096),
    Setting("learning_rate", "Learning rate", "0 stands for the paper's: 0.00005 for transformers, 0.001 for others.", 0, 1, whole=False),
    Setting("layer_rate", "Layer weights learn × faster", "The paper uses 1.", 0, 10_000, whole=False),
    Setting("dropout", "Dropout", "The paper uses 0.2.", 0, 0.95, whole=False),
    Setting("hidden", "Hidden size", "The paper's reference [5] uses 128.", 1, 8192),
    Setting("blocks", "Encoder blocks", "The paper uses 3. Only the transformer and coattention models have them.", 1, 24),
    Setting("heads", "Attention heads", "The paper names no number; we use 8.", 1, 64),
    Setting("feedforward", "Feed-forward size", "The paper names no number; we use 384.", 1, 16_384),
    Setting("label_smoothing", "Label smoothing", "The paper uses 0.", 0, 0.9, whole=False),
    Setting("weight_decay", "Weight decay", "The paper uses 0.", 0, 10, whole=False),
    Setting("clip_norm", "Gradient clipped at", "The paper's reference [5] uses 1.", 1e-6, 1e6, whole=False),
    Setting("max_seconds", "Seconds read of an utterance", "The paper's reference [5] uses 15.", 0.5, 300, whole=False),
    Setting("threads", "CPU threads", "0 stands for all cores. Another number changes the last bits of sums.", 0, 1024),
)
# that only the shell asks for
FURTHER = (
    Setting("chunk", "Utterances sorted together", "We sort 512 at a time by length, so that batches need little padding.", 1, 10**6),
    Setting("warmup_steps", "Warm-up (steps)", "Steps over which the learning rate rises. The paper uses 0.", 0, 10**6),
    Setting(
        "branch_loss", "Branch loss", "Weight of each branch's own loss beside that of the sum. The paper uses 0.", 0, 100, whole=False
    ),
    Setting("frame_stride", "Frame stride", "Training reads only every n-th frame, from a random first one. The paper uses 1.", 1, 100),
    Setting("voice_shift", "Voice shift", "Largest share of the way to another voice that is added. The paper uses 0.", 0, 1, whole=False),
)


HIGHEST_OF_PAIRING = {"text_alone": 100.0}  # of a pairing's numbers; the others are shares


@dataclass(frozen=True)
class Pairing:
    """How speech and words are brought together; shares of the speech clips of an epoch."""

    same_label: float = 0.4  # (a) the clip with a text of the same label
    own_words: float = 0.15  # (b) the clip with its own transcript, which says nothing of the emotion; needs an English transcript
    # the rest: (c) the clip without any text
    text_alone: float = 1.0  # (c) further examples without any speech, per clip of the epoch
    drop_aligned: float = 0.4  # share of the clips with alignment that are shown without P, S, W, as if it had failed
    drop_frames: float = 0.1  # share of the clips with alignment whose F is left out of late fusion's sum
    augmented: float = 0.7  # share of the clips taken from an augmented copy
    balance_corpora: float = 0.5  # 1: as many clips of each corpus in an epoch, 0: as many as there are; between: powers of the counts
    everyday: float = 0.1  # clips of corpora that hold one class alone (everyday speech), per clip of the others
    corpus_shift: float = 0.0  # greatest share of the way from its corpus's neutral mean to another corpus's that a clip is moved
    anchor: str = (
        ""  # corpus to whose neutral clips those of every other are moved while training (feature_store/anchoring.py); "": none is moved
    )

    def __post_init__(self) -> None:
        if not isinstance(self.anchor, str):
            raise DataError(f"Pairing anchor is {self.anchor!r:.40}: it must be the name of a corpus.")
        for name, value in ((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "anchor"):
            highest = HIGHEST_OF_PAIRING.get(name, 1.0)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= highest:
                raise DataError(f"Pairing {name} is {value!r:.40}: it must be a number from 0 to {highest:g}.")


def read_pairing(stored: Any) -> Pairing | None:
    """The pairing of a stored experiment; None where it has none. Raises DataError for unknown fields."""
    if stored is None or isinstance(stored, Pairing):
        return stored
    names = {f.name for f in fields(Pairing)}
    unknown = sorted(set(stored) - names) if isinstance(stored, dict) else [repr(stored)[:40]]
    if unknown:
        raise DataError(f"Pairing {', '.join(unknown)}: known are {', '.join(sorted(names))}.")
    return Pairing(**stored)


@dataclass(frozen=True)
class Experiment:
    """The defaults are the paper's settings where it has them."""

    data: str  # a manifest, or the root of an IEMOCAP release
    features: str  # folder of the feature cache
    fusion: str = "late"  # a key of FUSION_MODELS
    units: tuple[str, ...] = ("T", "F", "S")
    preset: str = "compact"
    aligner: str = "sphinx"  # a key of ALIGNERS, or none: what finds the words of utterances without an alignment file
    mfa_model: str = ""  # options of the aligner mfa; "": the environment's, else its default
    mfa_dictionary: str = ""
    mfa_command: str = ""  # where the program is on this machine; the result is the same
    folds: int = 5  # of speakers; where the data has sessions, each is a fold
    repetitions: int = 5  # the paper's
    by: str = "auto"  # folds by session | speaker | auto: sessions where there are any
    validation: str = "random"  # the paper's; speaker, or session as in its reference [5]
    share: float = 0.1  # of the utterances that are not tested; the paper's
    seed: int = 0
    epochs: int = 100  # at most
    patience: int = 4  # epochs without a lower validation loss before a run ends; reference [5]'s value, the paper has none
    min_steps: int = 200  # optimiser steps that a run takes before its patience may end it; IEMOCAP's runs take 500 in 4 epochs anyway
    batch_size: int = 32  # the paper's, per run
    learning_rate: float = 0.0  # 0: the paper's, 1e-3 for feed-forward models and 5e-5 for transformers
    layer_rate: float = 1.0  # Equation 1's layer weights learn so many times as fast
    label_smoothing: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 1.0  # of each run's gradient; reference [5]'s value
    max_seconds: float = 15.0  # longer utterances lose their end; reference [5]'s value
    warmup_steps: int = 0  # steps over which the rate rises to its full height
    branch_loss: float = 0.0  # weight of each present branch's own loss beside that of the sum (late fusion)
    frame_stride: int = 1  # while training only every n-th frame is read, from a random first one; measured on all of them
    voice_shift: float = 0.0  # greatest share of the difference between two training voices that is added to an utterance's states
    precision: str = "auto"  # float32 | tf32 (the same on a CPU) | bfloat16 | auto: of matrix products while training
    chunk: int = 512  # utterances of the visiting order that are sorted by length together
    device: str = "auto"  # auto | cpu | cuda | cuda:1 | mps
    stacked: str = "auto"  # yes | no | auto: whether runs are computed as one stack; auto on a GPU: as one batch. The result is the same
    threads: int = 0  # of the CPU; 0: all cores
    pairing: Pairing | None = None  # how voices and texts of different corpora are brought together; None: every utterance as it is
    labels: Mapping[str, str] = field(default_factory=dict)  # label in the manifest -> emotion, "" to leave it out
    classes: tuple[str, ...] = ()  # what is told apart; (): as the labels say, and in an experiment's folder the paper's four
    model: Mapping[str, Any] = field(default_factory=dict)  # further arguments of the model: hidden, dropout, heads, feedforward, blocks

    def __post_init__(self) -> None:
        if self.fusion not in FUSION_MODELS:
            raise DataError(f"Model {self.fusion!r}: choose one of {', '.join(FUSION_MODELS)}.")
        wrong = [u for u in self.units if u not in UNITS]
        if wrong or not self.units or len(set(self.units)) != len(self.units):
            raise DataError(f"Units {' '.join(self.units)!r}: name different ones of {', '.join(UNITS)}.")
        if refused := self.kind.refuse_units(self.units, speech_units()):
            raise DataError(refused)
        if self.preset not in PRESETS:
            raise DataError(f"Preset {self.preset!r}: choose one of {', '.join(PRESETS)}.")
        if self.classes:
            check_classes(self.classes, "Classes")
        unknown = sorted(set(self.model) - set(MODEL))
        if unknown:
            raise DataError(f"Model settings {', '.join(unknown)}: known are {', '.join(MODEL)}.")
        for setting in (*PROTOCOL, *SETTINGS, *FURTHER):
            setting.check(self.model.get(setting.name, default_of(setting)) if setting.name in MODEL else getattr(self, setting.name))
        heads, dim = self.model.get("heads", HeadConfig.heads), PRESETS[self.preset].width("T" if "T" in self.units else "F")
        if self.kind.has_attention and dim % heads:
            raise DataError(f"Attention heads is {heads}: it must divide {dim}, the size of the states.")
        if self.aligner not in list_choices():
            raise DataError(f"Aligner {self.aligner!r}: choose one of {', '.join(list_choices())}.")
        if self.precision not in PRECISIONS:
            raise DataError(f"Precision {self.precision!r}: choose one of {', '.join(PRECISIONS)}.")
        if not is_device_name(self.device):
            raise DataError(f"device is {NAMES}, not {self.device!r}.")
        if self.stacked not in STACKED:
            raise DataError(f"stacked is auto, yes or no, not {self.stacked!r}.")

    @property
    def kind(self) -> FusionModel:
        """The row of its fusion model."""
        return FUSION_MODELS[self.fusion]

    @property
    def rate(self) -> float:
        return self.learning_rate or self.kind.rate

    def choose_precision(self, device: str) -> str:
        """Of the matrix products of training on a device as PyTorch names it: float32, tf32 or bfloat16.

        On a card tf32, which ended at the UA of float32 (benchmarks/RESULTS.md). Attention is bound by its products and takes bfloat16,
        whose UA was compared for a model without attention only.
        """
        if self.precision != "auto" or not device.startswith("cuda"):
            return "float32" if self.precision == "auto" else self.precision
        return "bfloat16" if self.kind.has_attention else "tf32"

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the model of an experiment in a folder tells apart, in the order of its logits."""
        return self.classes or EMOTIONS

    @property
    def has_papers_classes(self) -> bool:
        """Whether its figures can stand beside the paper's, as far as its classes go."""
        return self.class_names == EMOTIONS

    @property
    def aligner_options(self) -> dict[str, str]:
        return {option.name: getattr(self, option.name, "") for option in list_options()}

    @property
    def plan(self) -> SplitPlan:
        """The folds and splits; the same for every model with the same data, plan and seed."""
        return SplitPlan(self.folds, self.repetitions, self.validation, self.share, self.seed, self.by)

    @property
    def title(self) -> str:
        return f"{' + '.join(self.units)}, {self.kind.title}"

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


def default_of(setting: Setting) -> float:
    of = HeadConfig if setting.name in MODEL else Experiment
    found: float = vars(of)[setting.name]  # a default of a dataclass is an attribute of its class
    return found


def read_experiment(stored: Mapping[str, Any]) -> Experiment:
    """The experiment that to_json stored. Raises DataError for unknown or missing fields.

    One that was stored before there was `min_steps` had none, and goes on without.
    """
    names = {f.name for f in fields(Experiment)}
    wrong = sorted({"data", "features"} - set(stored)) or sorted(set(stored) - names)
    if wrong:
        raise DataError(f"An experiment's config.json has missing or unknown fields: {', '.join(wrong)}.")
    classes = stored.get("classes", ())
    if not isinstance(classes, list | tuple) or not all(isinstance(name, str) for name in classes):
        raise DataError(f"An experiment's config.json has the classes {classes!r:.60}; a list of names is expected.")
    parsed = {
        "units": tuple(stored.get("units", ("T", "F", "S"))),
        "pairing": read_pairing(stored.get("pairing")),
        "classes": tuple(classes),
    }
    return Experiment(**({"min_steps": 0} | dict(stored) | parsed))


def seed_run(experiment: Experiment, split: Split) -> int:
    """The seed of one run's initial weights and dropout masks: of the experiment's seed, the fold and the repetition."""
    content = f"run {experiment.seed} {split.fold} {split.repetition}".encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:7], "little")


def shape_head(experiment: Experiment, **further: Any) -> HeadConfig:
    """The sizes of the experiment's model, as a head states them."""
    names = {"name": "run", "title": experiment.title, "classes": experiment.class_names} | further
    return shape_model(experiment.fusion, experiment.units, experiment.preset, experiment.model, **names)
