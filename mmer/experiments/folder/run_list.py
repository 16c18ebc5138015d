"""The experiments of a folder `runs/`: listing, deleting, and taking one elsewhere as a zip or as TensorBoard's event files."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mmer.errors import DataError
from mmer.experiments.folder.run_progress import RunStatus
from mmer.experiments.folder.run_status import read_status
from mmer.experiments.folder.runs import DOCUMENTS, HEADS, LOCK, LOG, METRICS, NAME, PREDICTIONS, RunFolder, find_run, name_run
from mmer.experiments.report.learning import judge_learning
from mmer.experiments.report.overview import RunSummary
from mmer.files.output import open_file

EVENTS = "events.out.tfevents.*"
SCALARS = {"loss": "loss/training", "validation_loss": "loss/validation", "validation_ua": "ua/validation"}


def list_runs(root: str | Path) -> tuple[RunSummary, ...]:
    """Every experiment below root, the newest first; a broken folder is listed with its reason. () when there is no root."""
    try:
        paths = [path for path in Path(root).iterdir() if not path.name.startswith(".") and (path.is_symlink() or path.is_dir())]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise DataError(f"The folder of experiments {root} can't be read: {error.strerror}.") from error
    return tuple(sorted((summarise_run(RunFolder(path)) for path in paths), key=lambda found: (-found.changed, found.name)))


def summarise_run(folder: RunFolder) -> RunSummary:
    """What the list says of one folder. Raises nothing: what is wrong stands in `problem`."""
    changed = 0.0
    with suppress(OSError):
        changed = folder.path.lstat().st_mtime
    try:
        if folder.path.is_symlink() or not NAME.fullmatch(folder.name):
            raise DataError(f"{folder.name} is a link, or its name has other characters than letters, digits and - _ .")
        experiment, status = folder.read_experiment(), read_status(folder)
        data = folder.read("data") if folder.has("data") else {}
        if not isinstance(data, dict):
            raise DataError(f"{folder.path / 'data.json'} is damaged; restore it, or delete the experiment {folder.name}.")
        results = folder.read("results") if folder.has("results") else None
        ua, interval = _read_score(results) if results is not None else (None, None)
        learning = _read_learning(results) if results is not None else ""
    except DataError as error:
        return RunSummary(folder.name, folder, RunStatus(), changed=changed, problem=str(error))
    return RunSummary(
        folder.name,
        folder,
        status,
        experiment.title,
        str(data.get("name", "")),
        experiment.preset,
        ua,
        interval,
        learning,
        status.heartbeat or changed,
    )


def _read_score(results: dict[str, Any]) -> tuple[float | None, tuple[float, float] | None]:
    try:
        summary = results["summary"]
        interval = summary.get("interval")
        return summary.get("ua"), (interval["low"], interval["high"]) if interval else None
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError("results.json is damaged: it has no summary; resume the experiment.") from error


def _read_learning(results: dict[str, Any]) -> str:
    """From results.json alone, so that a list is quick; those of before `at_chance` was kept say nothing."""
    try:
        runs = results.get("runs", [])
        scored = [run for run in runs if "at_chance" in run]
        return judge_learning({(run["fold"], run["repetition"]): run["best_epoch"] for run in scored}, scored).short
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError("results.json is damaged: a run lacks its fold or best epoch; resume the experiment.") from error


def delete_run(root: str | Path, name: str) -> None:
    """Removes the folder of an experiment, but nothing that a link in it leads to. Raises DataError while it is being trained."""
    folder = find_run(root, name)
    try:
        with FileLock(folder.path / LOCK, timeout=0):
            gone = folder.path.with_name(f".{name}.{os.getpid()}.deleted")
            os.rename(folder.path, gone)  # so that nobody finds half of it
    except Timeout as error:
        status = RunStatus()
        with suppress(DataError):
            status = read_status(folder)
        raise DataError(f"{name} is being trained by process {status.pid} on {status.host}; stop it before you delete it.") from error
    except OSError as error:
        raise DataError(f"Can't delete {folder.path}: {error.strerror}.") from error
    shutil.rmtree(gone, ignore_errors=True)


# Taking it elsewhere


def export_run(folder: RunFolder, out: str | Path) -> Path:
    """A zip of all that was found out: documents, metrics, log, predictions, heads. No checkpoint, lock or hashes of clips.

    Raises DataError.
    """
    folder.read("config")  # an experiment, not any folder
    with open_file(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _list_files(folder):
            archive.write(path, f"{folder.name}/{path.relative_to(folder.path).as_posix()}")
    return Path(out)


def _list_files(folder: RunFolder) -> Iterator[Path]:
    wanted = [folder.path / name for name in (*(f"{d}.json" for d in DOCUMENTS if d != "clips"), METRICS, LOG, PREDICTIONS)]
    heads = folder.path / HEADS
    if heads.is_dir() and not heads.is_symlink():
        wanted += sorted(p for p in heads.glob("*/*") if not p.name.startswith(".") and not p.parent.is_symlink())
    yield from (path for path in wanted if path.is_file() and not path.is_symlink())


def write_events(folder: RunFolder, directory: str | Path) -> Path:
    """metrics.jsonl as TensorBoard's event files: one run of TensorBoard per fold and repetition. Returns the experiment's folder in it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DataError("TensorBoard is not installed; `pip install -e '.[tensorboard]'` brings it.") from error
    out = Path(directory) / folder.name
    rows = folder.read_metrics()
    if not rows:
        raise DataError(f"{folder.name} has no metrics yet.")
    for fold, repetition in sorted({(row["fold"], row["repetition"]) for row in rows}):
        place = out / name_run(fold, repetition)
        for old in place.glob(EVENTS):  # TensorBoard would draw both
            old.unlink()
        try:
            writer = SummaryWriter(str(place))
        except OSError as error:
            raise DataError(f"Can't write to {place}: {error.strerror}.") from error
        for row in (row for row in rows if (row["fold"], row["repetition"]) == (fold, repetition)):
            for name, tag in SCALARS.items():
                if row.get(name) is not None:
                    writer.add_scalar(tag, row[name], row["epoch"])
        writer.close()
    return out
