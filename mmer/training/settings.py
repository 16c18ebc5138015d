"""What a person fills in -> an Experiment: the settings by name, their bounds and what the paper says of each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mmer.encoders import PRESETS
from mmer.errors import DataError
from mmer.head_config import HeadConfig
from mmer.results import UNITS
from mmer.training.experiment import SINGLE, Experiment

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


PROTOCOL = (
    Setting("folds", "Folds", "The paper's 5. Where the data has sessions, each is a fold.", 2, 50),
    Setting("repetitions", "Repetitions", "The paper's 5.", 1, 50),
    Setting("seed", "Seed", "Of folds, weights and dropout.", 0, 2**31 - 1),
    Setting("share", "Validation share", "The paper's 0.1 of what isn't tested.", 0.01, 0.9, whole=False),
)
SETTINGS = (
    Setting("epochs", "Epochs at most", "The paper names none; runs end earlier by patience.", 1, 10_000),
    Setting("patience", "Patience (epochs)", "Its reference [5]'s 4; the paper names none.", 1, 10_000),
    Setting("batch_size", "Batch size", "The paper's 32, in each run.", 1, 4096),
    Setting("learning_rate", "Learning rate", "0: the paper's, 5e-5 for transformers, 1e-3 for others.", 0, 1, whole=False),
    Setting("layer_rate", "Layer weights learn × faster", "The paper's 1.", 0, 10_000, whole=False),
    Setting("dropout", "Dropout", "The paper's 0.2.", 0, 0.95, whole=False),
    Setting("hidden", "Hidden size", "Its reference [5]'s 128.", 1, 8192),
    Setting("blocks", "Encoder blocks", "The paper's 3. Transformer and coattention only.", 1, 24),
    Setting("heads", "Attention heads", "The paper names none; ours 8.", 1, 64),
    Setting("feedforward", "Feed-forward size", "The paper names none; ours 384.", 1, 16_384),
    Setting("label_smoothing", "Label smoothing", "The paper's 0.", 0, 0.9, whole=False),
    Setting("weight_decay", "Weight decay", "The paper's 0.", 0, 10, whole=False),
    Setting("clip_norm", "Gradient clipped at", "Its reference [5]'s 1.", 1e-6, 1e6, whole=False),
    Setting("max_seconds", "Seconds read of an utterance", "Its reference [5]'s 15.", 0.5, 300, whole=False),
    Setting("threads", "CPU threads", "0: all cores. Changes nothing but the time.", 0, 1024),
)
UNIT_CHOICES = {"linear": UNITS, "transformer": UNITS, "late": UNITS, "concatenation": UNITS, "coattention": UNITS[1:]}  # T is always there


def default_of(setting: Setting) -> float:
    of = HeadConfig if setting.name in MODEL else Experiment
    return next(f.default for f in fields(of) if f.name == setting.name)  # type: ignore[return-value,arg-type]


def build_experiment(form: Mapping[str, Any], *, data: str, features: str, labels: Mapping[str, str]) -> Experiment:
    """The experiment that a form describes. Raises DataError for a number out of its bounds, or units that the model can't take."""
    numbers = {setting.name: read_number(setting, form.get(setting.name)) for setting in (*PROTOCOL, *SETTINGS)}
    model = {name: numbers.pop(name) for name in MODEL}
    given = {s.name: model[s.name] for s in SETTINGS if s.name in MODEL and model[s.name] != default_of(s)}
    texts = {name: str(form[name]) for name in ("fusion", "preset", "by", "validation", "device") if form.get(name)}
    units = choose_units(texts.get("fusion", "late"), form.get("unit"), form.get("units"))
    experiment = Experiment(data=data, features=features, units=units, labels=dict(labels), model=given, **texts, **numbers)  # type: ignore[arg-type]
    if PRESETS[experiment.preset].dim % model["heads"]:
        raise DataError(f"Attention heads is {model['heads']}: it must divide {PRESETS[experiment.preset].dim}, the size of the states.")
    return experiment


def read_number(setting: Setting, told: Any) -> float | int:
    """The default where nothing is told."""
    if told is None or told == "":
        return default_of(setting)
    try:
        value = float(told)
    except (TypeError, ValueError) as error:
        raise DataError(f"{setting.title}: {str(told)[:40]!r} is no number.") from error
    if not setting.low <= value <= setting.high or (setting.whole and not value.is_integer()):
        kind = "a whole number" if setting.whole else "a number"
        raise DataError(f"{setting.title} is {value:g}: it must be {kind} from {setting.low:g} to {setting.high:g}.")
    return int(value) if setting.whole else value


def choose_units(fusion: str, unit: str | None, units: Any) -> tuple[str, ...]:
    """The units of a form that has one choice for models of one unit and another for the others; coattention always reads text."""
    if fusion in SINGLE:
        return (unit,) if unit else ()
    chosen = {*(units or ()), *(("T",) if fusion == "coattention" else ())}
    return tuple(u for u in UNITS if u in chosen)


def suggest_name(experiment: Experiment, *, data: str) -> str:
    """ "ravdess-late-tfs": letters that a run's name may have."""
    told = f"{data}-{experiment.fusion}-{''.join(experiment.units)}".lower()
    return re.sub(r"[^a-z0-9_.]+", "-", told).strip("-._")[:70] or "experiment"


def write_command(experiment: Experiment, *, name: str = "", runs: str = "runs") -> str:
    """The shell's way to train the same: `python -m mmer train --data ...` with what differs from the defaults."""
    words = ["python", "-m", "mmer", "train", "--data", experiment.data or "DATA", "--features", experiment.features or "cache"]
    words += ["--model", experiment.fusion, "--units", *experiment.units]
    for f in fields(Experiment):
        value = getattr(experiment, f.name)
        if f.name in ("data", "features", "fusion", "units", "labels", "model") or value == f.default:
            continue
        words += [f"--{f.name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
    if experiment.labels:
        words += ["--labels", ",".join(f"{label}={emotion}" for label, emotion in experiment.labels.items())]
    for key, value in experiment.model.items():
        words += [f"--{key}", str(value)]
    return shlex.join([*words, "--runs", runs, "--name", name or "NAME"])
