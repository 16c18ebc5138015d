"""What a person should know of a data set before an experiment begins: counts, what is left out and why, folds, what the parts share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer.datasets.folds import Split, make_splits
from mmer.datasets.leakage import LeakageReport, identify_audio, measure_leakages, summarise_leakage
from mmer.datasets.manifest import Dataset, Utterance
from mmer.datasets.reading import read_dataset
from mmer.errors import DataError
from mmer.results import EMOTIONS
from mmer.training.experiment import Experiment

MOST_ROWS = 40  # of a table of speakers


@dataclass(frozen=True, eq=False)
class DataReport:
    """A checked data set and its splits."""

    dataset: Dataset
    splits: tuple[Split, ...]
    leakage: tuple[LeakageReport, ...]
    key: tuple  # of what was checked; see identify_check

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

    Raises DataError when it can't be read or split so, or holds nothing.
    """
    sound = set(experiment.units) != {"T"}
    dataset = read_dataset(experiment.data, labels=experiment.labels or None, audio=sound)
    if not dataset.utterances:
        raise DataError(f"{experiment.data}: the data set has no utterances; {len(dataset.left_out)} were left out.")
    splits = make_splits(dataset, experiment.plan)
    reports = measure_leakages(dataset, splits, audio=identify_audio(dataset) if sound else None)
    return DataReport(dataset, splits, reports, identify_check(experiment))


def identify_check(experiment: Experiment) -> tuple:
    """What a report depends on: with another one the data set must be checked again."""
    plan = experiment.plan
    by = (plan.folds, plan.repetitions, plan.validation, plan.share, plan.seed, plan.by)
    return (experiment.data, tuple(sorted(experiment.labels.items())), set(experiment.units) == {"T"}, *by)


def count_labels(dataset: Dataset, by: str) -> list[tuple[str, tuple[int, ...]]]:
    """(value, utterances of each of EMOTIONS) for each speaker or session, in order; [] when all have the same."""
    counts: dict[str, Counter[str]] = {}
    for utterance in dataset.utterances:
        counts.setdefault(getattr(utterance, by), Counter())[utterance.label] += 1
    if len(counts) < 2:
        return []
    return [(name, tuple(counts[name][e] for e in EMOTIONS)) for name in sorted(counts)]


def count_part(dataset: Dataset, split: Split, part: str) -> tuple[int, ...]:
    """(classes,) utterances of each of EMOTIONS in a part of a split."""
    counts = Counter(dataset.utterances[i].label for i in split.part(part))
    return tuple(counts[e] for e in EMOTIONS)


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
