"""The batch table as a CSV file: read again, written, added to, held by one process."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mmer.batch.columns import Row
from mmer.errors import DataError
from mmer.exports.segment_table import guard_cell
from mmer.files.output import OUTPUT

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")


ADDED = ("aligner_identity", "in_training")  # columns that tables of version 0.1 lack
UNKNOWN = "unknown"  # what stands in those for rows from then


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of an earlier run; a last row that was cut off is left out. Raises DataError for another table."""
    if not path.exists():
        return []
    known = dict.fromkeys(find_added(path, columns), UNKNOWN)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{free_cell(column): free_cell(cell) for column, cell in row.items()} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is there and can't be read as a table ({error}). Choose another --out.") from error
    if not rows and not reader.fieldnames:
        return []
    return [row | known for row in rows if None not in row and None not in row.values()]


def find_added(path: Path, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that the table of an older version lacks. Raises DataError for a table that lacks others or has more."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = [free_cell(column) for column in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is there and can't be read as a table ({error}). Choose another --out.") from error
    lacking = tuple(column for column in columns if column not in found)
    more = [column for column in found if column not in columns]
    if found and (more or not set(lacking) <= set(ADDED) or len(set(found)) < len(found)):
        facts = [f"lacks {column!r:.60}" for column in lacking[:1]] + [f"has {column!r:.60}" for column in more[:1]]
        raise DataError(
            f"{path} is there and has other columns than this batch would write: it {' and '.join(facts) or 'names one twice'}. "
            "Choose another --out, or delete it."
        )
    return lacking if found else ()


def describe_added(path: Path, columns: Sequence[str]) -> str:
    """A sentence on the table of an older version that is there; "" for none. Raises DataError as find_added does."""
    lacking = find_added(path, columns) if path.is_file() else ()
    if not lacking:
        return ""
    return f"{path} is of an older version, without {' and '.join(lacking)}: the rows of this batch's clips are made anew, others stay."


def write_table(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """The table as CSV text, in which no spreadsheet finds a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(guard_text, columns))
    writer.writerows([guard_text(row.get(column, "")) for column in columns] for row in rows)
    return text.getvalue()


def guard_text(cell: str) -> str:
    """Numbers stay as they are, minus and all."""
    return cell if NUMBER.fullmatch(cell) else guard_cell(cell)


def free_cell(cell: Any) -> Any:
    """What guard_text was given; what csv.DictReader puts in place of missing cells stays."""
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and guard_cell(cell[1:]) == cell else cell


def is_stream(out: Path) -> bool:
    """Whether the table is sent on as it grows, to standard output (-), a pipe or a device: no row of it can be found again."""
    return out == OUTPUT or (os.path.exists(out) and not os.path.isfile(out) and not os.path.isdir(out))


@contextmanager
def hold_table(out: Path) -> Iterator[None]:
    """One process fills a table. Its lock is a hidden file beside it, which stays there empty. Raises DataError."""
    if not out.parent.is_dir():  # the lock would make it
        raise DataError(f"Can't write {out}: there is no folder {out.parent}. Choose a folder that exists and can be written to.")
    lock = FileLock(out.with_name(f".{out.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(f"Another process is filling {out}. Wait until it ends, or choose another --out.") from error
    except OSError as error:
        raise DataError(f"Can't write {out}: {error.strerror}. Choose a folder that exists and can be written to.") from error
    try:
        yield
    finally:
        lock.release()


def write_row(row: Row, columns: Sequence[str]) -> str:
    return write_table([row], columns)[len(write_table([], columns)) :]


def append_row(out: Path, row: Row, columns: Sequence[str]) -> None:
    try:
        with out.open("a", encoding="utf-8", newline="") as file:
            file.write(write_row(row, columns))
    except OSError as error:
        raise DataError(f"Can't write {out}: {error.strerror}. The rows before it are there.") from error
