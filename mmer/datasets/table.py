"""A table as people have it (commas, semicolons or tabs, from whatever program) -> its rows, every cell as it stands.

Manifests, batch lists and text corpora are read by this alone, so that what one takes the others take.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer.errors import DataError

MARKS = (",", ";", "\t")  # between cells; where a header has as many of two, the first counts
MISSING = ("nan", "na", "n/a", "none", "null")  # what programs write for a cell without a value, in any case
MAX_COLUMNS = 500


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]  # (row number as an editor counts lines, column -> cell), rows of blank cells left out


def parse_table(text: str, name: str) -> Table:
    """The rows of a table with a header; a first line `sep=;` names what stands between cells, else the header shows it.

    Raises DataError for what is no table, a column that is named twice or not at all, and a row with more or fewer cells than the header.
    """
    named = re.match(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n|$)', text, re.IGNORECASE)
    if named:
        text = text[named.end() :]
    mark = named[1] if named else find_mark(text.lstrip().splitlines()[0] if text.strip() else "")
    skipped = 1 if named else 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        found = [(reader.line_num + skipped, cells) for cells in reader]
    except csv.Error as error:
        raise DataError(f"{name}: not a table ({error}, near line {reader.line_num + skipped}).") from error
    found = [(number, cells) for number, cells in found if any(cell.strip() for cell in cells)]
    if not found:
        return Table((), ())
    columns, width = check_columns([cell.strip() for cell in found[0][1]], [cells for _, cells in found[1:]], name)
    return Table(columns, tuple((number, check_cells(columns, width, cells, f"{name}, row {number}")) for number, cells in found[1:]))


def find_mark(header: str) -> str:
    """What stands between the cells of a header: what it has most of, outside of quotes."""
    plain = "".join(header.split('"')[::2])
    return max(MARKS, key=plain.count)


def check_columns(columns: list[str], rows: list[list[str]], name: str) -> tuple[tuple[str, ...], int]:
    """The names of the columns and how many cells a row may have: columns without a name at the end may be blank."""
    width = len(columns)
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MAX_COLUMNS:
        raise DataError(f"{name}: the header has {len(columns):,} columns; at most {MAX_COLUMNS} are read.")
    for number, column in enumerate(columns, start=1):
        if not column:
            raise DataError(f"{name}: column {number} of {len(columns)} has no name in the header. Name it or delete it.")
        before = columns.index(column) + 1
        if before != number:
            raise DataError(f"{name}: the column {column!r} is named twice (columns {before} and {number}). Delete or rename one.")
    return tuple(columns), width


def check_cells(columns: tuple[str, ...], width: int, cells: list[str], where: str) -> dict[str, str]:
    while len(cells) > len(columns) and not cells[-1].strip():
        cells.pop()
    more = len(cells) - len(columns)
    if more > 0:
        raise DataError(f"{where}: it has {more} cell{'s' * (more > 1)} more than the header. A text with commas needs quotes.")
    if more < 0:
        raise DataError(f"{where}: it has {-more} cell{'s' * (more < -1)} fewer than the header and ends before column {columns[more]!r}.")
    return dict(zip(columns, cells))


# ---- what is unclear although it is well formed ----


class SeenFiles:
    """Refuses a file that stands in a table twice, under whatever spelling of its path."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], tuple[int, str]] = {}

    def add(self, path: Path, written: str, number: int, where: str, *, key: tuple[Any, ...] = ()) -> None:
        """`key`: what tells apart rows of one file, such as start and end. Raises DataError naming both rows."""
        try:
            place = os.path.realpath(path)
        except (OSError, ValueError):  # no name for a file, which is said where it is opened
            place = str(path)
        before, spelling = self.rows.setdefault((place, *key), (number, written))
        if before != number and spelling == written:
            raise DataError(f"{where}, column 'path': {written!r} stands already in row {before}.")
        if before != number:
            raise DataError(
                f"{where}, column 'path': {written!r} is the same file as {spelling!r} in row {before}. Delete one of the rows."
            )


def check_numbers(rows: Iterable[tuple[int, Mapping[str, str]]], column: str, name: str) -> None:
    """Raises DataError where one number is written in two ways ("1" and "1.0"): as names they would be two groups."""
    seen: dict[float, tuple[int, str]] = {}
    for number, row in rows:
        cell = row.get(column, "").strip()
        try:
            value = float(cell) if cell and cell[0] in "+-.0123456789" else None
        except ValueError:
            value = None
        if value is None:
            continue
        before, written = seen.setdefault(value, (number, cell))
        if written != cell:
            raise DataError(
                f"{name}, row {number}, column {column!r}: {cell!r} here and {written!r} in row {before} are the same number, "
                "but would be two groups. Write it in one way."
            )


def describe_missing(rows: Iterable[tuple[int, Mapping[str, str]]]) -> tuple[str, ...]:
    """Texts such as "nan", which a program writes for nothing: they are kept, as somebody may say them, and named."""
    found = [(number, row["text"].strip()) for number, row in rows if row.get("text", "").strip().lower() in MISSING]
    if not found:
        return ()
    places = ", ".join(str(number) for number, _ in found[:5]) + (", …" if len(found) > 5 else "")
    many = "s" * (len(found) > 1)
    return (f"row{many} {places}: the text is {found[0][1]!r}, which is read as that word; leave the cell empty where no text is known",)
