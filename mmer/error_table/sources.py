"""What a person names in the shell -> its table: the folder of an experiment, its name, or a batch's table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmer.error_table.batch_table import read_batch_table
from mmer.error_table.data import read_table_with_data
from mmer.error_table.table import UtteranceTable
from mmer.errors import DataError
from mmer.experiments.folder.runs import RunFolder, find_run
from mmer.files.guarded_json import show
from mmer.notes.store import place_batch_notes, place_notes


def read_source(source: str, *, runs: Path, roots: Sequence[Path] = (), labels: Mapping[str, str] | None = None) -> UtteranceTable:
    """The table of one source. Raises DataError for what is neither a folder with a config.json, an experiment of `runs`, nor a file."""
    if os.path.isfile(source):
        return read_batch_table(Path(source), labels=labels)
    if os.path.isfile(os.path.join(source, "config.json")):
        return read_table_with_data(RunFolder(Path(source)), roots=roots, trusted=True)
    if os.path.isdir(source) or any(mark in source for mark in "/\\."):
        raise DataError(f"{show(source)} is neither the folder of an experiment nor a batch's table (.csv, .json).")
    return read_table_with_data(find_run(runs, source), roots=roots, trusted=True)


def place_source_notes(source: str, *, runs: Path) -> Path:
    """The file of the notes about a source, whether there is one yet or not. Raises DataError for a batch's table that can't be read."""
    if os.path.isfile(source):
        try:
            return place_batch_notes(runs, Path(source).read_bytes())
        except OSError as error:
            raise DataError(f"{show(source)} can't be read: {error.strerror}.") from error
    return place_notes(runs, Path(source) if os.path.isfile(os.path.join(source, "config.json")) else runs / source)
