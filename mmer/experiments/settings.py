"""What a person fills in -> an Experiment, and back into the shell's command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmer.choices.fusion_models import FUSION_MODELS
from mmer.choices.units import UNITS
from mmer.errors import DataError
from mmer.experiments.experiment import MODEL, PROTOCOL, SETTINGS, Experiment, Setting, default_of


def build_experiment(
    form: Mapping[str, Any], *, data: str, features: str, labels: Mapping[str, str], classes: tuple[str, ...] = ()
) -> Experiment:
    """The experiment that a form describes. Raises DataError for a number out of its bounds, or units that the model can't take."""
    numbers: dict[str, Any] = {setting.name: read_number(setting, form.get(setting.name)) for setting in (*PROTOCOL, *SETTINGS)}
    model = {name: numbers.pop(name) for name in MODEL}
    given = {s.name: model[s.name] for s in SETTINGS if s.name in MODEL and model[s.name] != default_of(s)}
    texts: dict[str, Any] = {
        name: str(form[name]) for name in ("fusion", "preset", "aligner", "by", "validation", "device") if form.get(name)
    }
    units = choose_units(texts.get("fusion", "late"), form.get("unit"), form.get("units"))
    return Experiment(data=data, features=features, units=units, labels=dict(labels), classes=classes, model=given, **texts, **numbers)


def read_number(setting: Setting, given: Any) -> float | int:
    """The default where nothing is given."""
    if given is None or given == "":
        return default_of(setting)
    try:
        value = float(given)
    except (TypeError, ValueError) as error:
        raise DataError(f"{setting.title}: {str(given)[:40]!r} is no number.") from error
    setting.check(value)
    return int(value) if setting.whole else value


def choose_units(fusion: str, unit: str | None, units: Any) -> tuple[str, ...]:
    """The units of a form that has one choice for models of one unit and another for the others."""
    model = FUSION_MODELS.get(fusion)
    if model is None or model.reads_one_unit:
        return (unit,) if unit else ()
    return model.choose_units(units or (), UNITS)


def suggest_name(experiment: Experiment, *, data: str) -> str:
    """ "ravdess-late-tfs": letters that a run's name may have."""
    name = f"{data}-{experiment.fusion}-{''.join(experiment.units)}".lower()
    return re.sub(r"[^a-z0-9_.]+", "-", name).strip("-._")[:70] or "experiment"


def write_command(experiment: Experiment, *, name: str = "", runs: str = "runs") -> str:
    """The shell's way to train the same: `python -m mmer train --data ...` with what differs from the defaults."""
    words = ["python", "-m", "mmer", "train", "--data", experiment.data or "DATA", "--features", experiment.features or "cache"]
    words += ["--model", experiment.fusion, "--units", *experiment.units]
    for f in fields(Experiment):
        value = getattr(experiment, f.name)
        if f.name in ("data", "features", "fusion", "units", "labels", "classes", "model", "pairing") or value == f.default:
            continue
        words += [f"--{f.name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
    if experiment.labels:
        words += ["--labels", ",".join(f"{label}={emotion}" for label, emotion in experiment.labels.items())]
    if experiment.classes:
        words += ["--classes", ",".join(experiment.classes)]
    for key, value in experiment.model.items():
        words += [f"--{key}", str(value)]
    return shlex.join([*words, "--runs", runs, "--name", name or "NAME"])
