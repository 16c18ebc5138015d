"""An experiment's folder -> what its runs read: utterances with features, and which of them each run trains, validates and tests on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmer.datasets.dataset import Dataset
from mmer.datasets.folds import read_split
from mmer.datasets.leakage import identify_audio
from mmer.errors import DataError
from mmer.experiments.check_data import check_classes
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_status import RunLock
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.prepare import fingerprint_sound, read_experiment_data
from mmer.experiments.trainer.run import Run, make_run
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extraction import extract_dataset, plan_extraction
from mmer.feature_store.feature_items import FeatureItem, FeatureSet, choose_items, list_gaps

EXTRACTION = 0.1  # of the whole, on the progress bar


@dataclass(frozen=True, eq=False)
class ExperimentData:
    """What the runs read."""

    dataset: Dataset
    items: tuple[FeatureItem, ...]  # utterances with at least one of the model's units
    excluded: tuple[str, ...]  # "name: reason" for every other one
    runs: tuple[Run, ...]
    cache: FeatureCache

    @property
    def labels(self) -> np.ndarray:
        return np.array([item.label for item in self.items])

    @property
    def tests(self) -> list[np.ndarray]:
        """Each fold's test utterances."""
        found = {run.fold: run.test for run in self.runs}
        return [found[fold] for fold in sorted(found)]


def load_data(folder: RunFolder, experiment: Experiment, lock: RunLock, *, workers: int = 0) -> ExperimentData:
    """The data set as it was when the experiment was made, with its features; extracts those that are missing."""
    dataset = read_experiment_data(experiment)
    stored = folder.read("data")
    if stored["fingerprint"] != dataset.fingerprint:
        raise DataError(
            f"{experiment.data} has changed since the experiment {folder.name} was made (fingerprint {dataset.fingerprint[:12]} instead of "
            f"{stored['fingerprint'][:12]}); restore it, or make a new experiment."
        )
    if stored.get("sound") and fingerprint_sound(dataset, identify_audio(dataset)) != stored["sound"]:
        raise DataError(
            f"Recordings or alignment files of {experiment.data} have changed since the experiment {folder.name} was made; restore them, "
            "or make a new experiment."
        )
    features = extract_features_of(dataset, experiment, lock, workers=workers)
    items, excluded = choose_items(features, experiment.units)
    if not items:
        raise DataError(f"No utterance of {experiment.data} has any of the units {' '.join(experiment.units)}: {excluded[0]}")
    check_units(experiment, items)
    folder.write("data", stored | {"excluded": [*dataset.left_out, *excluded], "partial": list_gaps(items, experiment.units)})
    folder.write("clips", {item.name: item.sha256 for item in items if item.sha256})
    position = {item.index: place for place, item in enumerate(items)}
    splits = [read_split(dataset, stored) for stored in folder.read("splits")]
    runs = tuple(make_run(experiment, split, position) for split in splits)
    empty = [run.name for run in runs if not (len(run.train) and len(run.validation) and len(run.test))]
    if empty:
        raise DataError(f"{', '.join(empty)}: without the utterances that have no features a part of the split is empty.")
    data = ExperimentData(dataset, items, excluded, runs, FeatureCache(experiment.features))
    check_classes(data.labels, {run.name: run.train for run in runs}, dataset.classes)
    return data


def extract_features_of(dataset: Dataset, experiment: Experiment, lock: RunLock, *, workers: int) -> FeatureSet:
    begun = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        lock.check()
        left = (time.monotonic() - begun) / done * (total - done) if done else None
        lock.update(stage=f"extracting {what}: {done} of {total}", done=EXTRACTION * done / max(1, total), seconds_left=left)

    options = {"features": experiment.features, "preset": experiment.preset, "aligner": experiment.aligner}
    job = plan_extraction(experiment.units, aligner_options=experiment.aligner_options, **options)
    cache = FeatureCache(job.features)
    return extract_dataset(
        dataset,
        cache,
        preset=job.preset_name,
        units=job.units,
        aligner=job.aligner,
        aligner_options=job.aligner_options,
        workers=workers,
        progress=report,
    )


def check_units(experiment: Experiment, items: Sequence[FeatureItem]) -> None:
    """Raises DataError for a unit of the model that no utterance has, with the first reason."""
    for unit in experiment.units:
        if not any(unit in item.units for item in items):
            raise DataError(f"No utterance of {experiment.data} has the unit {unit}: {items[0].describe_gaps((unit,))}")
