"""Makes the batched steps of an experiment for the machine that is there: where its features are kept, whether kernels are used."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mmer.experiments.batched.forms import choose_form
from mmer.experiments.batched.kernel_check import explain_no_kernels
from mmer.experiments.batched.numerics import CudaMemory
from mmer.experiments.batched.packed_features import PackableFeatures, PackedFeatures, choose_residence, measure_features, word_residence
from mmer.experiments.batched.steps import ATTENTION_MULTIPLE, BatchedSteps
from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.blocks import FeatureLoader, measure_budget


def make_steps(
    experiment: Experiment, loader: PackableFeatures, *, device: str, reserved: int = 0, say: Callable[[str], None] = lambda sentence: None
) -> BatchedSteps:
    """For the examples that the loader shows now. `reserved`: bytes of the device that the runs' parameters will take.

    On a CPU, where tests alone ask for it, PyTorch's own operations are taken.
    """
    needed, index = measure_features(loader), torch.device(device).index or 0
    budget = loader.budget if isinstance(loader, FeatureLoader) else measure_budget()
    if torch.device(device).type == "cpu":
        residence = choose_residence(needed, free=budget, budget=0)
        return BatchedSteps(PackedFeatures(loader, device=device, residence=residence), choose_form(experiment.fusion), device)
    free: int = torch.cuda.mem_get_info(device)[0]
    residence = choose_residence(needed, free=free - reserved, budget=budget)
    say(word_residence(needed, residence, experiment.units))
    if reason := explain_no_kernels(index):
        say(reason)
    return BatchedSteps(
        PackedFeatures(loader, device=device, residence=residence),
        choose_form(experiment.fusion),
        device,
        kernels=not reason,
        memory=CudaMemory(device),
        multiple=ATTENTION_MULTIPLE if experiment.kind.has_attention else 1,
    )
