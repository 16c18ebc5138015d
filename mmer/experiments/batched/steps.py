"""The steps and predictions of a stack's runs as one batch, from packed features. Nothing is read back from the device during an epoch.

A step is computed for all runs at once, or where its memory does not allow that, for groups of runs one after the other: their gradients
are rows of one matrix, which one step of Adam follows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmer.errors import DataError
from mmer.experiments.batched.adam import AdamRates, AdamState, clip_and_step
from mmer.experiments.batched.forms import Form, RunInputs, RunModels, RunOutputs
from mmer.experiments.batched.layer_mix import Normals
from mmer.experiments.batched.numerics import Memory, count_runs_at_once, fix_numerics
from mmer.experiments.batched.packed_features import PackedFeatures, StepFeatures
from mmer.experiments.batched.plan import EpochPlan, plan_keys, plan_prediction, plan_training
from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.layout import ParameterLayout
from mmer.experiments.trainer.outputs import EVALUATED, Outputs, make_outputs
from mmer.experiments.trainer.run import Run
from mmer.experiments.trainer.visits import mark
from mmer.fusion import TEXT
from mmer.heads.config import HeadConfig
from mmer.heads.normalisation import Normalisation

ROWS_ARE_VIEWS = "grad and param do not obey the gradient layout contract"  # PyTorch says so of gradients that are columns of a matrix
ATTENTION_MULTIPLE = 16  # segments to which attention is padded on a GPU, whose fused kernels read masks in such steps


class TrainedRuns(Protocol):
    """What steps need of a Stack: its runs, and the rows of its matrices, one a run."""

    experiment: Experiment
    runs: list[Run]
    head: HeadConfig
    layout: ParameterLayout
    skeleton: nn.Module
    flat: Tensor  # (runs, parameters) float32, as are the next three
    grad: Tensor
    first: Tensor
    second: Tensor
    steps: np.ndarray  # (runs,) how many each run has taken

    def autocast(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, eq=False)
class StepBatch:
    """One step of all runs on the device."""

    features: StepFeatures
    normals: Mapping[str, Normals]
    keys: Tensor  # (runs, sites) int32
    target: Tensor  # (runs, batch) int64
    share: Tensor  # (runs, batch) float32


def measure_losses(experiment: Experiment, outputs: RunOutputs, step: StepBatch, runs: slice) -> Tensor:
    """Stack.measure's losses of these runs, (some runs,), by operations that PyTorch repeats bit by bit on CUDA: NLLLoss is none."""
    classes = outputs.logits.shape[-1]
    wanted = (step.target[runs, :, None] == torch.arange(classes, device=step.target.device)).float()  # (some runs, batch, classes)
    wanted = wanted * (1 - experiment.label_smoothing) + experiment.label_smoothing / classes

    def compare(logits: Tensor, share: Tensor) -> Tensor:
        return -(F.log_softmax(logits.float(), -1) * wanted).sum(-1).mul(share).sum(-1)

    share = step.share[runs]
    loss = compare(outputs.logits, share)
    for unit, own in outputs.branch_logits.items() if experiment.branch_loss else ():
        present = step.features.units[unit].counts[runs] > 0
        loss = loss + experiment.branch_loss * compare(own, share * present)
    return loss


@dataclass(eq=False)
class BatchedSteps:
    """What a Stack that has it leaves to it: epochs and predictions."""

    features: PackedFeatures
    form: Form
    device: str
    kernels: bool = False
    memory: Memory | None = None  # None: all runs at once, unless memory runs out
    at_once: int | None = None  # runs that a step computes at once; None until it was measured
    multiple: int = 1  # segments to which batches are padded
    tied: tuple[Tensor, Tensor, dict[tuple[int, int], Mapping[str, Tensor]]] | None = None  # of find_leaves

    def train_epoch(
        self,
        stack: TrainedRuns,
        normalisations: Sequence[Normalisation | None],
        lengths: np.ndarray,
        labels: np.ndarray,
        *,
        epoch: int,
        rows: Sequence[np.ndarray],
        report: Callable[[int], None],
    ) -> Tensor:
        """As Stack.train_epoch; the losses (runs,) are still on the device, so that nothing waits for them."""
        experiment = stack.experiment
        sizes = {"size": experiment.batch_size, "chunk": experiment.chunk}
        plan = plan_training([mark(own, len(labels)) for own in rows], lengths, seed=experiment.seed, epoch=epoch, **sizes)
        rates = AdamRates.plan(experiment, stack.steps, plan.active, self.device)
        seeds = np.array([run.seed for run in stack.runs])
        keys = self.send(plan_keys(seeds, stack.steps, plan.active, stack.layout.sites))
        target, share = self.send(labels[plan.rows]), self.send(plan.weigh())
        stack.steps += plan.active.sum(0)
        normals = self.collect_normals(stack, normalisations)
        state = AdamState(stack.flat, stack.grad, stack.first, stack.second, stack.layout.mixes)
        total = torch.zeros(len(stack.runs), device=self.device)
        with fix_numerics(self.device, experiment.choose_precision(self.device)), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=ROWS_ARE_VIEWS)
            if self.at_once is None:
                self.measure_step(stack, plan, lengths, normals, keys, target, share)
            for number, features in enumerate(self.features.read_steps(plan.rows, multiple=self.multiple)):
                step = StepBatch(features, normals, keys[number], target[number], share[number])
                total += self.cut(len(stack.runs), partial(self.backpropagate, stack, step))
                clip_and_step(state, rates, number, experiment, kernels=self.kernels)
                report(number + 1)
        self.tied = None  # the matrices that it holds may be replaced before the next epoch
        return total / self.send(np.maximum(plan.active.sum(0), 1))

    def send(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def collect_normals(self, stack: TrainedRuns, normalisations: Sequence[Normalisation | None]) -> dict[str, Normals]:
        """Each run's own: that of its fold for speech, none for text."""
        found = {}
        for unit, listed in self.features.entries.items():
            shape, used = (listed.layers, listed.dim), [None if unit == TEXT else normalisations[run.fold] for run in stack.runs]
            means = [np.zeros(shape, np.float32) if own is None else own.mean for own in used]
            inverses = [np.ones(shape, np.float32) if own is None else (1 / own.deviation).astype(np.float32) for own in used]
            found[unit] = Normals(self.send(np.stack(means)), self.send(np.stack(inverses)))
        return found

    def cut(self, runs: int, compute: Callable[[slice], Tensor]) -> Tensor:
        """compute() for groups of as many runs as fit, joined. Out of memory, groups are halved, for all steps to come."""
        while True:
            size = self.at_once or runs
            try:
                return torch.cat([compute(slice(start, min(start + size, runs))) for start in range(0, runs, size)])
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise DataError(
                        "The memory of the GPU does not hold one step of one run: set a smaller batch size, fewer units, or less time read."
                    ) from error
            self.at_once = -(-size // 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def measure_step(
        self,
        stack: TrainedRuns,
        plan: EpochPlan,
        lengths: np.ndarray,
        normals: Mapping[str, Normals],
        keys: Tensor,
        target: Tensor,
        share: Tensor,
    ) -> None:
        """Chooses how many runs are computed at once: one run's longest step is tried, and its memory measured."""
        if self.memory is None:
            self.at_once = len(stack.runs)
            return
        longest = plan.find_longest(lengths)
        (features,) = self.features.read_steps(plan.rows[longest : longest + 1], multiple=self.multiple)
        step = StepBatch(features, normals, keys[longest], target[longest], share[longest])
        self.memory.start_measuring()
        self.at_once = 1
        self.cut(1, partial(self.backpropagate, stack, step))
        self.at_once = count_runs_at_once(len(stack.runs), peak=self.memory.read_peak(), free=self.memory.count_free())

    def backpropagate(self, stack: TrainedRuns, step: StepBatch, runs: slice) -> Tensor:
        """The losses of these runs, (some runs,); their gradients are in their rows of stack.grad afterwards."""
        leaves = self.find_leaves(stack, runs)
        stack.grad[runs].zero_()  # what a loss does not depend on has no gradient
        keys = {name: step.keys[runs, site].contiguous() for site, name in enumerate(stack.layout.keys)}
        with stack.autocast():
            outputs = self.compute(stack, leaves, step.features, step.normals, runs, keys)
        losses = measure_losses(stack.experiment, outputs, step, runs)
        losses.sum().backward()  # type: ignore[no-untyped-call]  # of torch
        return losses.detach()

    def find_leaves(self, stack: TrainedRuns, runs: slice) -> Mapping[str, Tensor]:
        """The parameters of these runs, whose gradients are added to views of stack.grad. Made once: many small calls."""
        if self.tied is None or self.tied[0] is not stack.flat or self.tied[1] is not stack.grad:
            self.tied = stack.flat, stack.grad, {}
        held = self.tied[2]
        if (runs.start, runs.stop) not in held:
            leaves = stack.layout.view_rows(stack.flat[runs])
            for name, leaf in leaves.items():
                leaf.grad = stack.grad[runs, stack.layout.slices[name]].view(leaf.shape)
            held[runs.start, runs.stop] = leaves
        return held[runs.start, runs.stop]

    def compute(
        self,
        stack: TrainedRuns,
        parameters: Mapping[str, Tensor],
        features: StepFeatures,
        normals: Mapping[str, Normals],
        runs: slice,
        keys: Mapping[str, Tensor] | None,
    ) -> RunOutputs:
        models = RunModels(stack.head, parameters, keys, stack.skeleton, self.kernels)
        units = {unit: batch.slice(runs) for unit, batch in features.units.items()}
        return self.form(models, RunInputs(units, {unit: own.slice(runs) for unit, own in normals.items()}, features.gaps))

    @torch.no_grad()
    def predict(
        self,
        stack: TrainedRuns,
        normalisations: Sequence[Normalisation | None],
        wanted: Mapping[int, np.ndarray],
        lengths: np.ndarray,
        labels: np.ndarray,
    ) -> dict[int, Outputs]:
        """As Stack.predict: logits stay on the device until the last step, and are then read at once. In single precision, without TF32."""
        plan = plan_prediction(wanted, lengths, runs=len(stack.runs), size=EVALUATED)
        normals = self.collect_normals(stack, normalisations)
        parameters = {name: own.detach() for name, own in stack.layout.view_rows(stack.flat).items()}
        names: list[str | None] = []
        logits: list[Tensor] = []  # of a step (runs, batch, outputs, classes)

        def evaluate(features: StepFeatures, runs: slice) -> Tensor:
            own = {name: values[runs] for name, values in parameters.items()}
            outputs = self.compute(stack, own, features, normals, runs, None)
            names[:] = [None, *outputs.branch_logits]
            return torch.stack([outputs.logits, *outputs.branch_logits.values()], 2)

        with fix_numerics(self.device, "float32"):
            for features in self.features.read_steps(plan.rows, multiple=self.multiple):
                logits.append(self.cut(len(stack.runs), partial(evaluate, features)))
        read = torch.cat(logits, 1).float().cpu().numpy()  # (runs, steps * batch, outputs, classes)
        found = {}
        for run, rows in wanted.items():
            place = np.argsort(np.argsort(lengths[rows], kind="stable"), kind="stable")  # where plan_prediction put each row
            by_name = {name: np.ascontiguousarray(read[run, place, i]) for i, name in enumerate(names)}
            found[run] = make_outputs(labels[rows], by_name, len(stack.head.classes))
        return found
