"""A table of utterances -> the JSON that the page filters, sorts and draws by itself, and the intervals that it asks for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmer.error_table.filters import MOST_FILTERS, find_rows, parse_filters
from mmer.error_table.joined import count_flips, say_mcnemar
from mmer.error_table.summary import score_answers
from mmer.error_table.table import NUMBER, Column, UtteranceTable, decides_score, is_of_answers
from mmer.errors import DataError
from mmer.scores.predictions import have_session_folds

MOST_BARS = 30  # groups whose intervals are measured at once
LONGEST_TEXT = 600  # characters of a cell that are sent to the page; a filter finds those alone


@dataclass(frozen=True)
class PageSource:
    """What the page shows, and how the shell would name it."""

    key: str  # "recorded/ravdess-linear-f", for the address
    other: str = ""  # of a second source
    arguments: tuple[str, ...] = ()  # of `mmer errors`
    can_play: bool = False


def build_payload(table: UtteranceTable, source: PageSource, notes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Plain JSON types: every column once, texts as indices into their different values, numbers with null where unknown. `notes`: where
    they are kept, and what they are."""
    return {
        "title": table.title,
        "notes": list(table.notes),
        "classes": list(table.classes),
        "key": source.key,
        "other": source.other,
        "command": shlex.join(["python", "-m", "mmer", "errors", *source.arguments]),
        "rows": len(table.frame),
        "columns": [describe_column(column, table.frame[column.name].to_numpy()) for column in table.columns],
        "test": f"Over all of these, whatever is filtered: {say_mcnemar(count_flips(table))}" if table.has("flip") else "",
        "plays": source.can_play,
        "noted": notes,
    }


def describe_column(column: Column, cells: np.ndarray) -> dict[str, Any]:
    """One column; `decides`: a score of rows that it chose would say nothing; `answers`: it says what a model answered."""
    found: dict[str, Any] = {"name": column.name, "kind": column.kind, "meaning": column.meaning, "unit": column.unit}
    found |= {"decides": decides_score(column.name), "answers": is_of_answers(column.name)}
    if column.kind == NUMBER:
        return found | {"values": [None if np.isnan(value) else value for value in cells.tolist()]}
    places: dict[str, int] = {}
    codes = [places.setdefault(shorten(cell), len(places)) for cell in cells.tolist()]
    return found | {"texts": list(places), "codes": codes}


def shorten(cell: str) -> str:
    return cell if len(cell) <= LONGEST_TEXT else f"{cell[:LONGEST_TEXT]}…"


def measure_bars(table: UtteranceTable, filters: Sequence[str], bars: Sequence[str]) -> list[dict[str, Any] | None]:
    """UA, interval and n of the rows that the filters and each bar's own filter leave; None where there is nothing to score.

    Raises DataError for what is no filter of this table, filters by which no score may be taken, or too many bars.
    """
    if len(bars) > MOST_BARS or len(filters) > MOST_FILTERS:
        raise DataError(f"{len(bars):,} groups are asked for; intervals of at most {MOST_BARS} are measured at once.")
    chosen = parse_filters(filters)
    if table.has("flip") or any(decides_score(one.column) for one in chosen):
        raise DataError("These rows are chosen by what was answered, so no score of them would mean anything.")
    base = find_rows(table, chosen)
    answers = table.select_answers()
    place = answers["utterance"].map(dict(zip(table.frame["utterance"], range(len(table.frame))))).to_numpy(int)
    by_session = have_session_folds(table.answers) if len(table.answers) else False
    found = []
    for text in bars:
        own = parse_filters([text] if text else [])
        if any(decides_score(one.column) for one in own):
            raise DataError(f"{text[:60]!r} chooses rows by what was answered, so no score of them would mean anything.")
        rows = base & find_rows(table, own)
        found.append(score_answers(answers[rows[place]], by_session=by_session))
    return found
