"""HTML fragments of the Train tab's form: what a data set holds and shares, an estimate. Every foreign word is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mmer.choices.units import UNITS
from mmer.datasets.classes import count_classes, say_own_classes
from mmer.datasets.describe import list_reasons, word_missing_classes
from mmer.experiments.check_data import MOST_ROWS, DataReport, count_labels, count_part, count_unreadable, list_speakers
from mmer.experiments.remaining import Estimate
from mmer.phrasing import say_count, say_time
from mmer.ui.texts import shared
from mmer.ui.texts import train as texts

CHECK_FIRST = f'<p class="mm-note">{texts.CHECK_FIRST}</p>'


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", kind: str = "") -> str:
    """A table whose cells are HTML; the first column names the rows, the others are numbers."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows)
    title = f"<caption>{caption}</caption>" if caption else ""
    head_row = f"<thead><tr>{top}</tr></thead>" if head else ""
    return f'<div class="mm-scroll" tabindex="0"><table class="mm-grid {kind}">{title}{head_row}<tbody>{body}</tbody></table></div>'


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def write_problem(text: str) -> str:
    return f'<p class="mm-problem" role="alert">{escape(text)}</p>'


def write_note(text: str) -> str:
    return f'<p class="mm-quiet" role="status">{escape(text)}</p>'


def write_question(text: str) -> str:
    return f'<p class="mm-problem" role="alert">{escape(text)}</p>'


# choosing data


def write_empty(*, closed: bool) -> str:
    """What stands in the report's place before a check."""
    items = "".join(f"<li><b>{asked}</b> {how}</li>" for asked, how in texts.CHECKED)
    return f'<section class="mm-empty" aria-label="{texts.CHECK_SHOWS}"><ol>{items}</ol><p>{texts.BEFORE_CHECK[closed]}</p></section>'


def write_closed(reason: str) -> str:
    """Why training is off, with the command to copy."""
    sentence, colon, command = reason.rpartition(": ")
    if not colon or not command.startswith("python"):
        return f'<div class="mm-closed"><p>{escape(reason)}</p></div>'
    return f'<div class="mm-closed"><p>{escape(sentence)}:</p>{write_code(command)}</div>'


def write_code(command: str) -> str:
    """A command with a button that copies it."""
    return f'<div class="mm-code"><code tabindex="0">{escape(command)}</code><button type="button" data-copy>{texts.COPY}</button></div>'


def write_report(report: DataReport) -> str:
    """Counts, folds and leakage of a checked data set."""
    return f"""
<section class="mm-report" aria-label="{texts.REPORT}">
  {write_counts(report)}
  {write_warnings(report.warnings)}
  {write_left_out(report)}
  {write_folds(report)}
  <h3>{texts.BOTH_SHARE}</h3>
  {write_leakage(report.summary, runs=len(report.splits), unknown=find_unknown(report), utterances=len(report.dataset.utterances))}
</section>"""


def write_counts(report: DataReport) -> str:
    dataset = report.dataset
    whole = list(count_classes((u.label for u in dataset.utterances), dataset.classes).values())
    sessions = f", {say_count(len(dataset.sessions), 'session')}" if dataset.sessions else ""
    counted = f"{say_count(len(dataset.utterances), 'utterance')} of {say_count(len(dataset.speakers), 'speaker')}{sessions}"
    rows = [[texts.ALL, f"<b>{sum(whole):,}</b>", *(f"<b>{n:,}</b>" for n in whole)]]
    for by in ("session", "speaker"):
        groups = count_labels(dataset, by)
        rows += [[f"{by} {escape(name)}", f"{sum(n):,}", *(f"{c:,}" for c in n)] for name, n in groups[:MOST_ROWS]]
        if len(groups) > MOST_ROWS:
            rows.append([texts.say_more_groups(len(groups) - MOST_ROWS, by), *[""] * (len(whole) + 1)])
    table = write_table(["", texts.UTTERANCES, *map(escape, dataset.classes)], rows, kind="mm-tall")
    own = "".join(f'<p class="mm-note">{escape(said)}</p>' for said in [say_own_classes(dataset.classes)] if said)
    lacking = "".join(f'<p class="mm-note">{texts.say_lacking(n, what)}</p>' for what, n in count_unreadable(dataset).items())
    return f"<h3>{escape(dataset.name)}: {counted}</h3>{own}{lacking}{table}"


def write_warnings(warnings: Sequence[str]) -> str:
    """What is too small to be trusted, as a list."""
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in warnings)
    return f'<div class="mm-problem" role="note"><b>{texts.TOO_SMALL}</b><ul>{items}</ul></div>'


def write_left_out(report: DataReport) -> str:
    dataset = report.dataset
    missing = word_missing_classes([u.label for u in dataset.utterances], dataset.classes)
    why = f'<p class="mm-note">{escape(texts.say_left_out(list_reasons(dataset.left_out)))}</p>' if dataset.left_out else ""
    parts = [f'<p class="mm-problem">{escape(missing)}</p>' if missing else "", why or f'<p class="mm-note">{texts.NOTHING_LEFT_OUT}</p>']
    return "".join([*parts, write_list(shared.LEFT_OUT, dataset.left_out), write_list(shared.NOTES, dataset.notes)])


def write_list(title: str, lines: Sequence[str], *, most: int = 200) -> str:
    """A folded list; "" of nothing."""
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:most])
    more = f"<li>{texts.say_more(len(lines) - most)}</li>" if len(lines) > most else ""
    return f'<details class="mm-details"><summary>{escape(title)}: {len(lines):,}</summary><ul>{items}{more}</ul></details>'


def write_folds(report: DataReport) -> str:
    rows = []
    for split in report.folds:
        counts = count_part(report.dataset, split, "test")
        speakers = list_speakers(report.dataset, split)
        named = ", ".join(escape(s) for s in speakers[:6]) + (f" {texts.say_more(len(speakers) - 6)}" if len(speakers) > 6 else "")
        sizes = (len(split.train), len(split.validation), len(split.test))
        rows.append([escape(split.name), *(f"{n:,}" for n in sizes), *(f"{n:,}" for n in counts), f'<span class="mm-left">{named}</span>'])
    head = ["", *texts.FOLD_COLUMNS, *(escape(texts.name_tested(name)) for name in report.dataset.classes)]
    note = texts.say_runs(len(report.folds), len(report.splits))
    table = write_table([*head, LEFT.format(texts.TESTED_SPEAKERS)], rows)
    return f'<h3>{texts.FOLDS}</h3><p class="mm-note">{note}</p>{table}'


def find_unknown(report: DataReport) -> dict[str, int]:
    """Kind -> utterances for which it isn't known."""
    return dict(report.leakage[0].unknown) if report.leakage else {}


def write_leakage(rows: Sequence[Mapping[str, Any]], *, runs: int, unknown: Mapping[str, int] | None = None, utterances: int = 0) -> str:
    """The leakage of all splits as a table with a verdict per row; train and test first, which matters most.

    `unknown`: kind -> utterances for which it isn't known; a kind that is known for none of `utterances` has no rows.
    """
    if not rows:
        return f'<p class="mm-note">{texts.NO_LEAKAGE}</p>'
    gaps = {kind: count for kind, count in (unknown or {}).items() if count}
    pairs = [("train", "test"), ("validation", "test"), ("train", "validation")]
    compared = [row for row in rows if not utterances or gaps.get(row["kind"]) != utterances]
    cells = [write_leak(row) for pair in pairs for row in compared if (row["first"], row["second"]) == pair]
    head = ["", *(LEFT.format(name) for name in texts.LEAKAGE_COLUMNS[:2]), *texts.LEAKAGE_COLUMNS[2:]]
    notes = "".join(f'<p class="mm-note">{texts.say_not_compared(kind, count)}</p>' for kind, count in gaps.items())
    return f'<p class="mm-note">{texts.say_leakage(runs)}</p>{write_table(head, cells, kind="mm-leakage")}{notes}'


LEFT = '<span class="mm-left">{}</span>'
NOTHING_SHARED = f'<span class="mm-left mm-ok">{texts.NOTHING_SHARED}</span>'
NOT_COMPARED = f'<span class="mm-left" title="{texts.NOT_COMPARED_WHY}">{texts.NOT_COMPARED}</span>'


def write_leak(row: Mapping[str, Any]) -> list[str]:
    kind, most = row["kind"], row["shared_most"]
    serious = kind != "sentences" and row["second"] == "test"
    look = "mm-bad" if serious else "mm-warn"
    mark = f'<span class="mm-left {look}">{judge_leak(row)}</span>' if most else NOTHING_SHARED if row.get("compared", 1) else NOT_COMPARED
    between = LEFT.format(texts.say_shared_by(row["first"], row["second"]))
    return [texts.COMPARED_KINDS[kind][0], between, mark, f"{most:,}", f"{row['shared_mean']:.1f}", percent(row["share_most"])]


def judge_leak(row: Mapping[str, Any]) -> str:
    kind, second = row["kind"], row["second"]
    if kind == "sentences":
        return texts.KNOWN_BY_HEART
    if kind == "speakers" and second == "validation":
        return texts.SPEAKERS_VALIDATED
    if kind == "dialogues" and second == "validation":
        return texts.DIALOGUES_VALIDATED
    return texts.UNFAIR


# estimate


def write_estimate(estimate: Estimate, *, active: Sequence[str] = ()) -> str:
    """Time and memory before the start."""
    missing = estimate.extraction_seconds
    rows = [
        (texts.TRAINING, texts.say_training_time(say_time(estimate.seconds_likely), say_time(estimate.seconds_most))),
        (texts.FEATURES, texts.say_extraction_time(say_time(missing)) if missing else texts.ALL_EXTRACTED),
        (texts.MEMORY, texts.say_memory(estimate.memory_bytes / 1e9)),
    ]
    body = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    busy = f'<p class="mm-note">{escape(texts.say_busy(", ".join(active)))}</p>' if active else ""
    return f'<dl class="mm-estimate" aria-label="{texts.ESTIMATE}">{body}</dl>{busy}'


def name_units(units: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{unit} {UNITS[unit].name}", unit) for unit in units]
