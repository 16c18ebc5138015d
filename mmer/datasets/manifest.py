"""A manifest (CSV, TSV or JSON lines: `path, text, label, speaker`) -> a data set of utterances.

Commas, semicolons or tabs may stand between cells, whatever the suffix. Optional columns are `session`, `dialogue`, `alignment` (a
.TextGrid or .wdseg file) and `start`, `end` (seconds into the file). Further columns are kept as metadata, as they are. A bad row is
refused with its file, row and column; nothing is left out silently.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmer.datasets.classes import check_name as check_class
from mmer.datasets.classes import check_stated, clean_label, find_classes
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.table import SeenFiles, check_numbers, describe_missing, parse_table
from mmer.errors import DataError
from mmer.files.encoding import decode_text
from mmer.files.guarded_json import explain_name, parse_json

COLUMNS = ("path", "text", "label", "speaker")
OPTIONAL_COLUMNS = ("session", "dialogue", "alignment", "start", "end")
ALIGNMENT_SUFFIXES = (".TextGrid", ".wdseg")


def read_manifest(
    path: str | Path, *, name: str = "", labels: Mapping[str, str] | None = None, classes: Sequence[str] = (), audio: bool = True
) -> Dataset:
    """The data set of a manifest; `path` is the file, or a folder with a manifest.csv. Audio paths are relative to the file.

    `labels` maps the file's labels to classes; a label mapped to "" leaves its row out, and the data set says so. `classes` are what is
    told apart, in this order; rows of other labels are left out. Without them every label is a class, as order_classes has them.
    With `audio` false the sound files may be missing: for models of the words alone.
    Raises DataError for an unknown suffix or encoding, a missing column, an empty cell, a label that the mapping lacks, more than 12
    classes, a missing audio or alignment file, times that are none, the same recording twice, or no rows.
    """
    path = Path(path)
    if os.path.isdir(path):
        path = next((found for name in ("manifest.csv", "manifest.CSV") if (found := path / name).exists()), path / "manifest.csv")
    rows = _read_rows(path)
    if not rows:
        raise DataError(f"{path}: no rows below the header, which names the columns: {', '.join(COLUMNS)}, …")
    for column in COLUMNS:
        if column not in rows[0][1]:
            raise DataError(f"{path}: column {column!r} is missing; it has {', '.join(map(repr, rows[0][1]))}.")
    for column in ("session", "speaker", "dialogue"):
        check_numbers(rows, column, str(path))
    utterances, left_out = [], []
    seen = SeenFiles()
    for number, row in rows:
        label = _map_label(row, labels, classes, where=f"{path}, row {number}")
        if label and classes and label not in classes:
            left_out.append(f"row {number}: label {label!r}, none of the classes")
        elif label:
            utterance = _read_utterance(path, number, row, label, audio=audio)
            seen.add(utterance.path, row["path"], number, f"{path}, row {number}", key=(utterance.start or 0.0, utterance.end))
            utterances.append(utterance)
        else:
            left_out.append(f"row {number}: label {row['label']!r}")
    held = [utterance.label for utterance in utterances]
    if classes and utterances:
        check_stated(classes, held, str(path))
    chosen = tuple(classes) or find_classes(held, str(path))
    return Dataset(name or path.parent.name, tuple(utterances), tuple(left_out), describe_missing(rows), chosen)


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(row number as an editor counts lines, cells)."""
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl"):
        raise DataError(f"{path}: a manifest ends in .csv, .tsv or .jsonl.")
    try:
        text = decode_text(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path}: the manifest can't be opened ({error.strerror}).") from error
    if path.suffix.lower() == ".jsonl":
        return _read_json_lines(path, text.split("\n"))
    return list(parse_table(text, str(path)).rows)


def _read_json_lines(path: Path, lines: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = parse_json(line, f"{path}, row {number}", key="column")
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: an object with {', '.join(COLUMNS)} is expected, not {line.strip()[:40]}.")
        for column in COLUMNS:
            if column not in row:
                raise DataError(f"{path}, row {number}, column {column!r}: missing.")
            if isinstance(row[column], (list, dict, bool)):
                raise DataError(f"{path}, row {number}, column {column!r}: a text is expected, not {json.dumps(row[column])[:40]}.")
        rows.append((number, {k: "" if v is None else v if isinstance(v, str) else json.dumps(v) for k, v in row.items()}))
    return rows


def _map_label(row: Mapping[str, str], labels: Mapping[str, str] | None, classes: Sequence[str], *, where: str) -> str:
    """The row's class; "" where the mapping leaves it out. A class that somebody named needs no mapping."""
    label = clean_label(row["label"])
    if not label:
        raise DataError(f"{where}, column 'label': empty.")
    if labels is not None and not (label in classes and label not in labels):
        if label not in labels:
            raise DataError(f"{where}, column 'label': {label[:60]!r} is not in the label mapping ({', '.join(labels)}).")
        label = labels[label]
    if label:
        check_class(label, f"{where}, column 'label'")
    return label


def _read_utterance(path: Path, number: int, row: Mapping[str, str], label: str, *, audio: bool) -> Utterance:
    for column in ("path", "speaker"):
        if not row[column].strip():
            raise DataError(f"{path}, row {number}, column {column!r}: empty.")
    check_name(row["path"], f"{path}, row {number}, column 'path'")
    sound = path.parent / row["path"]
    if audio and not sound.is_file():
        raise DataError(f"{path}, row {number}, column 'path': no file {row['path']!r} beside the manifest.")
    start, end = _read_times(row, where=f"{path}, row {number}")
    return Utterance(
        path=sound,
        text=row["text"],
        label=label,
        speaker=row["speaker"].strip(),
        session=row.get("session", "").strip(),
        extra={k: v for k, v in row.items() if k not in COLUMNS + OPTIONAL_COLUMNS},
        name=row["path"] if start is None and end is None else f"{row['path']} {row.get('start') or 0}-{row.get('end') or 'end'}",
        dialogue=row.get("dialogue", "").strip(),
        alignment=_read_alignment(path, number, row),
        start=start,
        end=end,
        has_audio=audio or sound.is_file(),
    )


def check_name(name: str, where: str) -> None:
    """Raises DataError for what no file can be called."""
    problem = explain_name(name)
    if problem:
        raise DataError(f"{where}: {name[:60]!a} can't be a file: {problem}.")


def _read_times(row: Mapping[str, str], *, where: str) -> tuple[float | None, float | None]:
    times: list[float | None] = []
    for column in ("start", "end"):
        cell = row.get(column, "").strip()
        try:
            times.append(float(cell) if cell else None)
        except ValueError as error:
            raise DataError(f"{where}, column {column!r}: {cell!r} is not a number of seconds.") from error
        if cell and not (math.isfinite(float(cell)) and float(cell) >= 0):
            raise DataError(f"{where}, column {column!r}: {cell!r} is not a time within the file.")
    start, end = times
    if end is not None and end <= (start or 0):
        raise DataError(f"{where}, column 'end': {end:g} s is not after the start, {start or 0:g} s.")
    return start, end


def _read_alignment(path: Path, number: int, row: Mapping[str, str]) -> Path | None:
    cell = row.get("alignment", "").strip()
    if not cell:
        return None
    check_name(cell, f"{path}, row {number}, column 'alignment'")
    if not cell.endswith(ALIGNMENT_SUFFIXES):
        raise DataError(f"{path}, row {number}, column 'alignment': {cell!r} is neither a .TextGrid nor a .wdseg file.")
    if not (path.parent / cell).is_file():
        raise DataError(f"{path}, row {number}, column 'alignment': no file {cell!r} beside the manifest.")
    return path.parent / cell
