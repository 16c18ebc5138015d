"""Many runs of one model trained together: their parameters are the rows of one matrix, their data is read once.

A step reads the utterances that the runs of a fold visit next, weights their layers for all these runs in one matrix product (Equation 1
is linear in the weights), takes each run's own utterances out of the result, computes what follows run by run or as one stack
(torch.func.vmap), and updates all runs in one call of Adam. A run's result does not depend on which others are trained beside it: its order
is that of visits.py, its dropout masks and initial weights come from its own seed and step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from mmer.experiments.experiment import Experiment, shape_head
from mmer.experiments.trainer.blocks import Block, Buffer, MixedStates
from mmer.experiments.trainer.layout import ParameterLayout, key_dropouts, make_model, set_keys
from mmer.experiments.trainer.outputs import EVALUATED, Outputs, make_outputs
from mmer.experiments.trainer.run import Run
from mmer.experiments.trainer.visits import mark, scramble_keys, visit_epoch
from mmer.fusion import normalise_weights
from mmer.heads.head import build_model
from mmer.heads.normalisation import Normalisation


class BlockSource(Protocol):
    """A FeatureLoader, or what stands in for one."""

    def build_block(
        self, rows: np.ndarray, unit: str, normalisation: Normalisation | None, *, fold: int = 0, buffer: Buffer | None = None
    ) -> Block: ...


class BatchedWay(Protocol):
    """How a stack on a GPU trains and predicts: batched/steps.py."""

    at_once: int | None  # runs that a step computes at once; a checkpoint keeps it, since sums of other sizes have other last bits

    def train_epoch(
        self,
        stack: Stack,
        normalisations: Sequence[Normalisation | None],
        lengths: np.ndarray,
        labels: np.ndarray,
        *,
        epoch: int,
        rows: Sequence[np.ndarray],
        report: Callable[[int], None],
    ) -> Tensor: ...

    def predict(
        self,
        stack: Stack,
        normalisations: Sequence[Normalisation | None],
        wanted: Mapping[int, np.ndarray],
        lengths: np.ndarray,
        labels: np.ndarray,
    ) -> dict[int, Outputs]: ...


class Stack:
    """Parameters, moments and best weights of some runs, and the steps that change them. Methods take runs by their place in `runs`."""

    STATE = ("flat", "best", "first", "second")  # (runs, parameters) float32 each: the weights, the best ones, Adam's moments

    def __init__(
        self, experiment: Experiment, runs: Sequence[Run], *, device: str, stacked: bool, batched: BatchedWay | None = None
    ):  # `batched` computes steps and predictions where it is given, from features of its own
        self.experiment, self.runs, self.device, self.stacked, self.batched = experiment, list(runs), device, stacked, batched
        self.head = shape_head(experiment)
        self.layout = ParameterLayout(build_model(self.head))
        self.flat = torch.empty(len(self.runs), self.layout.size, device=device)
        for row, run in zip(self.flat, self.runs):  # one model at a time: all of them may take more than the host has
            row.copy_(self.layout.flatten(make_model(self.head, run.seed)))
        self.best = self.flat.clone()
        self.first, self.second = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.steps = np.zeros(len(self.runs), np.int64)
        self.block_buffers: defaultdict[tuple[int, str], Buffer] = defaultdict(Buffer)  # (group of a step, unit)
        self._tie()

    def _tie(self) -> None:
        """Makes models, stacked parameters and the optimiser views of the matrices."""
        self.grad = torch.zeros_like(self.flat)
        self.models = [self.layout.view_model(self.head, row, grad) for row, grad in zip(self.flat, self.grad)]
        self.skeleton = key_dropouts(build_model(self.head)).to(self.device).train()  # what vmap calls; its own weights are never read
        mixes = self.layout.mixes
        self.parts = [(row[mixes:].detach(), row[:mixes].detach()) for row in self.flat]  # a run's weights, its layer weights
        rest, layers = [rest for rest, _ in self.parts], [layers for _, layers in self.parts]
        experiment = self.experiment
        alike = [(rest, layers)] if not experiment.warmup_steps else [([r], [own]) for r, own in zip(rest, layers)]
        groups = []  # two for all runs; with a warm-up, which counts each run's own steps, two a run
        for some_rest, some_layers in alike:
            rate = experiment.rate
            groups += [{"params": some_rest, "weight_decay": experiment.weight_decay, "lr": rate, "full_rate": rate}]
            rate *= experiment.layer_rate
            groups += [{"params": some_layers, "weight_decay": 0.0, "lr": rate, "full_rate": rate}]
        self.optimizer = torch.optim.AdamW(groups, lr=experiment.rate, fused=True)
        for run, parts in enumerate(self.parts):
            for part, place in zip(parts, (slice(mixes, None), slice(0, mixes))):
                moments = {"exp_avg": self.first[run, place], "exp_avg_sq": self.second[run, place]}
                self.optimizer.state[part] = {"step": torch.tensor(float(self.steps[run]), device=self.device), **moments}

    def keep(self, runs: Sequence[int]) -> None:
        """Keeps only these runs in the stack."""
        for name in self.STATE:
            setattr(self, name, getattr(self, name)[list(runs)].clone())
        self.steps = self.steps[list(runs)]
        self.runs = [self.runs[run] for run in runs]
        if runs:
            self._tie()

    def get_state(self) -> dict[str, Tensor]:
        return {name: getattr(self, name).cpu() for name in self.STATE} | {"steps": torch.from_numpy(self.steps.copy())}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        for name in self.STATE:
            if state[name].shape != getattr(self, name).shape:
                raise ValueError(f"{name}: {tuple(state[name].shape)} instead of {tuple(getattr(self, name).shape)}")
            setattr(self, name, state[name].to(self.device).clone())
        self.steps = state["steps"].numpy().copy()
        self._tie()

    def keep_best(self, runs: Sequence[int]) -> None:
        """Remembers the present weights of these runs as their best."""
        self.best[list(runs)] = self.flat[list(runs)]

    def take_best(self, run: int) -> nn.Module:
        """The run's model with its best weights, in eval(). The run must not be trained on."""
        self.flat[run] = self.best[run]
        return self.models[run].eval()

    # training

    def train_epoch(
        self,
        loader: BlockSource,
        normalisations: Sequence[Normalisation | None],
        lengths: np.ndarray,
        labels: np.ndarray,
        *,
        epoch: int,
        rows: Sequence[np.ndarray] | None = None,
        report: Callable[[int], None] = lambda steps: None,
    ) -> np.ndarray | Tensor:
        """One epoch of every run; (runs,) the mean loss over its batches, as a tensor on the device where steps are batched.

        `lengths` and `labels` are of what the loader shows, `rows` what each run reads of it, by default its own training utterances.
        `report` hears after every step how many there have been.
        """
        experiment = self.experiment
        wanted = [run.train for run in self.runs] if rows is None else rows
        if self.batched is not None:
            return self.batched.train_epoch(self, normalisations, lengths, labels, epoch=epoch, rows=wanted, report=report)
        masks = [mark(some, len(labels)) for some in wanted]
        sizes = {"size": experiment.batch_size, "chunk": experiment.chunk}
        total, batches = np.zeros(len(self.runs)), np.zeros(len(self.runs))
        for model in self.models:
            model.train()
        for number, step in enumerate(visit_epoch(masks, lengths, seed=experiment.seed, epoch=epoch, **sizes), 1):
            present = [run for run, batch in enumerate(step) if batch is not None]
            losses = self.take_step(loader, normalisations, {run: cast(np.ndarray, step[run]) for run in present}, labels)
            total[present] += losses
            batches[present] += 1
            report(number)
        return total / np.maximum(batches, 1)

    def take_step(
        self, loader: BlockSource, normalisations: Sequence[Normalisation | None], batches: Mapping[int, np.ndarray], labels: np.ndarray
    ) -> np.ndarray:
        """One step of the runs in `batches` (run -> rows); their losses, in that order."""
        self.grad.zero_()
        runs = list(batches)
        self.steps[runs] += 1
        keys = scramble_keys(np.array([self.runs[run].seed for run in runs]), self.steps[runs], self.layout.sites)
        if self.stacked and len(runs) == len(self.runs):
            owns = self.group_runs(runs)
            groups = [self.mix_group(loader, normalisations, own, batches, slot=slot) for slot, own in enumerate(owns)]
            losses = self.step_stacked(groups, batches, labels, keys)
            for group in groups:
                self.write_mix_gradients(group)
        else:
            found: dict[int, Tensor] = {}
            for own in self.group_runs(runs):  # one after the other, so that one fold's block is held at a time
                found |= self.step_singly(self.mix_group(loader, normalisations, own, batches), batches, labels, dict(zip(runs, keys)))
            losses = torch.stack([found[run] for run in runs])
        self.update(runs)
        return losses.cpu().numpy()

    def group_runs(self, runs: Sequence[int]) -> list[list[int]]:
        """The runs of each fold: their speech is normalised alike, and they visit nearly the same utterances at a step."""
        folds = sorted({self.runs[run].fold for run in runs})
        return [[run for run in runs if self.runs[run].fold == fold] for fold in folds]

    def read_group(
        self,
        loader: BlockSource,
        normalisations: Sequence[Normalisation | None],
        group: Sequence[int],
        batches: Mapping[int, np.ndarray],
        *,
        slot: int = 0,
    ) -> MixedStates:
        """The utterances of all runs of a group, read once. Groups that are held at the same time need slots of their own."""
        union = np.unique(np.concatenate([batches[run] for run in group]))
        places = [torch.from_numpy(np.searchsorted(union, batches[run])).to(self.device) for run in group]
        fold = self.runs[group[0]].fold
        build = partial(loader.build_block, union, normalisation=normalisations[fold], fold=fold)
        blocks = {unit: build(unit, buffer=self.block_buffers[slot, unit]) for unit in self.experiment.units}
        weights = {unit: normalise_weights(self.flat[:, self.layout.mix_slices[unit]][list(group)]) for unit in blocks}
        return MixedStates(list(group), places, blocks, weights, {}, {})

    def mix_group(self, *args: Any, **options: Any) -> MixedStates:
        """The group of read_group with Equation 1's weighted sums for all its runs: one product a unit."""
        group = self.read_group(*args, **options)
        group.mixed = {unit: block.weigh(group.weights[unit]) for unit, block in group.blocks.items()}
        return group

    def step_singly(
        self, group: MixedStates, batches: Mapping[int, np.ndarray], labels: np.ndarray, keys: Mapping[int, np.ndarray]
    ) -> dict[int, Tensor]:
        """The runs of a group one after the other; their gradients are in self.grad afterwards, their losses are returned by run."""
        losses = {}
        group.gradients = {unit: group.take_gradients(unit) for unit in group.mixed}
        for i, (run, place) in enumerate(zip(group.runs, group.places)):
            states = {unit: values[i, place].requires_grad_() for unit, values in group.mixed.items()}
            masks = {unit: block.mask[place] for unit, block in group.blocks.items()}
            set_keys(self.models[run], keys[run])
            with self.autocast():
                output = self.models[run](states, masks)
            target = torch.from_numpy(labels[batches[run]]).to(self.device)
            share = torch.full((len(target),), 1 / len(target), device=self.device)
            loss = self.measure(output.logits, output.branch_logits or {}, masks, target, share)
            loss.backward()  # type: ignore[no-untyped-call]  # of torch
            losses[run] = loss.detach()
            for unit, values in states.items():
                group.write_gradients(unit, i, values.grad)
        self.write_mix_gradients(group)
        return losses

    def step_stacked(
        self, groups: Sequence[MixedStates], batches: Mapping[int, np.ndarray], labels: np.ndarray, keys: np.ndarray
    ) -> Tensor:
        """All runs as one: batches shorter than the longest are filled up with rows that weigh nothing."""
        runs = list(batches)
        size = max(len(rows) for rows in batches.values())
        order = [run for group in groups for run in group.runs]
        states = {unit: self.pick([g.mixed[unit] for g in groups], groups, size).requires_grad_() for unit in self.experiment.units}
        masks = {unit: self.pick([g.blocks[unit].mask.expand(len(g.runs), -1, -1) for g in groups], groups, size) for unit in states}
        target = torch.zeros(len(runs), size, dtype=torch.int64)
        share = torch.zeros(len(runs), size)
        for i, run in enumerate(order):
            target[i, : len(batches[run])] = torch.from_numpy(labels[batches[run]])
            share[i, : len(batches[run])] = 1 / len(batches[run])
        target, share = target.to(self.device), share.to(self.device)
        leaves = self.layout.view_rows(self.flat[order])
        buffers = {
            name: torch.from_numpy(keys[[runs.index(run) for run in order], site]).to(self.device)
            for site, name in enumerate(self.layout.keys)
        }

        def compute(
            parameters: dict[str, Tensor], buffers: dict[str, Tensor], states: dict[str, Tensor], masks: dict[str, Tensor]
        ) -> tuple[Tensor, dict[str, Tensor]]:
            output = functional_call(self.skeleton, (parameters, buffers), (states, masks))
            return output.logits, output.branch_logits or {}

        with sdpa_kernel(SDPBackend.MATH), self.autocast():  # the fused kernels have no rule for a stack
            logits, branches = vmap(compute)(leaves, buffers, states, masks)  # (runs, batch, classes)
        losses = self.measure(logits, branches, masks, target, share)
        wanted = [*leaves.values(), *states.values()]
        gradients = torch.autograd.grad(losses.sum(), wanted, materialize_grads=True)
        for name, gradient in zip(leaves, gradients):
            self.grad[order, self.layout.slices[name]] = gradient.flatten(1)
        for unit, gradient in zip(states, gradients[len(leaves) :]):
            self.spread(gradient, unit, groups)
        found = losses.detach()
        return found[[order.index(run) for run in runs]]

    def pick(self, values: Sequence[Tensor], groups: Sequence[MixedStates], size: int) -> Tensor:
        """Each run's own utterances, (runs, size, segments, ...); zeros where its batch or its segments are fewer."""
        longest = max(v.shape[2] for v in values)
        runs = sum(len(g.runs) for g in groups)
        picked = values[0].new_zeros(runs, size, longest, *values[0].shape[3:])
        row = 0
        for value, group in zip(values, groups):
            for i, place in enumerate(group.places):
                picked[row, : len(place), : value.shape[2]] = value[i, place]
                row += 1
        return picked

    def spread(self, gradient: Tensor, unit: str, groups: Sequence[MixedStates]) -> None:
        """The reverse of pick: gradients of the picked utterances at their places in each group's block."""
        row = 0
        for group in groups:
            values = group.mixed[unit]
            group.gradients[unit] = group.take_gradients(unit)
            for i, place in enumerate(group.places):
                group.write_gradients(unit, i, gradient[row, : len(place), : values.shape[2]])
                row += 1

    def write_mix_gradients(self, group: MixedStates) -> None:
        """The gradients of Equation 1's raw weights, all runs of a group in one product a unit."""
        for unit, block in group.blocks.items():
            raw = self.flat[:, self.layout.mix_slices[unit]][group.runs].requires_grad_()  # columns first: a copy of all weights takes long
            (found,) = torch.autograd.grad(normalise_weights(raw), raw, block.weigh_gradients(group.gradients[unit]))
            self.grad[group.runs, self.layout.mix_slices[unit]] = found

    def measure(self, logits: Tensor, branches: Mapping[str, Tensor], masks: Mapping[str, Tensor], target: Tensor, share: Tensor) -> Tensor:
        """The loss of a batch, or of each run's: cross entropy of (..., batch, classes) against (..., batch), each weighted by its share.

        With a branch loss, that of every branch's own logits on the utterances that have its unit is added.
        """

        def compare(found: Tensor) -> Tensor:
            flat = found.float().flatten(0, -2)
            losses = F.cross_entropy(flat, target.flatten(), label_smoothing=self.experiment.label_smoothing, reduction="none")
            return losses.view(target.shape)

        loss = (compare(logits) * share).sum(-1)
        for unit, own in branches.items() if self.experiment.branch_loss else ():
            loss = loss + self.experiment.branch_loss * (compare(own) * masks[unit].any(-1) * share).sum(-1)
        return loss

    def autocast(self) -> AbstractContextManager[None]:
        """Matrix products in half precision where the experiment says so; what is predicted is computed in single precision."""
        if self.experiment.choose_precision(self.device) != "bfloat16":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def update(self, runs: Sequence[int]) -> None:
        """Gradients clipped run by run, then one step of Adam; runs that had no batch stay as they are."""
        norms = self.grad.norm(dim=1, keepdim=True)  # (runs, 1)
        self.grad.mul_((self.experiment.clip_norm / (norms + 1e-6)).clamp(max=1))
        mixes = self.layout.mixes
        for run, (rest, layers) in enumerate(self.parts):
            rest.grad = self.grad[run, mixes:] if run in runs else None
            layers.grad = self.grad[run, :mixes] if run in runs else None
        if self.experiment.warmup_steps:
            for i, group in enumerate(self.optimizer.param_groups):
                group["lr"] = group["full_rate"] * min(1.0, float(self.steps[i // 2]) / self.experiment.warmup_steps)
        self.optimizer.step()

    # evaluation

    @torch.no_grad()
    def predict(
        self,
        loader: BlockSource,
        normalisations: Sequence[Normalisation | None],
        wanted: Mapping[int, np.ndarray],
        lengths: np.ndarray,
        labels: np.ndarray,
    ) -> dict[int, Outputs]:
        """What each run says about its rows (run -> rows), in the order of the rows. Utterances are read once for the runs of a fold."""
        if self.batched is not None:
            return self.batched.predict(self, normalisations, wanted, lengths, labels)
        found: dict[int, dict[str | None, np.ndarray]] = {run: {} for run in wanted}
        for group in self.group_runs(list(wanted)):
            union = np.unique(np.concatenate([wanted[run] for run in group]))
            union = union[np.argsort(lengths[union], kind="stable")]
            position = {run: {int(row): i for i, row in enumerate(wanted[run])} for run in group}
            for start in range(0, len(union), EVALUATED):
                rows = union[start : start + EVALUATED]
                batches = {run: own for run in group if len(own := np.array([r for r in rows if int(r) in position[run]], np.int64))}
                read = self.read_group(loader, normalisations, list(batches), batches)
                for i, (run, place) in enumerate(zip(read.runs, read.places)):  # run by run, since each validates on utterances of its own
                    states = {unit: block.weigh_rows(read.weights[unit][i], place) for unit, block in read.blocks.items()}
                    masks = {unit: block.mask[place] for unit, block in read.blocks.items()}
                    output = self.models[run].eval()(states, masks)
                    at = [position[run][int(row)] for row in batches[run]]
                    for unit, logits in {None: output.logits, **(output.branch_logits or {})}.items():
                        shape = (len(wanted[run]), logits.shape[1])
                        found[run].setdefault(unit, np.zeros(shape, np.float32))[at] = logits.float().cpu().numpy()
        return {run: make_outputs(labels[wanted[run]], logits, len(self.head.classes)) for run, logits in found.items()}
