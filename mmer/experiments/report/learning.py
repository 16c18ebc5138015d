"""Which runs of an experiment never learnt: a mean over them and the others tells of neither.

A run is at chance when its UA on the part that judges it (its test part; its validation part where a head is chosen) is no higher than
guessing reaches. It counts as one that stopped before learning when, besides, its lowest validation loss came in one of its first epochs;
one that trained longer and is at chance all the same is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer.phrasing import say_count
from mmer.scores.scores import CHANCE_DEVIATIONS

Run = tuple[int, int]  # fold and repetition, from 0
FIRST_EPOCHS = 2  # whose weights are hardly more than the random ones that a run begins with
MOST_NAMED = 5  # runs that a sentence names
CHANCE_RULE = (
    "At chance means: the UA on the run's test part is no higher than guessing gets "
    f"(1 / emotions, plus {CHANCE_DEVIATIONS} standard errors)."
)


@dataclass(frozen=True)
class LearningReport:
    """What became of an experiment's finished runs. Each run is in one of the three at most."""

    runs: int = 0  # finished ones
    unlearnt: tuple[Run, ...] = ()  # stopped before learning
    diverged: tuple[Run, ...] = ()  # never had a finite validation loss
    at_chance: tuple[Run, ...] = ()  # trained longer, and ended no better than chance

    @property
    def failed(self) -> tuple[Run, ...]:
        """Every run that learnt nothing, as far as its part of the data tells."""
        return tuple(sorted({*self.unlearnt, *self.diverged, *self.at_chance}))

    @property
    def sentence(self) -> str:
        """ "7 of 10 runs stopped before learning, and 2 more ended no better than chance: ..."; "" when all learnt."""
        if not self.short:
            return ""
        one = len(self.unlearnt) + len(self.at_chance) == 1
        whose, them = ("its", "it") if one else ("their", "them")
        parts = []
        if self.unlearnt:
            parts.append(
                f"{whose} lowest validation loss came in epoch 1 or {FIRST_EPOCHS} and {whose} UA is at chance ({name_runs(self.unlearnt)})"
            )
        if self.at_chance:
            others = "the others trained longer" if self.unlearnt else f"{'it' if one else 'they'} trained longer"
            parts.append(f"{others}, to a UA at chance ({name_runs(self.at_chance)})")
        mend = f" More data, or more steps before patience counts (--min-steps), may let {them} learn." if self.unlearnt else ""
        return (
            f"{self.short}: {'; '.join(parts)}. {CHANCE_RULE} The means hold {them} too, so they understate what a run that learns can do."
            f"{mend}"
        )

    @property
    def short(self) -> str:
        """ "7 of 10 runs stopped before learning, and 2 more ended no better than chance"; "" when all learnt."""
        if not self.unlearnt:
            return f"{len(self.at_chance)} of {say_count(self.runs, 'run')} ended no better than chance" if self.at_chance else ""
        more = f", and {len(self.at_chance)} more ended no better than chance" if self.at_chance else ""
        return f"{len(self.unlearnt)} of {say_count(self.runs, 'run')} stopped before learning{more}"


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


def judge_learning(best_epochs: Mapping[Run, int], scored: Sequence[Mapping[str, Any]]) -> LearningReport:
    """`best_epochs` is find_best_epochs', `scored` score_runs' answer. A run whose best epoch isn't known is taken to have learnt."""
    runs = {(row["fold"], row["repetition"]): bool(row["at_chance"]) for row in scored}
    chance = [run for run, at_chance in sorted(runs.items()) if at_chance]
    unlearnt = tuple(run for run in chance if 1 <= best_epochs.get(run, 0) <= FIRST_EPOCHS)
    diverged = tuple(run for run in sorted(runs) if best_epochs.get(run, 1) == 0)
    return LearningReport(len(runs), unlearnt, diverged, tuple(run for run in chance if best_epochs.get(run, 0) > FIRST_EPOCHS))
