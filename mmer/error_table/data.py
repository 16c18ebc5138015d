"""Where an experiment's data set can be read -> its metadata beside the answers, and its clips; where a batch's recordings lie."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.reading import read_dataset
from mmer.error_table.experiment_table import add_metadata, read_experiment_table
from mmer.error_table.table import UtteranceTable
from mmer.errors import DataError
from mmer.experiments.data_roots import NO_ROOTS, allow_path, find_data
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import RunFolder
from mmer.files.guarded_json import show
from mmer.files.replace import hash_file

MOST_TRIED = 20  # data sets below the roots that are read, those of the experiment's name first


def read_table_with_data(folder: RunFolder, *, roots: Sequence[Path] = (), trusted: bool = False) -> UtteranceTable:
    """An experiment's table with all metadata of its data set, which lies below a root, or where the experiment says if that is `trusted`.

    A table without metadata says why in its notes. Raises DataError for an experiment without predictions.
    """
    table = read_experiment_table(folder)
    dataset, note = find_dataset(folder, roots=roots, trusted=trusted)
    if dataset is None:
        return replace(table, notes=(*table.notes, note))
    utterances = {name_utterance(u): u for u in dataset.utterances}
    return replace(add_metadata(table, list_cells(utterances.values())), notes=(*table.notes, note), utterances=utterances)


def name_utterance(utterance: Utterance) -> str:
    return utterance.name or utterance.path.name


def list_cells(utterances: Iterable[Utterance]) -> dict[str, dict[str, str]]:
    """column -> utterance -> cell: the words, the dialogue, and whatever else the data set has, without columns that are empty."""
    cells: dict[str, dict[str, str]] = {"text": {}, "dialogue": {}}
    for u in utterances:
        own = {"text": u.text, "speaker": u.speaker, "session": u.session, "dialogue": u.dialogue, **u.extra}
        for column, cell in own.items():
            cells.setdefault(column, {})[name_utterance(u)] = cell
    return {column: found for column, found in cells.items() if any(cell.strip() for cell in found.values())}


def find_dataset(folder: RunFolder, *, roots: Sequence[Path], trusted: bool) -> tuple[Dataset | None, str]:
    """The data set that the experiment was made of, by its fingerprint, and a sentence: where it was found, or why not."""
    experiment = folder.read_experiment()
    stored = folder.read("data") if folder.has("data") else {}
    name, fingerprint = str(stored.get("name", "")), str(stored.get("fingerprint", ""))
    reasons = []
    for place in _list_places(experiment, name, roots, trusted=trusted):
        try:
            dataset = read_dataset(place, labels=experiment.labels or None, classes=experiment.classes, audio=False)
        except DataError as error:
            reasons.append(str(error))
            continue
        if dataset.fingerprint == fingerprint:
            return dataset, _say_found(dataset)
        reasons.append(f"{place.name} is not as it was then (its fingerprint is {dataset.fingerprint[:12]} instead of {fingerprint[:12]})")
    said = f": {reasons[0].rstrip('.')}" if reasons else ""
    return None, (
        f"The data set {name or experiment.data} is not read{said}. So there are no words, metadata or clips here; "
        "--data-root FOLDER names the folder that it lies in."
    )


def _say_found(dataset: Dataset) -> str:
    silent = sum(not u.has_audio for u in dataset.utterances)
    clips = f"{silent:,} of its {len(dataset.utterances):,} recordings are missing" if silent else "its recordings are there"
    return f"Words and metadata are those of the data set {dataset.name}; {clips}."


def _list_places(experiment: Experiment, name: str, roots: Sequence[Path], *, trusted: bool) -> list[Path]:
    """Where the data set may lie: where the experiment says, and below the roots, those of its name first."""
    found = sorted((data.path for data in find_data(roots)), key=lambda path: name not in (path.name, path.parent.name))
    below: list[Path] = []
    for place in map(str, [experiment.data, *found] if roots else []):
        with suppress(DataError):  # it lies elsewhere, or is gone: a copy of it below a root is as good
            below.append(allow_path(place, roots))
    own = [Path(experiment.data)] if trusted and os.path.exists(experiment.data) else []
    return list(dict.fromkeys([*own, *below]))[:MOST_TRIED]


def find_recording(row: Mapping[str, str], roots: Sequence[Path]) -> Utterance:
    """The recording of a batch's row, which must be the one that the batch read. Raises DataError that says what to do."""
    if not roots:
        raise DataError(f"A batch's table has no sound, and its recordings may lie anywhere. {NO_ROOTS.rpartition('. ')[2]}")
    path = allow_path(row["path"], roots)
    expected = row.get("file_sha256", "")
    try:
        found = hash_file(path) if expected else ""
    except OSError as error:
        raise DataError(f"{show(row['path'])} can't be read: {error.strerror}.") from error
    if found != expected:
        raise DataError(f"{show(row['path'])} is another recording than the one that the batch read; restore that one.")
    start, end = (_read_seconds(row.get(name, ""), name, row["path"]) for name in ("start", "end"))
    return Utterance(path, row.get("text", ""), row.get("label", ""), "", start=start, end=end)


def _read_seconds(cell: str, column: str, path: str) -> float | None:
    if not cell.strip():
        return None
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise DataError(f"The row of {show(path)}: {column} is {cell[:40]!r}, which is no number of seconds.")
    return seconds
