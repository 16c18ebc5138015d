"""The models' keyed dropout for all runs at once: the same masks as building_blocks/dropout.py draws for each run by itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmer.building_blocks.dropout import POSITIONS, scramble
from mmer.experiments.batched.layer_mix import round_to_power


def drop(
    x: Tensor,
    keys: Tensor | None,
    p: float,
    *,
    relu: bool = False,
    rest: Tensor | None = None,
    places: Tensor | None = None,
    kernels: bool = False,
) -> Tensor:
    """rest + dropout(x), of relu(x) where asked; x (runs, batch, segments, dim) or (runs, batch, dim), keys (runs,) int32.

    Without keys nothing is dropped (evaluation). `places` (segments,) int32 stand for a segment's index, as in Dropout.
    """
    if keys is None or not p:
        x = F.relu(x) if relu else x
        return x if rest is None else rest + x
    found: Tensor = KeyedDrop.apply(x, rest, keys, places, p, relu, kernels)  # type: ignore[no-untyped-call]  # of torch
    return found


def draw_run_masks(keys: Tensor, shape: torch.Size, p: float, places: Tensor | None = None) -> Tensor:
    """(*shape) bool, False with probability p: draw_mask for every run's key."""
    rows = torch.arange(shape[1], dtype=torch.int32, device=keys.device)
    if len(shape) == 4:
        segments = torch.arange(shape[2], dtype=torch.int32, device=keys.device) if places is None else places
        rows = rows[:, None] * POSITIONS + segments
    columns = torch.arange(shape[-1], dtype=torch.int32, device=keys.device)
    of_rows = scramble(rows ^ keys.view(-1, *[1] * rows.dim()))  # (runs, batch[, segments])
    of_columns = scramble(columns * -1028477387 + keys[:, None])  # (runs, dim)
    bits = of_rows[..., None] ^ of_columns.view(len(keys), *[1] * rows.dim(), -1)
    bits.mul_(-2048144777)
    bits.bitwise_xor_(bits >> 15).mul_(-1028477387)
    return bits >= find_threshold(p)


def find_threshold(p: float) -> int:
    """Of the 2^32 numbers those below it are dropped."""
    return int(-(2**31) + p * 2**32)


class KeyedDrop(torch.autograd.Function):
    """drop() with keys. Masks are drawn anew for the gradient, which costs less than to keep them; after relu the values tell them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, rest: Tensor | None, keys: Tensor, places: Tensor | None, p: float, relu: bool, kernels: bool
    ) -> Tensor:
        out = compute(x, rest, keys, places, p, relu=relu, kernels=kernels)
        ctx.p, ctx.relu, ctx.kernels, ctx.kind, ctx.adds = p, relu, kernels, x.dtype, rest is not None
        ctx.rest_kind = None if rest is None else rest.dtype
        ctx.save_for_backward(keys, places, out if relu else None)
        if relu and rest is not None:
            raise ValueError("the sign of what was dropped can't be told from a sum")
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        keys, places, out = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        if ctx.relu:
            found = torch.where(out > 0, gradient, 0) * (1 / (1 - ctx.p))
        else:
            found = compute(gradient, None, keys, places, ctx.p, relu=False, kernels=ctx.kernels)
        return found.to(ctx.kind), gradient.to(ctx.rest_kind) if ctx.adds else None, None, None, None, None, None


def compute(x: Tensor, rest: Tensor | None, keys: Tensor, places: Tensor | None, p: float, *, relu: bool, kernels: bool) -> Tensor:
    """rest + keep * x / (1 - p); of the type of `rest` where there is one, else of x."""
    if not kernels:
        values = F.relu(x) if relu else x
        dropped = (values * (draw_run_masks(keys, x.shape, p, places) * (1 / (1 - p)))).to(x.dtype)
        return dropped if rest is None else rest + dropped
    from mmer.experiments.batched.kernels import drop_values

    x = x.contiguous()
    kind = x if rest is None else rest.contiguous()
    out = torch.empty_like(kind)
    dim, segments = x.shape[-1], x.shape[2] if x.dim() == 4 else 1
    sizes = (x.shape[1], segments, 1 / (1 - p), find_threshold(p), dim, round_to_power(dim))
    flags = (relu, rest is not None, places is not None, x.dim() == 4)
    drop_values[(x.numel() // dim,)](x, kind, keys, keys if places is None else places, out, *sizes, *flags, num_warps=4)
    return out
