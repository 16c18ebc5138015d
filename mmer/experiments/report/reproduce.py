"""A table of the paper: every cell an experiment in a folder of its own, trained one after the other or on a cluster, printed beside the
paper's figures. Stopped, it goes on where it was: a finished cell is read, a begun one resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from mmer.datasets.dataset import Dataset
from mmer.datasets.folds import make_splits
from mmer.errors import DataError
from mmer.experiments.choosing import read_learning
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.prepare import claim_experiment, list_differences, name_classes, read_experiment_data
from mmer.experiments.report.deviations import is_papers_data, list_deviations
from mmer.experiments.report.tables import (
    PaperCell,
    TableCaveats,
    cells,
    derive_predictions,
    find_cell,
    format_table,
    to_latex,
    to_markdown,
    trained_cells,
)
from mmer.experiments.trainer.run_experiment import run_experiment
from mmer.files.output import write_file
from mmer.phrasing import say_count
from mmer.scores.scores import summarise

Train = Callable[[Sequence[Path], int], Iterator[Path]]  # (folders, workers that extract) -> each folder when it is finished


def choose_cells(table: int, only: Sequence[str] | None = None) -> tuple[PaperCell, ...]:
    """The cells to train for a table, in its order. Raises DataError for a name that the table does not need."""
    needed = trained_cells(table)
    wrong = sorted(set(only or ()) - {cell.name for cell in needed})
    if wrong:
        raise DataError(f"Table {table} needs no cell {', '.join(wrong)}; it needs {', '.join(cell.name for cell in needed)}.")
    return tuple(cell for cell in needed if not only or cell.name in only)


def reproduce_table(
    table: int,
    settings: Experiment,
    root: Path,
    *,
    only: Sequence[str] | None = None,
    workers: int = 0,
    train: Train | None = None,
    say: Callable[[str], None] = print,
    markdown: Path | None = None,
    latex: Path | None = None,
) -> str:
    """Trains what is missing and returns the table as text. `settings` holds data, preset and protocol; model and units are the cells'.

    Raises DataError as claim_experiment and run_experiment do.
    """
    dataset = read_experiment_data(replace(settings, fusion="linear", units=("T",)))
    name = dataset.name
    folders = {cell.name: claim_cell(root, name, cell, settings) for cell in choose_cells(table, only)}
    open_folders = [folder.path for folder in folders.values() if not folder.has("results")]
    paths = {folder.path: cell for cell, folder in folders.items()}
    for number, path in enumerate((train or train_locally)(open_folders, workers), 1):
        found = RunFolder(path).read("results")["summary"]
        say(f"{paths[path]}: UA {found['ua']:.4f} ({number} of {say_count(len(open_folders), 'cell')})")
    results, remarks = collect_results(table, root, dataset, settings)
    reading = read_against_paper(dataset, settings, remarks)
    for out, write in ((markdown, to_markdown), (latex, to_latex)):
        if out is not None:
            write_file(out, write(table, results, reading))
    return format_table(table, results, reading)


def read_against_paper(dataset: Dataset, settings: Experiment, remarks: Sequence[str] = ()) -> TableCaveats:
    """What a table of this data and these settings has to say beside the paper's figures."""
    settings = name_classes(settings, dataset)
    return TableCaveats(
        f"Here: {dataset.name}, {say_count(len(dataset.utterances), 'utterance')}, preset {settings.preset}, seed {settings.seed}.",
        list_deviations(settings, data=dataset.name, utterances=len(dataset.utterances)),
        tuple(remarks),
        is_papers_data(dataset.name) and settings.has_papers_classes,
        len(dataset.utterances),
        len(make_splits(dataset, settings.plan)),
    )


def name_cell(data: str, cell: PaperCell, settings: Experiment) -> str:
    """The folder of a cell: the data set's name, the preset, the cell's name; the seed where it is not 0."""
    seed = f"-seed{settings.seed}" if settings.seed else ""
    return f"{data}-{settings.preset}-{cell.name}{seed}"


def claim_cell(root: Path, data: str, cell: PaperCell, settings: Experiment) -> RunFolder:
    return claim_experiment(root, name_cell(data, cell, settings), replace(settings, **cell.fields))


def train_locally(folders: Sequence[Path], workers: int) -> Iterator[Path]:
    """One experiment after the other, in this process."""
    for path in folders:
        run_experiment(RunFolder(path), workers=workers)
        yield path


def collect_results(table: int, root: Path, dataset: Dataset, settings: Experiment) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """Cell of a table -> its summary, of all cells that are finished and all combinations whose members are; and sentences about them.

    A table holds cells of one protocol on one data set: "table1-linear-t (folds 3 instead of 5)" is named, not shown. Runs that stopped
    before learning, or ended at chance, are counted, cell by cell.
    """
    predictions: dict[str, pd.DataFrame] = {}
    results: dict[str, Mapping[str, Any]] = {}
    remarks: list[str] = []
    idle: dict[str, str] = {}
    for cell in trained_cells(table):
        folder = RunFolder(root / name_cell(dataset.name, cell, settings))
        if not folder.has("results"):
            continue
        different = list_differences(folder.read_experiment(), replace(settings, **cell.fields))
        if folder.read("data")["fingerprint"] != dataset.fingerprint:
            different.append("other data")
        if different:
            remarks.append(f"Not shown, trained otherwise: {cell.name} ({'; '.join(different)}).")
            continue
        learning = read_learning(folder)
        idle |= {cell.name: learning.short} if learning.short else {}
        if learning.diverged:
            remarks.append(
                f"{cell.name}: {len(learning.diverged)} of {say_count(learning.runs, 'run')} never had a finite loss; its mean holds them."
            )
        results[cell.name] = folder.read("results")["summary"]
        predictions[cell.name] = folder.read_predictions()
    for cell in cells(table):
        if not cell.trained and set(cell.members) <= set(predictions):
            results[cell.name] = summarise(derive_predictions(find_cell(cell.name), predictions)[0])
            members = [name for name in cell.members if name in idle]
            remarks += [f"{cell.name} is made of {', '.join(members)}, some of whose runs never learnt."] if members else []
    sentences = [f"{name}: {short}; they stand in its mean." for name, short in idle.items()]
    return results, [*sentences, *remarks]
