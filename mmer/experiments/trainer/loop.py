"""A group of runs, trained until each is over: epochs, validation, early stopping, checkpoints.

Experiments and the heads that ship train by this alone.

Killed at any moment, it goes on from its last checkpoint and ends with the same weights: what is random in an epoch is drawn from the seed
and the epoch's number, and the runs beside a run are the same ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.remaining import count_steps
from mmer.experiments.trainer.blocks import FeatureLoader
from mmer.experiments.trainer.device import choose_stacked
from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.run import EpochOfRun, ProgressByRun, Run, RunProgress
from mmer.experiments.trainer.schedule import Schedule
from mmer.experiments.trainer.stack import BatchedWay, Stack
from mmer.files.replace import replace_file
from mmer.heads.normalisation import Normalisation

CHECKPOINT_SECONDS = 15.0  # between two checkpoints; an epoch that takes longer is kept at its end


@dataclass(eq=False)
class TrainingLoop:
    """Trains groups of an experiment's runs; see Stack for what a group shares. It calls the three functions when something happens."""

    experiment: Experiment
    schedule: Schedule
    loader: FeatureLoader
    normalisations: Sequence[Normalisation | None]  # per fold
    device: str = "cpu"
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    batched: BatchedWay | None = None  # how steps are computed on a GPU; see Stack
    keeps_over: bool = False  # the checkpoint goes on holding runs that are over, so that a longer patience can take them further
    on_step: Callable[[Stack, ProgressByRun, int], None] = lambda stack, progress, steps: (
        None
    )  # steps of this epoch; may raise to end it all
    on_epoch: Callable[[Stack, Sequence[EpochOfRun]], None] = lambda stack, rows: None
    on_over: Callable[[Stack, Sequence[int], ProgressByRun], None] = lambda stack, over, progress: (
        None
    )  # these runs hold their best weights

    def train(self, runs: Sequence[Run], checkpoint: Path | None = None) -> None:
        """Trains until every run is over, with a path from the checkpoint there. Raises DataError for a checkpoint that does not fit."""
        kept = None if checkpoint is None else read_checkpoint(checkpoint)
        active = [run for run in runs if kept is None or run.name in kept.runs]
        if not active:
            return
        stacked = choose_stacked(self.experiment, self.device)
        stack = Stack(self.experiment, active, device=self.device, stacked=stacked, batched=self.batched)
        if self.batched is not None:
            self.batched.at_once = None if kept is None else kept.at_once
        progress = {run.name: RunProgress() for run in active}
        if kept is not None:
            progress = kept.restore(stack)
        saved, over = time.monotonic(), self.list_over(stack, progress)
        while stack.runs:
            if not over:
                self.train_epoch(stack, progress)
                over = self.list_over(stack, progress)
            if over and not self.keeps_over:
                self.finish(stack, over, progress)
            if checkpoint is not None and (over or time.monotonic() - saved >= self.checkpoint_seconds):
                write_checkpoint(checkpoint, stack, progress)
                saved = time.monotonic()
            if over and self.keeps_over:
                self.finish(stack, over, progress)
            over = []

    def list_over(self, stack: Stack, progress: ProgressByRun) -> list[int]:
        steps = [count_steps(self.schedule.count_examples(run), self.experiment.batch_size) for run in stack.runs]
        return [i for i, run in enumerate(stack.runs) if progress[run.name].is_over(self.experiment, steps=steps[i])]

    def finish(self, stack: Stack, over: Sequence[int], progress: ProgressByRun) -> None:
        """Takes the runs that are over out of the stack, after on_over has seen them with their best weights."""
        for i in over:
            stack.take_best(i)
        self.on_over(stack, over, progress)
        stack.keep([i for i in range(len(stack.runs)) if i not in over])

    def train_epoch(self, stack: Stack, progress: dict[str, RunProgress]) -> None:
        """Trains one epoch, validates, and keeps the weights of the runs that improved."""
        epoch = progress[stack.runs[0].name].epoch
        shown = self.schedule.show_training(stack.runs, epoch)
        options: dict[str, Any] = {"rows": shown.rows, "epoch": epoch, "report": lambda steps: self.on_step(stack, progress, steps)}
        losses = stack.train_epoch(self.loader, self.normalisations, shown.lengths, shown.labels, **options)
        outputs = self.validate(stack)
        rows, better, means = [], [], losses.tolist()  # only now, so that validation did not wait for them
        for i, run in enumerate(stack.runs):
            state, loss, ua = progress[run.name], outputs[i].loss(), outputs[i].ua()
            state.epoch += 1
            if loss < state.best_loss:
                state.best_loss, state.best_epoch, state.best_ua = loss, state.epoch, ua
                better.append(i)
            rows.append(EpochOfRun(run.fold, run.repetition, state.epoch, means[i], loss, ua))
        stack.keep_best(better)
        self.on_epoch(stack, rows)

    def validate(self, stack: Stack) -> dict[int, Outputs]:
        shown = self.schedule.show_validation(stack.runs)
        return stack.predict(self.loader, self.normalisations, dict(enumerate(shown.rows)), shown.lengths, shown.labels)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The checkpoint of a group of runs that is being trained, as read from disk."""

    path: Path
    tensors: dict[str, torch.Tensor]
    runs: tuple[str, ...]  # names of those that were not over
    progress: dict[str, Any]
    at_once: int | None = None  # runs that a step computes at once, where steps are batched

    def restore(self, stack: Stack) -> dict[str, RunProgress]:
        """Brings the stack to where it was. Raises DataError when it is of another experiment."""
        try:
            if self.tensors:
                stack.set_state(self.tensors)
            return {name: RunProgress(**stored) for name, stored in self.progress.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.path}: the checkpoint does not fit this experiment ({error}); delete it to begin the group anew."
            ) from error


def write_checkpoint(path: Path, stack: Stack, progress: ProgressByRun) -> None:
    names = [run.name for run in stack.runs]
    state: dict[str, Any] = {"runs": names, "progress": {name: asdict(progress[name]) for name in names}}
    if stack.batched is not None:
        state["at_once"] = stack.batched.at_once
    replace_file(path, save(stack.get_state() if names else {}, {"state": json.dumps(state)}), sync=True)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`; None when the group was not begun. Raises DataError for a damaged file."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
            return Checkpoint(path, tensors, tuple(state["runs"]), dict(state["progress"]), state.get("at_once"))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: the checkpoint is damaged ({error}); delete it to begin the group anew.") from error
