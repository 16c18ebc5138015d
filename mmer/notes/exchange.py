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
from mmer.errors import DataError
from mmer.files.encoding import decode_text
from mmer.files.guarded_json import parse_json, show
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
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise DataError(f"{show(path)} can't be opened: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > LARGEST:
        raise DataError(f"{show(path)} has more than {LARGEST // 2**20} MB, too many for notes.")
    text = decode_text(data, show(path))
    return read_json_notes(parse_json(text, show(path)), show(path)) if path.suffix.lower() == ".json" else _read_csv(text, show(path))


def read_json_notes(stored: Any, name: str) -> Notes:
    """The notes of parsed JSON. Raises DataError."""
    if not isinstance(stored, Mapping) or stored.get("format") != FORMAT or not isinstance(stored.get("entries"), list):
        raise DataError(f"{name} holds no notes of mmer; its format is not {FORMAT}.")
    if stored.get("version") != VERSION:
        raise DataError(f"{name} holds notes of the version {str(stored.get('version'))[:20]}; this mmer reads version {VERSION}.")
    return _gather(stored["entries"], stored.get("codebook", {}), name)


def _read_csv(text: str, name: str) -> Notes:
    rows = list(csv.DictReader(io.StringIO(text)))
    entries: list[dict[str, Any]] = []
    codebook: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        if not set(COLUMNS) <= set(row) or None in row or any(cell is None for cell in row.values()):
            raise DataError(f"{name}, row {number}, is not of notes; its columns are {', '.join(COLUMNS)}.")
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
