"""The folder of one experiment, `runs/<name>/`: what the engine writes while it trains, and what everybody reads. See docs/runs.md.

Every file is written under a temporary name and renamed, or appended to by whole lines, so that a process killed at any moment leaves a
folder that can be read and gone on with.
"""

from __future__ import annotations

import io
import json
import math
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from mmer import __version__
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, read_experiment
from mmer.files.guarded_json import explain_name, read_json
from mmer.files.output import write_file

DOCUMENTS = ("config", "data", "splits", "leakage", "environment", "status", "results", "clips")  # each is a .json of this name
METRICS, LOG, LOCK, PREDICTIONS = "metrics.jsonl", "log.txt", "lock", "predictions.parquet"
PARTS, HEADS, CHECKPOINT = "parts", "heads", "checkpoint"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
EPOCH = ("fold", "repetition", "epoch")  # what names a row of the metrics
LARGEST = 256 * 2**20  # bytes of a document
TRIES = 5  # of reading parts that another process may be merging
TAIL_BYTES = 1 << 16  # of the log, read from its end


@dataclass(frozen=True)
class RunFolder:
    """One experiment's folder. Holds no file open and remembers nothing, so it may be made anew wherever it is wanted."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def name(self) -> str:
        return self.path.name

    # documents

    def has(self, document: str) -> bool:
        return self._place(document).is_file()

    def read(self, document: str) -> Any:
        """One of DOCUMENTS. Raises DataError when it is missing or damaged."""
        path = self._place(document)
        try:
            return read_json(path, limit=LARGEST)
        except FileNotFoundError as error:
            raise DataError(
                f"{self.path} has no {path.name}: it is not the folder of an experiment, or the experiment has not come that far yet."
            ) from error
        except DataError as error:
            raise DataError(f"{path} is damaged ({error}); delete the experiment {self.name}, or restore the file.") from error

    def write(self, document: str, value: Any) -> None:
        write_file(self._place(document), _to_json(value, indent=1) + "\n")

    def _place(self, document: str) -> Path:
        assert document in DOCUMENTS, document
        return self.path / f"{document}.json"

    def read_experiment(self) -> Experiment:
        """Raises DataError when config.json is missing, damaged or not an experiment's."""
        stored = self.read("config")
        if not isinstance(stored, dict):
            raise DataError(f"{self.path / 'config.json'} holds no experiment; delete the experiment {self.name}, or restore the file.")
        try:
            return read_experiment(stored)
        except TypeError as error:
            raise DataError(f"{self.path / 'config.json'} holds no experiment ({error}).") from error

    # metrics

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of fold, repetition, epoch, loss, validation_loss, validation_ua, seconds; one line each. What isn't finite becomes null."""
        text = "".join(_to_json(row) + "\n" for row in rows)
        path = self.path / METRICS
        try:
            with path.open("ab+") as file:
                _cut_torn_line(file)
                file.write(text.encode())
        except OSError as error:
            raise DataError(f"Can't write {path}: {error.strerror}.") from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """Every row, in the order of writing; of an epoch that was begun anew the last one. A torn last line is dropped.

        Raises DataError for a damaged line, with its number.
        """
        path = self.path / METRICS
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for number, line in enumerate(self._read_bytes(path).split(b"\n")[:-1], 1):
            try:
                row = json.loads(line)
                key = tuple(row[name] for name in EPOCH)
                hash(key)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise DataError(f"{path}, line {number}, is damaged: {line[:80].decode(errors='replace')!r}.") from error
            rows.pop(key, None)
            rows[key] = row
        return list(rows.values())

    # predictions

    def write_part(self, fold: int, repetition: int, predictions: pd.DataFrame) -> None:
        """The predictions of one run, when it is done; merge_parts puts them together at the end."""
        _make_folder(self.path / PARTS)
        _write_parquet(predictions, self.path / PARTS / f"{name_run(fold, repetition)}.parquet")

    def write_predictions(self, predictions: pd.DataFrame) -> None:
        """All runs' at once."""
        _write_parquet(predictions, self.path / PREDICTIONS)

    def merge_parts(self) -> pd.DataFrame:
        """Parts and what was merged before -> predictions.parquet, by repetition and fold; the parts are removed. Returns the whole."""
        predictions = self.read_predictions()
        self.write_predictions(predictions)
        shutil.rmtree(self.path / PARTS, ignore_errors=True)
        return predictions

    def read_predictions(self) -> pd.DataFrame:
        """What there is so far: predictions.parquet, and the parts of runs done since. Raises DataError when there is nothing or damage."""
        for _ in range(TRIES - 1):
            with suppress(FileNotFoundError):  # the parts were merged while we read them
                parts = self._gather_predictions()
                break
        else:
            parts = self._gather_predictions()
        if not parts:
            raise DataError(f"{self.name} has no predictions yet: none of its runs is finished.")
        whole = pd.concat(parts, ignore_index=True)
        return whole.sort_values(["repetition", "fold"], kind="stable", ignore_index=True)

    def _gather_predictions(self) -> list[pd.DataFrame]:
        parts = [_read_parquet(path) for path in sorted((self.path / PARTS).glob("*.parquet")) if not path.name.startswith(".")]
        if (self.path / PREDICTIONS).is_file():
            merged = _read_parquet(self.path / PREDICTIONS)
            later = {run for part in parts for run in _list_runs_of(part)}
            parts.append(merged[[run not in later for run in _list_runs_of(merged)]])
        return parts

    # heads, log

    def place_head(self, fold: int, repetition: int) -> Path:
        """The folder of one run's head; it may not be there yet."""
        return self.path / HEADS / name_run(fold, repetition)

    @property
    def checkpoint(self) -> Path:
        """The engine's own folder."""
        return self.path / CHECKPOINT

    def append_log(self, text: str) -> None:
        with (self.path / LOG).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text.rstrip("\n") + "\n")

    def tail_log(self, lines: int = 40) -> tuple[str, ...]:
        """The last lines of log.txt; () when there is none."""
        text = self._read_bytes(self.path / LOG, last=TAIL_BYTES).decode("utf-8", errors="replace")
        shown = (line.rstrip().rpartition("\r")[2] for line in text.split("\n"))  # of a line that was written over, the last state
        return tuple(line for line in shown if line)[-lines:]

    def _read_bytes(self, path: Path, *, last: int | None = None) -> bytes:
        try:
            with path.open("rb") as file:
                if last is not None:
                    file.seek(max(0, path.stat().st_size - last))
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}.") from error


def name_run(fold: int, repetition: int) -> str:
    """fold1-rep1: counted from 1, as on screens."""
    return f"fold{fold + 1}-rep{repetition + 1}"


# Making and finding


def create_run(
    root: str | Path, name: str, experiment: Experiment, *, data: Any = None, splits: Any = None, leakage: Any = None
) -> RunFolder:
    """A new folder below root; it appears whole or not at all. What isn't known yet is written later.

    Raises DataError for a name that can't be one, or that is taken.
    """
    path = check_name(root, name)
    if path.exists() or path.is_symlink():
        raise DataError(f"There is already an experiment {name} in {root}: resume or delete it, or choose another name.")
    new = RunFolder(path.with_name(f".{name}.{os.getpid()}.part"))
    _make_folder(new.path)
    documents = {"config": experiment.to_json(), "data": data, "splits": splits, "leakage": leakage, "environment": describe_environment()}
    for document, value in documents.items():
        if value is not None:
            new.write(document, value)
    try:
        os.rename(new.path, path)
    except OSError as error:
        shutil.rmtree(new.path, ignore_errors=True)
        raise DataError(f"Can't make {path}: {error.strerror}.") from error
    return RunFolder(path)


def find_run(root: str | Path, name: str) -> RunFolder:
    """The folder of an experiment of root. Raises DataError when there is none, or it is a link to elsewhere."""
    path = check_name(root, name)
    if path.is_symlink():
        raise DataError(f"{name} is a link, not a folder of {root}; name the folder that it leads to.")
    if not path.is_dir():
        raise DataError(f"There is no experiment {name} in {root}; `python -m mmer runs list` names those there are.")
    return RunFolder(path)


def check_name(root: str | Path, name: str) -> Path:
    """root/name. Raises DataError for a name that could lead elsewhere, or a root that no folder can have."""
    if not NAME.fullmatch(name):
        raise DataError(
            f"{name[:100]!r} can't be an experiment's name: use at most 80 letters (a to z), digits and - _ . and begin with a letter or "
            "digit."
        )
    if problem := explain_name(str(root)):
        raise DataError(f"The folder of experiments {str(root)[:60]!r} can't be used: {problem}.")
    return Path(root) / name


def describe_environment(*, device: str = "", threads: int = 0, precision: str = "") -> dict[str, Any]:
    """What the figures may depend on: versions, machine, the command. `device`, `threads` and `precision` as the engine uses them."""
    return {
        "mmer": __version__,
        "python": platform.python_version(),
        "torch": _find_version("torch"),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpu": _find_processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "device": device,
        "threads": threads,
        "precision": precision,
        "command": shlex.join(["python", "-m", "mmer", *sys.argv[1:]]),
    }


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


# Files


def _to_json(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(_make_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def _make_plain(value: Any) -> Any:
    """JSON knows neither numpy's numbers nor those that aren't finite."""
    if isinstance(value, Mapping):
        return {str(key): _make_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_make_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _make_plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cut_torn_line(file: BinaryIO) -> None:
    """What a killed process wrote of its last line is removed, or the next line would continue it."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - TAIL_BYTES))
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(end - len(tail) + tail.rfind(b"\n") + 1)


def _list_runs_of(predictions: pd.DataFrame) -> list[tuple[int, int]]:
    """(fold, repetition) of every row. Raises DataError when a column is missing."""
    try:
        return list(zip(predictions["fold"].tolist(), predictions["repetition"].tolist()))
    except KeyError as error:
        raise DataError(f"The predictions have no column {error}; delete them and resume the experiment.") from error


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    content = io.BytesIO()
    frame.to_parquet(content, engine="pyarrow", index=False)
    write_file(path, content.getvalue())


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's own errors are children of these
        raise DataError(f"{path} can't be read as predictions ({error}); delete it and resume the experiment.") from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"Can't make the folder {path}: {error.strerror}.") from error
