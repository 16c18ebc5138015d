"""In what an experiment is not the paper's, so that nobody reads the two figures beside each other as if they were of the same thing."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mmer.encoders.presets import PRESETS
from mmer.experiments.experiment import MODEL, SETTINGS, Experiment, default_of
from mmer.experiments.report.tables import PAPER_UTTERANCES
from mmer.phrasing import say_count

PAPERS_DATA = "iemocap"
# what says nothing of the model: places, the machine, what each cell sets itself, and the seed, which the title names
ELSEWHERE = ("data", "features", "fusion", "units", "preset", "device", "threads", "stacked", "seed", "model", "labels", "classes")
PAPER_STEPS = 484  # that IEMOCAP's shortest run takes before patience can end it: up to so many, min_steps changes nothing there


def is_papers_data(name: str) -> bool:
    """Whether a data set of this name is the paper's corpus, whole or in part."""
    return name.lower().startswith(PAPERS_DATA)


def list_deviations(experiment: Experiment, *, data: str, utterances: int) -> tuple[str, ...]:
    """ "120 of 5,531 utterances (2.2 %)", "preset compact ...", "epochs 3 instead of 100": () for the paper's experiment."""
    whole = is_papers_data(data) and utterances == PAPER_UTTERANCES
    found = [] if whole else [_word_data(data, utterances)]
    if experiment.preset != "paper":
        found.append(f"preset {experiment.preset} instead of wav2vec2-base and BERT-base")
        found += _word_projection(experiment)
    for f in fields(Experiment):
        value = getattr(experiment, f.name)
        if f.name not in ELSEWHERE and value != f.default and not (whole and _is_without_effect(f.name, value)):
            found.append(_word(f.name, value, f.default))
    found += [
        _word(setting.name, experiment.model[setting.name], default_of(setting))
        for setting in SETTINGS
        if setting.name in MODEL and experiment.model.get(setting.name, default_of(setting)) != default_of(setting)
    ]
    if experiment.labels:
        found.append(f"labels {', '.join(f'{label}={emotion}' for label, emotion in list(experiment.labels.items())[:8])}")
    if not experiment.has_papers_classes:
        found.append(f"{len(experiment.classes)} classes ({', '.join(experiment.classes)}) instead of the paper's four")
    return tuple(found)


def _word_projection(experiment: Experiment) -> list[str]:
    """Late fusion reads each unit at its own width."""
    preset, role = PRESETS[experiment.preset], experiment.kind.role
    if role == "late" or "T" not in experiment.units or preset.width("F") == preset.width("T"):
        return []
    return [f"speech states projected from {preset.width('F')} to {preset.width('T')} numbers"]


def _word_data(data: str, utterances: int) -> str:
    share = f"{utterances:,} of {PAPER_UTTERANCES:,} utterances ({utterances / PAPER_UTTERANCES:.1%})"
    return share if is_papers_data(data) else f"{say_count(utterances, 'utterance')} of {data} instead of IEMOCAP's {PAPER_UTTERANCES:,}"


def _is_without_effect(name: str, value: Any) -> bool:
    return name == "min_steps" and value <= PAPER_STEPS


def _word(name: str, value: Any, default: Any) -> str:
    shown, usual = (f"{v:g}" if isinstance(v, int | float) else str(v) for v in (value, default))
    return f"{name.replace('_', ' ')} {shown} instead of {usual}"
