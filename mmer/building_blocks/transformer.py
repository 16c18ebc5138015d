"""Multi-head attention whose weights can be collected, and a standard transformer encoder block (Vaswani et al. 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmer.building_blocks.attention_maps import MapCollector
from mmer.building_blocks.dropout import Dropout


class Attention(nn.Module):
    """Multi-head attention as nn.MultiheadAttention computes it; the weights can be collected head by head in bounded memory."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide {dim} dimensions")
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        for linear in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(linear.weight)
        for linear in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(linear.bias)

    def split_heads(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)  # (batch, heads, positions, dim / heads)

    def forward(self, x: Tensor, keys: Tensor, key_mask: Tensor, *, collect: MapCollector | None = None) -> Tensor:
        """x (batch, queries, dim), keys (batch, keys, dim), key_mask (batch, keys) -> (batch, queries, dim)."""
        q, k, v = self.split_heads(self.query(x)), self.split_heads(self.key(keys)), self.split_heads(self.value(keys))
        present = key_mask.any(1)[:, None, None]  # (batch, 1, 1)
        mask = (key_mask[:, None] | ~present)[:, None]  # (batch, 1, 1, keys); a row without keys would be NaN, so it is opened ...
        if collect is None:
            heard = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            heard = torch.stack([collect(q[:, h], k[:, h], v[:, h], mask[:, 0]) for h in range(self.heads)], 1)
        heard = heard.transpose(1, 2).flatten(2)  # (batch, queries, dim)
        found: Tensor = self.out(heard.masked_fill(~present, 0))  # ... and what it heard is dropped
        return found


class EncoderBlock(nn.Module):
    """A standard post-norm transformer encoder block; with another modality's states as keys it is one branch of Figure 3."""

    def __init__(self, *, dim: int, heads: int, feedforward: int, dropout: float):
        super().__init__()
        self.attention = Attention(dim, heads)
        self.layer1, self.layer2 = nn.Linear(dim, feedforward), nn.Linear(feedforward, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        # none on the attention weights: the fused CPU kernel has none
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))

    def forward(self, x: Tensor, keys: Tensor, key_mask: Tensor, *, collect: MapCollector | None = None) -> Tensor:
        x = self.norm1(x + self.dropout1(self.attention(x, keys, key_mask, collect=collect)))  # (batch, queries, dim)
        inner = self.dropout2(F.relu(self.layer1(x)))  # (batch, queries, feedforward)
        found: Tensor = self.norm2(x + self.dropout3(self.layer2(inner)))
        return found
