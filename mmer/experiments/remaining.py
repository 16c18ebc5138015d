"""How long an experiment will take, and how long a run that still trains will probably go on: for estimates and progress bars.

The factor below was read off the 75 recorded RAVDESS runs (assets/runs): past the usual number of epochs, a run that its patience would
end after 1, 2, 3 or 4 more epochs went on for 2.3, 3.6, 5.6 and 7.0 on average, since it may still find a lower loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

EXPECTED_EPOCHS = 15  # of a run, before any is finished
LONGER = 1.75  # times what patience alone would leave


@dataclass(frozen=True)
class Estimate:
    """How long an experiment will probably take, and how much memory, before it is started."""

    seconds_likely: float  # of training, when a run takes as many epochs as most do, at least those that min_steps asks for
    seconds_most: float  # when every run takes all its epochs
    memory_bytes: int  # parameters and moments of the runs trained together, and the features held
    extraction_seconds: float  # before it; 0 when everything is there


def count_steps(utterances: int, batch_size: int) -> int:
    """Optimiser steps of one run's epoch of so many training utterances."""
    return max(1, -(-utterances // batch_size))


def count_least_epochs(min_steps: int, steps: int) -> int:
    """Epochs of `steps` steps that a run takes before patience may end it."""
    return math.ceil(min_steps / max(1, steps))


def guess_epochs(finished: Sequence[int], *, least: int, most: int) -> float:
    """Epochs that a run will take which has not begun: the mean of the finished ones, EXPECTED_EPOCHS before any is."""
    usual = sum(finished) / len(finished) if finished else EXPECTED_EPOCHS
    return max(1.0, min(most, max(usual, least)))


def guess_epochs_left(epoch: float, best_epoch: int, *, patience: int, least: int, most: int, usual: float) -> float:
    """Epochs that a run will still take after `epoch` of them, its lowest validation loss so far in `best_epoch`.

    `usual` is guess_epochs' answer; `least` and `most` are the run's bounds. Never 0: a run that trains has at least a part of an epoch
    before it, and one that goes on longer than others is not almost done because they are.
    """
    sure = max(best_epoch + patience, least) - epoch  # if it finds no lower loss any more
    return max(0.1, min(most - epoch, max(usual - epoch, LONGER * sure)))
