"""Notes as a file for others, and back: JSON with the codebook, or CSV of the entries."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from mmer.batch.table import free_cell, guard_text
from mmer.datasets.table import parse_table
from mmer.errors import DataError
from mmer.files.guarded_json import parse_json, read_text, show
from mmer.notes.entries import MOST_ENTRIES, TAG, Entry, Notes, check_codebook, read_entry

FORMAT, VERSION = "mmer-notes", 1
LARGEST = 64 * 2**20  # bytes
SUFFIXES = (".json", ".csv")
COLUMNS = tuple(one.name for one in fields(Entry))


def write_notes(notes: Notes, suffix: str) -> str:
    """The text of a file whose name ends so. Raises DataError for another one than .json and .csv."""
    check_suffix(suffix)
    if suffix.lower() == ".json":
        content = {
            "format": FORMAT,
            "version": VERSION,
            "codebook": dict(notes.codebook),
            "entries": [asdict(entry) for entry in notes.entries],
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, "definition"])
    for entry in notes.entries:
        definition = notes.codebook.get(entry.value, "") if entry.kind == TAG else ""
        cells = ["" if value is None else str(value) for value in asdict(entry).values()]
        writer.writerow([guard_text(cell) for cell in (*cells, definition)])
    return text.getvalue()


def check_suffix(suffix: str) -> None:
    if suffix.lower() not in SUFFIXES:
        raise DataError(f"Notes are written as {' or '.join(SUFFIXES)}, not as {suffix[:20]!r}; name such a file.")


def read_notes(path: Path) -> Notes:
    """What write_notes wrote. Raises DataError that names what is wrong."""
    check_suffix(path.suffix)
    text = read_text(path, most=LARGEST, purpose="too many for notes")
    return read_json_notes(parse_json(text, show(path)), show(path)) if path.suffix.lower() == ".json" else _read_csv(text, show(path))


def read_json_notes(stored: Any, name: str) -> Notes:
    """The notes of parsed JSON. Raises DataError."""
    if not isinstance(stored, Mapping) or stored.get("format") != FORMAT or not isinstance(stored.get("entries"), list):
        raise DataError(f"{name} holds no notes of mmer; its format is not {FORMAT}.")
    if stored.get("version") != VERSION:
        raise DataError(f"{name} holds notes of the version {str(stored.get('version'))[:20]}; this mmer reads version {VERSION}.")
    return _gather(stored["entries"], stored.get("codebook", {}), name)


def _read_csv(text: str, name: str) -> Notes:
    table = parse_table(text, name)
    if not set(COLUMNS) <= set(table.columns):
        raise DataError(f"{name} is no table of notes; their columns are {', '.join(COLUMNS)}.")
    entries: list[dict[str, Any]] = []
    codebook: dict[str, str] = {}
    for number, row in table.rows:
        cells = {column: free_cell(cell) for column, cell in row.items()}
        entries.append(
            {column: _read_time(cells[column], name, number) if column in ("start", "end") else cells[column] for column in COLUMNS}
        )
        if cells["kind"] == TAG and cells.get("definition"):
            codebook[cells["value"]] = cells["definition"]
    return _gather(entries, codebook, name)


def _read_time(cell: str, name: str, number: int) -> float | None:
    try:
        return float(cell) if cell.strip() else None
    except ValueError as error:
        raise DataError(f"{name}, row {number}: {cell[:40]!r} is no number of seconds.") from error


def _gather(entries: Sequence[Any], codebook: Any, name: str) -> Notes:
    if len(entries) > MOST_ENTRIES:
        raise DataError(f"{name} has {len(entries):,} entries of notes; at most {MOST_ENTRIES:,} are read.")
    try:
        return Notes(tuple(read_entry(entry) for entry in entries), check_codebook(codebook))
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
