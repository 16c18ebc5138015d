"""One step of AdamW for all runs at once, each with its own gradient norm and its own count of steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmer.experiments.experiment import Experiment

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # torch.optim.AdamW's own
BLOCK = 1024


@dataclass(frozen=True, eq=False)
class AdamRates:
    """What the steps of an epoch need of the host, for all of them at once."""

    columns: Tensor  # (steps, runs, 4) float32: `active`, learning rate, 1 - beta1^n, root of 1 - beta2^n at the run's n-th step
    active: np.ndarray  # (steps, runs) bool: whether a run has a batch; without one it stays as it is

    @classmethod
    def plan(cls, experiment: Experiment, before: np.ndarray, active: np.ndarray, device: str) -> AdamRates:
        """`before` (runs,): how many steps each run has taken until now."""
        n = np.maximum(before + np.cumsum(active, 0), 1).astype(np.float64)  # (steps, runs)
        rates = experiment.rate * (np.minimum(1.0, n / experiment.warmup_steps) if experiment.warmup_steps else np.ones_like(n))
        columns = np.stack([active, rates, 1 - BETA1**n, np.sqrt(1 - BETA2**n)], -1).astype(np.float32)
        return cls(torch.from_numpy(columns).to(device), active)


@dataclass(frozen=True, eq=False)
class AdamState:
    """Rows of runs: (runs, parameters) float32 each. The first `mixes` columns are Equation 1's weights, which have a rate of their own."""

    values: Tensor
    gradient: Tensor
    first: Tensor
    second: Tensor
    mixes: int


def clip_and_step(state: AdamState, rates: AdamRates, step: int, experiment: Experiment, *, kernels: bool = False) -> None:
    """Gradients clipped run by run, then one step of the runs that have a batch."""
    clip = (experiment.clip_norm / (state.gradient.norm(dim=1) + 1e-6)).clamp(max=1)  # (runs,)
    per_run = torch.cat([rates.columns[step], clip[:, None]], 1)  # (runs, 5)
    (step_by_kernel if kernels else step_plainly)(state, per_run, rates.active[step], experiment)


def step_by_kernel(state: AdamState, per_run: Tensor, active: np.ndarray, experiment: Experiment) -> None:
    from mmer.experiments.batched.kernels import step_adam

    runs, columns = state.values.shape
    numbers = (columns, state.mixes, experiment.weight_decay, experiment.layer_rate, EPSILON, 1 - BETA1, BETA2, BLOCK)
    tensors = (state.values, state.gradient, state.first, state.second, per_run.contiguous())
    step_adam[runs, -(-columns // BLOCK)](*tensors, *numbers, num_warps=4)


def step_plainly(state: AdamState, per_run: Tensor, active: np.ndarray, experiment: Experiment) -> None:
    """What step_adam computes."""
    rows = slice(None) if active.all() else torch.from_numpy(np.flatnonzero(active)).to(state.values.device)
    parts = ((slice(0, state.mixes), experiment.layer_rate, 0.0), (slice(state.mixes, None), 1.0, experiment.weight_decay))
    for columns, factor, decay in parts:
        values, m, v = (matrix[:, columns][rows] for matrix in (state.values, state.first, state.second))
        _, rate, correction, root, clip = per_run[rows].T[:, :, None]
        slope = state.gradient[:, columns][rows] * clip
        rate = rate * factor
        m.lerp_(slope, 1 - BETA1)
        v.mul_(BETA2).addcmul_(slope, slope, value=1 - BETA2)
        values.sub_(values * (rate * decay)).sub_(rate / correction * m / (v.sqrt() / root + EPSILON))
        if not active.all():
            for matrix, found in ((state.values, values), (state.first, m), (state.second, v)):
                matrix[:, columns][rows] = found
