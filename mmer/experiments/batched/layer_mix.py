"""Equation 1 for all runs at once: packed states -> the normalised, weighted sums of every run's own utterances, and their LayerNorm.

The global normalisation is affine and the sum is linear, so both are one map for each run, layer and dimension: a segment is gathered,
normalised and weighted in one reading. Nothing is padded in memory; padding appears in what comes out, as zeros. Of the LayerNorm mean and
variance are taken here, in the same reading; its scale and shift follow in forms.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TILE = 8  # segments of one program
EPSILON = 1e-5  # nn.LayerNorm's own


@dataclass(frozen=True, eq=False)
class UnitBatch:
    """What the runs read of one unit at one step."""

    packed: Tensor  # (positions, layers, dim) float16, the states of many utterances, one after the other
    starts: Tensor  # (runs, batch) int64, where each utterance begins in it
    counts: Tensor  # (runs, batch) int32, how many segments are read; 0 where an utterance lacks the unit, or where a batch has none
    segments: int  # to which the batch is padded: at least as many as the largest count
    stride: int  # every so many positions one is read

    @property
    def mask(self) -> Tensor:
        """(runs, batch, segments) bool, True = real."""
        return torch.arange(self.segments, device=self.counts.device) < self.counts[..., None]

    def slice(self, runs: slice) -> UnitBatch:
        return UnitBatch(self.packed, self.starts[runs], self.counts[runs], self.segments, self.stride)


@dataclass(frozen=True, eq=False)
class Normals:
    """The global normalisation of each run's fold for one unit: (state - mean) * inverse."""

    mean: Tensor  # (runs, layers, dim) float32; 0 for text
    inverse: Tensor  # (runs, layers, dim) float32; 1 for text

    def slice(self, runs: slice) -> Normals:
        return Normals(self.mean[runs], self.inverse[runs])


def mix_layers(weights: Tensor, unit: UnitBatch, normals: Normals, *, kernels: bool = False) -> Tensor:
    """The sums of every run, (runs, batch, segments, dim) float32, for weights (runs, layers) that add up to 1; 0 at padding."""
    found: Tensor = MixLayers.apply(weights, unit, normals, kernels, None)  # type: ignore[no-untyped-call]  # of torch
    return found


def norm_mix(weights: Tensor, unit: UnitBatch, normals: Normals, *, kernels: bool = False, kind: torch.dtype = torch.float32) -> Tensor:
    """The sums of mix_layers with mean 0 and variance 1 over dim, stored as `kind`; 0 at padding."""
    found: Tensor = MixLayers.apply(weights, unit, normals, kernels, kind)  # type: ignore[no-untyped-call]  # of torch
    return found


class MixLayers(torch.autograd.Function):
    """mix_layers, or where there is a `kind` norm_mix, with a gradient for the weights alone."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, unit: UnitBatch, normals: Normals, kernels: bool, kind: torch.dtype | None) -> Tensor:
        ctx.unit, ctx.normals, ctx.kernels = unit, normals, kernels
        scale = weights[:, :, None].float() * normals.inverse  # (runs, layers, dim)
        offset = (scale * normals.mean).sum(1)  # (runs, dim)
        out, inverse = (run_forward if kernels else mix_plainly)(unit, scale.contiguous(), offset.contiguous(), kind)
        ctx.save_for_backward(*((out, inverse) if kind else ()))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        differentiate = run_backward if ctx.kernels else differentiate_plainly
        return differentiate(ctx.unit, ctx.normals, gradients[0].contiguous(), ctx.saved_tensors), None, None, None, None


def gather_run(unit: UnitBatch, run: int) -> tuple[Tensor, Tensor]:
    """One run's states, (real segments, layers, dim) float32, and where they stand, (real segments,) places in its padded batch."""
    where = torch.arange(unit.segments, device=unit.counts.device)
    index = unit.starts[run, :, None] + where * unit.stride  # (batch, segments)
    real = (where < unit.counts[run, :, None]).flatten().nonzero()[:, 0]
    return unit.packed[index.flatten()[real]].float(), real


def mix_plainly(unit: UnitBatch, scale: Tensor, offset: Tensor, kind: torch.dtype | None) -> tuple[Tensor, Tensor]:
    """What mix_forward computes, run by run: all runs at once would take several times the memory of the features."""
    runs, batch = unit.counts.shape
    out = scale.new_zeros(runs, batch * unit.segments, scale.shape[-1])
    for run in range(runs):
        states, real = gather_run(unit, run)
        out[run, real] = states.mul_(scale[run]).sum(1) - offset[run]
    out = out.view(runs, batch, unit.segments, -1)
    if kind is None:
        return out, out
    normed, _, inverse = torch.native_layer_norm(out, out.shape[-1:], None, None, EPSILON)
    return normed.to(kind), inverse


def differentiate_plainly(unit: UnitBatch, normals: Normals, gradient: Tensor, normed: Sequence[Tensor]) -> Tensor:
    """What mix_backward and its second pass compute: (runs, layers). `normed`: the sums and inverse deviations; () for raw sums."""
    found = gradient.new_empty(len(gradient), normals.mean.shape[1], dtype=torch.float32)
    for run in range(len(found)):
        states, real = gather_run(unit, run)
        slope = gradient[run].flatten(0, 1)[real].float()  # (real segments, dim)
        if normed:
            own, inverse = (values[run].flatten(0, 1)[real].float() for values in normed)
            slope = (slope - slope.mean(1, keepdim=True) - own * (slope * own).mean(1, keepdim=True)) * inverse
        found[run] = ((states - normals.mean[run]) * normals.inverse[run] * slope[:, None]).sum((0, 2))
    return found


def run_forward(unit: UnitBatch, scale: Tensor, offset: Tensor, kind: torch.dtype | None) -> tuple[Tensor, Tensor]:
    from mmer.experiments.batched import kernels

    (runs, batch), (_, layers, dim) = unit.counts.shape, unit.packed.shape
    out = scale.new_empty(runs, batch, unit.segments, dim, dtype=kind or torch.float32)
    inverse = scale.new_empty(runs, batch, unit.segments, 1) if kind else out
    grid = (runs * batch, -(-unit.segments // TILE))
    sizes = (batch, unit.segments, unit.stride, layers, dim, round_to_power(dim), TILE)
    kernels.mix_forward[grid](
        unit.packed, unit.starts, unit.counts, scale, offset, out, inverse, *sizes, kind is not None, EPSILON, num_warps=4
    )
    return out, inverse


def run_backward(unit: UnitBatch, normals: Normals, gradient: Tensor, normed: Sequence[Tensor]) -> Tensor:
    from mmer.experiments.batched import kernels

    (runs, batch), (_, layers, dim) = unit.counts.shape, unit.packed.shape
    tiles = -(-unit.segments // TILE)
    parts = gradient.new_empty(runs, batch * tiles, layers, dtype=torch.float32)
    own, inverse = normed or (gradient, gradient)
    tensors = (unit.packed, unit.starts, unit.counts, normals.inverse, normals.mean, gradient, own, inverse, parts)
    sizes = (batch, unit.segments, unit.stride, tiles, layers, dim, round_to_power(dim), TILE)
    kernels.mix_backward[runs * batch, tiles](*tensors, *sizes, bool(normed), round_to_power(layers), num_warps=4)
    return parts.sum(1)


def round_to_power(size: int) -> int:
    """The next power of two, in which Triton counts."""
    return 1 << (size - 1).bit_length()
