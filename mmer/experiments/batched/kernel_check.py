"""The kernels against the plain path on small made-up numbers: asked of a card before they are used there, and by the tests."""

from __future__ import annotations

import importlib.util
import subprocess
from functools import cache

import numpy as np
import torch
from torch import Tensor

from mmer.experiments.batched.adam import AdamRates, AdamState, clip_and_step
from mmer.experiments.batched.keyed_dropout import drop
from mmer.experiments.batched.layer_mix import Normals, UnitBatch, mix_layers, norm_mix
from mmer.experiments.experiment import Experiment

RUNS, BATCH, LAYERS, DIM, POSITIONS, SEGMENTS, STRIDE = 3, 2, 3, 20, 60, 9, 2
TOLERANCE = 1e-4  # of the largest value; a wrong sum is off by far more


def find_difference(device: torch.device) -> str:
    """Names the first kernel that does not give what the plain path gives on this device, with the difference; "" when all do."""
    checks = (("layer sums", check_mix), ("dropout", check_drop), ("Adam", check_adam))
    for name, check in checks:
        for plain, found in zip(check(device, False), check(device, True)):
            most = float((plain.float() - found.float()).abs().max())
            if not most <= TOLERANCE * max(1.0, float(plain.abs().max())):
                return f"{name}: off by {most:.2g}"
    return ""


def make_numbers(seed: int, *shape: int, device: torch.device) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32)).to(device)


def check_mix(device: torch.device, kernels: bool) -> list[Tensor]:
    """Sums, raw and normed, and gradients of the weights; one utterance lacks the unit, every second position is read."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, SEGMENTS + 1, (RUNS, BATCH)).astype(np.int32)
    counts[1, 1] = 0
    starts = rng.integers(0, POSITIONS - STRIDE * SEGMENTS, (RUNS, BATCH))
    packed = make_numbers(1, POSITIONS, LAYERS, DIM, device=device).half()
    unit = UnitBatch(packed, torch.from_numpy(starts).to(device), torch.from_numpy(counts).to(device), SEGMENTS, STRIDE)
    normals = Normals(make_numbers(2, RUNS, LAYERS, DIM, device=device), make_numbers(3, RUNS, LAYERS, DIM, device=device).abs())
    weights = make_numbers(4, RUNS, LAYERS, device=device).requires_grad_()
    found = []
    for mix in (mix_layers, norm_mix):
        mixed = mix(weights, unit, normals, kernels=kernels)
        (gradient,) = torch.autograd.grad(mixed, weights, make_numbers(5, *mixed.shape, device=device))
        found += [mixed.detach(), gradient]
    return found


def check_drop(device: torch.device, kernels: bool) -> list[Tensor]:
    """Values and gradients with and without relu, a rest and places; with and without segments."""
    keys = torch.tensor([7, -123456789, 2**31 - 5], dtype=torch.int32, device=device)
    places = torch.arange(SEGMENTS, dtype=torch.int32, device=device) * 7 + 1000
    x, rest = (make_numbers(seed, RUNS, BATCH, SEGMENTS, DIM, device=device).requires_grad_() for seed in (1, 2))
    flat = make_numbers(3, RUNS, BATCH, DIM, device=device).requires_grad_()
    found = [
        drop(x, keys, 0.2, relu=True, kernels=kernels),
        drop(x, keys, 0.3, places=places, kernels=kernels),
        drop(x, keys, 0.3, rest=rest, kernels=kernels),
        drop(flat, keys, 0.5, relu=True, kernels=kernels),
    ]
    slopes = [make_numbers(4 + i, *one.shape, device=device) for i, one in enumerate(found)]
    return [one.detach() for one in found] + list(torch.autograd.grad(found, [x, rest, flat], slopes))


def check_adam(device: torch.device, kernels: bool) -> list[Tensor]:
    """Two steps with a warm-up, weight decay and a rate of their own for the layer weights; one run has no batch at the second."""
    experiment = Experiment("data", "features", warmup_steps=3, weight_decay=0.1, layer_rate=5.0, clip_norm=0.7)
    values, gradient, first, second = (make_numbers(seed, RUNS, 1100, device=device) for seed in range(4))
    state = AdamState(values, gradient, first, second.abs_(), 6)
    active = np.array([[True] * RUNS, [True, False, True]])
    rates = AdamRates.plan(experiment, np.array([0, 4, 9]), active, str(device))
    for step in range(2):
        clip_and_step(state, rates, step, experiment, kernels=kernels)
    return [values, first, second]


@cache
def explain_no_kernels(device: int) -> str:
    """Why the plain path is taken on this CUDA device, as one sentence; "" where the kernels are taken. Tried once a process."""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed, so training takes PyTorch's own operations, which are slower."
    from triton.errors import TritonError

    try:
        with torch.cuda.device(device):
            different = find_difference(torch.device("cuda", device))
    except (TritonError, RuntimeError, OSError, subprocess.SubprocessError) as error:  # no C compiler, no Python.h, a card that is too old
        reason = " ".join(str(error).split())[:200]
        return f"Triton's kernels don't compile here ({reason}), so training takes PyTorch's own operations, which are slower."
    if different:
        return f"Triton's kernels give another result here ({different}), so training takes PyTorch's own operations, which are slower."
    return ""
