"""One run on voices and texts that were brought together, in a folder of its own: how the heads that ship are trained.

The folder holds config.json (the experiment), checkpoint.safetensors and metrics.jsonl. A run that was killed goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.datasets.folds import Split
from mmer.encoders.presets import PRESETS
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, seed_run, shape_head
from mmer.experiments.trainer.blocks import FeatureLoader, fit_fold_normalisations
from mmer.experiments.trainer.loop import TrainingLoop
from mmer.experiments.trainer.pairing import PairedExample, pick_copy, show_alone
from mmer.experiments.trainer.predict import TrainedRun
from mmer.experiments.trainer.run import EpochOfRun, ProgressByRun, Run
from mmer.experiments.trainer.schedule import PairedData, Pairs
from mmer.experiments.trainer.stack import Stack
from mmer.feature_store.anchoring import anchor_speech
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.feature_store.workers import count_cores
from mmer.files.replace import remove_parts, replace_file
from mmer.heads.normalisation import Normalisation

CHECKPOINT, METRICS, CONFIG = "checkpoint.safetensors", "metrics.jsonl", "config.json"
MACHINE = ("data", "features", "device", "threads", "stacked")  # settings of the machine that trains; the result is the same
LENGTH = ("epochs", "patience")  # that a run which goes on may change
STATISTICS_CLIPS = 3000  # at most so many clips are read for the normalisation
NEUTRAL = "neutral"  # the class whose clips anchoring brings together
STATISTICS = 1  # of the generators' seeds


def train_pairs(
    experiment: Experiment,
    data: PairedData,
    cache: FeatureCache,
    folder: str | Path | None = None,
    *,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> TrainedRun:
    """Trains until the validation loss has not fallen for `patience` epochs. With a folder, a second call goes on where one was killed.

    Raises DataError when there is nothing to train or validate on, or when the folder holds a run of another experiment.
    """
    torch.set_num_threads(experiment.threads or count_cores())
    place = None if folder is None else claim_folder(Path(folder), experiment)
    encoders = PRESETS[experiment.preset]
    sizes = {unit: (len(encoders.name_layers(unit)), encoders.width(unit)) for unit in experiment.units}
    shown = move_corpora(experiment, data, cache)
    loader = FeatureLoader(shown, (), experiment.units, max_seconds=experiment.max_seconds, stride=experiment.frame_stride, sizes=sizes)
    schedule = Pairs(experiment, loader, data)
    normalisation = measure_speech(experiment, loader.cache, data.speech)
    history = [] if place is None else read_history(place / METRICS)
    models: list[nn.Module] = []

    def keep_row(stack: Stack, rows: Sequence[EpochOfRun]) -> None:
        row = {k: round(v, 5) for k, v in asdict(rows[0]).items() if k not in ("fold", "repetition")}
        history[:] = [*(r for r in history if r["epoch"] < row["epoch"]), row]
        if place is not None:
            replace_file(place / METRICS, "".join(json.dumps(r) + "\n" for r in history).encode())
        report(row)

    def keep_model(stack: Stack, over: Sequence[int], progress: ProgressByRun) -> None:
        models.extend(stack.models[i] for i in over)

    options: dict[str, Any] = {"checkpoint_seconds": 0.0, "keeps_over": True, "on_epoch": keep_row, "on_over": keep_model}
    loop = TrainingLoop(experiment, schedule, loader, [normalisation], **options)
    loop.train([make_paired_run(experiment)], None if place is None else place / CHECKPOINT)
    return TrainedRun(experiment, shape_head(experiment), models[0], normalisation, cache, tuple(schedule.validation), tuple(history))


def move_corpora(experiment: Experiment, data: PairedData, cache: FeatureCache) -> FeatureCache:
    """The features as training reads them: anchored where the pairing names an anchor. What is trained is asked with `cache` as it is."""
    anchor = experiment.pairing.anchor if experiment.pairing else ""
    if not anchor:
        return cache
    if NEUTRAL not in experiment.class_names:
        raise DataError(f"Anchoring moves neutral clips, and {', '.join(experiment.class_names)} are told apart: leave it out.")
    neutral = experiment.class_names.index(NEUTRAL)
    return anchor_speech(cache, data.speech, data.validation_speech, anchor=anchor, neutral=neutral)


def make_paired_run(experiment: Experiment) -> Run:
    """The one run of an experiment on pairs, which reads whatever its schedule shows."""
    none = np.zeros(0, np.int64)
    return Run(0, 0, seed_run(experiment, Split(0, 0, "", "", none, none, none)), none, none, none)


def measure_speech(experiment: Experiment, cache: FeatureCache, speech: Sequence[FeatureItem]) -> Normalisation | None:
    """Of the training clips' frames: every clip as it is and one of its augmented copies (a sample where there are many)."""
    if not speech or set(experiment.units) == {"T"}:
        return None
    rng = np.random.default_rng([experiment.seed, STATISTICS])
    chosen = [speech[i] for i in rng.permutation(len(speech))[: STATISTICS_CLIPS // 2]]
    copies = {(item.label, pick_copy(item, int(rng.integers(len(item.copies) + 1)))) for item in chosen if item.copies}
    examples = [*show_alone(chosen, ("F",)), *(PairedExample(label, key, None, ("F",)) for label, key in sorted(copies, key=str))]
    return fit_fold_normalisations(cache, examples, [np.zeros(0, np.int64)], max_seconds=experiment.max_seconds)[0]


def claim_folder(folder: Path, experiment: Experiment) -> Path:
    """Writes config.json, or checks that the one that lies there is the same but for the length of the run and the machine."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    path, settings = folder / CONFIG, experiment.to_json()
    if path.exists():
        kept = read_kept(path)
        different = sorted(k for k in settings.keys() | kept.keys() if settings.get(k) != kept.get(k) and k not in (*LENGTH, *MACHINE))
        if different:
            raise DataError(
                f"{folder} holds a run with another {', '.join(different)}; give the settings it was begun with, or another folder."
            )
    replace_file(path, (json.dumps(settings, indent=2) + "\n").encode())
    return folder


def read_kept(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); use another folder or delete this one.") from error
    if not isinstance(kept, dict):
        raise DataError(f"{path} is damaged: it holds no object; use another folder or delete this one.")
    return kept


def read_history(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
