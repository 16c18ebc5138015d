"""An experiment's folder -> what a page shows of it: state, folds' progress, curves, scores so far, last words. Read anew at every look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_list import summarise_run
from mmer.experiments.folder.run_status import read_status
from mmer.experiments.folder.runs import LOG, METRICS, PARTS, PREDICTIONS, RunFolder
from mmer.experiments.remaining import count_least_epochs, count_steps, guess_epochs, guess_epochs_left
from mmer.experiments.report.learning import find_best_epochs, judge_learning
from mmer.experiments.report.overview import FoldProgress, RunSummary, RunView
from mmer.scores.scores import score_runs

LOG_LINES = 200
WATCHED = ("status.json", LOG)  # change all the time
LEARNED = (METRICS, PARTS, PREDICTIONS, "results.json", "config.json", "data.json")  # change with every epoch or run


def read_view(folder: RunFolder, *, recorded: bool = False) -> RunView:
    """Raises nothing for a broken folder: it is shown with its reason."""
    summary = summarise_run(folder)
    if summary.problem:
        return RunView(summary, recorded, log=_read_log(folder))
    try:
        return _read_all(folder, summary, recorded)
    except (DataError, KeyError, TypeError, AttributeError) as error:
        problem = (
            str(error) if isinstance(error, DataError) else f"A document in {folder.path} is damaged ({error!r}); delete the experiment."
        )
        return RunView(replace(summary, problem=problem), recorded, log=_read_log(folder))


def _read_all(folder: RunFolder, summary: RunSummary, recorded: bool) -> RunView:
    experiment, rows = folder.read_experiment(), folder.read_metrics()
    results = folder.read("results") if folder.has("results") else {}
    scored: list[dict[str, Any]] = []
    if (folder.path / PREDICTIONS).exists() or any((folder.path / PARTS).glob("[!.]*.parquet")):
        scored = score_runs(folder.read_predictions())
    splits = folder.read("splits") if folder.has("splits") else []
    leakage = folder.read("leakage") if folder.has("leakage") else {}
    return RunView(
        summary,
        recorded,
        experiment,
        folder.read("data") if folder.has("data") else {},
        leakage.get("summary", []),
        next((report["unknown"] for report in leakage.get("reports", [])), {}),
        folder.read("environment") if folder.has("environment") else {},
        measure_folds(splits, rows, scored, experiment),
        rows,
        scored,
        results.get("summary"),
        results.get("runs", []),
        _read_log(folder),
        any((folder.path / "heads").glob("fold*")),
        judge_learning(find_best_epochs(rows), scored),
    )


def _read_log(folder: RunFolder) -> tuple[str, ...]:
    try:
        return folder.tail_log(LOG_LINES)
    except DataError:
        return ()


def measure_folds(
    splits: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], scored: Sequence[Mapping[str, Any]], experiment: Experiment
) -> tuple[FoldProgress, ...]:
    """Progress of each fold of splits.json, from the metrics and the scores of finished runs."""
    reached: dict[tuple[int, int], int] = {}
    best: dict[tuple[int, int], float] = {}
    for row in rows:
        run = (row["fold"], row["repetition"])
        reached[run] = max(reached.get(run, 0), row["epoch"])
        best[run] = max(best.get(run, 0.0), row["validation_ua"] or 0.0)
    done = {(run["fold"], run["repetition"]): run["ua"] for run in scored}
    lowest, finished = find_best_epochs(rows), [reached.get(run, 0) for run in done]

    def share(split: Mapping[str, Any]) -> float:
        run = (split["fold"], split["repetition"])
        if run in done:
            return 1.0
        least = count_least_epochs(experiment.min_steps, count_steps(len(split["train"]), experiment.batch_size))
        usual = guess_epochs(finished, least=least, most=experiment.epochs)
        bounds: dict[str, Any] = {"patience": experiment.patience, "least": least, "most": experiment.epochs, "usual": usual}
        epoch = reached.get(run, 0)
        return epoch / (epoch + guess_epochs_left(epoch, lowest.get(run, 0), **bounds))

    found = []
    for fold in sorted({split["fold"] for split in splits}):
        own = [(split["fold"], split["repetition"]) for split in splits if split["fold"] == fold]
        shares = [share(split) for split in splits if split["fold"] == fold]
        name = next(split["name"] for split in splits if split["fold"] == fold)
        validation = [best[run] for run in own if run in best]
        tested = [done[run] for run in own if run in done]
        found.append(
            FoldProgress(
                fold,
                name,
                len(own),
                len(tested),
                max((reached.get(run, 0) for run in own), default=0),
                float(np.mean(shares)),
                float(np.median(validation)) if validation else None,
                float(np.mean(tested)) if tested else None,
            )
        )
    return tuple(found)


def sign_folder(folder: RunFolder) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """(of what changes all the time, of what changes with learning): equal as long as a page need not be drawn again."""
    state = ""
    with suppress(DataError):
        state = read_status(folder).state  # may change without any file: a process that is gone
    watched, learned = (tuple(_stamp(folder, name) for name in names) for names in (WATCHED, LEARNED))
    return (folder.path, state, *watched), (folder.path, state, *learned)


def _stamp(folder: RunFolder, name: str) -> tuple[int, int]:
    try:
        found = (folder.path / name).stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size
