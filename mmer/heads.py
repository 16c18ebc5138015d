"""Trained heads: a fusion model with what belongs to it, from a folder with config.json and model.safetensors to a Prediction.

A head holds the fusion model, the global normalisation of its speech input (the paper's section 3.2, per layer and dimension), a
temperature, a margin below which it is "not sure", and a reference of its training features. Everything is computed in float32; the
weights may lie on disk as float16.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError
from scipy.optimize import minimize_scalar
from torch import nn

from mmer import __version__
from mmer.errors import HeadError
from mmer.fusion import FUSIONS, FusionOutput, combine
from mmer.results import (
    EMOTIONS,
    UNIT_NAMES,
    Branch,
    Coattention,
    Features,
    HeadInfo,
    LayerWeights,
    Prediction,
)

FORMAT = 1
CONFIG = "config.json"
COMBINATION = "combination"
ROLES = {"linear": "late", "transformer": "late", "late": "late", "coattention": "early", "concatenation": "early", COMBINATION: "combined"}
MAX_SHARD_BYTES = 9 * 2**20  # so that no file of a head exceeds 10 MiB
UNTRAINED_MARGIN = 1.0  # no gap is wide enough for a head that was trained on nothing
MIN_DEVIATION = 1e-5  # of a feature; below it the feature is a constant


@dataclass(frozen=True)
class HeadConfig:
    """Everything about a head but its arrays; saved as config.json beside them."""

    name: str  # the folder's name, e.g. "late-fs"
    title: str  # as shown to people, e.g. "Late fusion of text, frames and syllables"
    fusion: str  # linear | transformer | late | coattention | concatenation | combination
    units: tuple[str, ...]  # letters of the units it reads, e.g. ("T", "F", "S")
    preset: str  # of the encoders whose states it was trained on
    text_layers: tuple[str, ...] = ()  # names of the text encoder's layers; the paper: "1" to "12"
    speech_layers: tuple[str, ...] = ()  # names of the speech encoder's layers; the paper: "1" to "12"
    dim: int = 768  # of the states; the paper: 768
    hidden: int = 128  # width of the two feed-forward layers of a branch ([5]'s); unused by coattention
    heads: int = 8  # attention heads; the paper is silent
    feedforward: int = 384  # inner width of an encoder block; the paper is silent
    blocks: int = 3  # coattention or encoder blocks; the paper: 3
    dropout: float = 0.2  # after each feed-forward layer while training; the paper: 0.2
    classes: tuple[str, ...] = EMOTIONS  # in the order of the logits
    members: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # combination: role -> {"name", "sha256"}
    temperature: float = 1.0  # logits are divided by it; fitted on validation
    margin: float = 0.0  # below this gap between the two highest probabilities the verdict is "not sure"
    normalised: bool = False  # whether speech states are normalised with the arrays in the weight file
    novelty_threshold: float | None = None  # distance above which a clip is "unfamiliar"; None: the head has no reference
    trained_on: str = ""  # one sentence for people; "" for an untrained head, which is never sure
    licence: str = ""  # of the weights
    caveat: str = ""  # one sentence for people, e.g. that voices and words were paired artificially
    training: Mapping[str, Any] = field(default_factory=dict)  # run, seed, counts of the data, date
    metrics: Mapping[str, Any] = field(default_factory=dict)  # as in the model card
    weights: Mapping[str, str] = field(default_factory=dict)  # file -> sha256; filled in by save_head
    version: str = __version__  # of mmer
    format: int = FORMAT  # of this file

    def __post_init__(self):
        if self.fusion not in ROLES:
            raise HeadError(f"Head {self.name} has the unknown fusion {self.fusion!r}; known are {', '.join(ROLES)}.")
        if not self.temperature > 0:
            raise HeadError(f"Head {self.name} has the temperature {self.temperature}; it must be above 0.")

    @property
    def role(self) -> str:
        return ROLES[self.fusion]


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Global normalisation of speech states: (states - mean) / deviation. Affine, so it commutes with pooling."""

    mean: np.ndarray  # (layers, dim) over the frames of the training part
    deviation: np.ndarray  # (layers, dim)

    def apply(self, states: np.ndarray) -> np.ndarray:
        """states (layers, segments, dim) -> the same shape, float32."""
        return ((states - self.mean[:, None]) / self.deviation[:, None]).astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class Novelty:
    """What mean-pooled training features look like: a few whitened principal components and the size of the rest."""

    mean: np.ndarray  # (values,) values = layers * dim
    basis: np.ndarray  # (components, values), orthonormal rows
    scale: np.ndarray  # (components,) standard deviation along each
    residual: np.ndarray  # (1,) root mean square length of what the components leave


def fit_normalisation(clips: Iterable[np.ndarray]) -> Normalisation:
    """Mean and deviation of every layer and dimension over all frames of the clips, each (layers, frames, dim)."""
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for states in clips:
        x = states.astype(np.float64)
        count, total, squares = count + x.shape[1], total + x.sum(1), squares + np.square(x).sum(1)
    if not count:
        raise ValueError("no frames to normalise by")
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), MIN_DEVIATION**2))
    return Normalisation(mean.astype(np.float32), deviation.astype(np.float32))


def novelty_vector(states: np.ndarray) -> np.ndarray:
    """(layers, frames, dim) normalised speech states of one clip -> (layers * dim,) what fit_novelty wants."""
    return states.mean(1, dtype=np.float64).astype(np.float32).ravel()


def fit_novelty(vectors: np.ndarray, *, components: int = 16) -> Novelty:
    """Reference of training clips; vectors (clips, values) from novelty_vector."""
    if len(vectors) <= components:
        raise ValueError(f"{components} components need more than {len(vectors)} clips")
    mean = vectors.mean(0, dtype=np.float64)
    centred = vectors - mean
    _, singular, basis = np.linalg.svd(centred, full_matrices=False)
    residual = np.sqrt(np.square(singular[components:]).sum() / len(vectors))
    scale = np.maximum(singular[:components] / np.sqrt(len(vectors)), MIN_DEVIATION)
    arrays = (mean, basis[:components], scale, np.array([max(residual, MIN_DEVIATION)]))
    return Novelty(*(a.astype(np.float32) for a in arrays))


def novelty_distance(novelty: Novelty, vector: np.ndarray) -> float:
    """How far a clip is from the training clips, whose root mean square distance is 1."""
    centred = vector.astype(np.float64) - novelty.mean
    along = novelty.basis @ centred  # (components,)
    rest = np.square(centred).sum() - np.square(along).sum()
    known = np.mean(np.square(along / novelty.scale))
    return float(np.sqrt((known + max(rest, 0.0) / float(novelty.residual[0]) ** 2) / 2))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64."""
    z = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float64)
    return z / z.sum(-1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in [0.05, 20] with the lowest negative log likelihood; logits (clips, classes), labels (clips,) int."""

    def loss(log_temperature: float) -> float:
        z = logits.astype(np.float64) / np.exp(log_temperature)
        top = z.max(1)
        return float(np.mean(top + np.log(np.exp(z - top[:, None]).sum(1)) - z[np.arange(len(z)), labels]))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def fit_margin(probabilities: np.ndarray, labels: np.ndarray, *, accuracy: float = 0.5, minimum: int = 20) -> float:
    """The largest gap such that of the clips with a smaller one fewer than `accuracy` are right; 0 where there is none.

    The gap is between the two highest of probabilities (clips, classes); at least `minimum` clips must lie below it.
    """
    second, first = np.sort(probabilities, 1)[:, -2:].T
    order = np.argsort(first - second, kind="stable")
    gaps = (first - second)[order]
    right = (probabilities.argmax(1) == labels)[order]
    share = np.cumsum(right) / np.arange(1, len(right) + 1)  # of the clips up to and with this one
    below = np.flatnonzero((share < accuracy) & (np.arange(1, len(right) + 1) >= minimum))
    if not below.size:
        return 0.0
    last = below[-1]
    return float(gaps[last + 1] if last + 1 < len(gaps) else np.nextafter(gaps[last], 2))


def ece(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error: mean |confidence - accuracy| over equal-width bins of confidence, weighted by their clips."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # bins are (a, b]
    gaps = [abs(right[index == b].mean() - confidence[index == b].mean()) * (index == b).mean() for b in np.unique(index)]
    return float(sum(gaps))


def build_model(config: HeadConfig) -> nn.Module:
    """An untrained fusion model of the config's sizes."""
    sizes: dict[str, Any] = {"text_layers": len(config.text_layers), "speech_layers": len(config.speech_layers), "dim": config.dim}
    sizes |= {"classes": len(config.classes), "dropout": config.dropout}
    if config.fusion != "coattention":
        sizes |= {"hidden": config.hidden}
    if config.fusion in ("coattention", "transformer"):
        sizes |= {"heads": config.heads, "feedforward": config.feedforward, "blocks": config.blocks}
    return FUSIONS[config.fusion](config.units, **sizes)


class Head:
    """One trained fusion model. Reads Features of a clip, returns Predictions; holds nothing of a clip, so it may be shared."""

    def __init__(
        self,
        config: HeadConfig,
        model: nn.Module,
        *,
        normalisation: Normalisation | None = None,
        novelty: Novelty | None = None,
        sha256: str = "",
    ):
        self.config = config
        self.model = model.float().eval()
        self.normalisation = normalisation
        self.novelty = novelty
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
        weights, runs = output.layer_weights, read_layer_runs(self.config)
        return {
            u: LayerWeights(weights[u][0].detach().numpy().copy(), weights[u][1].detach().numpy(), names[u], runs.get(u)) for u in units
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
        """The combined prediction of two given ones; `early` may come from another head of the same classes."""
        logits = combine(torch.from_numpy(early.logits), torch.from_numpy(late.logits)).numpy()
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
    half: bool = True,
) -> str:
    """Write config.json and model.safetensors (or its shards); with half, the model's weights as float16. Returns the head's sha256."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kind = torch.float16 if half else torch.float32
    arrays = {f"model.{name}": value.detach().cpu().to(kind).numpy() for name, value in model.state_dict().items()}
    for prefix, part in (("normalisation", normalisation), ("novelty", novelty)):
        if part is not None:
            arrays |= {f"{prefix}.{f.name}": np.ascontiguousarray(getattr(part, f.name), dtype=np.float32) for f in fields(part)}
    shards = split_shards(arrays)
    weights = {}
    for number, shard in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        weights[name] = write_file(folder / name, safetensors.numpy.save(shard))
    for old in folder.glob("model*.safetensors"):
        if old.name not in weights:
            old.unlink()
    return write_config(folder, replace(config, weights=weights, normalised=normalisation is not None))


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
        if Path(member["name"]).name != member["name"]:
            raise HeadError(f"Head {config.name} names a member {member['name']!r}; it must be a folder beside its own.")
        members[role] = Head.load(folder.parent / member["name"])
        if members[role].sha256 != member["sha256"]:
            raise HeadError(
                f"Head {config.name} was made of another version of {member['name']} ({member['sha256'][:12]}, "
                f"found {members[role].sha256[:12]}); install both from the same release."
            )
    return CombinedHead(config, early=members["early"], late=members["late"], sha256=hash_config(config))


def list_heads(root: str | os.PathLike[str]) -> dict[str, HeadConfig]:
    """Name of the folder -> config of every head below root, in alphabetical order; no weights are read."""
    try:
        paths = sorted(Path(root).glob(f"*/{CONFIG}"))
    except OSError as error:
        raise HeadError(f"The folder of heads {root} can't be read: {error.strerror}.") from error
    return {path.parent.name: read_config(path.parent) for path in paths}


def read_config(folder: str | os.PathLike[str]) -> HeadConfig:
    path = Path(folder) / CONFIG
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise HeadError(f"There is no head in {folder}: {CONFIG} is missing.") from error
    except OSError as error:
        raise HeadError(f"{path} can't be read: {error.strerror}; install the head again.") from error
    except ValueError as error:
        raise HeadError(f"{path} is not readable as JSON ({error}); install the head again.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise HeadError(f"{path} has format {found}; this version of mmer reads format {FORMAT}.")
    names = {f.name for f in fields(HeadConfig)}
    wrong = sorted({"name", "title", "fusion", "units", "preset"} - set(data)) or sorted(set(data) - names)
    if wrong:
        raise HeadError(f"{path} has missing or unknown fields: {', '.join(wrong)}.")
    lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
    return HeadConfig(**(data | lists))


def read_layer_runs(config: HeadConfig) -> dict[str, np.ndarray]:
    """Unit -> (runs, layers) normalised layer weights of every run of the head's experiment; {} for a head that is no run of one."""
    found = {}
    for unit, rows in config.training.get("layer weights", {}).items():
        layers = config.text_layers if unit == "T" else config.speech_layers
        try:
            found[unit] = np.array(rows, dtype=float).reshape(-1, len(layers))
        except (TypeError, ValueError) as error:
            raise HeadError(f"Head {config.name} tells no {len(layers)} layer weights of {unit} a run; install the head again.") from error
    return found


def load_single(folder: Path, config: HeadConfig) -> Head:
    read_layer_runs(config)
    arrays = read_weights(folder, config)
    groups: dict[str, dict[str, np.ndarray]] = {"model": {}, "normalisation": {}, "novelty": {}}
    for name, value in arrays.items():
        prefix, _, rest = name.partition(".")
        groups.setdefault(prefix, {})[rest] = value.astype(np.float32)
    model = build_model(config)
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in groups["model"].items()})
        normalisation = Normalisation(**groups["normalisation"]) if config.normalised else None
        novelty = Novelty(**groups["novelty"]) if groups["novelty"] else None
    except (RuntimeError, TypeError) as error:
        raise HeadError(f"The weights of head {config.name} do not fit its {CONFIG}: {error}") from error
    return Head(config, model, normalisation=normalisation, novelty=novelty, sha256=hash_config(config))


def read_weights(folder: Path, config: HeadConfig) -> dict[str, np.ndarray]:
    """All arrays of a head, its files checked against the config's sha256."""
    if not config.weights:
        raise HeadError(f"{folder / CONFIG} names no weight file; install the head again.")
    arrays: dict[str, np.ndarray] = {}
    for name, expected in config.weights.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise HeadError(f"Head {config.name} is incomplete: {path} is missing; install the head again.")
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise HeadError(f"{path} was altered: its sha256 is {found[:12]}, not {expected[:12]}; install the head again.")
        try:
            arrays |= safetensors.numpy.load(data)
        except SafetensorError as error:
            raise HeadError(f"{path} is not a safetensors file ({error}); install the head again.") from error
    return arrays


def split_shards(arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    shards: list[dict[str, np.ndarray]] = [{}]
    for name, value in arrays.items():
        if shards[-1] and sum(a.nbytes for a in shards[-1].values()) + value.nbytes > MAX_SHARD_BYTES:
            shards.append({})
        shards[-1][name] = value
    return shards


def hash_config(config: HeadConfig) -> str:
    """The head's identity: sha256 of its config as canonical JSON, which holds the sha256 of its weights or of its members."""
    return hashlib.sha256(json.dumps(asdict(config), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_config(folder: Path, config: HeadConfig) -> str:
    write_file(folder / CONFIG, (json.dumps(asdict(config), indent=2, ensure_ascii=False) + "\n").encode())
    return hash_config(read_config(folder))


def write_file(path: Path, data: bytes) -> str:
    """Write to a temporary name, then rename; returns the sha256."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(data)
    os.replace(temporary, path)
    return hashlib.sha256(data).hexdigest()
