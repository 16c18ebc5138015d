"""Where an experiment is computed, and whether its runs are computed as one stack."""

from __future__ import annotations

import torch

from mmer.choices.units import UNITS
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment


def choose_stacked(experiment: Experiment, device: str) -> bool:
    """Whether the branches are computed as one stack: always on a GPU; on a CPU where the products are small. See benchmarks.

    Frames are many: their large products gain nothing there.
    """
    if experiment.stacked != "auto":
        return experiment.stacked == "yes"
    return device != "cpu" or not (experiment.kind.has_attention or any(UNITS[unit].is_frames for unit in experiment.units))


def choose_batched(experiment: Experiment, device: str, wanted: bool | None = None) -> bool:
    """Whether all runs are one batch (mmer/experiments/batched): on a GPU, unless `stacked` names another way.

    `wanted` decides instead where it is given, but shifted voices are always left to the stack, which alone knows of them.
    """
    if experiment.voice_shift:
        return False
    return device != "cpu" and experiment.stacked == "auto" if wanted is None else wanted


def choose_device(experiment: Experiment) -> str:
    """The device, "cpu" or "cuda". Raises DataError when a GPU is asked for and there is none."""
    if experiment.device == "cuda" and not torch.cuda.is_available():
        raise DataError("Device cuda: PyTorch finds no GPU here; use cpu, or auto for a GPU where there is one.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if experiment.device == "auto" else experiment.device
