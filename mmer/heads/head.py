"""Trained heads: a fusion model with what belongs to it, from a folder with config.json and model.safetensors to a Prediction.

A head holds the fusion model, the global normalisation of its speech input (the paper's section 3.2, per layer and dimension), a
temperature, a margin below which it is "not sure", and a reference of its training features. Everything is computed in float32; the
weights may lie on disk as float16.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError
from torch import nn

from mmer.choices.fusion_models import FUSION_MODELS
from mmer.errors import HeadError
from mmer.files.replace import replace_file
from mmer.fusion import FusionOutput, combine
from mmer.heads.calibration import softmax
from mmer.heads.checks import check_arrays
from mmer.heads.clip_list import FILE, ClipList, dump_clip_list, parse_clip_list
from mmer.heads.config import COMBINATION, CONFIG, HeadConfig, hash_config, read_config, read_layer_rate, read_layer_runs, write_config
from mmer.heads.normalisation import Normalisation
from mmer.heads.novelty import Novelty, novelty_distance, novelty_vector
from mmer.results import UNIT_NAMES, Branch, Coattention, Features, HeadInfo, LayerWeights, Prediction

MAX_SHARD_BYTES = 9 * 2**20  # so that no file of a head exceeds 10 MiB
UNTRAINED_MARGIN = 1.0  # no gap is wide enough for a head that was trained on nothing


def build_model(config: HeadConfig) -> nn.Module:
    """An untrained fusion model of the config's sizes."""
    sizes: dict[str, Any] = {"text_layers": len(config.text_layers), "speech_layers": len(config.speech_layers), "dim": config.dim}
    sizes |= {"classes": len(config.classes), "dropout": config.dropout}
    model = FUSION_MODELS[config.fusion]
    return model.load()(config.units, **sizes, **{name: getattr(config, name) for name in model.sizes})


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
        self.normalisation = normalisation
        self.novelty = novelty
        self.clips = clips  # that it was trained on; None where that isn't told
        self.sha256 = sha256

    @property
    def role(self) -> str:
        return self.config.role

    @property
    def infos(self) -> tuple[HeadInfo, ...]:
        return (describe_head(self.config, self.sha256),)

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> Head:
        """Raises HeadError when files are missing or altered, or the folder holds a combination."""
        config = read_config(folder)
        if config.fusion == COMBINATION:
            raise HeadError(f"Head {config.name} is a combination of other heads; load it with load_head.")
        return load_single(Path(folder), config)

    def unavailable(self, features: Features) -> dict[str, str]:
        """Role -> why this head can say nothing about these features; {} when it can. Raises HeadError for another preset."""
        check_preset(self.config, features)
        missing = [u for u in self.config.units if not has_unit(features, u)]
        early = self.role == "early"
        if not missing or (not early and len(missing) < len(self.config.units)):
            return {}
        reasons = " ".join(dict.fromkeys(features.absent.get(u, f"There are no {UNIT_NAMES[u]}.") for u in missing))
        what = " and ".join(UNIT_NAMES[u] for u in missing)
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
        states = {u: torch.from_numpy(a)[None] for u, a in arrays.items()}  # (1, layers, segments, dim)
        masks = {u: torch.ones(1, a.shape[1], dtype=torch.bool) for u, a in arrays.items()}
        with torch.inference_mode():
            output = self.model(states, masks, explain=True)
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
        arrays = {u: np.stack([self.prepare_unit(features, u) for features in batch]) for u in units}  # (batch, layers, segments, dim)
        masks = {u: torch.ones(len(batch), a.shape[2], dtype=torch.bool) for u, a in arrays.items()}
        with torch.inference_mode():
            return self.model({u: torch.from_numpy(a) for u, a in arrays.items()}, masks).logits.numpy()

    def prepare_unit(self, features: Features, unit: str) -> np.ndarray:
        """(layers, segments, dim) float32, normalised if it is speech and the head normalises."""
        states = features.units[unit].states
        layers = self.config.text_layers if unit == "T" else self.config.speech_layers
        if states.shape[0] != len(layers) or states.shape[2] != self.config.dim:
            raise HeadError(
                f"Head {self.config.name} reads {len(layers)} layers of {self.config.dim} dimensions for {UNIT_NAMES[unit]}, "
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
        units = tuple(u for u in UNIT_NAMES if u in {*early.units, *late.units})
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


def read_branches(output: FusionOutput, units: list[str]) -> tuple[Branch, ...] | None:
    if output.branch_logits is None or output.bias is None or output.contributions is None:
        return None
    parts = ((u, output.branch_logits[u], output.bias[u], output.contributions[u]) for u in units)
    return tuple(Branch(u, logits[0].numpy(), bias[0].numpy(), sums[0].numpy()) for u, logits, bias, sums in parts)


def read_maps(output: FusionOutput) -> dict[str, Coattention]:
    maps = output.coattention or {}
    return {u: Coattention(u, m.text_to_speech[0].numpy(), m.speech_to_text[0].numpy(), m.segments_per_cell) for u, m in maps.items()}


# On disk


def save_head(
    folder: str | os.PathLike[str],
    config: HeadConfig,
    model: nn.Module,
    *,
    normalisation: Normalisation | None = None,
    novelty: Novelty | None = None,
    clips: ClipList | None = None,
    half: bool = True,
) -> str:
    """Write config.json and model.safetensors (or its shards); with half, the model's weights as float16. Returns the head's sha256.

    Raises HeadError for weights that hold NaN, or that half precision can't hold.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kind = torch.float16 if half else torch.float32
    arrays = {f"model.{name}": value.detach().cpu().to(kind).numpy() for name, value in model.state_dict().items()}
    for prefix, part in (("normalisation", normalisation), ("novelty", novelty)):
        if part is not None:
            arrays |= {f"{prefix}.{f.name}": np.ascontiguousarray(getattr(part, f.name), dtype=np.float32) for f in fields(part)}
    broken = [name for name, value in arrays.items() if not np.isfinite(value).all()]
    if broken:
        raise HeadError(f"Head {config.name} can't be saved: {broken[0]} holds numbers that are none (NaN or infinite). Train it again.")
    shards = split_shards(arrays)
    weights = {}
    for number, shard in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        data = safetensors.numpy.save(shard)
        replace_file(folder / name, data)
        weights[name] = hashlib.sha256(data).hexdigest()
    for old in folder.glob("model*.safetensors"):
        if old.name not in weights:
            old.unlink()
    listed = write_clips(folder, clips)
    return write_config(folder, replace(config, weights=weights, clips=listed, normalised=normalisation is not None))


def write_clips(folder: Path, clips: ClipList | None) -> dict[str, str]:
    """The list of training clips beside the weights; returns its name and sha256, {} without one."""
    if clips is None:
        (folder / FILE).unlink(missing_ok=True)
        return {}
    data = dump_clip_list(clips)
    replace_file(folder / FILE, data)
    return {FILE: hashlib.sha256(data).hexdigest()}


def save_combination(folder: str | os.PathLike[str], config: HeadConfig, *, early: Head, late: Head) -> str:
    """Write the config.json of a combination; it names its members, which must lie beside the folder, by their sha256."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    members = {head.role: {"name": head.config.name, "sha256": head.sha256} for head in (early, late)}
    return write_config(Path(folder), replace(config, fusion=COMBINATION, members=members))


def load_head(folder: str | os.PathLike[str]) -> Head | CombinedHead:
    """The head of a folder, or the combination with its members from the folders beside it.

    Raises HeadError when a file is missing or altered, or a member is not the one the combination was made of.
    """
    config = read_config(folder)
    return load_combination(folder) if config.fusion == COMBINATION else load_single(Path(folder), config)


def load_combination(folder: str | os.PathLike[str]) -> CombinedHead:
    folder = Path(folder)
    config = read_config(folder)
    if config.fusion != COMBINATION or set(config.members) != {"early", "late"}:
        raise HeadError(f"Head {config.name} is not a combination of an early and a late head.")
    members = {}
    for role, member in config.members.items():
        if not {"name", "sha256"} <= set(member):
            raise HeadError(f"Head {config.name} names its {role} member without {'name' if 'name' not in member else 'sha256'}.")
        if Path(member["name"]).name != member["name"]:
            raise HeadError(f"Head {config.name} names a member {member['name']!r}; it must be a folder beside its own.")
        members[role] = Head.load(folder.parent / member["name"])
        if members[role].sha256 != member["sha256"]:
            raise HeadError(
                f"Head {config.name} was made of another version of {member['name']} ({member['sha256'][:12]}, "
                f"found {members[role].sha256[:12]}); install both from the same release."
            )
    named = go_by_folder(config, folder)
    return CombinedHead(named, early=members["early"], late=members["late"], sha256=hash_config(config))


def load_single(folder: Path, config: HeadConfig) -> Head:
    read_layer_runs(config)
    arrays = read_weights(folder, config)
    groups: dict[str, dict[str, np.ndarray]] = {"model": {}, "normalisation": {}, "novelty": {}}
    for name, value in arrays.items():
        prefix, _, rest = name.partition(".")
        groups.setdefault(prefix, {})[rest] = value.astype(np.float32)
    check_arrays(config, groups, list_shapes(config))
    try:
        model = build_model(config)
        model.load_state_dict({name: torch.from_numpy(value) for name, value in groups["model"].items()})
        normalisation = Normalisation(**groups["normalisation"]) if config.normalised else None
        novelty = Novelty(**groups["novelty"]) if groups["novelty"] else None
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise HeadError(f"The weights of head {config.name} do not fit its {CONFIG}: {error}") from error
    clips, sha256 = read_clips(folder, config), hash_config(config)
    return Head(go_by_folder(config, folder), model, normalisation=normalisation, novelty=novelty, clips=clips, sha256=sha256)


def list_shapes(config: HeadConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every array of the config's model, without the memory for one. Raises HeadError for a model that can't be."""
    try:
        with torch.device("meta"):
            return {name: tuple(array.shape) for name, array in build_model(config).state_dict().items()}
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise HeadError(f"The weights of head {config.name} do not fit its {CONFIG}: {error}") from error


def go_by_folder(config: HeadConfig, folder: Path) -> HeadConfig:
    """The folder is what a person names, and it may have been copied or downloaded under another name; the hash stays the config's."""
    return replace(config, name=folder.resolve().name)


def read_weights(folder: Path, config: HeadConfig) -> dict[str, np.ndarray]:
    """All arrays of a head, its files checked against the config's sha256."""
    if not config.weights:
        raise HeadError(f"{folder / CONFIG} names no weight file; install the head again.")
    arrays: dict[str, np.ndarray] = {}
    for name, expected in config.weights.items():
        data = read_checked(folder, config, name, expected)
        try:
            arrays |= safetensors.numpy.load(data)
        except (SafetensorError, TypeError, ValueError, KeyError, AttributeError) as error:  # the latter for kinds that numpy lacks
            raise HeadError(f"{folder / name} is not a safetensors file that can be read ({error}); install the head again.") from error
    return arrays


def read_clips(folder: Path, config: HeadConfig) -> ClipList | None:
    """The list of the clips that it was trained on; None where the config names none."""
    if not config.clips:
        return None
    if set(config.clips) != {FILE}:
        raise HeadError(
            f"{folder / CONFIG} names {min(config.clips)[:80]!r} as its list of clips; it must be {FILE}. Install the head again."
        )
    return parse_clip_list(read_checked(folder, config, FILE, config.clips[FILE]), str(folder / FILE))


def read_checked(folder: Path, config: HeadConfig, name: str, expected: str) -> bytes:
    """A file of a head. Raises HeadError when it is missing or not the one that the config names."""
    path = folder / name
    if Path(name).name != name or not os.path.isfile(path):
        raise HeadError(f"Head {config.name} is incomplete: {path} is missing; install the head again.")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise HeadError(f"{path} was altered: its sha256 is {found[:12]}, not {expected[:12]}; install the head again.")
    return data


def split_shards(arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    shards: list[dict[str, np.ndarray]] = [{}]
    for name, value in arrays.items():
        if shards[-1] and sum(a.nbytes for a in shards[-1].values()) + value.nbytes > MAX_SHARD_BYTES:
            shards.append({})
        shards[-1][name] = value
    return shards
