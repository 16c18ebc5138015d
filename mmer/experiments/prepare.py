"""An experiment that is asked for -> its folder, with the data set's description, the splits and the leakage report; nothing is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.classes import count_classes
from mmer.datasets.dataset import Dataset
from mmer.datasets.folds import Split, describe_split, make_splits
from mmer.datasets.leakage import identify_audio, measure_leakages, summarise_leakage
from mmer.datasets.reading import read_dataset
from mmer.errors import DataError
from mmer.experiments.check_data import check_splits, list_warnings
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import RunFolder, check_name, create_run, find_run
from mmer.feature_store.entry_names import list_alignment_files


def prepare_experiment(root: str | Path, name: str, experiment: Experiment, *, compare_audio: bool = True) -> RunFolder:
    """Checks the data and the splits and makes the experiment's folder, with the leakage report; nothing is extracted or trained.

    Raises DataError when the data set can't be read or split so, or the name is taken or can't be one.
    """
    dataset = read_experiment_data(experiment)
    experiment = name_classes(experiment, dataset)
    splits = make_splits(dataset, experiment.plan)
    check_splits(dataset, splits)
    audio = identify_audio(dataset) if compare_audio and reads_sound(experiment) else None
    stored = [describe_split(dataset, split) for split in splits]
    warnings = {"warnings": list_warnings(dataset, splits, experiment)}
    data = describe_data(dataset) | warnings | {"sound": None if audio is None else fingerprint_sound(dataset, audio)}
    return create_run(root, name, place_paths(experiment), data=data, splits=stored, leakage=describe_leakage(dataset, splits, audio))


def claim_experiment(root: str | Path, name: str, experiment: Experiment) -> RunFolder:
    """The folder of this experiment: a new one, or the one that holds it. Raises DataError when it holds another."""
    path = check_name(root, name)
    if not path.exists():
        return prepare_experiment(root, name, experiment)
    folder = find_run(root, name)
    different = list_differences(folder.read_experiment(), experiment)
    if different:
        raise DataError(f"{path} holds another experiment: {'; '.join(different)}. Choose another name, or delete it.")
    return folder


def list_differences(kept: Experiment, asked: Experiment) -> list[str]:
    """ "folds 5 instead of 3": in what an experiment that lies there is not the one that is asked for, threads and device aside."""
    there, asked_json = kept.to_json(), place_paths(asked).to_json()
    there["classes"], asked_json["classes"] = list(kept.class_names), list(asked.classes or kept.class_names)
    return [
        f"{key} {there[key]!r} instead of {asked_json[key]!r}"
        for key in asked_json
        if there[key] != asked_json[key] and key not in ("threads", "device", "mfa_command")
    ]


def place_paths(experiment: Experiment) -> Experiment:
    """The same wherever it is read from."""
    return replace(experiment, data=str(Path(experiment.data).resolve()), features=str(Path(experiment.features).resolve()))


def name_classes(experiment: Experiment, dataset: Dataset) -> Experiment:
    """The same with the data set's classes, unless nobody chose any and they are the paper's four."""
    return experiment if not experiment.classes and dataset.classes == EMOTIONS else replace(experiment, classes=dataset.classes)


def reads_sound(experiment: Experiment) -> bool:
    return set(experiment.units) != {"T"}


def read_experiment_data(experiment: Experiment) -> Dataset:
    """The experiment's data set; a model of words alone needs no sound files."""
    dataset = read_dataset(experiment.data, labels=experiment.labels or None, classes=experiment.classes, audio=reads_sound(experiment))
    if not dataset.utterances:
        raise DataError(f"{experiment.data}: the data set has no utterances; {len(dataset.left_out)} were left out.")
    return dataset


def describe_data(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "utterances": len(dataset.utterances),
        "counts": dict(count_classes((u.label for u in dataset.utterances), dataset.classes)),
        "speakers": len(dataset.speakers),
        "sessions": len(dataset.sessions),
        "excluded": list(dataset.left_out),
        "notes": list(dataset.notes),
    }


def fingerprint_sound(dataset: Dataset, audio: Sequence[str | None]) -> str:
    """sha256 of all recordings (identify_audio's `audio`) and of the alignment files that came with them."""
    digest = hashlib.sha256(json.dumps(list(audio)).encode())
    for utterance in dataset.utterances:
        for path in list_alignment_files(utterance.alignment) if utterance.alignment else ():
            digest.update(path.read_bytes() if path.exists() else b"missing")
    return digest.hexdigest()


def describe_leakage(dataset: Dataset, splits: Sequence[Split], audio: Sequence[str | None] | None) -> dict[str, Any]:
    reports = measure_leakages(dataset, splits, audio=audio)
    return {"summary": summarise_leakage(reports), "reports": [report.to_json() for report in reports]}
