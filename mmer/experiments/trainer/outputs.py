"""What models say about examples, and how well: their logits, branch by branch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch.nn import functional as F

from mmer.scores.metrics import measure_ua


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model says about examples, in their order."""

    labels: np.ndarray  # (examples,)
    logits: np.ndarray  # (examples, classes)
    branches: dict[str, np.ndarray] = field(default_factory=dict)  # unit -> (examples, classes); empty for early fusion

    def ua(self, unit: str | None = None) -> float:
        """The unweighted accuracy of the sum, or of one branch alone."""
        return measure_ua(self.labels, (self.logits if unit is None else self.branches[unit]).argmax(1))

    def loss(self) -> float:
        """Mean cross entropy in nats."""
        return float(F.cross_entropy(torch.from_numpy(self.logits), torch.from_numpy(self.labels)))


def make_outputs(labels: np.ndarray, logits: dict[str | None, np.ndarray], classes: int) -> Outputs:
    total = logits.pop(None, np.zeros((0, classes), np.float32))
    return Outputs(labels, total, cast(dict[str, np.ndarray], logits))


EVALUATED = 64  # utterances that are evaluated together
