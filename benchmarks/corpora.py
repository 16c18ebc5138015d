"""What the training benchmarks share: arguments, corpora with features, a table."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mmer.cache import FeatureCache
from mmer.encoders import SpeechEncoder, TextEncoder
from mmer.presets import PRESETS
from mmer.training.commands import load_speech
from mmer.training.config import TrainConfig
from mmer.training.engine import TrainingData, predict_examples, train_model
from mmer.training.pairing import SpeechItem, show_alone

PLAIN = TrainConfig(fusion="linear", units=("F",), augmented=0.0, epochs=40, balance_corpora=0.0)  # the paper's settings
OURS = replace(PLAIN, label_smoothing=0.3, layer_rate=20.0, balance_corpora=0.5, frame_stride=2)  # as the heads that ship ...
AUGMENTED = replace(OURS, augmented=0.4, voice_shift=0.5)  # ... and what is done to their clips
SETTINGS = {"the paper's settings": PLAIN, "ours without augmentation": OURS, "ours": AUGMENTED}
CORPORA = ("ravdess", "tess", "nemo")


def parse_arguments(what: str, *, argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--data", type=Path, required=True, help="the folder with speech/<corpus>/manifest.csv and text/*.csv")
    parser.add_argument("--features", type=Path, required=True, help="the feature cache; what is missing is extracted")
    parser.add_argument("--seeds", type=int, default=1, help="repetitions")
    torch.set_num_threads(1)
    return parser.parse_args(argv)


def load_corpora(args, names=CORPORA) -> tuple[dict[str, tuple[SpeechItem, ...]], FeatureCache]:
    cache, encoder, text_encoder = FeatureCache(args.features), SpeechEncoder.load(PRESETS["compact"]), TextEncoder.load(PRESETS["compact"])
    return {n: load_speech(args.data / "speech" / n / "manifest.csv", cache, encoder, text_encoder) for n in names}, cache


def take_speakers(items, speakers) -> tuple[SpeechItem, ...]:
    return tuple(s for s in items if s.speaker in speakers)


def run_frames(config, training, validation, tests, cache) -> list[float]:
    """UA of the frame branch on each of the test sets."""
    trained = train_model(config, TrainingData(speech=tuple(training), validation_speech=tuple(validation)), cache)
    return [predict_examples(trained.model, trained.reader, show_alone(t, ("F",))).ua() for t in tests]


def fold_speakers(items, count: int) -> list[list[str]]:
    """Speakers in folds; neighbours in the alphabet go together, so RAVDESS's folds hold both genders."""
    speakers = sorted({s.speaker for s in items})
    return [[s for i, s in enumerate(speakers) if (i // 2) % count == fold] for fold in range(count)]


def describe(values) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
