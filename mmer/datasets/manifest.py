"""A manifest (CSV, TSV or JSON lines: `path, text, label, speaker`) -> a data set of utterances.

Further columns are kept as metadata, as they are. A bad row is refused with its file, row and column; nothing is left out silently.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmer.errors import DataError
from mmer.results import EMOTIONS

COLUMNS = ("path", "text", "label", "speaker")


@dataclass(frozen=True)
class Utterance:
    """One labelled recording of one speaker."""

    path: Path
    text: str  # what is said; "" when it is not known
    label: str  # one of EMOTIONS
    speaker: str  # unique within its data set
    session: str = ""  # "" when the manifest has none
    extra: Mapping[str, str] = field(default_factory=dict)  # the manifest's other columns


@dataclass(frozen=True)
class Dataset:
    name: str
    utterances: tuple[Utterance, ...]
    left_out: tuple[str, ...] = ()  # one sentence for each row that the label mapping left out

    @property
    def speakers(self) -> tuple[str, ...]:
        return tuple(sorted({u.speaker for u in self.utterances}))


def read_manifest(path: str | Path, *, name: str = "", labels: Mapping[str, str] | None = None) -> Dataset:
    """The data set of a manifest; `path` is the file, or a folder with a manifest.csv. Audio paths are relative to the file.

    `labels` maps the file's labels to EMOTIONS; a label mapped to "" leaves its row out, and the data set says so.
    Raises DataError for an unknown suffix or encoding, a missing column, an empty cell, an unknown label, a missing audio file, or no rows.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "manifest.csv"
    rows = _read_rows(path)
    if not rows:
        raise DataError(f"{path}: no rows below the header.")
    for column in COLUMNS:
        if column not in rows[0][1]:
            raise DataError(f"{path}: column {column!r} is missing; it has {', '.join(map(repr, rows[0][1]))}.")
    utterances, left_out = [], []
    for number, row in rows:
        label = _map_label(row, labels, where=f"{path}, row {number}")
        if label:
            utterances.append(_read_utterance(path, number, row, label))
        else:
            left_out.append(f"row {number}: label {row['label']!r}")
    return Dataset(name or path.parent.name, tuple(utterances), tuple(left_out))


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(row number as an editor counts lines, cells)."""
    if path.suffix not in (".csv", ".tsv", ".jsonl"):
        raise DataError(f"{path}: a manifest ends in .csv, .tsv or .jsonl.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".jsonl":
                return _read_json_lines(path, file)
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
            return [(reader.line_num, _check_cells(path, reader.line_num, row)) for row in reader]
    except OSError as error:
        raise DataError(f"{path}: the manifest can't be opened ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a table ({error}).") from error


def _check_cells(path: Path, number: int, row: dict) -> dict[str, str]:
    if None in row:
        raise DataError(f"{path}, row {number}: {len(row[None])} more cells than the header has columns. A text with commas needs quotes.")
    for column, value in row.items():
        if value is None:
            raise DataError(f"{path}, row {number}, column {column!r}: the row ends before it.")
    return row


def _read_json_lines(path: Path, lines) -> list[tuple[int, dict[str, str]]]:
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, row {number}: not JSON ({error.msg} at character {error.pos}).") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: an object with {', '.join(COLUMNS)} is expected, not {line.strip()[:40]}.")
        for column in COLUMNS:
            if column not in row:
                raise DataError(f"{path}, row {number}, column {column!r}: missing.")
        rows.append((number, {k: str(v) for k, v in row.items()}))
    return rows


def _map_label(row: Mapping[str, str], labels: Mapping[str, str] | None, *, where: str) -> str:
    label = row["label"]
    if labels is not None:
        if label not in labels:
            raise DataError(f"{where}, column 'label': {label!r} is not in the label mapping ({', '.join(labels)}).")
        label = labels[label]
        if not label:
            return ""
    if label not in EMOTIONS:
        raise DataError(f"{where}, column 'label': {label!r} is none of {', '.join(EMOTIONS)}; pass a label mapping.")
    return label


def _read_utterance(path: Path, number: int, row: Mapping[str, str], label: str) -> Utterance:
    for column in ("path", "speaker"):
        if not row[column].strip():
            raise DataError(f"{path}, row {number}, column {column!r}: empty.")
    audio = path.parent / row["path"]
    if not audio.is_file():
        raise DataError(f"{path}, row {number}, column 'path': no file {row['path']!r} beside the manifest.")
    extra = {k: v for k, v in row.items() if k not in (*COLUMNS, "session")}
    return Utterance(audio, row["text"], label, row["speaker"], row.get("session", ""), extra)
