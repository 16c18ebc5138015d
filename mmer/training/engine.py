"""Config and data -> a trained model in a run folder; killed at any moment, it goes on and ends with the same result.

A run folder holds config.json, checkpoint.safetensors (model, best model and optimizer, with the run's state as JSON in its metadata) and
metrics.jsonl. What is random in an epoch is drawn from the run's seed and the epoch's number, so an epoch begun anew is the same epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from mmer.cache import FeatureCache
from mmer.errors import DataError
from mmer.files import remove_parts, replace_file
from mmer.fusion import FusionOutput, LayerMix
from mmer.head_config import HeadConfig, shape_model
from mmer.heads import build_model
from mmer.normalisation import Normalisation
from mmer.presets import PRESETS
from mmer.results import EMOTIONS
from mmer.training.batches import (
    Batch,
    BatchReader,
    average_voices,
    cut_batches,
    draw_shifts,
    fit_speech_normalisation,
    read_in_order,
)
from mmer.training.config import TrainConfig
from mmer.training.metrics import measure_ua
from mmer.training.pairing import Example, SpeechItem, TextItem, pair_epoch, show_alone

CHECKPOINT, METRICS, CONFIG = "checkpoint.safetensors", "metrics.jsonl", "config.json"
VALIDATION_DRAWS = 3  # epochs' worth of pairs that the validation set holds, drawn once


@dataclass(frozen=True)
class TrainingData:
    """Items whose speakers and texts are disjoint between the parts."""

    speech: tuple[SpeechItem, ...] = ()
    texts: tuple[TextItem, ...] = ()
    validation_speech: tuple[SpeechItem, ...] = ()
    validation_texts: tuple[TextItem, ...] = ()


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model says about examples, in their order."""

    labels: np.ndarray  # (examples,)
    logits: np.ndarray  # (examples, classes)
    branches: dict[str, np.ndarray] = field(default_factory=dict)  # unit -> (examples, classes); empty for early fusion

    def ua(self, unit: str | None = None) -> float:
        """Of the sum, or of one branch alone."""
        return measure_ua(self.labels, (self.logits if unit is None else self.branches[unit]).argmax(1))


@dataclass(frozen=True, eq=False)
class TrainedRun:
    config: TrainConfig
    model: nn.Module  # with the weights of the epoch whose validation loss was lowest, in eval()
    normalisation: Normalisation | None  # None when the model reads no speech
    reader: BatchReader  # of every frame
    validation: tuple[Example, ...]
    history: tuple[dict, ...]  # one row per epoch


def train_model(
    config: TrainConfig,
    data: TrainingData,
    cache: FeatureCache,
    folder: str | Path | None = None,
    *,
    report: Callable[[dict], None] = lambda row: None,
) -> TrainedRun:
    """Trains until the validation loss has not fallen for `patience` epochs. With a folder, each epoch is kept and a second call goes on.

    Raises DataError when there is nothing to train or validate on, all of it has one label, or the folder holds another config's run.
    """
    if not (data.speech or data.texts) or not (data.validation_speech or data.validation_texts):
        raise DataError("Training needs clips or texts in both the training and the validation part.")
    labels = {item.label for item in data.speech} | {text.label for text in data.texts}
    if len(labels) < 2:
        raise DataError(f"All clips and texts of the training part are labelled {EMOTIONS[labels.pop()]}: there is nothing to tell apart.")
    torch.set_num_threads(config.threads)
    run = _Run(config, data, cache)
    state = _Progress()
    if folder is not None:
        folder = Path(folder)
        _claim_folder(folder, config)
        state = run.restore(folder)
    while state.epoch < config.epochs and state.epoch - state.best_epoch < config.patience:
        row = run.train_epoch(state)
        if folder is not None:
            run.save(folder, state)
        report(row)
    run.model.load_state_dict(run.best)
    run.model.eval()
    return TrainedRun(config, run.model, run.normalisation, run.reader, tuple(run.validation), tuple(state.history))


@dataclass
class _Progress:
    epoch: int = 0  # finished epochs
    step: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict] = field(default_factory=list)


class _Run:
    def __init__(self, config: TrainConfig, data: TrainingData, cache: FeatureCache):
        self.config, self.data = config, data
        sizes = PRESETS[config.preset]
        self.normalisation, self.voices = self._measure_speech(cache)
        layers = {u: sizes.text_layers if u == "T" else sizes.speech_layers for u in config.units}
        told: dict[str, Any] = {"layers": layers, "dim": sizes.dim, "normalisation": self.normalisation}
        self.reader = BatchReader(cache, config.units, **told)
        frames = round(config.max_seconds * 50)
        self.training_reader = BatchReader(cache, config.units, **told, max_frames=frames, stride=config.frame_stride)
        self.validation = draw_validation(config, data)
        torch.manual_seed(config.seed)
        self.model = build_model(make_head_config(config))
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimizer = make_optimizer(self.model, config)

    def _measure_speech(self, cache: FeatureCache) -> tuple[Normalisation | None, Tensor | None]:
        if not self.data.speech or set(self.config.units) == {"T"}:
            return None, None
        normalisation = fit_speech_normalisation(cache, self.data.speech, rng=np.random.default_rng([self.config.seed, 1]))
        voices = average_voices(cache, self.data.speech, normalisation) if self.config.voice_shift else None
        return normalisation, voices

    def train_epoch(self, state: _Progress) -> dict:
        """One epoch and its validation; `state` and the best weights are brought up to date."""
        config = self.config
        rng = np.random.default_rng([config.seed, 2, state.epoch])
        torch.manual_seed(int(rng.integers(2**62)))
        examples = draw_epoch(config, self.data, rng)
        self.model.train()
        losses = []
        for batch in cut_batches(examples, self.training_reader, size=config.batch_size, rng=rng):
            losses.append(self._step(batch, state, rng))
        outputs = predict_examples(self.model, self.training_reader, self.validation, autocast=_autocast(config))
        loss = measure_loss(outputs)
        state.epoch += 1
        if loss < state.best_loss:
            state.best_loss, state.best_epoch = loss, state.epoch
            self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        row = {"epoch": state.epoch, "loss": round(float(np.mean(losses)), 5), "validation_loss": round(loss, 5)}
        row |= {"validation_ua": round(outputs.ua(), 5)}
        state.history.append(row)
        return row

    def _step(self, examples: Sequence[Example], state: _Progress, rng: np.random.Generator) -> float:
        config = self.config
        shifts = None
        if self.voices is not None:
            shifts = draw_shifts(self.voices, len(examples), greatest=config.voice_shift, rng=rng)
        batch = self.training_reader.read(examples, shifts=shifts, rng=rng)
        state.step += 1
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_rate"] * min(1.0, state.step / max(1, config.warmup_steps))
        with _autocast(config):
            loss = compute_loss(self.model(batch.states, batch.masks), batch, config)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        self.optimizer.step()
        return loss.item()

    def save(self, folder: Path, state: _Progress) -> None:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()} | {f"best.{k}": v for k, v in self.best.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in moments.items()}
        data = save({k: v.detach().clone().contiguous() for k, v in tensors.items()}, {"state": json.dumps(asdict(state))})
        replace_file(folder / CHECKPOINT, data)
        replace_file(folder / METRICS, "".join(json.dumps(row) + "\n" for row in state.history).encode())

    def restore(self, folder: Path) -> _Progress:
        """The state of the last finished epoch; a fresh one when there is none. Raises DataError for a damaged checkpoint."""
        path = folder / CHECKPOINT
        if not path.exists():
            return _Progress()
        try:
            with safe_open(path, "pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
                state = _Progress(**json.loads(file.metadata()["state"]))
            self.model.load_state_dict(_strip(tensors, "model."))
            self.best = _strip(tensors, "best.")
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _strip(tensors, "optimizer.").items():
                index, key = name.split(".")
                moments.setdefault(int(index), {})[key] = value
            self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: the checkpoint does not fit this run ({error}); use another folder or delete this one.") from error
        return state


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay, and a rate of their own for the layer weights."""
    mixes = [module.weights for module in model.modules() if isinstance(module, LayerMix)]
    others = [p for p in model.parameters() if not any(p is m for m in mixes)]
    groups = [
        {"params": others, "weight_decay": config.weight_decay, "full_rate": config.learning_rate},
        {"params": mixes, "weight_decay": 0.0, "full_rate": config.learning_rate * config.layer_rate},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def make_head_config(config: TrainConfig, **further: Any) -> HeadConfig:
    """The sizes of the model, as a head states them."""
    told = {"name": "run", "title": ""} | further
    return shape_model(config.fusion, config.units, config.preset, config.model, **told)


def draw_epoch(config: TrainConfig, data: TrainingData, rng: np.random.Generator) -> list[Example]:
    if not data.speech or set(config.units) == {"T"}:
        return [Example(t.label, text=t.key, kind="(c)") for t in balance_texts(data.texts, rng)]
    return pair_epoch(
        data.speech,
        data.texts,
        config.mix,
        units=config.units,
        augmented=config.augmented,
        balance_corpora=config.balance_corpora,
        rng=rng,
    )


def balance_texts(texts: Sequence[TextItem], rng: np.random.Generator) -> list[TextItem]:
    """Texts with every label equally often: as many of each as the labels have on average, drawn round after round."""
    labels = sorted({t.label for t in texts})
    drawn: list[TextItem] = []
    for label in labels:
        group = [t for t in texts if t.label == label]
        wanted = len(texts) // len(labels)
        while wanted > 0:
            drawn += [group[i] for i in rng.permutation(len(group))[:wanted]]
            wanted -= len(group)
    return [drawn[i] for i in rng.permutation(len(drawn))]


def draw_validation(config: TrainConfig, data: TrainingData) -> list[Example]:
    """Every validation clip as it is and alone, and pairs in the training's mix with augmented copies; the same all through the run."""
    part = TrainingData(data.validation_speech, data.validation_texts)
    rng = np.random.default_rng([config.seed, 3])
    if not part.speech or set(config.units) == {"T"}:
        return [Example(t.label, text=t.key, kind="(c)") for t in part.texts]
    pairs = [example for _ in range(VALIDATION_DRAWS) for example in draw_epoch(config, part, rng)]
    return show_alone(part.speech, config.units) + pairs


def compute_loss(output: FusionOutput, batch: Batch, config: TrainConfig) -> Tensor:
    """Cross entropy of the sum; with branch_loss, also of every branch on the examples that have it."""
    loss = F.cross_entropy(output.logits.float(), batch.labels, label_smoothing=config.label_smoothing)
    if not config.branch_loss or output.branch_logits is None:
        return loss
    for unit, logits in output.branch_logits.items():
        present = batch.masks[unit].any(1)
        alone = F.cross_entropy(logits.float(), batch.labels, label_smoothing=config.label_smoothing, reduction="none")
        loss = loss + config.branch_loss * (alone * present).sum() / len(alone)
    return loss


def measure_loss(outputs: Outputs) -> float:
    return float(F.cross_entropy(torch.from_numpy(outputs.logits), torch.from_numpy(outputs.labels)))


@torch.no_grad()
def predict_examples(
    model: nn.Module,
    reader: BatchReader,
    examples: Sequence[Example],
    *,
    size: int = 64,
    autocast: AbstractContextManager | None = None,
) -> Outputs:
    """Logits of the sum and of each branch, in the order of the examples."""
    model.eval()
    labels = np.zeros(len(examples), np.int64)
    found: dict[str | None, np.ndarray] = {}
    with autocast or nullcontext():
        for rows, batch in read_in_order(examples, reader, size=size):
            output = model(batch.states, batch.masks)
            labels[rows] = batch.labels.numpy()
            for unit, logits in {None: output.logits, **(output.branch_logits or {})}.items():
                found.setdefault(unit, np.zeros((len(examples), logits.shape[1]), np.float32))[rows] = logits.float().numpy()
    logits = found.pop(None)
    return Outputs(labels, logits, {unit: values for unit, values in found.items() if unit is not None})


def _autocast(config: TrainConfig) -> AbstractContextManager:
    return torch.autocast("cpu", torch.bfloat16) if config.bfloat16 else nullcontext()


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _claim_folder(folder: Path, config: TrainConfig) -> None:
    """Writes config.json, or checks that the one that lies there is the same but for the length of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    path = folder / CONFIG
    told = json.loads(json.dumps(asdict(config)))
    if path.exists():
        kept = json.loads(path.read_text())
        different = sorted(
            k for k in told.keys() | kept.keys() if told.get(k) != kept.get(k) and k not in ("epochs", "patience", "threads")
        )
        if different:
            raise DataError(
                f"{folder} holds a run with another {', '.join(different)}; give the settings it was begun with, or another folder."
            )
    replace_file(path, (json.dumps(told, indent=2) + "\n").encode())
