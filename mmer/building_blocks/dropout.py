"""Dropout whose masks are a function of a key and of each value's place, so that runs can be trained alone or together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POSITIONS = 65536  # more than any utterance has segments


class Dropout(nn.Module):
    """Dropout with a mask that can be fixed: where `keyed`, what is dropped depends on `key` and on each value's place alone.

    So a run drops the same values whether it is trained by itself or in a stack with others, on any device and however its batch is padded.
    """

    key: Tensor

    def __init__(self, p: float):
        super().__init__()
        self.p, self.keyed = p, False
        self.register_buffer("key", torch.zeros((), dtype=torch.int32), persistent=False)

    def forward(self, x: Tensor, places: Tensor | None = None) -> Tensor:
        """x (batch, segments, dim) or (batch, dim); places (segments,) int32 where a segment's place is not its index."""
        if not self.training or not self.p:
            return x
        if not self.keyed:
            return F.dropout(x, self.p)
        return x * (draw_mask(self.key, x.shape, self.p, x.device, places=places) * (1 / (1 - self.p)))


def draw_mask(key: Tensor, shape: Sequence[int], p: float, device: torch.device, *, places: Tensor | None = None) -> Tensor:
    """(*shape) bool, False with probability p: integer hashes of the key and of each value's row, segment and dimension."""
    rows = torch.arange(shape[0], dtype=torch.int32, device=device)
    if len(shape) == 3:
        segments = torch.arange(shape[1], dtype=torch.int32, device=device) if places is None else places
        rows = rows[:, None] * POSITIONS + segments
    columns = torch.arange(shape[-1], dtype=torch.int32, device=device)
    bits = scramble(rows ^ key)[..., None] ^ scramble(columns * -1028477387 + key)
    bits.mul_(-2048144777)
    bits.bitwise_xor_(bits >> 15).mul_(-1028477387)  # the high bits, which decide, have seen all others
    return bits >= int(-(2**31) + p * 2**32)


def scramble(x: Tensor) -> Tensor:
    """An int32 hash: odd multipliers and shifts, as in MurmurHash3's finalizer; products wrap."""
    x = x * -1640531535
    x = (x ^ (x >> 15)) * -2048144777
    return x ^ (x >> 13)


def count_places(masks: Sequence[Tensor]) -> Tensor:
    """(segments of all,) int32: each unit's segments counted from a number of its own, so that padding before them moves none."""
    step = POSITIONS // len(masks)
    return torch.cat([i * step + torch.arange(m.shape[1], dtype=torch.int32, device=m.device) for i, m in enumerate(masks)])
