"""What the list of experiments and the page of one show, before anybody draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_progress import RunStatus
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.report.learning import LearningReport


@dataclass(frozen=True)
class RunSummary:
    """A line of the list."""

    name: str
    folder: RunFolder
    status: RunStatus
    title: str = ""  # "T + F + S, late fusion"
    data: str = ""  # the data set's name
    preset: str = ""
    ua: float | None = None  # mean over runs; None before the end
    interval: tuple[float, float] | None = None  # of the pooled UA, by speaker
    learning: str = ""  # "7 of 10 runs stopped before learning"; "" when all learnt, or before the end
    changed: float = 0.0  # unix seconds of the last sign of life
    problem: str = ""  # why the folder can't be read; "" when it can


@dataclass(frozen=True)
class FoldProgress:
    """How far one fold is, over its repetitions."""

    fold: int  # from 0
    name: str  # "session 3" or "fold 3"
    runs: int
    finished: int
    epoch: int  # the furthest of its runs
    share: float  # 0 to 1
    validation_ua: float | None  # best so far of each run, median over them
    ua: float | None  # of the test part, mean over finished runs


@dataclass(frozen=True, eq=False)
class RunView:
    """All that a page shows of an experiment; what isn't there yet is empty."""

    summary: RunSummary
    recorded: bool  # read only
    experiment: Experiment | None = None  # None for a folder that can't be read: summary.problem says why
    data: Mapping[str, Any] = field(default_factory=dict)
    leakage: Sequence[Mapping[str, Any]] = ()  # summarise_leakage's rows
    unknown: Mapping[str, int] = field(default_factory=dict)  # kind -> utterances that could not be compared
    environment: Mapping[str, Any] = field(default_factory=dict)
    folds: tuple[FoldProgress, ...] = ()
    rows: Sequence[Mapping[str, Any]] = ()  # of metrics.jsonl
    finished: Sequence[Mapping[str, Any]] = ()  # score_runs of the runs that are done
    scores: Mapping[str, Any] | None = None  # scores.summarise's answer at the end
    results: Sequence[Mapping[str, Any]] = ()  # runs of results.json
    log: tuple[str, ...] = ()
    has_heads: bool = False
    learning: LearningReport = field(default_factory=LearningReport)  # which of the finished runs learnt nothing

    @property
    def name(self) -> str:
        return self.summary.name

    @property
    def status(self) -> RunStatus:
        return self.summary.status

    @property
    def runs(self) -> int:
        """How many it has in all."""
        return sum(fold.runs for fold in self.folds)

    @property
    def ua(self) -> float | None:
        """Mean over the runs that are finished; None before the first."""
        return float(np.mean([run["ua"] for run in self.finished])) if self.finished else None
