"""What all runs read in an epoch, or to predict, as arrays that are made before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmer.experiments.trainer.visits import scramble_keys, visit_epoch


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """Steps of all runs: visits.py's, or those of a prediction."""

    rows: np.ndarray  # (steps, runs, batch) int64, -1 where a batch is shorter, all along where a run has none

    @property
    def active(self) -> np.ndarray:
        """(steps, runs) bool: whether a run has a batch."""
        found: np.ndarray = np.any(self.rows >= 0, axis=2)
        return found

    def weigh(self) -> np.ndarray:
        """(steps, runs, batch) float32: each example's share in its batch's mean; 0 where there is none."""
        real = self.rows >= 0
        shares: np.ndarray = real / np.maximum(real.sum(2, keepdims=True), 1)
        return shares.astype(np.float32)

    def find_longest(self, lengths: np.ndarray) -> int:
        """The step that takes most memory, from the examples' lengths."""
        most = np.where(self.rows >= 0, lengths[self.rows], 0).max((1, 2)) * (self.rows >= 0).sum((1, 2)).clip(1)
        return int(most.argmax())


def plan_training(masks: Sequence[np.ndarray], lengths: np.ndarray, *, seed: int, epoch: int, size: int, chunk: int) -> EpochPlan:
    """The steps of visit_epoch; `masks` holds one (examples,) bool per run."""
    steps = list(visit_epoch(masks, lengths, seed=seed, epoch=epoch, size=size, chunk=chunk))
    width = max((len(batch) for step in steps for batch in step if batch is not None), default=1)
    rows = np.full((len(steps), len(masks), width), -1, np.int64)
    for number, step in enumerate(steps):
        for run, batch in enumerate(step):
            if batch is not None:
                rows[number, run, : len(batch)] = batch
    return EpochPlan(rows)


def plan_prediction(wanted: Mapping[int, np.ndarray], lengths: np.ndarray, *, runs: int, size: int) -> EpochPlan:
    """Every run's rows (run -> rows), the shortest first, `size` at a step."""
    steps = max(1, -(-max((len(rows) for rows in wanted.values()), default=0) // size))
    rows = np.full((runs, steps * size), -1, np.int64)
    for run, own in wanted.items():
        rows[run, : len(own)] = own[np.argsort(lengths[own], kind="stable")]
    return EpochPlan(np.ascontiguousarray(rows.reshape(runs, steps, size).transpose(1, 0, 2)))


def plan_keys(seeds: np.ndarray, before: np.ndarray, active: np.ndarray, sites: int) -> np.ndarray:
    """The dropout keys of an epoch, (steps, runs, sites) int32, for runs that took `before` steps until now."""
    counts = before + np.cumsum(active, 0)  # (steps, runs)
    keys = scramble_keys(np.tile(seeds, len(counts)), counts.flatten(), sites)
    return keys.reshape(*counts.shape, sites)
