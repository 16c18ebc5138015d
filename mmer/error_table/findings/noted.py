"""Notes of people -> columns of the table: what they wrote, their tags, whose doubt the label has, who coded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mmer.error_table.table import NOTED, TEXT, Column, UtteranceTable
from mmer.notes.entries import DISPUTED, NOTE, TAG, Entry, Notes

MEANINGS = (
    "what people wrote about it, each with the name of who did",
    "tags that people gave it",
    "who disputes its label",
    "who coded it: noted, tagged or disputed something, or marked it as coded",
)


def add_notes(table: UtteranceTable, notes: Notes, *, always: bool = False) -> UtteranceTable:
    """The table with the columns NOTED; unchanged where nothing is noted of it, unless `always`, or it has columns of these names."""
    if any(table.has(name) for name in NOTED):
        return table
    names = table.frame["utterance"].tolist()
    cells = write_cells(notes.current)
    if not always and not any(name in cells for name in names):
        return table
    columns = [Column(name, TEXT, meaning) for name, meaning in zip(NOTED, MEANINGS)]
    values = {
        column.name: np.array([cells.get(name, ("",) * 4)[place] for name in names], dtype=object) for place, column in enumerate(columns)
    }
    return table.add(columns, values)


def write_cells(entries: Iterable[Entry]) -> Mapping[str, tuple[str, ...]]:
    """Utterance -> its cells of NOTED."""
    of: dict[str, list[Entry]] = {}
    for entry in entries:
        of.setdefault(entry.utterance, []).append(entry)
    return {name: _write_row(own) for name, own in of.items()}


def _write_row(entries: list[Entry]) -> tuple[str, ...]:
    notes = " | ".join(f"{e.coder}{_write_span(e)}: {' '.join(e.value.split())}" for e in entries if e.kind == NOTE)
    tags = ", ".join(sorted({e.value for e in entries if e.kind == TAG}))
    disputed = ", ".join(sorted({e.coder for e in entries if e.kind == DISPUTED}))
    return notes, tags, disputed, ", ".join(sorted({e.coder for e in entries}))


def _write_span(entry: Entry) -> str:
    if entry.start is None and entry.end is None:
        return ""
    return f" ({entry.start or 0:g} s to {'the end' if entry.end is None else f'{entry.end:g} s'})"
