"""A table of utterances -> what the shell prints of it: how many, the score with its interval, the confusions, the first rows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmer.error_table.filters import Filter
from mmer.error_table.joined import count_flips, say_mcnemar
from mmer.error_table.table import NOTED, NUMBER, RIGHT, WRONG, UtteranceTable, decides_score, write_number
from mmer.phrasing import say_count
from mmer.scores.intervals import bootstrap_utterances, measure_interval
from mmer.scores.metrics import mean_known, measure_counts
from mmer.scores.predictions import count_groups, have_session_folds

WIDTH = 100  # characters of a line of notes
WIDEST = 34  # characters of a cell
FIRST = ("utterance", "label", "flip", "answer", "answer.a", "answer.b", "runs_right", "loss", "margin", "speaker", "text", "words")


def score_rows(table: UtteranceTable) -> dict[str, Any] | None:
    """UA (pooled over the rows, mean over repetitions) with its interval, and counts; None where no row can be judged.

    The interval is that of scores.measure_interval; where the speakers aren't known, or there is one, that of utterances drawn again.
    """
    return score_answers(table.select_answers(), by_session=have_session_folds(table.answers) if len(table.answers) else False)


def score_answers(answers: pd.DataFrame, *, by_session: bool) -> dict[str, Any] | None:
    """score_rows for single answers; `by_session`: whether a session is a fold in the whole table.

    Rows that were all answered alike give an interval without any width, however few they are; it would promise too much, so there is none.
    """
    if answers.empty:
        return None
    counts = count_groups(answers, "label")[0].sum(1)  # (repetitions, classes, classes)
    named = answers["speaker"].nunique() > 1
    interval = measure_interval(answers, by_session=by_session) if named else bootstrap_utterances(answers)
    return {
        "ua": float(mean_known(measure_counts(counts)["ua"])),
        "wa": float(mean_known(measure_counts(counts)["wa"])),
        "utterances": int(answers["utterance"].nunique()),
        "classes": int((counts.sum((0, 2)) > 0).sum()),
        "speakers": int(answers["speaker"].nunique()) if named else 0,
        "interval": interval if interval and interval["low"] < interval["high"] else None,
    }


def format_table(table: UtteranceTable, filters: Sequence[Filter], *, rows: int, whole: int) -> str:
    """What the shell prints. `whole`: how many utterances there are without the filters."""
    parts = [f"{table.title[:1].upper()}{table.title[1:]}", *table.notes]
    if filters:
        parts.append(f"Filters: {'  '.join(map(str, filters))}: {len(table.frame):,} of {whole:,} are left.")
    text = "".join(f"{textwrap.fill(part, WIDTH)}\n" for part in parts)
    chosen = [one.column for one in filters if decides_score(one.column)]
    if chosen:
        text += textwrap.fill(say_chosen(chosen[0]), WIDTH) + "\n"
    elif table.has("flip"):
        text += textwrap.fill(say_mcnemar(count_flips(table)), WIDTH) + "\n"
    elif found := score_rows(table):
        text += textwrap.fill(say_score(found), WIDTH) + "\n"
    if not table.has("flip") and table.frame["outcome"].isin((RIGHT, WRONG)).any():
        text += format_confusion(table)
    return text + format_first(table, rows)


def say_chosen(column: str) -> str:
    """Why there is no score."""
    by = "what people noted who saw the answers" if column in NOTED else "what was answered"
    return f"The rows are chosen by {by} ({column[:60]}), so no score or test of them would mean anything."


def say_score(found: dict[str, Any]) -> str:
    """The UA with its interval and n."""
    interval = found["interval"]
    bounds = (
        f", {interval['level']:.0%} interval by {interval['of'].removesuffix('s')} {interval['low']:.3f} to {interval['high']:.3f}"
        if interval
        else ""
    )
    of = f"{say_count(found['classes'], 'class', 'classes')} that occur" if found["classes"] > 1 else "the only class that occurs"
    speakers = f" of {say_count(found['speakers'], 'speaker')}" if found["speakers"] else ""
    return (
        f"UA {found['ua']:.3f}{bounds}: mean recall of {of}, pooled over {say_count(found['utterances'], 'utterance')}{speakers} "
        f"in each repetition, mean over repetitions. WA {found['wa']:.3f}."
    )  # fmt: skip


def format_confusion(table: UtteranceTable) -> str:
    """Utterances by label and answer (of most runs), counts and shares of the label; those that no score counts are left out."""
    judged = table.frame[table.frame["outcome"].isin((RIGHT, WRONG))]
    index = {name: k for k, name in enumerate(table.classes)}
    counts = np.zeros((len(index), len(index)), int)
    np.add.at(counts, (judged["label"].map(index).to_numpy(int), judged["answer"].map(index).to_numpy(int)), 1)
    rows = [("is / said", *table.classes)]
    for name, row in zip(table.classes, counts):
        whole = int(row.sum())
        rows.append((name, *(f"{n} ({n / whole:.0%})" if whole else "–" for n in row.tolist())))
    return format_rows(rows)


def format_first(table: UtteranceTable, rows: int) -> str:
    """The first rows, with the columns that a reader wants first."""
    shown = [column for name in FIRST for column in table.columns if column.name == name]
    if not rows or table.frame.empty:
        return "No utterance is left.\n" if table.frame.empty else ""
    cells = [tuple(column.name for column in shown)]
    for row in table.frame[[column.name for column in shown]].head(rows).itertuples(index=False):
        cells.append(tuple(shorten(write_number(v) if c.kind == NUMBER else str(v)) for c, v in zip(shown, row)))
    more = len(table.frame) - rows
    return format_rows(cells) + (f"and {more:,} more; --out writes all rows and columns\n" if more > 0 else "")


def shorten(text: str) -> str:
    """One line of letters that can be seen."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= WIDEST else f"{plain[: WIDEST - 1]}…"


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n" for row in rows)
