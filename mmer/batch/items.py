"""A folder of recordings, or a list -> the clips that a batch analyses."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmer.batch.columns import FIRST, is_found, list_found
from mmer.choices.emotions import EMOTIONS
from mmer.datasets.table import SeenFiles, check_numbers, parse_table
from mmer.errors import DataError
from mmer.files.encoding import decode_text
from mmer.files.guarded_json import show as show_path

SUFFIXES = (
    ".3gp", ".aac", ".aif", ".aiff", ".amr", ".au", ".flac", ".m4a", ".mkv", ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav",
    ".webm", ".wma",
)  # fmt: skip
MAX_LIST = 20_000_000  # bytes


@dataclass(frozen=True)
class BatchItem:
    """One clip to analyse."""

    name: str  # as it is listed: its path, below the folder or as the list has it
    path: Path
    text: str = ""  # what is said; "" to have it recognised
    label: str = ""  # as listed; "" where there is none
    start: float | None = None  # seconds into the file; None: from its begin
    end: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)  # the list's other columns, carried over


def read_items(source: str | Path) -> list[BatchItem]:
    """The audio files below a folder, or the rows of a list (.csv, .tsv) with a column `path`, relative to the list.

    Raises DataError for a folder without audio files and for a list that can't be read, has no `path`, or holds times that are none.
    """
    source = Path(source)
    if os.path.isdir(source):
        paths = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
        visible = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(source).parts)]
        if not visible:
            raise DataError(f"{source}: there are no audio files in this folder ({', '.join(SUFFIXES)}).")
        return [BatchItem(path.relative_to(source).as_posix(), path) for path in visible]
    return read_list_file(source, folder=source.parent)


def read_list_file(path: Path, *, folder: Path) -> list[BatchItem]:
    """The rows of a list on disk, their paths below `folder`. Raises DataError."""
    try:
        if path.stat().st_size > MAX_LIST:
            raise DataError(f"{path.name} has {path.stat().st_size / 1e6:.0f} MB, too many for a list; name a folder, or a .csv or .tsv.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{show_path(path)} can't be opened: {error.strerror}. Name a folder of recordings, or a list (.csv, .tsv)."
        ) from error
    return read_list(decode_text(data, path.name), path.name, folder=folder)


def read_list(text: str, name: str, *, folder: Path) -> list[BatchItem]:
    """The rows of a list with a column `path`. `name` is for messages. Raises DataError, also for the same question twice."""
    table = parse_table(text, name)
    if "path" not in table.columns:
        raise DataError(f"{name}: there is no column 'path'; it has {', '.join(map(repr, table.columns)) or 'no header'}.")
    if not table.rows:
        raise DataError(f"{name}: there are no rows below the header.")
    for column in ("session", "speaker", "dialogue"):
        check_numbers(table.rows, column, name)
    items, seen = [], SeenFiles()
    for number, row in table.rows:
        item = read_item(row, f"{name}, row {number}", folder)
        seen.add(item.path, item.name, number, f"{name}, row {number}", key=(item.start or 0.0, item.end, item.text))
        items.append(item)
    return items


def read_item(row: Mapping[str, str], where: str, folder: Path) -> BatchItem:
    if not row["path"].strip() or "\0" in row["path"]:
        raise DataError(f"{where}: the path is {'empty' if not row['path'].strip() else 'none'}.")
    start, end = (read_seconds(row.get(column, ""), f"{where}, column {column!r}") for column in ("start", "end"))
    if end is not None and end <= (start or 0):
        raise DataError(f"{where}: the end, {end:g} s, is not after the start, {start or 0:g} s.")
    extra = {rename(column): cell for column, cell in row.items() if column not in FIRST}
    return BatchItem(row["path"], folder / row["path"], row.get("text", "").strip(), row.get("label", ""), start, end, extra)


def read_seconds(cell: str, where: str) -> float | None:
    try:
        seconds = float(cell) if cell.strip() else None
    except ValueError as error:
        raise DataError(f"{where}: {cell!r} is not a number of seconds.") from error
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise DataError(f"{where}: {cell!r} is not a time within the file.")
    return seconds


def rename(column: str) -> str:
    """A carried column must not take the place of one that is written."""
    return f"listed_{column}" if is_found(column) else column


def list_columns(items: Iterable[BatchItem], classes: Sequence[str] = EMOTIONS) -> tuple[str, ...]:
    """Of the table: the clip, the list's other columns, what was found by a head of these classes."""
    return (*FIRST, *dict.fromkeys(column for item in items for column in item.extra), *list_found(classes))
