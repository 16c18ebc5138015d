"""Which runs of an experiment never learnt: a mean over them and the others tells of neither.

A run counts as one that stopped before learning when its lowest validation loss came in one of its first epochs and it is right no more
often than chance would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer.errors import DataError
from mmer.experiments.folder.runs import RunFolder
from mmer.scores.scores import score_runs

Run = tuple[int, int]  # fold and repetition, from 0
FIRST_EPOCHS = 2  # whose weights are hardly more than the random ones that a run begins with
MOST_NAMED = 5  # runs that a sentence names


@dataclass(frozen=True)
class Learning:
    """What became of an experiment's finished runs."""

    runs: int = 0  # finished ones
    unlearnt: tuple[Run, ...] = ()  # stopped before learning
    diverged: tuple[Run, ...] = ()  # never had a finite validation loss

    @property
    def sentence(self) -> str:
        """ "7 of 10 runs stopped before learning: ..."; "" when all learnt."""
        if not self.unlearnt:
            return ""
        whose, them = ("their", "them") if len(self.unlearnt) > 1 else ("its", "it")
        return (
            f"{self.short}: {whose} lowest validation loss came in epoch 1 or {FIRST_EPOCHS} and {whose} UA is at chance "
            f"({name_runs(self.unlearnt)}). The means hold {them} too, so they understate what a run that learns can do. "
            f"More data, or more steps before patience counts (--min-steps), may let {them} learn."
        )

    @property
    def short(self) -> str:
        """ "7 of 10 runs stopped before learning"; "" when all learnt."""
        return f"{len(self.unlearnt)} of {self.runs} runs stopped before learning" if self.unlearnt else ""


def name_runs(runs: Sequence[Run]) -> str:
    """ "fold 1 repetition 2, fold 3 repetition 1 and 5 more": counted from 1."""
    named = ", ".join(f"fold {fold + 1} repetition {repetition + 1}" for fold, repetition in runs[:MOST_NAMED])
    return named + (f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else "")


def find_best_epochs(rows: Iterable[Mapping[str, Any]]) -> dict[Run, int]:
    """Run -> the epoch with the lowest validation loss so far, from metrics.jsonl's rows; 0 where it was never finite."""
    best: dict[Run, tuple[float, int]] = {}
    for row in sorted(rows, key=lambda row: row["epoch"]):
        run, loss = (row["fold"], row["repetition"]), row.get("validation_loss")
        kept = best.setdefault(run, (float("inf"), 0))
        if loss is not None and loss < kept[0]:
            best[run] = (loss, row["epoch"])
    return {run: epoch for run, (_, epoch) in best.items()}


def judge_learning(best_epochs: Mapping[Run, int], scored: Sequence[Mapping[str, Any]]) -> Learning:
    """`best_epochs` is find_best_epochs', `scored` score_runs' answer. A run whose best epoch isn't known is taken to have learnt."""
    runs = {(row["fold"], row["repetition"]): bool(row["at_chance"]) for row in scored}
    unlearnt = tuple(run for run, at_chance in sorted(runs.items()) if at_chance and 1 <= best_epochs.get(run, 0) <= FIRST_EPOCHS)
    return Learning(len(runs), unlearnt, tuple(run for run in sorted(runs) if best_epochs.get(run, 1) == 0))


def read_learning(folder: RunFolder) -> Learning:
    """Of an experiment's folder, finished or not. Raises DataError for damaged files."""
    try:
        scored = score_runs(folder.read_predictions())
    except DataError:
        return Learning()
    return judge_learning(find_best_epochs(folder.read_metrics()), scored)
