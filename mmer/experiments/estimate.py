"""What an experiment will take, before it is started: a few of its own steps are timed on made-up numbers of the right size."""

from __future__ import annotations

import time

import numpy as np
import torch

from mmer.choices.units import UNITS
from mmer.datasets.folds import make_splits
from mmer.encoders.presets import PRESETS
from mmer.experiments.batched.start import make_steps
from mmer.experiments.experiment import Experiment
from mmer.experiments.prepare import name_classes, read_experiment_data
from mmer.experiments.remaining import Estimate, count_least_epochs, count_steps, guess_epochs
from mmer.experiments.trainer.blocks import Block, Buffer, FeatureLoader, measure_budget
from mmer.experiments.trainer.device import choose_batched, choose_stacked, find_device
from mmer.experiments.trainer.layout import count_run_bytes, limit_state_bytes
from mmer.experiments.trainer.run import Run
from mmer.experiments.trainer.stack import Stack
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extraction import count_missing, plan_extraction
from mmer.feature_store.feature_index import FeatureIndex
from mmer.feature_store.feature_items import choose_items
from mmer.feature_store.feature_set import make_feature_set
from mmer.feature_store.workers import count_cores
from mmer.heads.normalisation import Normalisation

TYPICAL_SECONDS = 4.5  # of an utterance: IEMOCAP's mean
VALIDATION_COST = 0.04  # of an epoch's, beside training: a tenth of the utterances, forward only
TIMED_RUNS, TIMED_UTTERANCES = 2, 8  # smaller than a real step where a step takes seconds
BATCHED_BYTES = 2**28  # of parameters of the runs that are timed as one batch
BASE_BYTES = 500 * 2**20  # the process itself


def estimate_experiment(experiment: Experiment) -> Estimate:
    """Times steps of this model on this machine, about a second in all. Raises DataError when the data set can't be read or split."""
    dataset = read_experiment_data(experiment)
    experiment = name_classes(experiment, dataset)
    splits = make_splits(dataset, experiment.plan)
    cache = FeatureCache(experiment.features)
    index = FeatureIndex.read(cache, dataset.name, PRESETS[experiment.preset])
    options = {"features": experiment.features, "preset": experiment.preset, "aligner": experiment.aligner}
    job = plan_extraction(experiment.units, aligner_options=experiment.aligner_options, **options)
    missing = count_missing(dataset, index, cache, job)
    preset = PRESETS[experiment.preset]
    frames, held = round(TYPICAL_SECONDS / preset.step), None
    segments = {key: frames if unit.is_frames else unit.typical for key, unit in UNITS.items()}  # where nothing is extracted
    if not any(missing.values()):
        items, _ = choose_items(make_feature_set(dataset, index, PRESETS[experiment.preset]), experiment.units)
        loader = FeatureLoader(cache, items, experiment.units, max_seconds=experiment.max_seconds)
        counts = {unit: [c for i in range(len(items)) if (c := loader.count(i, unit))] for unit in experiment.units}
        segments |= {unit: max(1, round(float(np.mean(found)))) for unit, found in counts.items() if found}
        held = sum(sum(found) * len(preset.name_layers(unit)) * preset.width(unit) * 2 for unit, found in counts.items())
    device = find_device(experiment)
    steps = [count_steps(len(split.train), experiment.batch_size) for split in splits]  # of one epoch of each run
    step = time_step(experiment, segments, device=device) * (1 + VALIDATION_COST)
    most = experiment.epochs
    likely = sum(n * guess_epochs([], least=count_least_epochs(experiment.min_steps, n), most=most) for n in steps)
    budget = measure_budget()
    parameters = min(len(splits) * count_run_bytes(experiment), limit_state_bytes(device))
    return Estimate(
        seconds_likely=step * likely,
        seconds_most=step * sum(steps) * most,
        memory_bytes=BASE_BYTES + parameters + (min(budget, held) if held is not None else budget),
        extraction_seconds=estimate_extraction(experiment.preset, **missing),
    )


def estimate_extraction(preset: str, *, texts: int, clips: int) -> float:
    """Seconds."""
    return texts * PRESETS[preset].text_seconds + clips * PRESETS[preset].clip_seconds / count_cores()


class SyntheticFeatures:
    """Stands in for a FeatureLoader: utterances of one length, the same random numbers in each."""

    stride = 1

    def __init__(self, experiment: Experiment, segments: dict[str, int], *, device: str):
        self.units, self.items, self.firsts = experiment.units, range(experiment.batch_size), np.zeros(experiment.batch_size, np.int64)
        preset = PRESETS[experiment.preset]
        self.states = {u: torch.randn(len(preset.name_layers(u)), 1, segments[u], preset.width(u), device=device) for u in experiment.units}

    @property
    def cache(self) -> SyntheticFeatures:
        return self

    def find_key(self, index: int, unit: str) -> str:
        return "the same for all"

    def count_key(self, key: str, unit: str) -> int:
        return self.states[unit].shape[2]

    def measure_states(self, unit: str) -> tuple[int, int]:
        return self.states[unit].shape[0], self.states[unit].shape[3]

    def read_states(self, key: str, unit: str) -> np.ndarray:
        """(layers, segments, dim)"""
        found: np.ndarray = self.states[unit][:, 0].half().cpu().numpy()
        return found

    read_whole = read_states

    def build_block(
        self, rows: np.ndarray, unit: str, normalisation: Normalisation | None, *, fold: int = 0, buffer: Buffer | None = None
    ) -> Block:
        half = self.states[unit].expand(-1, len(rows), -1, -1).half()
        return Block(half, torch.ones(len(rows), half.shape[2], dtype=torch.bool, device=half.device), normalisation, buffer=buffer)


def time_step(experiment: Experiment, segments: dict[str, int], *, device: str) -> float:
    """Seconds of one run's step of batch_size utterances, when runs of a fold, or on a card all runs, are trained together."""
    if choose_batched(experiment, device):
        return time_batched_step(experiment, segments, device=device)
    heavy = experiment.kind.has_attention and device == "cpu"
    count = 1 if heavy else min(TIMED_RUNS, experiment.repetitions)
    size = min(TIMED_UTTERANCES, experiment.batch_size) if heavy else experiment.batch_size
    rows = np.arange(size)
    runs = [Run(0, repetition, repetition, rows, rows, rows) for repetition in range(count)]
    stack = Stack(experiment, runs, device=device, stacked=choose_stacked(experiment, device))
    features, labels = SyntheticFeatures(experiment, segments, device=device), rows % len(experiment.class_names)
    seconds = []
    for _ in range(2):  # the first warms up
        begun = time.perf_counter()
        stack.take_step(features, [None], dict.fromkeys(range(count), rows), labels)
        seconds.append(time.perf_counter() - begun)
    return min(seconds) / count * experiment.batch_size / size


def time_batched_step(experiment: Experiment, segments: dict[str, int], *, device: str) -> float:
    """As time_step, of as many runs as are made in a moment: all of them where the model is small."""
    count = max(1, min(experiment.folds * experiment.repetitions, BATCHED_BYTES // count_run_bytes(experiment)))
    rows = np.arange(experiment.batch_size)
    features = SyntheticFeatures(experiment, segments, device=device)
    steps = make_steps(experiment, features, device=device)
    stack = Stack(experiment, [Run(0, run, run, rows, rows, rows) for run in range(count)], device=device, stacked=True, batched=steps)
    lengths, labels = np.full(len(rows), max(segments[unit] for unit in experiment.units)), rows % len(experiment.class_names)
    seconds = []
    for epoch in range(3):  # of one step each; the first measures memory and compiles kernels
        begun = time.perf_counter()
        losses = steps.train_epoch(stack, [None], lengths, labels, epoch=epoch, rows=[rows] * count, report=lambda steps: None)
        losses.tolist()  # waits for the device
        seconds.append(time.perf_counter() - begun)
    return min(seconds) / count
