"""Attention weights, collected while attention is computed, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_MAP_VALUES = 4_000_000  # attention weights kept per unit (16 MB); longer inputs share cells


@dataclass
class CoattentionMaps:
    """Attention weights of one speech unit and the text; rows over real keys sum to 1, rows of padding are zero."""

    text_to_speech: Tensor  # (batch, blocks, heads, tokens, cells) text queries, speech keys
    speech_to_text: Tensor  # (batch, blocks, heads, cells, tokens) speech queries, text keys
    segments_per_cell: int  # 1, or how many neighbouring segments share a cell: keys summed, queries averaged


class MapCollector:
    """Softmax attention written out for one head at a time; keeps the weights, with neighbouring speech segments sharing a cell."""

    def __init__(self, query_mask: Tensor, *, query_bin: int = 1, key_bin: int = 1):
        self.query_mask, self.query_bin, self.key_bin = query_mask, query_bin, key_bin
        self.maps: list[Tensor] = []  # one (batch, queries, keys) per head, in order

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scores = (q @ k.transpose(1, 2)).div_(math.sqrt(q.shape[-1])).masked_fill_(~mask, -math.inf)  # (batch, queries, keys)
        weights = scores.softmax(-1)
        kept = weights.masked_fill(~self.query_mask[..., None], 0)
        if self.key_bin > 1:
            kept = sum_neighbours(kept, self.key_bin, axis=2)
        if self.query_bin > 1:
            real = sum_neighbours(self.query_mask.to(kept.dtype), self.query_bin, axis=1)
            kept = sum_neighbours(kept, self.query_bin, axis=1) / real.clamp(min=1)[..., None]
        self.maps.append(kept)
        return weights @ v


def sum_neighbours(values: Tensor, size: int, *, axis: int) -> Tensor:
    """Sums of `size` neighbours along an axis; the last cell holds what is left."""
    return torch.stack([part.sum(axis) for part in torch.split(values, size, dim=axis)], axis)


def segments_per_cell(segments: int, values_per_segment: int) -> int:
    """How many neighbouring segments must share a cell so that no more than MAX_MAP_VALUES attention weights are kept."""
    return max(1, math.ceil(segments * values_per_segment / MAX_MAP_VALUES))
