"""Trained heads: a fusion model with what belongs to it, Features -> Prediction. They lie on disk as folder.py has it.

A head holds the fusion model, the global normalisation of its speech input (the paper's section 3.2, per layer and dimension), a
temperature, a margin below which it is "not sure", and a reference of its training features. Everything is computed in float32; the
weights may lie on disk as float16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.choices.fusion_models import COMBINATION, FUSION_MODELS
from mmer.choices.units import UNITS
from mmer.devices.placement import Placement
from mmer.errors import HeadError
from mmer.fusion import FusionOutput, combine
from mmer.heads.calibration import softmax
from mmer.heads.clip_list import ClipList
from mmer.heads.config import HeadConfig, read_layer_rate, read_layer_runs
from mmer.heads.normalisation import Normalisation
from mmer.heads.novelty import Novelty, novelty_distance, novelty_vector
from mmer.phrasing import say_count
from mmer.results import BranchPrediction, CoattentionWeights, Features, HeadInfo, LayerWeights, Prediction

UNTRAINED_MARGIN = 1.0  # no gap is wide enough for a head that was trained on nothing


def build_model(config: HeadConfig) -> nn.Module:
    """An untrained fusion model of the config's sizes."""
    sizes: dict[str, Any] = {"text_layers": len(config.text_layers), "speech_layers": len(config.speech_layers), "dim": config.dim}
    if config.speech_dim is not None:
        sizes |= {"speech_dim": config.speech_dim}
    sizes |= {"classes": len(config.classes), "dropout": config.dropout}
    row = FUSION_MODELS[config.fusion]
    model: nn.Module = row.load()(config.units, **sizes, **{name: getattr(config, name) for name in row.sizes})
    return model


class Head:
    """One trained fusion model. Reads Features of a clip, returns Predictions; holds nothing of a clip, so it may be shared."""

    def __init__(
        self,
        config: HeadConfig,
        model: nn.Module,
        *,
        normalisation: Normalisation | None = None,
        novelty: Novelty | None = None,
        clips: ClipList | None = None,
        sha256: str = "",
    ):
        self.config = config
        self.model = model.float().eval()
        self.placement = Placement()
        self.normalisation = normalisation
        self.novelty = novelty
        self.clips = clips  # that it was trained on; None where that isn't known
        self.sha256 = sha256

    def place(self, placement: Placement) -> None:
        """Moves the model to where it is to compute; results are arrays on the CPU as before."""
        self.placement = placement
        placement.place(self.model)

    @property
    def role(self) -> str:
        return self.config.role

    @property
    def infos(self) -> tuple[HeadInfo, ...]:
        return (describe_head(self.config, self.sha256),)

    def unavailable(self, features: Features) -> dict[str, str]:
        """Role -> why this head can say nothing about these features; {} when it can. Raises HeadError for another preset."""
        check_preset(self.config, features)
        missing = [u for u in self.config.units if not has_unit(features, u)]
        early = self.role == "early"
        if not missing or (not early and len(missing) < len(self.config.units)):
            return {}
        reasons = " ".join(dict.fromkeys(features.absent.get(u, f"There are no {UNITS[u].name}.") for u in missing))
        what = " and ".join(UNITS[u].name for u in missing)
        return {self.role: f"{self.config.title or self.config.name} needs {what}. {reasons}"}

    def predict(self, features: Features, *, role: str | None = None) -> Prediction:
        """Logits, probabilities and all that explains them; `role` overrides the head's own.

        How sure a sum may be that lacks one of the head's branches was never measured.

        Raises HeadError when the features are of another preset or size, or lack a unit the head can't do without.
        """
        for sentence in self.unavailable(features).values():
            raise HeadError(sentence)
        units = [u for u in self.config.units if has_unit(features, u)]
        arrays = {u: self.prepare_unit(features, u) for u in units}
        (output,) = self.placement.run([arrays], lambda rows: [self._compute(rows, explain=True)])
        logits = output.logits[0].numpy()
        return Prediction(
            role=role or self.role,
            head=self.config.name,
            head_sha256=self.sha256,
            fusion=self.config.fusion,
            units=tuple(units),
            classes=self.config.classes,
            logits=logits,
            temperature=self.config.temperature,
            probabilities=softmax(logits / self.config.temperature),
            branches=read_branches(output, units),
            layer_weights=self.read_layers(output, units),
            coattention=read_maps(output),
            margin=self.config.margin if self.config.trained_on else UNTRAINED_MARGIN,
            measured_clips=self.config.measured_clips if self.config.trained_on and len(units) == len(self.config.units) else None,
            novelty=self.measure_novelty(features, arrays),
            novelty_threshold=self.config.novelty_threshold,
        )

    def predict_all(self, features: Features) -> dict[str, Prediction]:
        """Role -> prediction, as CombinedHead does; {} when the features lack what the head needs."""
        return {} if self.unavailable(features) else {self.role: self.predict(features)}

    def score(self, batch: Sequence[Features]) -> np.ndarray:
        """Logits (batch, classes) of clips that have the same units with as many segments each, run together and without maps.

        Equal to those of `predict` one at a time up to float tolerance. Raises HeadError as `predict` does.
        """
        for features in batch:
            for sentence in self.unavailable(features).values():
                raise HeadError(sentence)
        units = [u for u in self.config.units if has_unit(batch[0], u)]
        arrays = [{u: self.prepare_unit(features, u) for u in units} for features in batch]
        return np.stack(self.placement.run(arrays, lambda rows: list(self._compute(rows, explain=False).logits.numpy())))

    def _compute(self, rows: Sequence[Mapping[str, np.ndarray]], *, explain: bool) -> FusionOutput:
        """What the model says of a batch of unit -> (layers, segments, dim), computed where the model is, on the CPU."""
        device = next(self.model.parameters()).device
        # (batch, layers, segments, dim); of a single clip, which may be long, nothing is copied
        arrays = {u: np.stack([row[u] for row in rows]) if len(rows) > 1 else rows[0][u][None] for u in rows[0]}
        masks = {u: torch.ones(len(rows), a.shape[2], dtype=torch.bool, device=device) for u, a in arrays.items()}
        with torch.inference_mode():
            output: FusionOutput = bring_back(
                self.model({u: torch.from_numpy(a).to(device) for u, a in arrays.items()}, masks, explain=explain)
            )
            return output

    def prepare_unit(self, features: Features, unit: str) -> np.ndarray:
        """(layers, segments, dim) float32, normalised if it is speech and the head normalises."""
        states = features.units[unit].states
        layers, width = self.config.count_layers(unit), self.config.width(unit)
        if (states.shape[0], states.shape[2]) != (layers, width):
            raise HeadError(
                f"Head {self.config.name} reads {say_count(layers, 'layer')} of {say_count(width, 'dimension')} for {UNITS[unit].name}, "
                f"not {states.shape[0]} of {states.shape[2]}; was it made for another preset or an older version?"
            )
        if self.normalisation is None or unit == "T":
            return np.ascontiguousarray(states, dtype=np.float32)
        return self.normalisation.apply(states)

    def read_layers(self, output: FusionOutput, units: list[str]) -> dict[str, LayerWeights]:
        names = {u: self.config.text_layers if u == "T" else self.config.speech_layers for u in units}
        weights, runs, rate = output.layer_weights, read_layer_runs(self.config), read_layer_rate(self.config)
        return {
            u: LayerWeights(weights[u][0].detach().numpy().copy(), weights[u][1].detach().numpy(), names[u], runs.get(u), rate)
            for u in units
        }

    def measure_novelty(self, features: Features, arrays: Mapping[str, np.ndarray]) -> float | None:
        if self.novelty is None or not has_unit(features, "F"):
            return None
        frames = arrays["F"] if "F" in arrays else self.prepare_unit(features, "F")
        return novelty_distance(self.novelty, novelty_vector(frames))


class CombinedHead:
    """The mean of an early and a late head's logits (section 2.4), with a temperature and a margin of its own."""

    def __init__(self, config: HeadConfig, *, early: Head, late: Head, sha256: str = ""):
        self.config, self.early, self.late, self.sha256 = config, early, late, sha256
        if early.config.classes != late.config.classes or early.config.preset != late.config.preset:
            raise HeadError(
                f"Head {config.name} can't combine {early.config.name} ({early.config.preset}: {', '.join(early.config.classes)}) "
                f"with {late.config.name} ({late.config.preset}: {', '.join(late.config.classes)}): preset and classes must agree."
            )

    def place(self, placement: Placement) -> None:
        self.early.place(placement)
        self.late.place(placement)

    @property
    def role(self) -> str:
        return self.config.role

    @property
    def infos(self) -> tuple[HeadInfo, ...]:
        return (*self.late.infos, *self.early.infos, describe_head(self.config, self.sha256))

    def unavailable(self, features: Features) -> dict[str, str]:
        """Role -> one sentence, for late, early and combined."""
        reasons = self.late.unavailable(features) | self.early.unavailable(features)
        if reasons:
            reasons["combined"] = "The combination needs both its models. " + " ".join(reasons.values())
        return reasons

    def predict_all(self, features: Features) -> dict[str, Prediction]:
        """Role -> prediction for those of late, early, combined that can be had, in this order."""
        predictions = self.late.predict_all(features) | self.early.predict_all(features)
        if len(predictions) == 2:
            predictions["combined"] = self.combine(predictions["early"], predictions["late"])
        return predictions

    def predict(self, features: Features) -> Prediction:
        for role, sentence in self.unavailable(features).items():
            if role == "combined":
                raise HeadError(sentence)
        return self.predict_all(features)["combined"]

    def combine(self, early: Prediction, late: Prediction) -> Prediction:
        """The combined prediction of two given ones; `early` may come from another head of the same classes.

        How sure the combination with another head, or of a sum that lacks a branch, may be was never measured.
        """
        own = (early.head, late.head) == (self.early.config.name, self.late.config.name)
        whole = set(late.units) == set(self.late.config.units)
        logits = combine(early.logits, late.logits)
        units = tuple(u for u in UNITS if u in {*early.units, *late.units})
        nearest = late if late.novelty is not None else early
        return Prediction(
            role=self.role,
            head=self.config.name,
            head_sha256=self.sha256,
            fusion=COMBINATION,
            units=units,
            classes=self.config.classes,
            logits=logits,
            temperature=self.config.temperature,
            probabilities=softmax(logits / self.config.temperature),
            branches=None,
            layer_weights={},
            members=("early", "late"),
            margin=self.config.margin if self.config.trained_on else UNTRAINED_MARGIN,
            measured_clips=self.config.measured_clips if self.config.trained_on and own and whole else None,
            novelty=nearest.novelty,
            novelty_threshold=nearest.novelty_threshold,
        )


def bring_back(value: Any) -> Any:
    """The same with every tensor in it on the CPU: a FusionOutput, and the dictionaries and tuples in it."""
    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: bring_back(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(bring_back(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: bring_back(getattr(value, field.name)) for field in fields(value)})
    return value


def has_unit(features: Features, unit: str) -> bool:
    return unit in features.units and features.units[unit].states.shape[1] > 0


def check_preset(config: HeadConfig, features: Features) -> None:
    if features.preset != config.preset:
        raise HeadError(
            f"Head {config.name} was made for the preset {config.preset}, not {features.preset}; "
            f"choose the preset {config.preset} or a head made for {features.preset}."
        )


def describe_head(config: HeadConfig, sha256: str) -> HeadInfo:
    trained_on = config.trained_on or "Nothing: this head is untrained, its numbers say nothing about emotion."
    return HeadInfo(config.name, config.title, config.preset, trained_on, config.licence, config.caveat, sha256)


def read_branches(output: FusionOutput, units: list[str]) -> tuple[BranchPrediction, ...] | None:
    if output.branch_logits is None or output.bias is None or output.contributions is None:
        return None
    parts = ((u, output.branch_logits[u], output.bias[u], output.contributions[u]) for u in units)
    return tuple(BranchPrediction(u, logits[0].numpy(), bias[0].numpy(), sums[0].numpy()) for u, logits, bias, sums in parts)


def read_maps(output: FusionOutput) -> dict[str, CoattentionWeights]:
    maps = output.coattention or {}
    return {
        u: CoattentionWeights(u, m.text_to_speech[0].numpy(), m.speech_to_text[0].numpy(), m.segments_per_cell) for u, m in maps.items()
    }


AnyHead = Head | CombinedHead
