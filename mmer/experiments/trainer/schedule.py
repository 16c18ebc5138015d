"""What the runs of an experiment read in an epoch: every utterance once, or voices and texts that are brought together anew.

What is random in an epoch (pairs, first frames, shifts of the voice) is drawn from the experiment's seed and the epoch's number, so an
epoch that is begun anew is the same epoch, and all runs read the same examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.blocks import FeatureLoader, SummedShifts, VoiceShifts
from mmer.experiments.trainer.pairing import PairedExample, balance_texts, list_copies, pair_epoch, show_alone, show_texts
from mmer.experiments.trainer.run import Run
from mmer.feature_store.anchoring import average_neutral
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem

NEUTRAL = "neutral"  # the class whose clips tell where a corpus lies
VALIDATION_DRAWS = 3  # epochs' worth of pairs that the validation set holds, drawn once
PAIRS, VALIDATION, FIRSTS, SHIFTS, CORPORA = 2, 3, 7, 8, 10  # of the generators' seeds, each its own


@dataclass(frozen=True, eq=False)
class ShownExamples:
    """The examples that the loader shows now, and which of them each run reads."""

    lengths: np.ndarray  # (examples,) segments of each one's longest unit
    labels: np.ndarray  # (examples,) int
    rows: list[np.ndarray]  # per run, the examples that it reads


class Schedule(Protocol):
    """Chooses the examples that the loader shows, which a stack's runs then read."""

    def show_training(self, runs: Sequence[Run], epoch: int) -> ShownExamples: ...

    def show_validation(self, runs: Sequence[Run]) -> ShownExamples: ...

    def count_examples(self, run: Run) -> int:
        """How many examples a run reads in an epoch."""
        ...


class EveryUtterance:
    """Each run reads each of its training utterances once an epoch."""

    def __init__(self, experiment: Experiment, loader: FeatureLoader, items: Sequence[FeatureItem], tests: Sequence[np.ndarray] = ()):
        """`tests` are each fold's test utterances, whose voices no voice shift may use."""
        self.experiment, self.loader, self.items = experiment, loader, items
        loader.show(items)
        self.lengths, self.labels = loader.measure_lengths(), np.array([item.label for item in items])
        self.voices: list[np.ndarray] = []  # a fold's, each (voices, layers, dim)
        if experiment.voice_shift:
            for test in tests:
                held_out = set(test.tolist())
                others = [item for i, item in enumerate(items) if i not in held_out]
                self.voices.append(average_voices(loader.cache, others, classes=len(experiment.class_names)))

    def show_training(self, runs: Sequence[Run], epoch: int) -> ShownExamples:
        variations = draw_variations(self.experiment, len(self.items), self.voices, epoch)
        self.loader.show(self.items, firsts=variations.firsts, shifts=variations.shifts)
        return ShownExamples(self.lengths, self.labels, [run.train for run in runs])

    def show_validation(self, runs: Sequence[Run]) -> ShownExamples:
        self.loader.show(self.items)
        return ShownExamples(self.lengths, self.labels, [run.validation for run in runs])

    def count_examples(self, run: Run) -> int:
        return len(run.train)


@dataclass(frozen=True)
class PairedData:
    """The items to pair, for training and for validation; the two parts share no speaker and no text."""

    speech: tuple[FeatureItem, ...] = ()
    texts: tuple[FeatureItem, ...] = ()
    validation_speech: tuple[FeatureItem, ...] = ()
    validation_texts: tuple[FeatureItem, ...] = ()


class Pairs:
    """All runs read the same pairs of voices and texts (pairing.py), and validate on the same ones; only their seeds differ."""

    def __init__(self, experiment: Experiment, loader: FeatureLoader, data: PairedData):
        """Raises DataError when there is nothing to train or validate on, or all of it has one label."""
        if not (data.speech or data.texts) or not (data.validation_speech or data.validation_texts):
            raise DataError("Training needs clips or texts in both the training and the validation part.")
        labels = {item.label for item in (*data.speech, *data.texts)}
        if len(labels) < 2:
            raise DataError(
                f"All training clips and texts are labelled {experiment.class_names[labels.pop()]}: there is nothing to tell apart."
            )
        if experiment.pairing is None:
            raise ValueError("an experiment without a pairing reads every utterance")
        self.experiment, self.loader, self.data, self.pairing = experiment, loader, data, experiment.pairing
        shifts, classes = experiment.voice_shift and data.speech, len(experiment.class_names)
        self.voices = [average_voices(loader.cache, data.speech, classes=classes)] if shifts else []
        self.places = CorpusPlaces.measure(loader.cache, data.speech, experiment.class_names) if self.pairing.corpus_shift else None
        self.validation = self.draw_validation()
        self.loader.show(self.validation)
        self.validation_lengths = self.loader.measure_lengths()

    def show_training(self, runs: Sequence[Run], epoch: int) -> ShownExamples:
        examples = self.draw_epoch(self.data.speech, self.data.texts, np.random.default_rng([self.experiment.seed, PAIRS, epoch]))
        variations = draw_variations(self.experiment, len(examples), self.voices, epoch, self.draw_further(examples, epoch))
        self.loader.show(examples, firsts=variations.firsts, shifts=variations.shifts)
        rows = np.arange(len(examples))
        return ShownExamples(self.loader.measure_lengths(), np.array([e.label for e in examples]), [rows] * len(runs))

    def draw_further(self, examples: Sequence[PairedExample], epoch: int) -> list[VoiceShifts]:
        """What moves clips between corpora, where the pairing asks for it."""
        if self.places is None:
            return []
        rng = np.random.default_rng([self.experiment.seed, CORPORA, epoch])
        return [self.places.draw(examples, self.pairing.corpus_shift, rng)]

    def show_validation(self, runs: Sequence[Run]) -> ShownExamples:
        self.loader.show(self.validation)
        labels, rows = np.array([e.label for e in self.validation]), np.arange(len(self.validation))
        return ShownExamples(self.validation_lengths, labels, [rows] * len(runs))

    def count_examples(self, run: Run) -> int:
        return len(self.data.speech) + round(self.pairing.text_alone * len(self.data.speech)) if self.data.speech else len(self.data.texts)

    def draw_epoch(self, speech: Sequence[FeatureItem], texts: Sequence[FeatureItem], rng: np.random.Generator) -> list[PairedExample]:
        units = self.experiment.units
        if not speech or set(units) == {"T"}:
            return balance_texts(texts, rng)
        return pair_epoch(speech, texts, self.pairing, units=units, rng=rng)

    def draw_validation(self) -> list[PairedExample]:
        """Every validation clip as it is and alone, and pairs in the training's mix with augmented copies; the same all through the run."""
        speech, texts = self.data.validation_speech, self.data.validation_texts
        rng = np.random.default_rng([self.experiment.seed, VALIDATION])
        if not speech or set(self.experiment.units) == {"T"}:
            return show_texts(texts)
        pairs = [example for _ in range(VALIDATION_DRAWS) for example in self.draw_epoch(speech, texts, rng)]
        return show_alone(speech, self.experiment.units) + pairs


@dataclass(frozen=True, eq=False)
class CorpusPlaces:
    """Where each corpus's neutral clips lie: what differs between them is room, microphone and way of speaking, and no emotion.

    A clip that is moved some of the way from its own corpus's place to another's keeps its emotion, so a model that learns from such
    clips can't lean on where a corpus lies; nothing is moved when it is asked.
    """

    means: np.ndarray  # (corpora, layers, dim) float32
    rows: Mapping[str, int]  # cache key of a clip or copy -> its corpus's row

    @classmethod
    def measure(cls, cache: FeatureCache, items: Sequence[FeatureItem], classes: Sequence[str]) -> CorpusPlaces:
        """Raises DataError where the classes have no neutral one, a corpus has no neutral clip, or there is one corpus alone."""
        corpora = sorted({item.corpus for item in items})
        if NEUTRAL not in classes or len(corpora) < 2:
            raise DataError("Corpus shift moves clips between the neutral clips of two or more corpora: there are none; set it to 0.")
        neutral = list(classes).index(NEUTRAL)
        means = np.stack([average_neutral(cache, items, corpus, neutral=neutral) for corpus in corpora])
        return cls(means, {key: corpora.index(item.corpus) for item in items for key in list_copies(item)})

    def draw(self, examples: Sequence[PairedExample], most: float, rng: np.random.Generator) -> VoiceShifts:
        """For each example another corpus, and a share up to `most` of the way to it; examples without speech stay."""
        own = np.array([self.rows.get(example.speech or "", 0) for example in examples])
        targets = (own + rng.integers(1, len(self.means), size=len(own))) % len(self.means)
        return VoiceShifts((self.means,), own[None], targets[None], rng.uniform(0, most, len(own)).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Variations:
    """How the examples of an epoch differ from the cached features."""

    firsts: np.ndarray | None  # (examples,) each one's first frame, where only every n-th is read
    shifts: VoiceShifts | SummedShifts | None


def draw_variations(
    experiment: Experiment, count: int, voices: Sequence[np.ndarray], epoch: int, further: Sequence[VoiceShifts] = ()
) -> Variations:
    """Draws the variations of an epoch. `voices` has one array (voices, layers, dim) a fold; it is empty where no shift is wanted.

    `further` shifts are added to those between voices.
    """
    firsts, parts = None, list(further)
    if experiment.frame_stride > 1:
        firsts = np.random.default_rng([experiment.seed, FIRSTS, epoch]).integers(experiment.frame_stride, size=count)
    if voices:
        parts.append(draw_shifts(voices, count, experiment.voice_shift, np.random.default_rng([experiment.seed, SHIFTS, epoch])))
    return Variations(firsts, SummedShifts(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None)


def draw_shifts(voices: Sequence[np.ndarray], count: int, most: float, rng: np.random.Generator) -> VoiceShifts:
    """For each of `count` examples two voices and a share up to `most` of the way from one to the other."""
    ends = np.stack([rng.integers(len(own), size=(2, count)) for own in voices])  # (folds, 2, examples)
    shares = rng.uniform(0, most, count).astype(np.float32)
    return VoiceShifts(tuple(voices), ends[:, 0], ends[:, 1], shares)


def average_voices(cache: FeatureCache, items: Sequence[FeatureItem], *, classes: int) -> np.ndarray:
    """(voices, layers, dim) float32: the mean state of every speaker, in every copy, each class counting the same.

    A speaker without one of the classes is no voice: its mean would lie towards the others. Raises DataError when that leaves none.
    """
    sums: dict[tuple[str, int], dict[int, list[np.ndarray]]] = {}
    for item in items:
        for copy, key in enumerate(list_copies(item) if "F" in item.units else ()):
            mean = cache.read_states(key, "F").mean(1, dtype=np.float32)
            sums.setdefault((item.speaker, copy), {}).setdefault(item.label, []).append(mean)
    whole = [voice for voice in sums.values() if len(voice) == classes]
    if not whole:
        raise DataError("Voice shift: no speaker has every class, so there are no voices to shift to; set it to 0.")
    return np.stack([np.mean([np.mean(clips, axis=0) for clips in voice.values()], axis=0) for voice in whole]).astype(np.float32)
