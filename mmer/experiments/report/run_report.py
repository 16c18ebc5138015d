"""Experiments as plain text: the list, one experiment's page, two beside each other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmer.choices.emotions import EMOTIONS
from mmer.choices.units import UNITS
from mmer.datasets.leakage import format_leakage
from mmer.errors import DataError
from mmer.experiments.choosing import read_learning
from mmer.experiments.folder.run_progress import RunStatus
from mmer.experiments.folder.run_status import read_status
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.report.learning import name_runs
from mmer.experiments.report.overview import RunSummary
from mmer.phrasing import say_count, say_layer_rate, say_time
from mmer.scores import comparison
from mmer.scores.comparison import OTHER_VALIDATION
from mmer.scores.scores import score_runs, summarise


def format_list(runs: Sequence[RunSummary], *, root: str) -> str:
    """A line per experiment."""
    if not runs:
        return f"There are no experiments in {root}.\n"
    rows = [("experiment", "state", "UA", "model", "data", "last sign of life")]
    for run in runs:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.changed))
        if run.problem:
            rows.append((run.name, "broken", "", run.problem, "", when))
        else:
            model = f"{run.title} ({run.preset})"
            state = ", ".join(filter(None, (format_state(run.status), run.learning)))
            rows.append((run.name, state, _show(run.ua), model, run.data, when))
    return format_rows(rows)


def format_state(status: RunStatus) -> str:
    """ "running, 3 of 25 runs, 12 %"."""
    if not status.active:
        return status.state
    facts = [status.state]
    if status.runs:
        facts.append(f"{status.runs_finished} of {say_count(status.runs, 'run')}")
    facts.append(f"{status.done:.0%}")
    if status.seconds_left is not None:
        facts.append(f"{say_time(status.seconds_left)} left")
    return ", ".join(facts)


def format_run(folder: RunFolder) -> str:
    """State, scores per fold, what the layers weigh, confusion."""
    experiment, status = folder.read_experiment(), read_status(folder)
    parts = [f"{folder.name}: {experiment.title}, preset {experiment.preset}, {format_state(status)}\n"]
    if folder.has("data"):
        data = folder.read("data")
        partial = data.get("partial", []) if len(experiment.units) > 1 else []  # a model of one unit reads none in part
        lacking = f", {len(partial)} lack some of {', '.join(experiment.units)}" if partial else ""
        size = (
            f"{say_count(data['utterances'], 'utterance')} of {say_count(data['speakers'], 'speaker')}, "
            f"{len(data['excluded'])} left out{lacking}"
        )
        parts.append(f"{data['name']}: {size}\n" + "".join(f"! {sentence}\n" for sentence in data.get("warnings", ())))
    if status.message:
        parts.append(f"{status.message}\n")
    if status.last_words:
        parts.append("The last lines of its log:\n" + "".join(f"  {line}\n" for line in status.last_words))
    try:
        predictions = folder.read_predictions()
    except DataError as error:
        return "\n".join([*parts, f"{error}\n"])
    summary = folder.read("results")["summary"] if folder.has("results") else summarise(predictions)
    learning, whole = read_learning(folder), len(folder.read("splits")) if folder.has("splits") else None
    parts += [
        format_folds(score_runs(predictions)),
        format_summary(summary, runs=whole),
    ]
    parts += [f"! {learning.sentence}\n" if learning.short else "", format_confusion(summary["confusion"])]
    if folder.has("results"):
        parts.append(format_layers(folder.read("results")["runs"], rate=experiment.layer_rate))
        parts.append(format_diverged(folder.read("results")["runs"]))
    if folder.has("leakage"):
        parts.append(format_leakage(folder.read("leakage")) + "\n")
    return "\n".join(part for part in parts if part)


def format_diverged(runs: Sequence[Mapping[str, Any]]) -> str:
    names = [(run["fold"], run["repetition"]) for run in runs if run.get("validation_loss") is None]
    if not names:
        return ""
    return (
        f"{len(names)} of {say_count(len(runs), 'run')} had no finite validation loss: untrained, but part of the means "
        f"({name_runs(names)}). Lower the learning rate.\n"
    )


def format_folds(runs: Sequence[Mapping[str, Any]]) -> str:
    rows: list[tuple[str, ...]] = [("fold", "runs", "UA", "WA", "macro F1", "UA of the repetitions")]
    for fold in sorted({run["fold"] for run in runs}):
        own = [run for run in runs if run["fold"] == fold]
        means = (_show(np.mean([run[name] for run in own])) for name in ("ua", "wa", "macro_f1"))
        rows.append((str(fold + 1), str(len(own)), *means, " ".join(_show(run["ua"]) for run in own)))
    return format_rows(rows)


def format_summary(summary: Mapping[str, Any], *, runs: int | None = None) -> str:
    """`runs`: how many the experiment has in all."""
    over = f"{summary['runs']} of {say_count(runs, 'run')}" if runs else "runs"
    text = f"UA {_show(summary['ua'])}, WA {_show(summary['wa'])}, macro F1 {_show(summary['macro_f1'])}, means over {over}"
    spread = [f"{_show(summary[f'ua_over_{what}_sd'])} over {what}" for what in ("folds", "repetitions") if summary[f"ua_over_{what}_sd"]]
    text += f"; the UA's standard deviation: {', '.join(spread)}" if spread else ""
    interval = summary.get("interval")
    if interval:
        by = f"{interval['level']:.0%} interval of the pooled UA by {interval['of'].removesuffix('s')}"
        text += f"; {by}: {_show(interval['low'])} to {_show(interval['high'])}"
    return text + "\n"


def format_confusion(confusion: Mapping[str, Any]) -> str:
    classes = confusion.get("classes", EMOTIONS)  # which the first releases did not write
    rows = [("is / said", *classes)]
    never = [not sum(counts) for counts in confusion["counts"]]
    rows += [(name, *("–" if none else f"{share:.1%}" for share in row)) for name, row, none in zip(classes, confusion["rows"], never)]
    return format_rows(rows)


def format_layers(runs: Sequence[Mapping[str, Any]], *, rate: float = 1.0) -> str:
    """Equation 1's normalised layer weights per unit: mean and standard deviation over runs. `rate`: how fast they learned."""
    units = [unit for unit in UNITS if runs and unit in runs[0].get("layer_weights", {})]
    text = ""
    for unit in units:
        weights = np.array([run["layer_weights"][unit]["normalised"] for run in runs])
        note = "  ".join(f"{mean:.3f}±{spread:.3f}" for mean, spread in zip(weights.mean(0), weights.std(0)))
        text += f"{unit} ({UNITS[unit].name}): {note}\n"
    note = say_layer_rate(rate)
    return f"Layer weights, first to last:\n{text}{note}{chr(10) if note else ''}" if text else ""


def format_comparison(found: Mapping[str, Any]) -> str:
    """What scores.compare found: the effect and each fold's first, then the test."""
    first, second = found["names"]
    ua, interval = found["ua"], found["interval"]
    text = f"Pooled UA: {first} {_show(ua[0])}, {second} {_show(ua[1])}, difference {found['difference']:+.3f}"
    if interval:
        text += f" ({interval['level']:.0%} interval by {found['of'][:-1]} {interval['low']:+.3f} to {interval['high']:+.3f})"
    rows = [("", first, second, "difference")]
    rows += [(fold["value"], *map(_show, fold["ua"]), f"{fold['difference']:+.3f}") for fold in found["per_fold"]]
    sentences = [comparison.word_folds(found), comparison.word_pairing(found), comparison.word_test(found), comparison.word_cover(found)]
    if not found["same_validation"]:
        sentences.append(OTHER_VALIDATION)
    return f"{text}\n{format_rows(rows)}" + "".join(f"{sentence}\n" for sentence in sentences if sentence)


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n" for row in rows)


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
