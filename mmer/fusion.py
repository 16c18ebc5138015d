"""The fusion models of Zhao, Wang and Wang, "Multi-level Fusion of Wav2vec 2.0 and BERT for Multimodal Emotion Recognition", on one page.

Equations, figures and tables named below are that paper's. The Linear branch is its reference [5], Pepino et al. 2021, published as
habla-liaa/ser-with-w2v2. Axes: batch, layers (of the encoder), segments (frames, phones, syllables, words or tokens), dim, classes.

Every model is called with `states` {unit: (batch, layers, segments, dim)} and `masks` {unit: (batch, segments) bool, True = real}
and returns a FusionOutput. What stands at padded positions (any finite value) never changes a result. An utterance whose mask row is
all False lacks that unit: it is left out of late fusion's sum, without a gradient. No control flow depends on values, so torch.func can
stack models.

The paper's weights and where they are:

    w_l, LN         Equation 1          LayerMix.weights, LayerMix.norm
    W1, W2          before Equation 2   Branch.layer1, Branch.layer2
    W3, b3          Equation 3          Branch.output
    W4, b4, LN      Equation 4          Coattention.fuse, Coattention.norm
    W5, b5          Equation 4          Coattention.output
    W6, W7, W8      after Equation 4    Attention.query, Attention.key, Attention.value, in building_blocks/transformer.py

A deviation that the paper's pair of encoders has no need of: where text and speech meet in one model and their states are of unlike width,
LayerMix.project brings the speech to the text's width by a Linear layer after Equation 1, one for each speech unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NotRequired, TypedDict, TypeVar, Unpack, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmer.building_blocks.attention_maps import CoattentionMaps, MapCollector, segments_per_cell
from mmer.building_blocks.dropout import Dropout, count_places
from mmer.building_blocks.transformer import EncoderBlock
from mmer.choices.units import UNITS

States = Mapping[str, Tensor]
TEXT = "T"
Logits = TypeVar("Logits", Tensor, np.ndarray)
MIN_WEIGHT_SUM = 1e-3  # Equation 1 divides by the weights' sum: nearer to zero than this, it is taken as +-1e-3, keeping its sign


@dataclass
class FusionOutput:
    """Everything a fusion model says. `contributions` and `coattention` only with explain=True."""

    logits: Tensor  # (batch, classes)
    branch_logits: dict[str, Tensor] | None  # unit -> (batch, classes), 0 where it is absent; None: coattention, or early unexplained
    bias: dict[str, Tensor] | None  # unit -> (batch, classes), the bias's part of branch_logits; None as above
    contributions: dict[str, Tensor] | None  # unit -> (batch, segments, classes); bias + their sum = branch_logits
    layer_weights: dict[str, tuple[Tensor, Tensor]]  # unit -> raw w and w / sum w, (layers,) each
    coattention: dict[str, CoattentionMaps] | None = None  # speech unit -> maps


class LayerMix(nn.Module):
    """Equation 1: u_k = LN(sum_l w_l u_k^l / sum_l w_l), raw weights that start at 1.

    States without a layer axis, (batch, segments, dim), are taken as weighted already: the trainer weights the layers of all runs at once.
    Where `width`, in which units meet, is not that of the states, a Linear layer leads to it: the deviation named at the top.
    """

    def __init__(self, layers: int, dim: int, width: int | None = None):
        super().__init__()
        self.weights = nn.Parameter(torch.ones(layers))
        self.norm = nn.LayerNorm(dim)
        self.project = nn.Identity() if width in (None, dim) else nn.Linear(dim, width)

    def normalise_weights(self) -> Tensor:
        return normalise_weights(self.weights)  # (layers,)

    def forward(self, states: Tensor) -> Tensor:
        if states.dim() == 3:
            return cast(Tensor, self.project(self.norm(states)))
        batch, layers, segments, dim = states.shape
        weights = self.normalise_weights().expand(batch, 1, layers)
        mixed = torch.bmm(weights, states.float().flatten(2))  # (batch, 1, segments * dim); 10 to 30 x faster than einsum here
        return cast(Tensor, self.project(self.norm(mixed.view(batch, segments, dim))))  # (batch, segments, width)


def normalise_weights(weights: Tensor) -> Tensor:
    """w / sum w over the last axis."""
    total = weights.sum(-1, keepdim=True)
    guard = torch.copysign(torch.full_like(total, MIN_WEIGHT_SUM), total)
    return weights / torch.where(total.abs() < MIN_WEIGHT_SUM, guard, total)


def average_segments(values: Tensor, mask: Tensor) -> Tensor:
    """Equation 2's global average over the real segments: (batch, segments, dim) -> (batch, dim); 0 where there are none."""
    return values.masked_fill(~mask[..., None], 0).sum(1) / count_segments(mask)


def count_segments(mask: Tensor) -> Tensor:
    return mask.sum(1, keepdim=True).clamp(min=1)  # (batch, 1)


class Branch(nn.Module):
    """Two position-wise ReLU layers, the global average and the output layer: one branch of Figure 1, after Equation 1."""

    def __init__(self, *, dim: int, classes: int, hidden: int, dropout: float):
        super().__init__()
        self.layer1, self.layer2 = nn.Linear(dim, hidden), nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, classes)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)

    def forward(self, mixed: Tensor, mask: Tensor, *, explain: bool, places: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Logits without the bias b3, (batch, classes), and (1/K) W3 l_k, (batch, segments, classes), whose sum they are."""
        x = self.dropout1(F.relu(self.layer1(mixed)), places)  # (batch, segments, hidden)
        x = self.dropout2(F.relu(self.layer2(x)), places)
        logits = F.linear(average_segments(x, mask), self.output.weight)  # (batch, classes)
        if not explain:
            return logits, None
        parts = F.linear(x, self.output.weight).masked_fill(~mask[..., None], 0) / count_segments(mask)[..., None]
        return logits, parts


def require_units(states: States, units: Sequence[str], model: str) -> None:
    missing = [u for u in units if u not in states]
    if missing:
        raise ValueError(f"{model} needs the units {', '.join(units)}; missing: {', '.join(missing)}")


def check_units(units: Sequence[str]) -> tuple[str, ...]:
    if not units or len(set(units)) != len(units) or not set(units) <= set(UNITS):
        raise ValueError(f"units must be different letters out of {', '.join(UNITS)}, not {units!r}")
    return tuple(units)


class InputSizes(TypedDict):
    """Keyword arguments that every model takes: the sizes of the states it is called with."""

    text_layers: int
    speech_layers: int
    dim: int  # width of the text encoder's states
    speech_dim: NotRequired[int]  # width of the speech encoder's; where it is left out, that of the text's, as in the paper


def join_width(units: Sequence[str], **inputs: Unpack[InputSizes]) -> int:
    """The width in which units meet: the text's where it is one of them, else the speech encoder's."""
    return inputs["dim"] if TEXT in units else inputs.get("speech_dim", inputs["dim"])


def build_mixes(units: Sequence[str], **inputs: Unpack[InputSizes]) -> nn.ModuleDict:
    """One set of Equation 1's weights per unit, all leading to one width; the text's set is shared by all who read the text."""
    layers, width = (inputs["text_layers"], inputs["speech_layers"]), join_width(units, **inputs)
    return nn.ModuleDict({u: LayerMix(layers[u != TEXT], join_width([u], **inputs), width) for u in units})


def read_layer_weights(mixes: nn.ModuleDict) -> dict[str, tuple[Tensor, Tensor]]:
    return {unit: (mix.weights, mix.normalise_weights()) for unit, mix in cast(Mapping[str, LayerMix], mixes).items()}


def read_single(unit: str, mixed: Tensor, mask: Tensor, *, mixes: nn.ModuleDict, branch: Branch, explain: bool) -> FusionOutput:
    """Output of a model of one unit; logits and bias are 0 for the utterances that lack it."""
    logits, parts = branch(mixed, mask, explain=explain)  # (batch, classes)
    present = mask.any(1, keepdim=True)  # (batch, 1)
    bias = branch.output.bias * present
    logits = logits + bias  # 0 where the unit is absent: so is the average of no segments
    contributions = None if parts is None else {unit: parts}
    return FusionOutput(logits, {unit: logits}, {unit: bias}, contributions, read_layer_weights(mixes))


class Linear(nn.Module):
    """The Linear single-modality model of Table 1, [5]'s: layer mix, two feed-forward layers, average, output layer."""

    def __init__(self, units: Sequence[str], *, classes: int = 4, hidden: int = 128, dropout: float = 0.2, **inputs: Unpack[InputSizes]):
        super().__init__()
        (self.unit,) = check_units(units)
        self.mixes = build_mixes(units, **inputs)
        self.branch = Branch(dim=join_width(units, **inputs), classes=classes, hidden=hidden, dropout=dropout)

    def forward(self, states: States, masks: States, *, explain: bool = False) -> FusionOutput:
        require_units(states, [self.unit], "Linear")
        mixed = self.mixes[self.unit](states[self.unit])  # (batch, segments, dim)
        return read_single(self.unit, mixed, masks[self.unit], mixes=self.mixes, branch=self.branch, explain=explain)


class TransformerEncoder(nn.Module):
    """The Transformer Encoder single-modality model of Table 1: three encoder blocks before the two feed-forward layers.

    No position encoding: the states carry their position. The sum over segments holds here too, but each term has read the whole input.
    """

    def __init__(
        self,
        units: Sequence[str],
        *,
        classes: int = 4,
        hidden: int = 128,
        dropout: float = 0.2,
        heads: int = 8,
        feedforward: int = 384,
        blocks: int = 3,
        **inputs: Unpack[InputSizes],
    ):
        super().__init__()
        (self.unit,) = check_units(units)
        self.mixes = build_mixes(units, **inputs)
        width = join_width(units, **inputs)
        block = partial(EncoderBlock, dim=width, heads=heads, feedforward=feedforward, dropout=dropout)
        self.blocks = nn.ModuleList(block() for _ in range(blocks))
        self.branch = Branch(dim=width, classes=classes, hidden=hidden, dropout=dropout)

    def forward(self, states: States, masks: States, *, explain: bool = False) -> FusionOutput:
        require_units(states, [self.unit], "TransformerEncoder")
        x, mask = self.mixes[self.unit](states[self.unit]), masks[self.unit]  # (batch, segments, dim)
        for block in self.blocks:
            x = block(x, x, mask)
        return read_single(self.unit, x, mask, mixes=self.mixes, branch=self.branch, explain=explain)


class LateFusion(nn.Module):
    """Figure 1, Equations 2 and 3: a Linear branch per unit, logits added. What a clip lacks is left out of the sum."""

    def __init__(self, units: Sequence[str], *, classes: int = 4, hidden: int = 128, dropout: float = 0.2, **inputs: Unpack[InputSizes]):
        super().__init__()
        self.units = check_units(units)
        self.branches = nn.ModuleDict({unit: Linear([unit], classes=classes, hidden=hidden, dropout=dropout, **inputs) for unit in units})

    def forward(self, states: States, masks: States, *, explain: bool = False) -> FusionOutput:
        units = [u for u in self.units if u in states]
        if not units:
            raise ValueError(f"LateFusion needs at least one of the units {', '.join(self.units)}")
        outputs = {u: self.branches[u](states, masks, explain=explain) for u in units}
        branch_logits = {u: o.logits for u, o in outputs.items()}
        return FusionOutput(
            logits=torch.stack(list(branch_logits.values())).sum(0),  # (batch, classes)
            branch_logits=branch_logits,
            bias={u: o.bias[u] for u, o in outputs.items()},
            contributions={u: o.contributions[u] for u, o in outputs.items()} if explain else None,
            layer_weights={u: o.layer_weights[u] for u, o in outputs.items()},
        )


PairCollectors = tuple[MapCollector, MapCollector]  # of speech queries (keys: text), of text queries (keys: speech)


class CoattentionBlock(nn.Module):
    """One coattention layer of Figure 3: speech queries the text while the text queries speech, each with weights of its own."""

    def __init__(self, *, dim: int, heads: int, feedforward: int, dropout: float):
        super().__init__()
        self.speech = EncoderBlock(dim=dim, heads=heads, feedforward=feedforward, dropout=dropout)
        self.text = EncoderBlock(dim=dim, heads=heads, feedforward=feedforward, dropout=dropout)

    def forward(
        self, speech: Tensor, text: Tensor, speech_mask: Tensor, text_mask: Tensor, maps: PairCollectors | None
    ) -> tuple[Tensor, Tensor]:
        from_text, from_speech = maps or (None, None)
        return (
            self.speech(speech, text, text_mask, collect=from_text),  # (batch, segments, dim)
            self.text(text, speech, speech_mask, collect=from_speech),  # (batch, tokens, dim)
        )


class Coattention(nn.Module):
    """Figures 2 and 3, Equation 4: per speech unit three coattention blocks of its own, averaged, concatenated, fused.

    The mean over the two branches is taken after each one's global average, since their lengths differ. An utterance without text (or
    without a unit) is represented by the branch it has. There are no additive branches: branch_logits, bias and contributions are None.
    """

    def __init__(
        self,
        units: Sequence[str],
        *,
        classes: int = 4,
        dropout: float = 0.2,
        heads: int = 8,
        feedforward: int = 384,
        blocks: int = 3,
        **inputs: Unpack[InputSizes],
    ):
        super().__init__()
        self.units = check_units(units)
        self.speech_units = tuple(u for u in self.units if u != TEXT)
        if TEXT not in self.units or not self.speech_units:
            raise ValueError(f"coattention needs T and at least one speech unit, not {units!r}")
        self.mixes = build_mixes(self.units, **inputs)
        block = partial(CoattentionBlock, dim=inputs["dim"], heads=heads, feedforward=feedforward, dropout=dropout)
        self.blocks = nn.ModuleDict({u: nn.ModuleList(block() for _ in range(blocks)) for u in self.speech_units})
        width = inputs["dim"] * len(self.speech_units)
        self.fuse, self.norm, self.output = nn.Linear(width, width), nn.LayerNorm(width), nn.Linear(width, classes)
        self.dropout = Dropout(dropout)
        self.heads = heads

    def forward(self, states: States, masks: States, *, explain: bool = False) -> FusionOutput:
        require_units(states, self.units, "Coattention")
        if explain and self.training:
            raise ValueError("attention maps are collected in evaluation only: call eval() first")
        text = self.mixes[TEXT](states[TEXT])  # (batch, tokens, dim)
        read, maps = [], {}
        for unit in self.speech_units:
            speech = self.mixes[unit](states[unit])  # (batch, segments, dim)
            averaged, found = self.attend(unit, speech, text, masks[unit], masks[TEXT], explain=explain)
            read.append(averaged)
            if found is not None:
                maps[unit] = found
        c = torch.cat(read, -1)  # (batch, units * dim)
        g = self.norm(self.dropout(F.relu(self.fuse(c))) + c)  # Equation 4
        return FusionOutput(self.output(g), None, None, None, read_layer_weights(self.mixes), maps if explain else None)

    def attend(
        self, unit: str, speech: Tensor, text: Tensor, speech_mask: Tensor, text_mask: Tensor, *, explain: bool
    ) -> tuple[Tensor, CoattentionMaps | None]:
        """c of one unit, (batch, dim), and its maps."""
        blocks = cast(nn.ModuleList, self.blocks[unit])
        size = segments_per_cell(speech.shape[1], 2 * speech.shape[0] * len(blocks) * self.heads * text.shape[1])
        found: list[PairCollectors] = []  # per block
        for block in blocks:
            if explain:
                found.append((MapCollector(speech_mask, query_bin=size), MapCollector(text_mask, key_bin=size)))
            speech, text = block(speech, text, speech_mask, text_mask, found[-1] if explain else None)
        present = torch.stack([speech_mask.any(1), text_mask.any(1)]).sum(0)[:, None]  # (batch, 1) 1 or 2; 0 where both are absent
        averaged = (average_segments(speech, speech_mask) + average_segments(text, text_mask)) / present.clamp(min=1)  # (batch, dim)
        if not explain:
            return averaged, None
        from_text, from_speech = (torch.stack([torch.stack(pair[i].maps, 1) for pair in found], 1) for i in (0, 1))
        return averaged, CoattentionMaps(from_speech, from_text, size)


class Concatenation(nn.Module):
    """Concatenation-based early fusion: all units' segments in one sequence, text first, then [5]'s Linear branch.

    The sum over positions holds. Each position carries the same share of the one bias, so a unit's branch logits are its positions' sum.
    """

    def __init__(self, units: Sequence[str], *, classes: int = 4, hidden: int = 128, dropout: float = 0.2, **inputs: Unpack[InputSizes]):
        super().__init__()
        self.units = tuple(sorted(check_units(units), key=list(UNITS).index))
        self.mixes = build_mixes(self.units, **inputs)
        self.branch = Branch(dim=join_width(units, **inputs), classes=classes, hidden=hidden, dropout=dropout)

    def forward(self, states: States, masks: States, *, explain: bool = False) -> FusionOutput:
        require_units(states, self.units, "Concatenation")
        mixed = torch.cat([self.mixes[u](states[u]) for u in self.units], 1)  # (batch, segments of all, dim)
        mask = torch.cat([masks[u] for u in self.units], 1)
        logits, parts = self.branch(mixed, mask, explain=explain, places=count_places([masks[u] for u in self.units]))
        logits = logits + self.branch.output.bias  # (batch, classes)
        weights = read_layer_weights(self.mixes)
        if parts is None:
            return FusionOutput(logits, None, None, None, weights)
        share = {u: masks[u].sum(1, keepdim=True) / count_segments(mask) for u in self.units}  # (batch, 1)
        bias = {u: share[u] * self.branch.output.bias for u in self.units}
        split = dict(zip(self.units, parts.split([masks[u].shape[1] for u in self.units], dim=1)))
        return FusionOutput(logits, {u: bias[u] + split[u].sum(1) for u in self.units}, bias, split, weights)


def combine(early_logits: Logits, late_logits: Logits) -> Logits:
    """Section 2.4: the mean of the logits of an early and a late fusion model, (..., classes), tensors or arrays."""
    found: Logits = (early_logits + late_logits) / 2
    return found
