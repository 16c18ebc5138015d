"""The models of fusion.py, computed for all runs at once: parameters are (runs, ...), every linear layer is one product over the runs.

fusion.py defines the models; what stands here computes the same from states that are packed, and is tested against it. A model that has no
row in FORMS is called as it is, under torch.func.vmap. Axes: runs, batch, segments, dim, classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from mmer.building_blocks.dropout import count_places
from mmer.choices.units import UNITS
from mmer.experiments.batched.keyed_dropout import drop
from mmer.experiments.batched.layer_mix import Normals, UnitBatch, mix_layers, norm_mix
from mmer.fusion import TEXT, normalise_weights
from mmer.heads.config import HeadConfig


@dataclass(frozen=True, eq=False)
class RunModels:
    """The models of some runs: parameters by their names in one model."""

    head: HeadConfig
    parameters: Mapping[str, Tensor]  # name -> (runs, *shape)
    keys: Mapping[str, Tensor] | None  # name of a dropout layer's key -> (runs,) int32; None: nothing is dropped
    module: nn.Module  # one model of the same kind, whose own weights are never read
    kernels: bool = False  # whether those written in Triton are used

    def drop(self, name: str, x: Tensor, *, relu: bool = False, rest: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """rest + the dropout layer `name` of x, or of relu(x)."""
        key = None if self.keys is None else self.keys[f"{name}.key"]
        return drop(x, key, self.head.dropout, relu=relu, rest=rest, places=places, kernels=self.kernels)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """(runs, ..., in) -> (runs, ..., out)."""
        return multiply(x, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def norm(self, name: str, x: Tensor) -> Tensor:
        """The LayerNorm `name` of (runs, ..., dim)."""
        return self.scale_norm(name, F.layer_norm(x, x.shape[-1:]))

    def scale_norm(self, name: str, normed: Tensor) -> Tensor:
        """What follows in a LayerNorm after mean and variance."""
        weight, bias = (
            self.parameters[f"{name}.{part}"].view(-1, *[1] * (normed.dim() - 2), normed.shape[-1]) for part in ("weight", "bias")
        )
        return torch.addcmul(bias, normed, weight)

    def linear_of_norm(self, norm: str, name: str, normed: Tensor) -> Tensor:
        """linear(name, scale_norm(norm, normed)) without writing what lies between: the norm's scale goes into the small weights."""
        weight = self.parameters[f"{name}.weight"]  # (runs, out, in)
        scale, shift = self.parameters[f"{norm}.weight"], self.parameters[f"{norm}.bias"]  # (runs, in)
        with torch.autocast(weight.device.type, enabled=False):
            bias = torch.baddbmm(self.parameters[f"{name}.bias"][..., None], weight, shift[..., None])[..., 0]
        return multiply(normed, weight * scale[:, None], bias)


@dataclass(frozen=True, eq=False)
class RunInputs:
    """What the runs read at one step."""

    units: Mapping[str, UnitBatch]
    normals: Mapping[str, Normals]
    gaps: frozenset[str] = frozenset()  # units that an utterance of this step lacks

    def sum_layers(self, models: RunModels, unit: str, mix: str) -> Tensor:
        """Equation 1's sums with the raw weights of the LayerMix `mix`: (runs, batch, segments, dim) float32."""
        weights = normalise_weights(models.parameters[f"{mix}.weights"])
        return mix_layers(weights, self.units[unit], self.normals[unit], kernels=models.kernels)

    def norm_layers(self, models: RunModels, unit: str, mix: str) -> Tensor:
        """The sums with mean 0 and variance 1 over dim, in the precision of products; the norm's scale and shift are still to come."""
        weights = normalise_weights(models.parameters[f"{mix}.weights"])
        kind = lower(weights).dtype
        return norm_mix(weights, self.units[unit], self.normals[unit], kernels=models.kernels, kind=kind)


@dataclass(frozen=True, eq=False)
class RunOutputs:
    logits: Tensor  # (runs, batch, classes)
    branch_logits: dict[str, Tensor]  # unit -> (runs, batch, classes), 0 where it is absent; empty for early fusion


Form = Callable[[RunModels, RunInputs], RunOutputs]


def multiply(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x (runs, ..., in), weight (runs, out, in), bias (runs, out) -> (runs, ..., out)."""
    found = torch.baddbmm(bias[:, None], x.flatten(1, -2), weight.transpose(1, 2))
    return found.view(*x.shape[:-1], -1)


def average(values: Tensor, mask: Tensor) -> Tensor:
    """Equation 2's global average over the real segments: (runs, batch, segments, dim) -> (runs, batch, dim); 0 where there are none."""
    return values.masked_fill(~mask[..., None], 0).sum(2) / mask.sum(2, keepdim=True).clamp(min=1)


def is_projected(models: RunModels, mix: str) -> bool:
    return f"{mix}.project.weight" in models.parameters


def enter_layer(models: RunModels, mix: str, name: str, normed: Tensor) -> Tensor:
    """The linear layer `name` of what the LayerMix `mix` says, from norm_layers."""
    if is_projected(models, mix):
        return models.linear(name, models.linear_of_norm(f"{mix}.norm", f"{mix}.project", normed))
    return models.linear_of_norm(f"{mix}.norm", name, normed)


def finish_mix(models: RunModels, mix: str, normed: Tensor) -> Tensor:
    """What the LayerMix `mix` says, from norm_layers: (runs, batch, segments, width)."""
    if is_projected(models, mix):
        return models.linear_of_norm(f"{mix}.norm", f"{mix}.project", normed)
    return models.scale_norm(f"{mix}.norm", normed)


def finish_branch(models: RunModels, name: str, first: Tensor, mask: Tensor, places: Tensor | None = None) -> Tensor:
    """Logits of the Branch `name` without its bias, (runs, batch, classes), from what its first linear layer says."""
    x = models.drop(f"{name}.dropout1", first, relu=True, places=places)
    x = models.drop(f"{name}.dropout2", models.linear(f"{name}.layer2", x), relu=True, places=places)
    return torch.bmm(average(x, mask), models.parameters[f"{name}.output.weight"].transpose(1, 2))


def add_bias(models: RunModels, name: str, logits: Tensor, mask: Tensor) -> Tensor:
    """0 where the unit is absent: so is the average of no segments."""
    return logits + models.parameters[f"{name}.output.bias"][:, None] * mask.any(2, keepdim=True)


def run_single(models: RunModels, inputs: RunInputs, unit: str, prefix: str = "") -> Tensor:
    """The logits of the Linear model that stands at `prefix`."""
    mix, branch, mask = f"{prefix}mixes.{unit}", f"{prefix}branch", inputs.units[unit].mask
    first = enter_layer(models, mix, f"{branch}.layer1", inputs.norm_layers(models, unit, mix))
    return add_bias(models, branch, finish_branch(models, branch, first, mask), mask)


def run_linear(models: RunModels, inputs: RunInputs) -> RunOutputs:
    (unit,) = models.head.units
    logits = run_single(models, inputs, unit)
    return RunOutputs(logits, {unit: logits})


def run_late(models: RunModels, inputs: RunInputs) -> RunOutputs:
    branches = {unit: run_single(models, inputs, unit, f"branches.{unit}.") for unit in models.head.units}
    return RunOutputs(torch.stack(list(branches.values())).sum(0), branches)


def run_concatenation(models: RunModels, inputs: RunInputs) -> RunOutputs:
    """The first layer is computed unit by unit and what it says is joined, which is narrower than the states."""
    units = sorted(models.head.units, key=list(UNITS).index)
    firsts, masks = [], []
    for unit in units:
        mix = f"mixes.{unit}"
        firsts.append(enter_layer(models, mix, "branch.layer1", inputs.norm_layers(models, unit, mix)))
        masks.append(inputs.units[unit].mask)
    places = count_places([mask[0] for mask in masks])
    logits = finish_branch(models, "branch", torch.cat(firsts, 2), torch.cat(masks, 2), places)
    return RunOutputs(logits + models.parameters["branch.output.bias"][:, None], {})


@dataclass(frozen=True, eq=False)
class AttentionKeys:
    """Which segments of a unit may be heard."""

    bias: Tensor  # (runs * batch, 1, 1, segments): 0 or -inf; 0 all along where there is no segment, since -inf would make that NaN
    absent: Tensor | None  # (runs, batch, 1, 1) bool, whose hearing is 0 instead; None where no utterance lacks the unit

    @classmethod
    def of(cls, inputs: RunInputs, unit: str) -> AttentionKeys:
        mask = inputs.units[unit].mask  # (runs, batch, segments)
        absent = ~mask.any(2, keepdim=True)  # filled up rows among them, which weigh nothing whatever they hear
        bias = torch.zeros(mask.shape, device=mask.device).masked_fill(~(mask | absent), -torch.inf)
        return cls(bias.flatten(0, 1)[:, None, None], absent[..., None] if unit in inputs.gaps else None)


def lower(x: Tensor) -> Tensor:
    """x in the precision of products: once for all products that read it, which else would each convert it."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def attend(models: RunModels, name: str, x: Tensor, others: Tensor, keys: AttentionKeys) -> Tensor:
    """The Attention `name`: x (runs, batch, queries, dim) hears others (runs, batch, segments, dim)."""

    def split(part: str, values: Tensor) -> Tensor:
        return torch.unflatten(models.linear(f"{name}.{part}", values).flatten(0, 1), -1, (models.head.heads, -1)).transpose(1, 2)

    heard = F.scaled_dot_product_attention(split("query", x), split("key", others), split("value", others), attn_mask=keys.bias)
    heard = heard.transpose(1, 2).reshape(x.shape)  # (runs, batch, queries, dim)
    if keys.absent is not None:
        heard = heard.masked_fill(keys.absent, 0)
    return models.linear(f"{name}.out", heard)


def run_block(models: RunModels, name: str, x: Tensor, low: Tensor, others: Tensor, keys: AttentionKeys) -> Tensor:
    """The EncoderBlock `name`. `low` is lower(x), and others are lowered too."""
    heard = attend(models, f"{name}.attention", low, others, keys)
    x = models.norm(f"{name}.norm1", models.drop(f"{name}.dropout1", heard, rest=x))
    inner = models.drop(f"{name}.dropout2", models.linear(f"{name}.layer1", x), relu=True)
    return models.norm(f"{name}.norm2", models.drop(f"{name}.dropout3", models.linear(f"{name}.layer2", inner), rest=x))


def run_transformer(models: RunModels, inputs: RunInputs) -> RunOutputs:
    (unit,) = models.head.units
    mix, mask, keys = f"mixes.{unit}", inputs.units[unit].mask, AttentionKeys.of(inputs, unit)
    x = finish_mix(models, mix, inputs.norm_layers(models, unit, mix))
    for block in range(models.head.blocks):
        x = run_block(models, f"blocks.{block}", x, low := lower(x), low, keys)
    logits = finish_branch(models, "branch", models.linear("branch.layer1", x), mask)
    logits = add_bias(models, "branch", logits, mask)
    return RunOutputs(logits, {unit: logits})


def run_coattention(models: RunModels, inputs: RunInputs) -> RunOutputs:
    """Per speech unit three blocks of its own, averaged, joined, fused (Equation 4)."""
    keys = {unit: AttentionKeys.of(inputs, unit) for unit in models.head.units}
    masks = {unit: inputs.units[unit].mask for unit in models.head.units}
    first = finish_mix(models, f"mixes.{TEXT}", inputs.norm_layers(models, TEXT, f"mixes.{TEXT}"))
    averaged = []
    for unit in (u for u in models.head.units if u != TEXT):
        text, speech = first, finish_mix(models, f"mixes.{unit}", inputs.norm_layers(models, unit, f"mixes.{unit}"))
        for block in range(models.head.blocks):
            name = f"blocks.{unit}.{block}"
            low_speech, low_text = lower(speech), lower(text)
            speech, text = (
                run_block(models, f"{name}.speech", speech, low_speech, low_text, keys[TEXT]),
                run_block(models, f"{name}.text", text, low_text, low_speech, keys[unit]),
            )
        present = masks[unit].any(2, keepdim=True).int() + masks[TEXT].any(2, keepdim=True).int()  # (runs, batch, 1)
        averaged.append((average(speech, masks[unit]) + average(text, masks[TEXT])) / present.clamp(min=1))
    c = torch.cat(averaged, -1)  # (runs, batch, units * dim)
    g = models.norm("norm", models.drop("dropout", models.linear("fuse", c), relu=True) + c)
    return RunOutputs(models.linear("output", g), {})


def run_stacked(models: RunModels, inputs: RunInputs) -> RunOutputs:
    """Any model, under vmap, from the sums of its layers."""
    mixes = {name.removesuffix(".weights").split(".")[-1]: name.removesuffix(".weights") for name in models.parameters if is_mix(name)}
    states = {unit: inputs.sum_layers(models, unit, mixes[unit]) for unit in inputs.units}
    masks = {unit: batch.mask for unit, batch in inputs.units.items()}
    models.module.train(models.keys is not None)

    def compute(
        parameters: dict[str, Tensor], keys: dict[str, Tensor], states: dict[str, Tensor], masks: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        output = functional_call(models.module, (parameters, keys), (states, masks))
        return output.logits, output.branch_logits or {}

    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no rule for a stack
        logits, branches = vmap(compute)(dict(models.parameters), dict(models.keys or {}), states, masks)
    return RunOutputs(logits, branches)


def is_mix(name: str) -> bool:
    """Whether a parameter is the raw weights of a LayerMix."""
    return name.endswith(".weights") and name.split(".")[-3:-2] == ["mixes"]


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "linear": run_linear,
        "late": run_late,
        "concatenation": run_concatenation,
        "transformer": run_transformer,
        "coattention": run_coattention,
    }
)


def choose_form(fusion: str) -> Form:
    """The batched form of a fusion model, a key of FUSION_MODELS."""
    return FORMS.get(fusion, run_stacked)
