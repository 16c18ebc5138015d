"""Equation 1, dropout and Adam for all runs at once: against the models' own, run by run; and the kernels against the plain path."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmer.building_blocks.dropout import Dropout
from mmer.experiments.batched import kernel_check
from mmer.experiments.batched.adam import AdamRates, AdamState, clip_and_step
from mmer.experiments.batched.kernel_check import find_difference
from mmer.experiments.batched.keyed_dropout import draw_run_masks, drop
from mmer.experiments.batched.layer_mix import Normals, UnitBatch, mix_layers, norm_mix
from mmer.experiments.experiment import Experiment

RUNS, BATCH, LAYERS, SEGMENTS, DIM = 3, 4, 5, 7, 16


@pytest.fixture
def packed():
    return torch.randn(60, LAYERS, DIM, generator=torch.Generator().manual_seed(0)).half()


def make_unit(packed, stride):
    counts = torch.tensor([[7, 1, 0, 3], [2, 2, 2, 2], [0, 0, 0, 0]], dtype=torch.int32)
    starts = torch.tensor([[0, 9, 0, 21], [5, 9, 13, 30], [0, 0, 0, 0]])
    return UnitBatch(packed, starts, counts, SEGMENTS, stride)


@pytest.mark.parametrize("stride", [1, 3])
def test_sums_and_their_gradient_are_those_of_a_padded_normalised_batch(packed, stride):
    unit = make_unit(packed, stride)
    normals = Normals(torch.randn(RUNS, LAYERS, DIM), torch.rand(RUNS, LAYERS, DIM) + 0.5)
    weights = torch.randn(RUNS, LAYERS).requires_grad_()
    padded = torch.zeros(RUNS, BATCH, SEGMENTS, LAYERS, DIM)
    for run in range(RUNS):
        for i in range(BATCH):
            start, count = int(unit.starts[run, i]), int(unit.counts[run, i])
            states = packed[start : start + count * stride : stride].float()
            padded[run, i, :count] = (states - normals.mean[run]) * normals.inverse[run]
    expected = torch.einsum("rl,rbsld->rbsd", weights, padded)
    found = mix_layers(weights, unit, normals)
    slope = torch.randn_like(found)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(unit.mask, padded.ne(0).any(-1).any(-1))
    for one, other in zip(torch.autograd.grad(found, weights, slope), torch.autograd.grad(expected, weights, slope, retain_graph=True)):
        assert torch.allclose(one, other, atol=1e-4)
    normed = torch.nn.functional.layer_norm(expected, (DIM,))
    (theirs,) = torch.autograd.grad(normed, weights, slope)
    for kind, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 0.02)):
        found = norm_mix(weights, unit, normals, kind=kind)
        (ours,) = torch.autograd.grad(found, weights, slope.to(kind))
        assert found.dtype == kind and torch.allclose(found.float(), normed, atol=tolerance)
        assert torch.allclose(ours, theirs, atol=tolerance * float(theirs.abs().max()))


@pytest.mark.parametrize("shape", [(BATCH, SEGMENTS, DIM), (BATCH, DIM)])
@pytest.mark.parametrize("relu", [False, True])
def test_dropout_is_that_of_every_run_by_itself(shape, relu):
    keys = torch.tensor([3, -77, 2**31 - 1], dtype=torch.int32)
    x = torch.randn(RUNS, *shape).requires_grad_()
    places = torch.arange(SEGMENTS, dtype=torch.int32) + 500 if len(shape) == 3 and relu else None
    found = drop(x, keys, 0.3, relu=relu, places=places)
    alone = []
    for run, key in enumerate(keys):
        dropout = Dropout(0.3).train()
        dropout.keyed = True
        dropout.key.fill_(key)
        alone.append(dropout(x[run].relu() if relu else x[run], places))
    expected, slope = torch.stack(alone), torch.randn(RUNS, *shape)
    assert torch.equal(found, expected)
    for one, other in zip(torch.autograd.grad(found, x, slope), torch.autograd.grad(expected, x, slope)):
        assert torch.allclose(one, other, atol=1e-6)


def test_what_is_added_is_not_dropped_and_nothing_is_without_keys():
    x, rest = torch.randn(2, RUNS, BATCH, DIM).requires_grad_().unbind()
    keys = torch.arange(RUNS, dtype=torch.int32)
    kept = draw_run_masks(keys, x.shape, 0.5)
    found = drop(x, keys, 0.5, rest=rest)
    assert torch.allclose(found, rest + 2 * x * kept)
    of_x, of_rest = torch.autograd.grad(found.sum(), [x, rest])
    assert torch.equal(of_x, 2.0 * kept) and torch.equal(of_rest, torch.ones_like(rest))
    assert torch.equal(drop(x, None, 0.5, relu=True), x.relu()) and torch.equal(drop(x, keys, 0.0, rest=rest), rest + x)


def test_a_step_is_that_of_torch_s_adamw_for_every_run_by_itself():
    """With clipping, weight decay, a warm-up, another rate for the layer weights, and a run that has no batch at one step."""
    experiment = Experiment("data", "features", warmup_steps=4, weight_decay=0.05, layer_rate=3.0, clip_norm=0.8)
    mixes, size = 6, 40
    values = torch.randn(RUNS, size)
    state = AdamState(values.clone(), torch.zeros(RUNS, size), torch.zeros(RUNS, size), torch.zeros(RUNS, size), mixes)
    active = np.array([[True, True, True], [True, False, True], [True, True, True]])
    rates = AdamRates.plan(experiment, np.zeros(RUNS, int), active, "cpu")
    gradients = torch.randn(len(active), RUNS, size)
    for step, gradient in enumerate(gradients):
        state.gradient.copy_(gradient)
        clip_and_step(state, rates, step, experiment)
    for run in range(RUNS):
        layers, rest = nn.Parameter(values[run, :mixes].clone()), nn.Parameter(values[run, mixes:].clone())
        groups = [{"params": [layers], "weight_decay": 0.0}, {"params": [rest], "weight_decay": 0.05}]
        optimizer = torch.optim.AdamW(groups, lr=1.0)
        for n, step in enumerate(np.flatnonzero(active[:, run]), 1):
            layers.grad, rest.grad = gradients[step, run, :mixes].clone(), gradients[step, run, mixes:].clone()
            nn.utils.clip_grad_norm_([layers, rest], 0.8)
            rate = experiment.rate * min(1, n / 4)
            optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = rate * 3, rate
            optimizer.step()
        assert torch.allclose(state.values[run], torch.cat([layers, rest]), atol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed: pip install triton")
def test_the_kernels_give_what_the_plain_path_gives():
    """On a card where there is one, else in Triton's interpreter, which has to be chosen before anything imports Triton."""
    if torch.cuda.is_available():
        assert kernel_check.explain_no_kernels(0) == ""
        return
    code = "import torch; from mmer.experiments.batched.kernel_check import find_difference; print(find_difference(torch.device('cpu')))"
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == ""


def test_a_kernel_that_gives_something_else_is_named(monkeypatch):
    monkeypatch.setattr("mmer.experiments.batched.kernel_check.check_adam", lambda device, kernels: [torch.full((2,), float(kernels))])
    monkeypatch.setattr("mmer.experiments.batched.kernel_check.check_mix", lambda device, kernels: [torch.zeros(2)])
    monkeypatch.setattr("mmer.experiments.batched.kernel_check.check_drop", lambda device, kernels: [torch.zeros(2)])
    assert find_difference(torch.device("cpu")) == "Adam: off by 1"


def test_no_kernel_adds_atomically():
    """A sum whose order changes from run to run would make a resumed experiment another one."""
    source = Path(kernel_check.__file__).with_name("kernels.py").read_text("utf-8")
    assert "tl.sum" in source and "tl.atomic" not in source
