"""A batch's table (CSV or mmer-batch.json) -> the table of its clips: verdict, probabilities, right or wrong where labels are there."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmer.batch.columns import FACTS, ROLES
from mmer.batch.table import free_cell
from mmer.datasets.table import MISSING, parse_table
from mmer.error_table.experiment_table import describe_shares
from mmer.error_table.table import NUMBER, RIGHT, SEEN_APART, TEXT, WRONG, Column, UtteranceTable, read_texts, round_numbers
from mmer.errors import DataError
from mmer.explain.verdict import SEEN
from mmer.files.guarded_json import parse_json, read_text, show
from mmer.phrasing import say_count

MOST_BYTES = 256 * 2**20
MOST_ROWS = 200_000
FORMAT = "mmer-batch"
PROBABILITY = re.compile(rf"({'|'.join(ROLES)})_p_(.+)")
OF_MODELS = re.compile(rf"({'|'.join(ROLES)})(?:_(\w))?_logit_(.+)")
MEANINGS = {
    "seconds": ("how long it lasts", "s"),
    "words_confidence": ("the recogniser's mean confidence in its words, 0 to 1", ""),
    "in_training": ("whether the head learned from this clip, or from another of its speaker", ""),
    "words": ("the words that the models read", ""),
    "text": ("the words that the list gives", ""),
    "error": ("why it could not be analysed", ""),
    "state": ("how sure the verdict is", ""),
}
APART = ", in training"  # after the outcome of a clip that the head was trained or validated on
ROUNDED = 1e-4  # by which the probability of the answer may fall behind
LEFT_OUT = ("file_sha256", "head_sha256", "aligner_identity")  # long digits that tell a reader nothing


def read_batch_table(path: Path, *, labels: Mapping[str, str] | None = None) -> UtteranceTable:
    """The table of a file that `mmer batch` or the Batch tab wrote. `labels` maps the list's labels to classes. Raises DataError."""
    rows = read_rows(path)
    classes = find_classes(rows, path.name)
    return make_batch_table(rows, classes, title=f"batch {path.name}", labels=labels)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The cells of every row, whichever of the two forms the file has. Raises DataError."""
    text = read_text(path, most=MOST_BYTES, purpose="too many for a batch's table")
    rows = _read_json(text, path) if path.suffix.lower() == ".json" else [row for _, row in parse_table(text, path.name).rows]
    if not rows:
        raise DataError(f"{show(path)} has no rows.")
    if len(rows) > MOST_ROWS:
        raise DataError(f"{show(path)} has {len(rows):,} rows; at most {MOST_ROWS:,} are read.")
    return [{free_cell(column): free_cell(cell) for column, cell in row.items()} for row in rows]


def _read_json(text: str, path: Path) -> list[dict[str, str]]:
    stored = parse_json(text, show(path))
    if not isinstance(stored, dict) or stored.get("format") != FORMAT or not isinstance(stored.get("rows"), list):
        raise DataError(f"{show(path)} is not a batch's JSON; the Batch tab writes mmer-batch.json.")
    rows = stored["rows"]
    if not all(isinstance(row, dict) and all(isinstance(cell, str) for cell in row.values()) for row in rows):
        raise DataError(f"{show(path)} is damaged: a row holds something else than texts.")
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column, "") for column in columns} for row in rows]


def find_classes(rows: Sequence[Mapping[str, str]], name: str) -> tuple[str, ...]:
    """What the head of the batch tells apart, in its order. Raises DataError for a table that no batch wrote."""
    found = [match for column in rows[0] if (match := PROBABILITY.fullmatch(column))]
    classes = tuple(dict.fromkeys(match[2] for match in found))
    if "path" not in rows[0] or len(classes) < 2:
        raise DataError(
            f"{name} is not a batch's table: it has no column {'path' if 'path' not in rows[0] else 'such as combined_p_anger'}. "
            "Name a table that `mmer batch` or the Batch tab wrote, or an experiment."
        )
    return classes


def make_batch_table(
    rows: Sequence[Mapping[str, str]], classes: Sequence[str], *, title: str, labels: Mapping[str, str] | None = None
) -> UtteranceTable:
    """The verdict that counts is that of the combined model, where there is none of late fusion, else of early fusion."""
    roles = [_prefer(row) for row in rows]
    listed = [row.get("label", "") for row in rows]
    label = [(labels or {}).get(one, one) for one in listed]
    shares = np.array([[_number(row.get(f"{role}_p_{name}", "")) for name in classes] for row, role in zip(rows, roles)], float)
    said = [row.get(role, "") if role else "" for row, role in zip(rows, roles)]
    for row, role in zip(rows, roles):
        if role:
            check_answer(row, role, classes)
    names = name_rows(rows)
    outcome = [judge(row, one, answer) if answer and one in classes else "" for row, one, answer in zip(rows, label, said)]
    columns = [
        Column("utterance", TEXT, "the recording, as the list names it"),
        Column("label", TEXT, "what the list says it is; empty where it says nothing"),
        Column(
            "answer", TEXT, "the class with the highest probability, of the model whose verdict counts; empty where none could be asked"
        ),
        Column("outcome", TEXT, f"right or wrong, where the label is one of the classes; with {APART!r} where the head knew the clip"),
    ]
    values: dict[str, np.ndarray] = {
        "utterance": np.array(names, dtype=object),
        "label": np.array(label, dtype=object),
        "answer": np.array(said, dtype=object),
        "outcome": np.array(outcome, dtype=object),
    }
    more, found = describe_batch_shares(shares, classes, label)
    rest, cells = list_rest(rows, classes)
    columns += [*more, *rest]
    frame = pd.DataFrame(values | found | cells)
    own = dict(zip(names, rows))
    return UtteranceTable(title, frame, tuple(columns), tuple(classes), list_answers(frame), _say_batch(frame, rows), listed=own)


def judge(row: Mapping[str, str], label: str, answer: str) -> str:
    """Right or wrong; of a clip that the head was trained or validated on it is said, and no score counts it."""
    outcome = RIGHT if answer == label else WRONG
    return f"{outcome}{APART}" if row.get(SEEN_APART, "") in SEEN else outcome


def _prefer(row: Mapping[str, str]) -> str:
    """The model whose verdict counts, as the Batch tab has it; "" for a row without one."""
    return next((role for role in ("combined", "late", "early") if row.get(role)), "") if not row.get("error") else ""


def check_answer(row: Mapping[str, str], role: str, classes: Sequence[str]) -> None:
    """Raises DataError for an answer that is no class, or isn't what its probabilities say; probabilities may be missing."""
    where = f"The row of {row['path']!r:.100}"
    if row[role] not in classes:
        raise DataError(f"{where}: {role} is {row[role]!r:.60}, which is none of its classes ({', '.join(classes)}). Mend the table.")
    shares = {}
    for name in classes:
        cell = row.get(column := f"{role}_p_{name}", "").strip()
        shares[name] = _number(cell)
        if cell and cell.lower() not in MISSING and not 0 <= shares[name] <= 1:
            raise DataError(f"{where}, column {column}: {cell!r:.60} is no probability, a number from 0 to 1 such as 0.7. Mend the table.")
    first = max(classes, key=lambda name: -1.0 if math.isnan(shares[name]) else shares[name])
    if shares[first] > shares[row[role]] + ROUNDED:
        raise DataError(f"{where}: {role} is {row[role]!r:.60}, but its probability of {first} is higher. Mend the table.")


def name_rows(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """One name for each: the path, with the times of a piece; rows of the same clip get their head, words and number as well."""
    names = [row["path"] for row in rows]
    for more in (_name_piece, lambda row: row.get("head", ""), lambda row: row.get("text", "")):
        counts = Counter(names)
        names = [f"{name} {more(row)}".rstrip() if counts[name] > 1 or more is _name_piece else name for name, row in zip(names, rows)]
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        names[i] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return names


def _name_piece(row: Mapping[str, str]) -> str:
    start, end = row.get("start", "").strip(), row.get("end", "").strip()
    return f"{start or 0}-{end or 'end'}" if start or end else ""


def describe_batch_shares(shares: np.ndarray, classes: Sequence[str], label: Sequence[str]) -> tuple[list[Column], dict[str, np.ndarray]]:
    """Columns of (clips, classes) probabilities, nan where a clip has none."""
    there = ~np.isnan(shares).any(1)
    index = np.array([classes.index(one) if one in classes else -1 for one in label])
    plain = np.where(there[:, None], shares, 1 / len(classes))
    found = {name: np.where(there, value, np.nan) for name, value in describe_shares(plain, index).items()}
    own = np.where(index >= 0, plain[np.arange(len(plain)), index], np.nan)
    loss = np.where(there, -np.log(np.maximum(own, 1e-12)), np.nan)
    columns = [
        Column("entropy", NUMBER, "of the probabilities: 0 when one class has all, the highest when all have the same", "bit"),
        Column("margin", NUMBER, "probability of the label minus the highest of another class, -1 to 1; below 0 another is ahead"),
        Column("loss", NUMBER, "-ln of the label's probability: high where the model is sure of something else"),
        *(Column(f"p_{name}", NUMBER, f"probability of {name}, calibrated as the head says") for name in classes),
    ]  # fmt: skip
    values = {**found, "loss": loss, **{f"p_{name}": shares[:, k] for k, name in enumerate(classes)}}
    return columns, {name: round_numbers(value) for name, value in values.items()}


def list_rest(rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> tuple[list[Column], dict[str, np.ndarray]]:
    """Every other column that holds anything, under its own name or listed_<name> where that is taken."""
    taken = {"utterance", "label", "answer", "outcome", "flip", "entropy", "margin", "loss", *(f"p_{name}" for name in classes)}
    columns, values = [], {}
    for name in rows[0]:
        cells = [row.get(name, "") or "" for row in rows]
        if name in ("path", "label", *LEFT_OUT) or not any(cell.strip() for cell in cells):
            continue
        meaning, unit = MEANINGS.get(name, (describe_column(name), ""))
        column, found = read_texts(f"listed_{name}" if name in taken else name, cells, meaning)
        if name in ("speaker", "session", SEEN_APART):
            column, found = Column(column.name, TEXT, meaning), np.array(cells, dtype=object)
        columns.append(Column(column.name, column.kind, meaning, unit))
        values[column.name] = round_numbers(found) if column.kind == NUMBER else found
    return columns, values


def describe_column(name: str) -> str:
    """What a column of a batch holds, from its name."""
    if match := PROBABILITY.fullmatch(name):
        return f"probability of {match[2]} from {match[1]} fusion"
    if match := OF_MODELS.fullmatch(name):
        branch = f", its branch {match[2]}" if match[2] else ""
        return f"logit of {match[3]} from {match[1]} fusion{branch}"
    if name.endswith("_novelty") and name.removesuffix("_novelty") in ROLES:
        return "distance from what the head was trained on: the larger, the less familiar"
    if name in ROLES:
        return f"what {name} fusion says"
    return "found by the analysis" if name in FACTS else "as the table has it"


def list_answers(frame: pd.DataFrame) -> pd.DataFrame:
    """The single answers, one per clip with a label; those of clips that the head knew are none that a score may count."""
    known = frame[frame["outcome"].isin((RIGHT, WRONG))]
    blank = pd.Series("", index=known.index)
    columns = {
        "utterance": known["utterance"],
        "repetition": 0,
        "fold": 0,
        "speaker": known.get("speaker", blank),
        "session": blank,
        "label": known["label"],
        "predicted": known["answer"],
    }
    return pd.DataFrame(columns).reset_index(drop=True)


def _say_batch(frame: pd.DataFrame, rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    lost, seen = sum(bool(row.get("error")) for row in rows), sum(row.get(SEEN_APART, "") in SEEN for row in rows)
    labelled = int((frame["outcome"] != "").sum())
    notes = [f"{say_count(len(rows), 'clip')}; {labelled:,} with an answer and a label that is one of the classes."]
    if lost:
        notes.append(f"{say_count(lost, 'clip')} could not be analysed: the filter error!= finds them.")
    if seen:
        notes.append(f"Known to be in the head's training or validation data, so that no score counts them: {say_count(seen, 'clip')}.")
    return tuple(notes)


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
