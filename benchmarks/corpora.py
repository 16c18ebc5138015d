"""What the training benchmarks share: arguments, corpora with features, a table."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mmer.demo_heads.corpora import load_speech
from mmer.experiments.experiment import Experiment, Pairing
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import show_alone
from mmer.experiments.trainer.schedule import PairedData
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem

ALONE = Pairing(augmented=0.0, balance_corpora=0.0)
PLAIN = Experiment("", "", fusion="linear", units=("F",), epochs=40, min_steps=0, threads=1, pairing=ALONE)  # the paper's settings
BALANCED = Pairing(augmented=0.0, balance_corpora=0.5)
OURS = replace(PLAIN, label_smoothing=0.3, layer_rate=20.0, frame_stride=2, pairing=BALANCED)  # as the heads that ship ...
AUGMENTED = replace(OURS, voice_shift=0.5, pairing=replace(BALANCED, augmented=0.4))  # ... and what is done to their clips
SETTINGS = {"the paper's settings": PLAIN, "ours without augmentation": OURS, "ours": AUGMENTED}
CORPORA = ("ravdess", "tess", "nemo")


def parse_arguments(what: str, *, argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--data", type=Path, required=True, help="the folder with speech/<corpus>/manifest.csv and text/*.csv")
    parser.add_argument("--features", type=Path, required=True, help="the feature cache; what is missing is extracted")
    parser.add_argument("--seeds", type=int, default=1, help="repetitions")
    torch.set_num_threads(1)
    return parser.parse_args(argv)


def load_corpora(args, names=CORPORA) -> tuple[dict[str, tuple[FeatureItem, ...]], FeatureCache]:
    cache = FeatureCache(args.features)
    return {n: load_speech(args.data / "speech" / n / "manifest.csv", cache) for n in names}, cache


def take_speakers(items, speakers) -> tuple[FeatureItem, ...]:
    return tuple(s for s in items if s.speaker in speakers)


def run_frames(config, training, validation, tests, cache) -> list[float]:
    """UA of the frame branch on each of the test sets."""
    trained = train_pairs(config, PairedData(speech=tuple(training), validation_speech=tuple(validation)), cache)
    return [trained.predict(show_alone(t, ("F",))).ua() for t in tests]


def fold_speakers(items, count: int) -> list[list[str]]:
    """Speakers in folds; neighbours in the alphabet go together, so RAVDESS's folds hold both genders."""
    speakers = sorted({s.speaker for s in items})
    return [[s for i, s in enumerate(speakers) if (i // 2) % count == fold] for fold in range(count)]


def describe(values) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
