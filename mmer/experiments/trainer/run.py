"""One run of an experiment, as the trainer sees it, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmer.datasets.folds import Split
from mmer.experiments.experiment import Experiment, seed_run


@dataclass(frozen=True, eq=False)
class Run:
    """One run of an experiment, as the trainer sees it; rows are indices of the feature set's items."""

    fold: int
    repetition: int
    seed: int  # of initial weights and dropout masks
    train: np.ndarray  # (utterances,) int
    validation: np.ndarray
    test: np.ndarray

    @property
    def name(self) -> str:
        return f"fold{self.fold + 1}-rep{self.repetition + 1}"


def make_run(experiment: Experiment, split: Split, position: Mapping[int, int]) -> Run:
    """`position` tells where an utterance of the data set stands among the items; utterances without features are left out."""
    train, validation, test = (
        np.array([position[i] for i in part if i in position], np.int64) for part in (split.train, split.validation, split.test)
    )
    return Run(split.fold, split.repetition, seed_run(experiment, split), train, validation, test)


@dataclass
class RunProgress:
    """How far one run has come, and its best epoch."""

    epoch: int = 0  # finished epochs
    best_epoch: int = 0
    best_loss: float = float("inf")
    best_ua: float = 0.0

    def is_over(self, experiment: Experiment, *, steps: int) -> bool:
        """Whether the run ends here. `steps` are those of the optimiser in one of its epochs."""
        out_of_patience = self.epoch - self.best_epoch >= experiment.patience and self.epoch * steps >= experiment.min_steps
        return self.epoch >= experiment.epochs or out_of_patience


@dataclass(frozen=True)
class EpochOfRun:
    """The figures of one run's epoch, as they are reported while it trains."""

    fold: int
    repetition: int
    epoch: int
    loss: float  # mean over its batches
    validation_loss: float
    validation_ua: float


ProgressByRun = Mapping[str, RunProgress]  # a run's name -> where it stands
