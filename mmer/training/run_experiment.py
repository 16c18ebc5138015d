"""An experiment's folder -> its trained runs: features, splits, groups of runs trained together, predictions, heads and scores on disk.

Killed at any moment, it goes on from its last checkpoint and ends with the same predictions: what is random in an epoch is drawn from the
seed and the epoch's number, and the runs beside it are the same ones.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mmer.cache import FeatureCache
from mmer.datasets.folds import Split, describe_split, make_splits, read_split
from mmer.datasets.leakage import identify_audio, measure_leakages, summarise_leakage
from mmer.datasets.manifest import Dataset
from mmer.datasets.reading import read_dataset
from mmer.errors import DataError
from mmer.files import remove_parts, replace_file
from mmer.fusion import read_layer_weights
from mmer.heads import save_head
from mmer.normalisation import Normalisation
from mmer.results import EMOTIONS
from mmer.training.check_data import check_classes, check_splits, list_warnings
from mmer.training.experiment import Experiment, shape_head
from mmer.training.extract import list_alignment_files
from mmer.training.feature_set import FeatureItem, FeatureSet, count_cores, extract_dataset, list_gaps, order_features
from mmer.training.remaining import count_least_epochs, count_steps, guess_epochs, guess_epochs_left
from mmer.training.run_status import Hold, hold
from mmer.training.runs import RunFolder, check_name, create_run, describe_environment, find_run, name_run
from mmer.training.scores import score_runs, summarise
from mmer.training.shelf import Shelf, fit_fold_normalisations
from mmer.training.stack import Member, Outputs, Stack, choose_device, choose_stacked, count_run_bytes, make_member

STATE_BYTES = {"cpu": 3 * 2**30 // 2, "cuda": 8 * 2**30}  # what the parameters of the runs trained together may take
CHECKPOINT_SECONDS = 15.0  # between two checkpoints; an epoch that takes longer is kept at its end
EXTRACTION = 0.1  # of the whole, on the progress bar
MOST_VALUES = 6  # a metadata column with more different ones is no slice


# Before


def prepare_experiment(root: str | Path, name: str, experiment: Experiment, *, compare_audio: bool = True) -> RunFolder:
    """Checks the data and the splits and makes the experiment's folder, with the leakage report; nothing is extracted or trained.

    Raises DataError when the data set can't be read or split so, or the name is taken or can't be one.
    """
    dataset = read_experiment_data(experiment)
    splits = make_splits(dataset, experiment.plan)
    check_splits(dataset, splits)
    audio = identify_audio(dataset) if compare_audio and reads_sound(experiment) else None
    stored = [describe_split(dataset, split) for split in splits]
    warnings = {"warnings": list_warnings(dataset, splits, experiment)}
    data = describe_data(dataset) | warnings | {"sound": None if audio is None else fingerprint_sound(dataset, audio)}
    return create_run(root, name, place_paths(experiment), data=data, splits=stored, leakage=describe_leakage(dataset, splits, audio))


def claim_experiment(root: str | Path, name: str, experiment: Experiment) -> RunFolder:
    """The folder of this experiment: a new one, or the one that holds it. Raises DataError when it holds another."""
    path = check_name(root, name)
    if not path.exists():
        return prepare_experiment(root, name, experiment)
    folder = find_run(root, name)
    different = list_differences(folder.read_experiment(), experiment)
    if different:
        raise DataError(f"{path} holds another experiment: {'; '.join(different)}. Choose another name, or delete it.")
    return folder


def list_differences(kept: Experiment, asked: Experiment) -> list[str]:
    """ "folds 5 instead of 3": in what an experiment that lies there is not the one that is asked for, threads and device aside."""
    there, told = kept.to_json(), place_paths(asked).to_json()
    return [
        f"{key} {there[key]!r} instead of {told[key]!r}" for key in told if there[key] != told[key] and key not in ("threads", "device")
    ]


def place_paths(experiment: Experiment) -> Experiment:
    """The same wherever it is read from."""
    return replace(experiment, data=str(Path(experiment.data).resolve()), features=str(Path(experiment.features).resolve()))


def reads_sound(experiment: Experiment) -> bool:
    return set(experiment.units) != {"T"}


def read_experiment_data(experiment: Experiment) -> Dataset:
    """The experiment's data set; a model of words alone needs no sound files."""
    dataset = read_dataset(experiment.data, labels=experiment.labels or None, audio=reads_sound(experiment))
    if not dataset.utterances:
        raise DataError(f"{experiment.data}: the data set has no utterances; {len(dataset.left_out)} were left out.")
    return dataset


def describe_data(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "utterances": len(dataset.utterances),
        "counts": {label: sum(u.label == label for u in dataset.utterances) for label in EMOTIONS},
        "speakers": len(dataset.speakers),
        "sessions": len(dataset.sessions),
        "excluded": list(dataset.left_out),
        "notes": list(dataset.notes),
    }


def fingerprint_sound(dataset: Dataset, audio: Sequence[str | None]) -> str:
    """sha256 of all recordings (identify_audio's `audio`) and of the alignment files that came with them."""
    told = hashlib.sha256(json.dumps(list(audio)).encode())
    for utterance in dataset.utterances:
        for path in list_alignment_files(utterance.alignment) if utterance.alignment else ():
            told.update(path.read_bytes() if path.exists() else b"missing")
    return told.hexdigest()


def describe_leakage(dataset: Dataset, splits: Sequence[Split], audio: Sequence[str | None] | None) -> dict[str, Any]:
    reports = measure_leakages(dataset, splits, audio=audio)
    return {"summary": summarise_leakage(reports), "reports": [report.to_json() for report in reports]}


# The whole


def run_experiment(
    folder: RunFolder,
    *,
    workers: int = 0,
    threads: int = 0,
    budget: int | None = None,
    say: Callable[[str], None] | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> dict[str, Any]:
    """Extracts what is missing, trains all runs that are not finished, writes predictions, heads and scores; returns results.json.

    `threads` is what the CPU may give where the experiment itself doesn't say; 0 stands for all of it. `budget`: bytes of features that may
    stay in memory, by default a share of what is free.
    Raises DataError (another process is at it, the data has changed, nothing can be read), Cancelled when told to stop.
    """
    experiment = folder.read_experiment()
    with hold(folder, runs=len(folder.read("splits")), stage="reading the data") as held:
        tell = held.say if say is None else say
        data = load_data(folder, experiment, held, workers=workers)
        for sentence in data.excluded[:5]:
            tell(f"left out: {sentence}")
        if len(data.excluded) > 5:
            tell(f"and {len(data.excluded) - 5} more; data.json names them all")
        device = choose_device(experiment)
        threads = experiment.threads or threads or count_cores()
        torch.set_num_threads(threads)
        folder.write("environment", describe_environment(device=device, threads=threads))
        told: dict[str, Any] = {"device": device, "checkpoint_seconds": checkpoint_seconds, "budget": budget}
        Training(folder, experiment, data, held, tell, **told).run()
        held.update(stage="scoring", done=1.0)
        return finish(folder, data)


@dataclass(frozen=True, eq=False)
class ExperimentData:
    """What the runs read."""

    dataset: Dataset
    items: tuple[FeatureItem, ...]  # utterances with at least one of the model's units
    excluded: tuple[str, ...]  # "name: reason" for every other one
    members: tuple[Member, ...]
    cache: FeatureCache

    @property
    def labels(self) -> np.ndarray:
        return np.array([item.label for item in self.items])

    @property
    def tests(self) -> list[np.ndarray]:
        """Each fold's test utterances."""
        found = {member.fold: member.test for member in self.members}
        return [found[fold] for fold in sorted(found)]


def load_data(folder: RunFolder, experiment: Experiment, held: Hold, *, workers: int = 0) -> ExperimentData:
    """The data set as it was when the experiment was made, with its features; extracts those that are missing."""
    dataset = read_experiment_data(experiment)
    told = folder.read("data")
    if told["fingerprint"] != dataset.fingerprint:
        raise DataError(
            f"{experiment.data} has changed since the experiment {folder.name} was made (fingerprint {dataset.fingerprint[:12]} instead of "
            f"{told['fingerprint'][:12]}); restore it, or make a new experiment."
        )
    if told.get("sound") and fingerprint_sound(dataset, identify_audio(dataset)) != told["sound"]:
        raise DataError(
            f"Recordings or alignment files of {experiment.data} have changed since the experiment {folder.name} was made; restore them, "
            "or make a new experiment."
        )
    features = extract_features_of(dataset, experiment, held, workers=workers)
    items, excluded = choose_items(features, experiment.units)
    if not items:
        raise DataError(f"No utterance of {experiment.data} has any of the units {' '.join(experiment.units)}: {excluded[0]}")
    check_units(experiment, items)
    folder.write("data", told | {"excluded": [*dataset.left_out, *excluded], "partial": list_gaps(items, experiment.units)})
    position = {item.index: place for place, item in enumerate(items)}
    splits = [read_split(dataset, stored) for stored in folder.read("splits")]
    members = tuple(make_member(experiment, split, position) for split in splits)
    empty = [m.name for m in members if not (len(m.train) and len(m.validation) and len(m.test))]
    if empty:
        raise DataError(f"{', '.join(empty)}: without the utterances that have no features a part of the split is empty.")
    data = ExperimentData(dataset, items, excluded, members, FeatureCache(experiment.features))
    check_classes(data.labels, {m.name: m.train for m in members})
    return data


def extract_features_of(dataset: Dataset, experiment: Experiment, held: Hold, *, workers: int) -> FeatureSet:
    begun = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        held.check()
        left = (time.monotonic() - begun) / done * (total - done) if done else None
        held.update(stage=f"extracting {what}: {done} of {total}", done=EXTRACTION * done / max(1, total), seconds_left=left)

    told = {"features": experiment.features, "preset": experiment.preset, "aligner": experiment.aligner}
    order = order_features(experiment.units, **told)
    cache = FeatureCache(order.features)
    return extract_dataset(
        dataset, cache, preset=order.preset_name, units=order.units, aligner=order.aligner, workers=workers, progress=report
    )


def choose_items(features: FeatureSet, units: Sequence[str]) -> tuple[tuple[FeatureItem, ...], tuple[str, ...]]:
    """Items with at least one of the units, and "name: reason" for the others. One that lacks some is read by the branches it has."""
    items = tuple(item for item in features.items if set(units) & set(item.units))
    without = (*features.dropped, *(item for item in features.items if not set(units) & set(item.units)))
    return items, list_gaps(without, units)


def check_units(experiment: Experiment, items: Sequence[FeatureItem]) -> None:
    """Raises DataError for a unit of the model that no utterance has, with the first reason."""
    for unit in experiment.units:
        if not any(unit in item.units for item in items):
            raise DataError(f"No utterance of {experiment.data} has the unit {unit}: {items[0].describe_gaps((unit,))}")


def finish(folder: RunFolder, data: ExperimentData) -> dict[str, Any]:
    """Predictions of all runs in one file, and results.json."""
    predictions = folder.merge_parts()
    scores = {(row["fold"], row["repetition"]): row for row in score_runs(predictions)}
    rows = []
    for member in data.members:
        score = scores[member.fold, member.repetition]
        rows.append(read_done(folder, member) | {name: score[name] for name in ("ua", "wa", "macro_f1", "at_chance")})
    results = {"runs": rows, "summary": summarise(predictions, metadata=list_metadata(data.dataset))}
    folder.write("results", results)
    for path in folder.checkpoint.glob("*.safetensors"):
        path.unlink()
    return results


def list_metadata(dataset: Dataset) -> dict[str, dict[str, str]]:
    """Columns to score slices by: column -> utterance -> value. Those with a few different values, and ratings in three parts."""
    columns = sorted({column for u in dataset.utterances for column in u.extra} - {"gender"})
    found = {column: {u.name or u.path.name: u.extra.get(column, "") for u in dataset.utterances} for column in columns}
    cut = {column: values if len(set(values.values())) <= MOST_VALUES else cut_ratings(values) for column, values in found.items()}
    return {column: values for column, values in cut.items() if 2 <= len(set(values.values())) <= MOST_VALUES}


def cut_ratings(values: Mapping[str, str]) -> dict[str, str]:
    """Numbers, such as valence, as low, middle and high thirds of the utterances; {} when there is no number or anything else."""
    try:
        numbers = {name: float(value) for name, value in values.items() if value}
    except ValueError:
        return {}
    if len(set(numbers.values())) <= MOST_VALUES:
        return {}
    low, high = np.quantile(list(numbers.values()), [1 / 3, 2 / 3])
    names = {0: f"1 low, up to {low:g}", 1: "2 middle", 2: f"3 high, above {high:g}"}
    return {name: names[int(number > low) + int(number > high)] for name, number in numbers.items()}


# Groups of runs


@dataclass
class Progress:
    """Where one run stands."""

    epoch: int = 0  # finished epochs
    best_epoch: int = 0
    best_loss: float = float("inf")
    best_ua: float = 0.0

    def is_over(self, experiment: Experiment, *, steps: int) -> bool:
        """`steps`: of the optimiser, in one of its epochs."""
        out_of_patience = self.epoch - self.best_epoch >= experiment.patience and self.epoch * steps >= experiment.min_steps
        return self.epoch >= experiment.epochs or out_of_patience


@dataclass(eq=False)
class Training:
    """Trains an experiment's runs group by group; see Stack for what a group shares."""

    folder: RunFolder
    experiment: Experiment
    data: ExperimentData
    held: Hold
    say: Callable[[str], None]
    device: str = "cpu"
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    budget: int | None = None  # bytes of features in memory
    begun: float = field(default_factory=time.monotonic)
    shown: float = EXTRACTION  # share on the progress bar, which never goes back
    pace: float | None = None  # seconds that an epoch of one run takes, as the last epoch did; None before the first of this process

    def __post_init__(self) -> None:
        experiment, data = self.experiment, self.data
        told: dict[str, Any] = {"max_seconds": experiment.max_seconds, "device": self.device, "budget": self.budget}
        self.shelf = Shelf(data.cache, data.items, experiment.units, **told)
        self.lengths, self.labels = self.shelf.measure_lengths(), data.labels
        self.normalisations = self.normalise()
        self.folder.checkpoint.mkdir(exist_ok=True)
        remove_parts(self.folder.checkpoint)  # the lock is held: nobody else writes here

    def normalise(self) -> Sequence[Normalisation | None]:
        if not reads_sound(self.experiment):
            return [None] * len(self.data.tests)
        self.held.update(stage="measuring the features", done=EXTRACTION)
        return fit_fold_normalisations(self.data.cache, self.data.items, self.data.tests, max_seconds=self.experiment.max_seconds)

    def run(self) -> None:
        groups = cut_groups(self.data.members, count_run_bytes(self.experiment), limit=STATE_BYTES[self.device])
        self.finished = {m.name for m in self.data.members if done_path(self.folder, m).exists()}
        self.epochs_done = {m.name: read_done(self.folder, m)["epochs"] for m in self.data.members if m.name in self.finished}
        for number, members in enumerate(groups):
            self.train_group(number, members)

    def train_group(self, number: int, members: Sequence[Member]) -> None:
        path = self.folder.checkpoint / f"group{number + 1}.safetensors"
        kept = read_checkpoint(path)
        names = [m.name for m in members if m.name not in self.finished] if kept is None else kept[1]["runs"]
        active = [m for m in members if m.name in names]
        self.finished -= set(names)  # a run that was finished after the checkpoint is finished once more, the same
        if not active:
            return
        stacked = choose_stacked(self.experiment, self.device)
        stack = Stack(self.experiment, active, device=self.device, stacked=stacked)
        progress = {m.name: Progress() for m in active}
        if kept is not None:
            try:
                stack.set_state(kept[0])
                progress = {name: Progress(**told) for name, told in kept[1]["progress"].items()}
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{path}: the checkpoint does not fit this experiment ({error}); delete it to begin the group anew."
                ) from error
        saved = time.monotonic()
        while stack.members:
            self.train_epoch(stack, progress)
            over = [i for i, m in enumerate(stack.members) if progress[m.name].is_over(self.experiment, steps=self.count_steps(m))]
            if over:
                self.finish_runs(stack, over, progress)
                stack.keep([i for i in range(len(stack.members)) if i not in over])
            if over or time.monotonic() - saved > self.checkpoint_seconds:
                write_checkpoint(path, stack, progress)
                saved = time.monotonic()

    def train_epoch(self, stack: Stack, progress: dict[str, Progress]) -> None:
        """One epoch and its validation; best weights are kept, metrics appended."""
        epoch, begun = progress[stack.members[0].name].epoch, time.monotonic()
        steps = max(self.count_steps(member) for member in stack.members)

        def report(step: int) -> None:
            self.held.check()
            self.show(stack, progress, epoch + min(step / steps, 1))

        losses = stack.train_epoch(self.shelf, self.normalisations, self.lengths, self.labels, epoch=epoch, report=report)
        outputs = self.predict(stack, {i: m.validation for i, m in enumerate(stack.members)})
        rows, better = [], []
        for i, member in enumerate(stack.members):
            state, loss, ua = progress[member.name], outputs[i].loss(), outputs[i].ua()
            state.epoch += 1
            if loss < state.best_loss:
                state.best_loss, state.best_epoch, state.best_ua = loss, state.epoch, ua
                better.append(i)
            rows.append(self.make_row(member, state.epoch, float(losses[i]), loss, ua))
        stack.keep_best(better)
        self.pace = (time.monotonic() - begun) / len(stack.members)
        self.folder.append_metrics(rows)
        middle = {name: float(np.median([row[name] for row in rows])) for name in ("loss", "validation_loss", "validation_ua")}
        self.say(
            f"epoch {epoch + 1}, {len(rows)} runs: loss {middle['loss']:.3f}, validation loss {middle['validation_loss']:.3f}, "
            f"validation UA {middle['validation_ua']:.3f} (medians)"
        )

    def make_row(self, member: Member, epoch: int, loss: float, validation_loss: float, ua: float) -> dict[str, Any]:
        return {
            "fold": member.fold,
            "repetition": member.repetition,
            "epoch": epoch,
            "loss": round(loss, 6),
            "validation_loss": round(validation_loss, 6),
            "validation_ua": round(ua, 6),
            "seconds": round(time.monotonic() - self.begun, 2),
        }

    def predict(self, stack: Stack, wanted: dict[int, np.ndarray]) -> dict[int, Outputs]:
        return stack.predict(self.shelf, self.normalisations, wanted, self.lengths, self.labels)

    def count_steps(self, member: Member) -> int:
        return count_steps(len(member.train), self.experiment.batch_size)

    def count_least(self, member: Member) -> int:
        return count_least_epochs(self.experiment.min_steps, self.count_steps(member))

    def show(self, stack: Stack, progress: Mapping[str, Progress], epoch: float) -> None:
        """Progress as the share of all epochs that are done, of those that the runs will probably take; the time left at the last pace."""
        finished = [self.epochs_done[m.name] for m in self.data.members if m.name in self.finished]
        running = {m.name for m in stack.members}
        most, patience = self.experiment.epochs, self.experiment.patience
        left = 0.0
        for member in (m for m in self.data.members if m.name not in self.finished):
            least = self.count_least(member)
            usual = guess_epochs(finished, least=least, most=most)
            best = progress[member.name].best_epoch if member.name in running else 0
            told: dict[str, Any] = {"patience": patience, "least": least, "most": most, "usual": usual}
            left += guess_epochs_left(epoch, best, **told) if member.name in running else usual
        done = sum(finished) + epoch * len(running)
        self.shown = max(self.shown, EXTRACTION + (1 - EXTRACTION) * done / (done + left))
        runs = "1 run" if len(running) == 1 else f"{len(running)} runs together"
        self.held.update(
            stage=f"training {runs}, epoch {int(epoch) + 1} of {most} at most",
            runs_finished=len(self.finished),
            epoch=int(epoch) + 1,
            done=self.shown,
            seconds_left=None if self.pace is None else self.pace * left,
        )

    def finish_runs(self, stack: Stack, over: Sequence[int], progress: dict[str, Progress]) -> None:
        """Predictions and heads of the runs that are over, from their best weights."""
        for i in over:
            stack.take_best(i)
        wanted = {part: self.predict(stack, {i: getattr(stack.members[i], part) for i in over}) for part in ("validation", "test")}
        for i in over:
            member = stack.members[i]
            frames = [frame_outputs(self.data.items, member, part, outputs[i]) for part, outputs in wanted.items()]
            self.folder.write_part(member.fold, member.repetition, pd.concat(frames, ignore_index=True))
            config = shape_head(self.experiment, name=name_run(member.fold, member.repetition))
            place = self.folder.place_head(member.fold, member.repetition)
            save_head(place, config, stack.models[i], normalisation=self.normalisations[member.fold], half=False)
            write_done(self.folder, member, progress[member.name], stack.models[i])
            self.finished.add(member.name)
            self.epochs_done[member.name] = progress[member.name].epoch
        self.warn(over, stack, progress)
        self.held.update(runs_finished=len(self.finished))

    def warn(self, over: Sequence[int], stack: Stack, progress: Mapping[str, Progress]) -> None:
        """Says of runs that are over if they learnt nothing."""
        diverged = [stack.members[i].name for i in over if not progress[stack.members[i].name].best_epoch]
        if diverged:
            self.say(f"{', '.join(diverged)}: the validation loss was never finite, so these are untrained; lower the learning rate")


def cut_groups(members: Sequence[Member], run_bytes: int, *, limit: int) -> list[list[Member]]:
    """Runs that are trained together: all of them, or as many as fit the memory, fold by fold, since a fold's runs share what they read."""
    ordered = sorted(members, key=lambda m: (m.fold, m.repetition))
    size = max(1, limit // run_bytes)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def frame_outputs(items: Sequence[FeatureItem], member: Member, part: str, outputs: Outputs) -> pd.DataFrame:
    """One row per utterance of a part, as in predictions.parquet."""
    rows = [items[row] for row in getattr(member, part)]
    frame: dict[str, Any] = {
        "part": [part] * len(rows),
        "fold": np.full(len(rows), member.fold),
        "repetition": np.full(len(rows), member.repetition),
        "utterance": [item.name for item in rows],
        "speaker": [item.speaker for item in rows],
        "session": [item.session for item in rows],
        "gender": [item.gender for item in rows],
        "label": [EMOTIONS[item.label] for item in rows],
        "predicted": [EMOTIONS[i] for i in outputs.logits.argmax(1)],
    }
    frame |= {f"logit.{emotion}": outputs.logits[:, i] for i, emotion in enumerate(EMOTIONS)}
    for unit, logits in outputs.branches.items():
        frame |= {f"branch.{unit}.{emotion}": logits[:, i] for i, emotion in enumerate(EMOTIONS)}
    return pd.DataFrame(frame)


# On disk


def done_path(folder: RunFolder, member: Member) -> Path:
    return folder.checkpoint / f"{member.name}.json"


def read_done(folder: RunFolder, member: Member) -> dict[str, Any]:
    """What write_done wrote. Raises DataError when it is damaged."""
    path = done_path(folder, member)
    try:
        told = json.loads(path.read_text("utf-8"))
        return told | {"epochs": int(told["epochs"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); delete it to train that run anew.") from error


def write_done(folder: RunFolder, member: Member, progress: Progress, model: torch.nn.Module) -> None:
    """What results.json says of a run beside its scores."""
    weights = {}
    for module in model.modules():
        if isinstance(mixes := getattr(module, "mixes", None), torch.nn.ModuleDict):
            for unit, (raw, normalised) in read_layer_weights(mixes).items():
                weights[unit] = {"raw": raw.detach().cpu().tolist(), "normalised": normalised.detach().cpu().tolist()}
    told = {
        "fold": member.fold,
        "repetition": member.repetition,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "validation_loss": progress.best_loss if progress.best_epoch else None,  # None: no epoch had a finite one
        "validation_ua": progress.best_ua,
        "layer_weights": weights,
    }
    replace_file(done_path(folder, member), json.dumps(told).encode(), sync=True)


def write_checkpoint(path: Path, stack: Stack, progress: dict[str, Progress]) -> None:
    names = [m.name for m in stack.members]
    state = {"runs": names, "progress": {name: asdict(progress[name]) for name in names}}
    replace_file(path, save(stack.get_state() if names else {}, {"state": json.dumps(state)}), sync=True)


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Tensors and state of a group; None when it was not begun. Raises DataError for a damaged file."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["state"])  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: the checkpoint is damaged ({error}); delete it to begin the group anew.") from error
