"""One model and examples -> its logits, computed from features that are loaded as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.blocks import Block, FeatureLoader
from mmer.experiments.trainer.outputs import EVALUATED, Outputs
from mmer.experiments.trainer.pairing import PairedExample
from mmer.feature_store.cache import FeatureCache
from mmer.heads.config import HeadConfig
from mmer.heads.head import Head
from mmer.heads.normalisation import Normalisation

MAX_SECONDS = 300.0  # of sound: all of it


class ModelReader:
    """Lets one model read examples whole, as its head will: every frame, normalised."""

    def __init__(self, config: HeadConfig, model: nn.Module, normalisation: Normalisation | None, cache: FeatureCache):
        self.model, self.normalisation = model, normalisation
        sizes = {unit: (config.count_layers(unit), config.width(unit)) for unit in config.units}
        self.loader = FeatureLoader(cache, (), config.units, max_seconds=MAX_SECONDS, budget=0, sizes=sizes)

    @classmethod
    def of(cls, head: Head, cache: FeatureCache) -> ModelReader:
        return cls(head.config, head.model, head.normalisation, cache)

    @torch.no_grad()
    def predict(self, examples: Sequence[PairedExample]) -> Outputs:
        """Logits of the sum and of each branch, in the order of the examples."""
        self.model.eval()
        self.loader.show(examples)
        order = np.argsort(self.loader.measure_lengths(), kind="stable")
        found: dict[str | None, np.ndarray] = {}
        for start in range(0, len(order), EVALUATED):
            rows = order[start : start + EVALUATED]
            blocks = {unit: self.loader.build_block(rows, unit, self.normalisation) for unit in self.loader.units}
            output = self.model({u: widen(b) for u, b in blocks.items()}, {u: b.mask for u, b in blocks.items()})
            for unit, logits in {None: output.logits, **(output.branch_logits or {})}.items():
                found.setdefault(unit, np.zeros((len(examples), logits.shape[1]), np.float32))[rows] = logits.float().numpy()
        logits = found.pop(None)
        labels = np.array([example.label for example in examples], np.int64)
        return Outputs(labels, logits, {unit: values for unit, values in found.items() if unit is not None})


def widen(block: Block) -> Tensor:
    """(utterances, layers, segments, dim) float32, normalised."""
    return torch.cat([states.transpose(0, 1) for _, states in block.cut_pieces()])


@dataclass(frozen=True, eq=False)
class TrainedRun:
    experiment: Experiment
    config: HeadConfig  # the sizes of the model
    model: nn.Module  # with the weights of the epoch whose validation loss was lowest, in eval()
    normalisation: Normalisation | None  # None when the model reads no speech
    cache: FeatureCache
    validation: tuple[PairedExample, ...]
    history: tuple[dict[str, Any], ...]  # one row per epoch

    def predict(self, examples: Sequence[PairedExample]) -> Outputs:
        return ModelReader(self.config, self.model, self.normalisation, self.cache).predict(examples)
