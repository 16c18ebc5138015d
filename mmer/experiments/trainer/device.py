"""Where an experiment is computed, and whether its runs are computed as one stack."""

from __future__ import annotations

from mmer.choices.units import UNITS
from mmer.devices.choice import choose_device
from mmer.devices.machine import look_at_machine
from mmer.experiments.experiment import Experiment


def choose_stacked(experiment: Experiment, device: str) -> bool:
    """Whether the branches are computed as one stack: always on a GPU; on a CPU where the products are small. See benchmarks.

    Frames are many: their large products gain nothing there.
    """
    if experiment.stacked != "auto":
        return experiment.stacked == "yes"
    return device != "cpu" or not (experiment.kind.has_attention or any(UNITS[unit].is_frames for unit in experiment.units))


def choose_batched(experiment: Experiment, device: str, wanted: bool | None = None) -> bool:
    """Whether all runs are one batch (mmer/experiments/batched): on a CUDA card, unless `stacked` names another way.

    `wanted` decides instead where it is given, but shifted voices are always left to the stack, which alone knows of them.
    """
    if experiment.voice_shift:
        return False
    return device.startswith("cuda") and experiment.stacked == "auto" if wanted is None else wanted


def find_device(experiment: Experiment) -> str:
    """The device as PyTorch names it, such as "cpu" or "cuda:1". Raises DeviceError for a card that is not there or does not answer."""
    if experiment.device == "cpu":
        return "cpu"
    return choose_device(experiment.device, look_at_machine(), strict=True).device.name
