"""What a person should know of a data set before an experiment begins: counts, what is left out and why, folds, what the parts share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.folds import Split, make_splits
from mmer.datasets.leakage import LeakageReport, identify_audio, measure_leakages, summarise_leakage
from mmer.datasets.reading import read_dataset
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import name_run
from mmer.experiments.remaining import count_steps
from mmer.phrasing import say_count

MOST_ROWS = 40  # of a table of speakers
SMALL_VALIDATION = 40  # utterances: 10 of each of the paper's four; with fewer the loss that ends a run is mostly that of a few clips
SMALL_TEST = 10  # utterances of a class in a test part: with fewer one clip moves the UA by 2.5 points or more


@dataclass(frozen=True, eq=False)
class DataReport:
    """A checked data set and its splits."""

    dataset: Dataset
    splits: tuple[Split, ...]
    leakage: tuple[LeakageReport, ...]
    key: tuple[Any, ...]  # of what was checked; see identify_check
    warnings: tuple[str, ...] = ()  # what is too small to be trusted; see list_warnings

    @property
    def summary(self) -> list[dict[str, Any]]:
        """The leakage over all splits, see summarise_leakage."""
        return summarise_leakage(self.leakage)

    @property
    def folds(self) -> list[Split]:
        """The first repetition's splits: the test sets are the same in all."""
        return [split for split in self.splits if split.repetition == 0]


def check_data(experiment: Experiment) -> DataReport:
    """Reads the data set, splits it and compares the splits' parts. Nothing is written.

    Raises DataError when it can't be read or split so, holds nothing, or a training part lacks a class.
    """
    sound = set(experiment.units) != {"T"}
    dataset = read_dataset(experiment.data, labels=experiment.labels or None, classes=experiment.classes, audio=sound)
    if not dataset.utterances:
        raise DataError(f"{experiment.data}: the data set has no utterances; {len(dataset.left_out)} were left out.")
    splits = make_splits(dataset, experiment.plan)
    check_splits(dataset, splits)
    reports = measure_leakages(dataset, splits, audio=identify_audio(dataset) if sound else None)
    return DataReport(dataset, splits, reports, identify_check(experiment), list_warnings(dataset, splits, experiment))


def check_splits(dataset: Dataset, splits: Sequence[Split]) -> None:
    """check_classes of a data set's splits."""
    trains = {name_run(split.fold, split.repetition): split.train for split in splits}
    check_classes(np.array(dataset.numbers), trains, dataset.classes)


def check_classes(labels: np.ndarray, trains: Mapping[str, np.ndarray], classes: Sequence[str]) -> None:
    """Raises DataError when all utterances have one label, or a run's training part (rows of `labels`) lacks one that others have.

    labels (utterances,) int, indices into `classes`.
    """
    known = sorted(set(labels.tolist()))
    if len(known) < 2:
        raise DataError(
            f"All {len(labels)} utterances are labelled {classes[known[0]]}: a model of one class has nothing to tell apart and is "
            "always right. Add utterances of other classes, or see what --labels makes of their labels."
        )
    for name, rows in trains.items():
        counts = np.bincount(labels[rows], minlength=len(classes))
        lacking = [classes[label] for label in known if not counts[label]]
        if lacking:
            held = ", ".join(f"{counts[label]} {classes[label]}" for label in known if counts[label])
            raise DataError(
                f"The training part of {name} has no utterance of {' or '.join(lacking)} ({held}), which the data set has: the run could "
                "never say it. Add utterances of it by other speakers, choose other folds, or leave it out with --labels "
                f"{','.join(f'{label}=' for label in lacking)}"
            )


def list_warnings(dataset: Dataset, splits: Sequence[Split], experiment: Experiment) -> tuple[str, ...]:
    """Sentences about parts that are too small for what is read off them, and about runs that hardly get to learn."""
    labels, found = np.array(dataset.numbers), []
    sizes = np.array([len(split.validation) for split in splits])
    few = int((sizes < SMALL_VALIDATION).sum())
    if few:
        smallest = "1 validation utterance" if sizes.min() == 1 else f"{sizes.min()} validation utterances"
        found.append(
            f"{smallest} in the smallest of the runs, fewer than {SMALL_VALIDATION} in {few} of {len(splits)}: which epoch is the best, "
            "and when a run ends, is then decided by a few clips. More data or a greater validation share (--share) helps."
        )
    known = sorted(set(labels.tolist()))
    lacking = sum(len(set(labels[split.validation].tolist())) < len(known) for split in splits)
    if lacking:
        found.append(
            f"{lacking} of {say_count(len(splits), 'validation part')} {'lacks' if lacking == 1 else 'lack'} a class: forgetting "
            "it costs such a run nothing."
        )
    tests = [(split, label, int((labels[split.test] == label).sum())) for split in splits if split.repetition == 0 for label in known]
    split, label, least = min(tests, key=lambda test: test[2])
    if least < SMALL_TEST:
        found.append(
            f"{split.name} tests {least or 'no'} {'utterance' if least == 1 else 'utterances'} of {dataset.classes[label]}: "
            + (f"each is {100 / least:.0f} points of that recall." if least else "the UA of that fold is over the others.")
        )
    steps = min(count_steps(len(split.train), experiment.batch_size) for split in splits)
    if steps * experiment.epochs < experiment.min_steps:
        found.append(
            f"{say_count(steps, 'step')} an epoch and at most {say_count(experiment.epochs, 'epoch')} make "
            f"{say_count(steps * experiment.epochs, 'step')}, fewer than the "
            f"{experiment.min_steps} that a run should have before it may end (--epochs, --batch-size): it may not have learnt by then."
        )
    return tuple(found)


def identify_check(experiment: Experiment) -> tuple[Any, ...]:
    """What a report depends on: with another one the data set must be checked again."""
    plan = experiment.plan
    by = (plan.folds, plan.repetitions, plan.validation, plan.share, plan.seed, plan.by)
    return (experiment.data, tuple(sorted(experiment.labels.items())), experiment.classes, set(experiment.units) == {"T"}, *by)


def count_labels(dataset: Dataset, by: str) -> list[tuple[str, tuple[int, ...]]]:
    """(value, utterances of each class) for each speaker or session, in order; [] when all have the same."""
    counts: dict[str, Counter[str]] = {}
    for utterance in dataset.utterances:
        counts.setdefault(getattr(utterance, by), Counter())[utterance.label] += 1
    if len(counts) < 2:
        return []
    return [(name, tuple(counts[name][e] for e in dataset.classes)) for name in sorted(counts)]


def count_part(dataset: Dataset, split: Split, part: str) -> tuple[int, ...]:
    """(classes,) utterances of each class in a part of a split."""
    counts = Counter(dataset.utterances[i].label for i in split.part(part))
    return tuple(counts[e] for e in dataset.classes)


def list_speakers(dataset: Dataset, split: Split) -> list[str]:
    """The speakers that a split tests."""
    return sorted({dataset.utterances[i].speaker for i in split.test})


def count_unreadable(dataset: Dataset) -> dict[str, int]:
    """How many utterances lack what some units need: sound, words."""
    lacking: Mapping[str, Sequence[Utterance]] = {
        "no sound file": [u for u in dataset.utterances if not u.has_audio],
        "no words": [u for u in dataset.utterances if not u.text.strip()],
    }
    return {what: len(found) for what, found in lacking.items() if found}
