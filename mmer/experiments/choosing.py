"""Which run of an experiment becomes a head, when nobody names one. The test part never chooses.

Each fold's runs are validated on other utterances, and easy ones give low losses: the lowest loss of all folds is often that of the
easiest validation part, not of the best model, and the figures on its card are then those of a lucky run. So the default is the run in
the middle, whose figures are what the experiment gives.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmer.choices.run_choices import CHOICES
from mmer.errors import DataError
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.report.learning import LearningReport, Run, find_best_epochs, judge_learning, name_runs
from mmer.scores.scores import score_runs


def choose_run(losses: Mapping[Run, float], fold: int | None, repetition: int | None, *, of: str, by: str = "median") -> Run:
    """The run at the median of the validation losses (of two in the middle the lower), or with the lowest, of this fold and repetition.

    Raises DataError when there is none, or `by` is no choice.
    """
    if by not in CHOICES:
        raise DataError(f"A run is chosen by {' or '.join(CHOICES)}, not by {by[:40]!r}.")
    found = {run: loss for run, loss in losses.items() if fold in (None, run[0]) and repetition in (None, run[1])}
    if not found:
        wanted = " ".join(f"{what} {n + 1}" for what, n in (("fold", fold), ("repetition", repetition)) if n is not None)
        raise DataError(f"{of} has no finished run of {wanted or 'any fold'}.")
    ranked = sorted(found, key=lambda run: (found[run], run))
    return ranked[(len(ranked) - 1) // 2 if by == "median" else 0]


def keep_learnt(folder: RunFolder, losses: Mapping[Run, float]) -> dict[Run, float]:
    """The losses of the runs that learnt something, as their validation part shows it. Raises DataError when none did."""
    scored = score_runs(folder.read_predictions(), part="validation")
    unlearnt = judge_learning(find_best_epochs(folder.read_metrics()), scored).unlearnt
    kept = {run: loss for run, loss in losses.items() if run not in unlearnt}
    if losses and not kept:
        raise DataError(
            f"{'The only run' if len(losses) == 1 else f'All {len(losses)} runs'} of {folder.name} stopped before learning "
            f"({name_runs(unlearnt)}), so none of them should become a "
            "head: train with more data or more steps (--min-steps). To promote one anyway, name it with --fold and --repetition."
        )
    return kept


def read_learning(folder: RunFolder) -> LearningReport:
    """Of an experiment's folder, finished or not. Raises DataError for damaged files."""
    try:
        scored = score_runs(folder.read_predictions())
    except DataError:
        return LearningReport()
    return judge_learning(find_best_epochs(folder.read_metrics()), scored)
