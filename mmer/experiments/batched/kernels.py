"""Kernels in Triton for what PyTorch does in many passes over memory. Imported only where Triton is: see kernel_check.py.

No kernel adds atomically, so that no sum depends on the order in which a card happens to compute. What each computes is written plainly
beside its caller, and tests compare the two. Elements are counted in 64 bits: a card holds more of them than 32 can count.
Sizes that differ from step to step are not specialised on: a kernel would be compiled anew for some of them, in the midst of training.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
from __future__ import annotations

import triton
import triton.language as tl

A, B, C = tl.constexpr(-1640531535), tl.constexpr(-2048144777), tl.constexpr(-1028477387)  # odd multipliers, as in dropout.scramble
PLACES = tl.constexpr(65536)  # dropout.POSITIONS


@triton.jit(do_not_specialize=["batch", "segments", "stride"])
def mix_forward(
    packed,
    starts,
    counts,
    scale,
    offset,
    out,
    inverse_deviations,
    batch,
    segments,
    stride,
    LAYERS: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
    NORMED: tl.constexpr,
    EPSILON: tl.constexpr,
):
    """A program takes TILE segments of one utterance of one run: x[d] = sum_l scale[l, d] * packed[l, d] - offset[d]; 0 at padding.

    Where NORMED, out is (x - its mean over d) / its deviation, whose inverse is stored too.
    """
    utterance, tile = tl.program_id(0), tl.program_id(1)
    run = utterance // batch
    start, count = tl.load(starts + utterance), tl.load(counts + utterance)
    k = tile * TILE + tl.arange(0, TILE)
    d = tl.arange(0, BLOCK)
    wide = d < DIM
    real = (k < count)[:, None] & wide[None, :]
    at = start + k.to(tl.int64) * stride
    total = tl.zeros((TILE, BLOCK), tl.float32)
    where = utterance.to(tl.int64) * segments + k
    if tile * TILE < count:
        for layer in tl.range(LAYERS, num_stages=4):  # several layers are on their way from memory at once
            states = tl.load(packed + (at * LAYERS + layer)[:, None] * DIM + d[None, :], mask=real, other=0.0).to(tl.float32)
            total += states * tl.load(scale + (run * LAYERS + layer) * DIM + d, mask=wide, other=0.0)[None, :]
        total -= tl.load(offset + run * DIM + d, mask=wide, other=0.0)[None, :]
        total = tl.where(real, total, 0.0)
        if NORMED:
            total = tl.where(wide[None, :], total - (tl.sum(total, 1) / DIM)[:, None], 0.0)
            inverse = 1.0 / tl.sqrt(tl.sum(total * total, 1) / DIM + EPSILON)
            total *= inverse[:, None]
            tl.store(inverse_deviations + where, inverse, mask=k < segments)
    tl.store(out + where[:, None] * DIM + d[None, :], total, mask=(k < segments)[:, None] & wide[None, :])


@triton.jit(do_not_specialize=["batch", "segments", "stride", "tiles"])
def mix_backward(
    packed,
    starts,
    counts,
    inverse,
    mean,
    gradient,
    normed,
    inverse_deviations,
    out,
    batch,
    segments,
    stride,
    tiles,
    LAYERS: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
    NORMED: tl.constexpr,
    SLOTS: tl.constexpr,
):
    """The first of two passes: out[utterance, tile, layer] = the tile's sum of slope * normalised state. The second adds the tiles.

    The slope of a sum is its gradient, or where NORMED what that of the normed sum makes of it.
    """
    utterance, tile = tl.program_id(0), tl.program_id(1)
    run = utterance // batch
    start, count = tl.load(starts + utterance), tl.load(counts + utterance)
    found = out + (utterance * tiles + tile) * LAYERS
    if tile * TILE < count:
        k = tile * TILE + tl.arange(0, TILE)
        d = tl.arange(0, BLOCK)
        wide = d < DIM
        real = (k < count)[:, None] & wide[None, :]
        at = start + k.to(tl.int64) * stride
        where = utterance.to(tl.int64) * segments + k
        slope = tl.load(gradient + where[:, None] * DIM + d[None, :], mask=real, other=0.0).to(tl.float32)
        if NORMED:
            own = tl.load(normed + where[:, None] * DIM + d[None, :], mask=real, other=0.0).to(tl.float32)
            rest = (tl.sum(slope, 1) / DIM)[:, None] + own * (tl.sum(slope * own, 1) / DIM)[:, None]
            slope = (slope - rest) * tl.load(inverse_deviations + where, mask=k < count, other=0.0)[:, None]
            slope = tl.where(real, slope, 0.0)
        whole = tl.sum(slope, 0)
        for layer in tl.range(LAYERS, num_stages=4):
            states = tl.load(packed + (at * LAYERS + layer)[:, None] * DIM + d[None, :], mask=real, other=0.0).to(tl.float32)
            place = (run * LAYERS + layer) * DIM + d
            part = tl.sum(slope * states, 0) - whole * tl.load(mean + place, mask=wide, other=0.0)
            tl.store(found + layer, tl.sum(part * tl.load(inverse + place, mask=wide, other=0.0), 0))
    else:
        slots = tl.arange(0, SLOTS)
        tl.store(found + slots, tl.zeros((SLOTS,), tl.float32), mask=slots < LAYERS)


@triton.jit
def hash_places(x):
    """dropout.scramble: int32 products wrap, shifts keep the sign."""
    x = x * A
    x = (x ^ (x >> 15)) * B
    return x ^ (x >> 13)


@triton.jit(do_not_specialize=["batch", "segments"])
def drop_values(
    x,
    rest,
    keys,
    places,
    out,
    batch,
    segments,
    scale,
    THRESHOLD: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK: tl.constexpr,
    RELU: tl.constexpr,
    ADDS: tl.constexpr,
    PLACED: tl.constexpr,
    ROWS_ARE_SEGMENTS: tl.constexpr,
):
    """A program takes one row of x (run, utterance, segment): out = [rest +] keep * scale * x, x at least 0 where RELU."""
    row = tl.program_id(0)
    segment = row % segments
    utterance = (row // segments) % batch
    key = tl.load(keys + row // (segments * batch))
    place = utterance
    if ROWS_ARE_SEGMENTS:
        if PLACED:
            segment = tl.load(places + segment)
        place = utterance * PLACES + segment
    d = tl.arange(0, BLOCK)
    wide = d < DIM
    bits = hash_places(place ^ key) ^ hash_places(d * C + key)
    bits = bits * B
    bits = (bits ^ (bits >> 15)) * C
    at = row.to(tl.int64) * DIM + d
    values = tl.load(x + at, mask=wide, other=0.0).to(tl.float32)
    if RELU:
        values = tl.maximum(values, 0.0)
    values = tl.where(bits >= THRESHOLD, values * scale, 0.0)
    if ADDS:
        values += tl.load(rest + at, mask=wide, other=0.0).to(tl.float32)
    tl.store(out + at, values, mask=wide)


@triton.jit(do_not_specialize=["columns", "mixes"])
def step_adam(
    values,
    gradient,
    first,
    second,
    per_run,
    columns,
    mixes,
    decay,
    layer_rate,
    epsilon,
    one_less_beta1,
    beta2,
    BLOCK: tl.constexpr,
):
    """One step of AdamW for BLOCK parameters of one run. per_run is that of adam.py, (runs, 5)."""
    run = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    active = tl.load(per_run + run * 5)
    if active != 0.0:
        rate, correction = tl.load(per_run + run * 5 + 1), tl.load(per_run + run * 5 + 2)
        root, clip = tl.load(per_run + run * 5 + 3), tl.load(per_run + run * 5 + 4)
        inside = column < columns
        of_layers = column < mixes
        own_rate = tl.where(of_layers, rate * layer_rate, rate)
        at = run.to(tl.int64) * columns + column
        slope = tl.load(gradient + at, mask=inside, other=0.0) * clip
        m = tl.load(first + at, mask=inside, other=0.0)
        m += (slope - m) * one_less_beta1
        v = tl.load(second + at, mask=inside, other=0.0) * beta2 + slope * slope * (1.0 - beta2)
        found = tl.load(values + at, mask=inside, other=0.0)
        found -= tl.where(of_layers, 0.0, own_rate * decay) * found
        found -= own_rate / correction * m / (tl.sqrt(v) / root + epsilon)
        tl.store(first + at, m, mask=inside)
        tl.store(second + at, v, mask=inside)
        tl.store(values + at, found, mask=inside)
