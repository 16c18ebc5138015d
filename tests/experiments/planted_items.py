"""Feature items whose answer is known, in a cache, and the runs of a small experiment on them."""

import numpy as np
from planted import DIM, plant_unit

from mmer.choices.emotions import EMOTIONS
from mmer.encoders.presets import PRESETS
from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.blocks import FeatureLoader, fit_fold_normalisations
from mmer.experiments.trainer.run import Run
from mmer.experiments.trainer.stack import Stack
from mmer.feature_store.feature_items import FeatureItem
from mmer.results import Features

SPEAKERS = 6


def plant_items(cache, *, count=72, units=("T", "F", "S"), strength=0.6, seed=0, text_dim=DIM):
    """Every fifth item lacks S, every seventh has words alone."""
    rng = np.random.default_rng(seed)
    items = []
    for i in range(count):
        label = i % len(EMOTIONS)
        has = units if set(units) == {"T"} else tuple(dict.fromkeys([*units, "F"]))  # where there is sound there are frames
        shown = ("T",) if i % 7 == 6 and "T" in units else tuple(u for u in has if not (u == "S" and i % 5 == 4))
        speech = {u: plant_unit(rng, u, label, strength=strength) for u in shown if u != "T"}
        if speech:
            cache.write(f"aa{seed}speech{i}", Features("compact", speech))
        if "T" in shown:
            cache.write(f"aa{seed}text{i}", Features("compact", {"T": plant_unit(rng, "T", label, strength=strength, dim=text_dim)}))
        keys = (f"aa{seed}speech{i}" if speech else None, f"aa{seed}text{i}" if "T" in shown else None)
        items.append(FeatureItem(f"u{i}", label, f"s{(i // 4) % SPEAKERS}", "", "", *keys, shown, i, None))
    return tuple(items)


def plant_runs(items, *, folds=2, repetitions=2):
    """Speakers are dealt to folds in turn; every eighth of the rest validates, another eighth in each repetition."""
    found = []
    for repetition in range(repetitions):
        for fold in range(folds):
            test = np.array([i for i, item in enumerate(items) if int(item.speaker[1:]) % folds == fold])
            rest = np.setdiff1d(np.arange(len(items)), test)
            validation = rest[repetition::8]
            found.append(Run(fold, repetition, 100 + 10 * fold + repetition, np.setdiff1d(rest, validation), validation, test))
    return found


class Bench:
    """An experiment's runs on planted items, ready to be trained in any grouping."""

    def __init__(self, cache, *, items=None, device="cpu", **settings):
        settings = {"fusion": "late", "units": ("T", "F", "S"), "batch_size": 8, "chunk": 24, "stacked": "no"} | settings
        self.experiment = Experiment("data", "features", **settings)
        text_dim = PRESETS[self.experiment.preset].width("T")
        self.items = plant_items(cache, units=self.experiment.units, text_dim=text_dim) if items is None else items
        self.runs = plant_runs(self.items)
        self.loader = FeatureLoader(cache, self.items, self.experiment.units, max_seconds=15)
        self.lengths = self.loader.measure_lengths()
        self.labels = np.array([item.label for item in self.items])
        tests = [run.test for run in self.runs[:2]]
        reads_sound = set(self.experiment.units) != {"T"}
        self.normalisations = fit_fold_normalisations(cache, self.items, tests, max_seconds=15) if reads_sound else [None] * 2

    def stack(self, runs, *, stacked=False):
        return Stack(self.experiment, runs, device="cpu", stacked=stacked)

    def train(self, stack, epoch):
        return stack.train_epoch(self.loader, self.normalisations, self.lengths, self.labels, epoch=epoch)

    def predict(self, stack, wanted):
        return stack.predict(self.loader, self.normalisations, wanted, self.lengths, self.labels)
