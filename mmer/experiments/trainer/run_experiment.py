"""An experiment's folder -> its trained runs: groups of runs trained together, predictions, heads and scores on disk.

Killed at any moment, it goes on from its last checkpoint and ends with the same predictions (loop.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from mmer.experiments.batched.start import make_steps
from mmer.experiments.batched.steps import BatchedSteps
from mmer.experiments.experiment import Experiment, shape_head
from mmer.experiments.experiment_data import EXTRACTION, ExperimentData, load_data
from mmer.experiments.folder.run_results import done_path, frame_outputs, read_done, write_done
from mmer.experiments.folder.run_status import RunLock, lock_run
from mmer.experiments.folder.runs import RunFolder, describe_environment, name_run
from mmer.experiments.prepare import reads_sound
from mmer.experiments.remaining import count_least_epochs, count_steps, guess_epochs, guess_epochs_left
from mmer.experiments.trainer.blocks import FeatureLoader, fit_fold_normalisations
from mmer.experiments.trainer.device import choose_batched, find_device
from mmer.experiments.trainer.layout import count_run_bytes, limit_state_bytes
from mmer.experiments.trainer.loop import CHECKPOINT_SECONDS, TrainingLoop, read_checkpoint
from mmer.experiments.trainer.run import EpochOfRun, ProgressByRun, Run
from mmer.experiments.trainer.schedule import EveryUtterance
from mmer.experiments.trainer.stack import Stack
from mmer.feature_store.workers import count_cores
from mmer.files.replace import remove_parts
from mmer.heads.folder import save_head
from mmer.heads.normalisation import Normalisation
from mmer.phrasing import say_count
from mmer.scores.scores import score_runs, summarise
from mmer.scores.slices import list_metadata


def run_experiment(
    folder: RunFolder,
    *,
    workers: int = 0,
    threads: int = 0,
    budget: int | None = None,
    say: Callable[[str], None] | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    batched: bool | None = None,
) -> dict[str, Any]:
    """Extracts what is missing, trains all runs that are not finished, writes predictions, heads and scores; returns results.json.

    `threads` is what the CPU may give where the experiment itself doesn't say; 0 stands for all of it. `budget`: bytes of features that may
    stay in memory, by default a share of what is free. `batched`: whether all runs are one batch, by default on a GPU.
    Raises DataError (another process is at it, the data has changed, nothing can be read), Cancelled when asked to stop.
    """
    experiment = folder.read_experiment()
    with lock_run(folder, runs=len(folder.read("splits")), stage="reading the data") as lock:
        tell = lock.say if say is None else say
        data = load_data(folder, experiment, lock, workers=workers)
        for sentence in data.excluded[:5]:
            tell(f"left out: {sentence}")
        if len(data.excluded) > 5:
            tell(f"and {len(data.excluded) - 5} more; data.json names them all")
        device = find_device(experiment)
        threads = experiment.threads or threads or count_cores()
        torch.set_num_threads(threads)
        folder.write("environment", describe_environment(device=device, threads=threads, precision=experiment.choose_precision(device)))
        options: dict[str, Any] = {"device": device, "checkpoint_seconds": checkpoint_seconds, "budget": budget, "batched": batched}
        Training(folder, experiment, data, lock, tell, **options).run()
        lock.update(stage="scoring", done=1.0)
        return finish(folder, data)


def finish(folder: RunFolder, data: ExperimentData) -> dict[str, Any]:
    """Merges the predictions of all runs into one file, scores them, and writes results.json, which is returned."""
    predictions = folder.merge_parts()
    scores = {(row["fold"], row["repetition"]): row for row in score_runs(predictions)}
    rows = []
    for run in data.runs:
        score = scores[run.fold, run.repetition]
        rows.append(read_done(folder, run) | {name: score[name] for name in ("ua", "wa", "macro_f1", "at_chance")})
    results = {"runs": rows, "summary": summarise(predictions, metadata=list_metadata(data.dataset))}
    folder.write("results", results)
    for path in folder.checkpoint.glob("*.safetensors"):
        path.unlink()
    return results


@dataclass(eq=False)
class Training:
    """Trains an experiment's runs group by group; see Stack for what a group shares."""

    folder: RunFolder
    experiment: Experiment
    data: ExperimentData
    lock: RunLock
    say: Callable[[str], None]
    device: str = "cpu"
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    budget: int | None = None  # bytes of features in memory
    batched: bool | None = None  # whether all runs are one batch; None: on a GPU
    begun: float = field(default_factory=time.monotonic)
    shown: float = EXTRACTION  # share on the progress bar, which never goes back
    pace: float | None = None  # seconds that an epoch of one run takes, as the last epoch did; None before the first of this process
    epoch_begun: float = 0.0

    def __post_init__(self) -> None:
        experiment, data = self.experiment, self.data
        options: dict[str, Any] = {"max_seconds": experiment.max_seconds, "device": self.device, "budget": self.budget}
        self.loader = FeatureLoader(data.cache, data.items, experiment.units, stride=experiment.frame_stride, **options)
        self.schedule = EveryUtterance(experiment, self.loader, data.items, data.tests)
        self.normalisations = self.normalise()
        self.folder.checkpoint.mkdir(exist_ok=True)
        remove_parts(self.folder.checkpoint)  # the lock is held: nobody else writes here

    @cached_property
    def steps(self) -> BatchedSteps | None:
        """Made when the first group is trained: it reads all features that fit the device."""
        if not choose_batched(self.experiment, self.device, self.batched):
            return None
        self.lock.update(stage="loading the features", done=EXTRACTION)
        reserved = min(limit_state_bytes(self.device), len(self.data.runs) * count_run_bytes(self.experiment))
        return make_steps(self.experiment, self.loader, device=self.device, reserved=reserved, say=self.say)

    def normalise(self) -> Sequence[Normalisation | None]:
        if not reads_sound(self.experiment):
            return [None] * len(self.data.tests)
        self.lock.update(stage="measuring the features", done=EXTRACTION)
        return fit_fold_normalisations(self.data.cache, self.data.items, self.data.tests, max_seconds=self.experiment.max_seconds)

    def run(self) -> None:
        groups = cut_groups(self.data.runs, count_run_bytes(self.experiment), limit=limit_state_bytes(self.device))
        self.finished = {run.name for run in self.data.runs if done_path(self.folder, run).exists()}
        self.epochs_done = {run.name: read_done(self.folder, run)["epochs"] for run in self.data.runs if run.name in self.finished}
        for number, runs in enumerate(groups):
            self.train_group(number, runs)

    def train_group(self, number: int, runs: Sequence[Run]) -> None:
        path = self.folder.checkpoint / f"group{number + 1}.safetensors"
        kept = read_checkpoint(path)
        begun = [run for run in runs if (run.name not in self.finished if kept is None else run.name in kept.runs)]
        self.finished -= {run.name for run in begun}  # a run that was finished after the checkpoint is finished once more, the same
        self.epoch_begun = time.monotonic()
        loop = TrainingLoop(
            self.experiment,
            self.schedule,
            self.loader,
            self.normalisations,
            device=self.device,
            checkpoint_seconds=self.checkpoint_seconds,
            batched=self.steps if begun else None,
            on_step=self.show,
            on_epoch=self.note_epoch,
            on_over=self.finish_runs,
        )
        loop.train(begun, path)

    def note_epoch(self, stack: Stack, epochs: Sequence[EpochOfRun]) -> None:
        """Appends the figures of an epoch to the experiment's metrics and prints their medians."""
        now = time.monotonic()
        self.pace, self.epoch_begun = (now - self.epoch_begun) / len(epochs), now
        seconds = round(now - self.begun, 2)
        rows = [{k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(e).items()} | {"seconds": seconds} for e in epochs]
        self.folder.append_metrics(rows)
        middle = {name: float(np.median([row[name] for row in rows])) for name in ("loss", "validation_loss", "validation_ua")}
        self.say(
            f"epoch {epochs[0].epoch}, {say_count(len(rows), 'run')}: loss {middle['loss']:.3f}, validation loss "
            f"{middle['validation_loss']:.3f}, "
            f"validation UA {middle['validation_ua']:.3f} (medians)"
        )

    def count_steps(self, run: Run) -> int:
        return count_steps(self.schedule.count_examples(run), self.experiment.batch_size)

    def count_least(self, run: Run) -> int:
        return count_least_epochs(self.experiment.min_steps, self.count_steps(run))

    def show(self, stack: Stack, progress: ProgressByRun, step: int) -> None:
        """Reports progress: the share of the epochs that the runs will probably take, and the time left at the pace of the last epoch."""
        self.lock.check()
        steps = max(self.count_steps(run) for run in stack.runs)
        epoch = progress[stack.runs[0].name].epoch + min(step / steps, 1)
        finished = [self.epochs_done[run.name] for run in self.data.runs if run.name in self.finished]
        running = {run.name for run in stack.runs}
        most, patience = self.experiment.epochs, self.experiment.patience
        left = 0.0
        for run in (run for run in self.data.runs if run.name not in self.finished):
            least = self.count_least(run)
            usual = guess_epochs(finished, least=least, most=most)
            best = progress[run.name].best_epoch if run.name in running else 0
            bounds: dict[str, Any] = {"patience": patience, "least": least, "most": most, "usual": usual}
            left += guess_epochs_left(epoch, best, **bounds) if run.name in running else usual
        done = sum(finished) + epoch * len(running)
        self.shown = max(self.shown, EXTRACTION + (1 - EXTRACTION) * done / (done + left))
        runs = "1 run" if len(running) == 1 else f"{len(running)} runs together"
        self.lock.update(
            stage=f"training {runs}, epoch {int(epoch) + 1} of {most} at most",
            runs_finished=len(self.finished),
            epoch=int(epoch) + 1,
            done=self.shown,
            seconds_left=None if self.pace is None else self.pace * left,
        )

    def finish_runs(self, stack: Stack, over: Sequence[int], progress: ProgressByRun) -> None:
        """Writes the predictions and heads of runs that are over; they hold their best weights."""
        self.schedule.show_validation(stack.runs)
        lengths, labels = self.schedule.lengths, self.schedule.labels
        rows = {part: {i: getattr(stack.runs[i], part) for i in over} for part in ("validation", "test")}
        wanted = {part: stack.predict(self.loader, self.normalisations, own, lengths, labels) for part, own in rows.items()}
        for i in over:
            run = stack.runs[i]
            classes = self.experiment.class_names
            frames = [frame_outputs(self.data.items, run, part, outputs[i], classes) for part, outputs in wanted.items()]
            self.folder.write_part(run.fold, run.repetition, pd.concat(frames, ignore_index=True))
            config = shape_head(self.experiment, name=name_run(run.fold, run.repetition))
            place = self.folder.place_head(run.fold, run.repetition)
            save_head(place, config, stack.models[i], normalisation=self.normalisations[run.fold], half=False)
            write_done(self.folder, run, progress[run.name], stack.models[i])
            self.finished.add(run.name)
            self.epochs_done[run.name] = progress[run.name].epoch
        self.warn(over, stack, progress)
        self.lock.update(runs_finished=len(self.finished))

    def warn(self, over: Sequence[int], stack: Stack, progress: ProgressByRun) -> None:
        """Prints which of the runs that are over never had a finite validation loss."""
        diverged = [stack.runs[i].name for i in over if not progress[stack.runs[i].name].best_epoch]
        if diverged:
            self.say(f"{', '.join(diverged)}: the validation loss was never finite, so these are untrained; lower the learning rate")


def cut_groups(runs: Sequence[Run], run_bytes: int, *, limit: int) -> list[list[Run]]:
    """The groups of runs that are trained together: as many as fit in memory, fold by fold, since runs of a fold share what they read."""
    ordered = sorted(runs, key=lambda run: (run.fold, run.repetition))
    size = max(1, limit // run_bytes)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
