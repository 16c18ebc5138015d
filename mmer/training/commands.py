"""`python -m mmer demo-heads`: corpora -> features, run folder, head. See demo.py for the split and the settings of the heads that ship."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmer.align import ALIGNERS
from mmer.cache import FeatureCache
from mmer.datasets.manifest import read_manifest
from mmer.datasets.texts import LabelledText
from mmer.encoders import SpeechEncoder, TextEncoder
from mmer.errors import DataError
from mmer.fusion import combine
from mmer.heads import Head, load_head, save_combination, save_head
from mmer.presets import PRESETS
from mmer.results import UNIT_NAMES
from mmer.training.batches import BatchReader
from mmer.training.card import CAVEAT, CAVEAT_SPEECH, LICENCE, write_card
from mmer.training.config import TrainConfig
from mmer.training.demo import COPIES, DEMO_CONFIGS, DEMO_TITLES, ENGLISH, read_demo_texts, split_speech
from mmer.training.engine import Outputs, TrainedRun, TrainingData, make_head_config, predict_examples, train_model
from mmer.training.evaluate import (
    TestData,
    calibrate,
    describe_calibration,
    draw_pairs,
    fit_familiarity,
    measure_run,
    slice_ua,
)
from mmer.training.extract import extract_speech, extract_texts, make_text_items
from mmer.training.pairing import Example, SpeechItem, TextItem, show_alone

OWN_SETTINGS = ("seed", "epochs", "patience", "batch_size", "learning_rate", "voice_shift", "augmented", "balance_corpora", "threads")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mmer demo-heads`."""
    parser.add_argument("head", choices=[*DEMO_CONFIGS, "combined"], help="which head; combined needs the two others in --out")
    parser.add_argument("--speech", nargs="+", type=Path, required=True, metavar="MANIFEST", help="manifests: path, text, label, speaker")
    parser.add_argument("--text", type=Path, required=True, metavar="FOLDER", help="meld.csv, emorynlp.csv and goemotions_ekman.csv")
    parser.add_argument("--features", type=Path, required=True, metavar="FOLDER", help="where extracted features are kept")
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="checkpoints and metrics; an interrupted run goes on")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the head's folder is written, e.g. pretrained")
    for name in OWN_SETTINGS:
        default = getattr(TrainConfig(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=None, help="default: the head's own setting")


def run_train(args: argparse.Namespace, *, say: Callable[[str], None] = print) -> int:
    """Extracts what is missing, trains or goes on, calibrates, measures and writes the head. Returns the exit code."""
    corpora = DemoCorpora.load(args.speech, args.text, args.features)
    if args.head == "combined":
        head = write_combination(args.out, corpora, run=args.run)
    else:
        own = {name: getattr(args, name) for name in OWN_SETTINGS if getattr(args, name) is not None}
        config = replace(DEMO_CONFIGS[args.head], **own)
        trained = train_model(config, corpora.training, corpora.cache, args.run, report=lambda row: say(_describe_row(row)))
        head = write_trained(args.out, args.head, trained, corpora)
    say(f"{args.out / args.head}: {head}")
    return 0


class DemoCorpora:
    """The demo's speech and texts as items with features in the cache, split."""

    def __init__(
        self,
        cache: FeatureCache,
        speech: Sequence[SpeechItem],
        texts: dict[str, tuple[TextItem, ...]],
        *,
        dropped: dict[str, int],
    ):
        self.cache, self.dropped = cache, dropped
        self.speech = split_speech(speech)
        self.texts = texts
        self.training = TrainingData(self.speech["train"], texts["train"], self.speech["validation"], texts["validation"])
        tests = {name.removeprefix("test "): items for name, items in texts.items() if name.startswith("test ")}
        self.test = TestData(self.speech["test"], tests)

    @classmethod
    def load(cls, manifests: Sequence[Path], texts: Path, features: Path, *, preset: str = "compact") -> DemoCorpora:
        """Reads manifests and texts and extracts what the cache lacks. Raises DataError."""
        cache = FeatureCache(features)
        speech_encoder, text_encoder = SpeechEncoder.load(PRESETS[preset]), TextEncoder.load(PRESETS[preset])
        items = [item for path in manifests for item in load_speech(path, cache, speech_encoder, text_encoder, preset=preset)]
        parts, dropped = read_demo_texts(texts)
        return cls(cache, items, extract_parts(parts, cache, text_encoder, preset=preset), dropped=dropped)

    def count_data(self) -> dict[str, list[int]]:
        """Corpus -> examples in training, validation and test."""
        tests = [t for items in self.test.texts.values() for t in items]
        parts: list[list[SpeechItem | TextItem]] = [
            [*self.training.speech, *self.training.texts],
            [*self.training.validation_speech, *self.training.validation_texts],
            [*self.test.speech, *tests],
        ]
        names = dict.fromkeys(item.corpus for part in parts for item in part)
        return {name: [sum(item.corpus == name for item in part) for part in parts] for name in names}

    def describe(self, config: TrainConfig) -> dict[str, Any]:
        """The `training` record of a head's config."""
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "config": asdict(config),
            "copies": {s.corpus: len(s.keys) - 1 for s in self.training.speech},
            "data": self.count_data(),
            "dropped texts": self.dropped,
            "validation speakers": sorted({s.speaker for s in self.training.validation_speech}),
            "test speakers": sorted({s.speaker for s in self.test.speech}),
        }


def load_speech(
    manifest: Path, cache: FeatureCache, encoder: SpeechEncoder, text_encoder: TextEncoder | None, *, preset: str = "compact"
) -> tuple[SpeechItem, ...]:
    """A corpus with its copies in the cache; English ones aligned. Raises DataError when a clip can't be read."""
    dataset = read_manifest(manifest)
    english = dataset.name in ENGLISH
    found = extract_speech(
        dataset,
        cache,
        encoder,
        preset=preset,
        copies=COPIES.get(dataset.name, 0),
        aligner=ALIGNERS["sphinx"]() if english else None,
        text_encoder=text_encoder if english else None,
        progress=make_progress(f"speech of {dataset.name}"),
    )
    if found.left_out:
        raise DataError(f"{len(found.left_out)} clips of {dataset.name} can't be read, the first: {found.left_out[0]}")
    return found.items


def extract_parts(
    parts: dict[str, tuple[LabelledText, ...]], cache: FeatureCache, encoder: TextEncoder, *, preset: str
) -> dict[str, tuple[TextItem, ...]]:
    found = {}
    for name, texts in parts.items():
        keys = extract_texts([t.text for t in texts], cache, encoder, preset=preset, progress=make_progress(f"texts of {name}"))
        found[name] = make_text_items(texts, keys)
    return found


def write_trained(out: Path, name: str, trained: TrainedRun, corpora: DemoCorpora) -> str:
    """Calibrates, measures and saves a head with its card; returns its sha256."""
    outputs = predict_examples(trained.model, trained.reader, trained.validation)
    training = corpora.training
    calibration = calibrate(outputs, clips=len(training.validation_speech))
    if trained.normalisation is None:
        raise ValueError("a head without speech has no normalisation and nothing to be familiar with")
    novelty, threshold = fit_familiarity(corpora.cache, training.speech, training.validation_speech, trained.normalisation)
    config = make_head_config(
        trained.config,
        name=name,
        title=DEMO_TITLES[name],
        temperature=calibration.temperature,
        margin=calibration.margin,
        measured_clips=calibration.clips,
        novelty_threshold=threshold,
        trained_on=describe_training(corpora),
        licence=LICENCE,
        caveat=f"{CAVEAT} {CAVEAT_SPEECH}",
        training=corpora.describe(trained.config) | {"epochs": list(trained.history)},
        metrics=measure_run(trained, corpora.test, calibration),
    )
    sha256 = save_head(out / name, config, trained.model, normalisation=trained.normalisation, novelty=novelty)
    write_card(out / name, load_head(out / name).config)
    return sha256


def describe_training(corpora: DemoCorpora) -> str:
    speakers = {s.speaker for s in corpora.training.speech}
    names = ", ".join(sorted({s.corpus for s in corpora.training.speech}))
    return (
        f"{len(corpora.training.speech)} acted clips of {len(speakers)} speakers ({names}) and {len(corpora.training.texts)} texts, "
        "paired artificially."
    )


def write_combination(out: Path, corpora: DemoCorpora, *, run: Path) -> str:
    """The combination of late-fs and coattention-fp in `out`, with a temperature and a margin of its own."""
    late, early = Head.load(out / "late-fs"), Head.load(out / "coattention-fp")
    mix = pair_validation(corpora)
    calibration = calibrate(combine_outputs(late, early, mix, corpora.cache), clips=len(corpora.training.validation_speech))
    own = [s for s in corpora.test.speech if s.own_text]
    tests = [t for items in corpora.test.texts.values() for t in items]
    pairs = draw_pairs(corpora.test.speech, tests, tuple(UNIT_NAMES), seed=0)
    metrics: dict[str, Any] = {}
    for name, examples, items in (
        ("speech with its own words", show_alone(own, tuple(UNIT_NAMES), with_own_text=True), own),
        ("speech with a text of the same label", pairs, corpora.test.speech),
    ):
        outputs = combine_outputs(late, early, examples, corpora.cache)
        metrics[name] = slice_ua(outputs.labels, outputs.logits.argmax(1), items)
    metrics["calibration"] = describe_calibration(calibration, combine_outputs(late, early, pairs, corpora.cache))
    config = make_head_config(
        TrainConfig(units=("T", "F", "P", "S")),
        name="combined",
        title=DEMO_TITLES["combined"],
        temperature=calibration.temperature,
        margin=calibration.margin,
        measured_clips=calibration.clips,
        trained_on=late.config.trained_on,
        licence=LICENCE,
        caveat=late.config.caveat,
        metrics=metrics,
    )
    sha256 = save_combination(out / "combined", config, early=early, late=late)
    write_card(out / "combined", load_head(out / "combined").config)
    return sha256


def pair_validation(corpora: DemoCorpora) -> list[Example]:
    """What the combination is fitted on: validation clips with a text of their label, clean and augmented, and with their own words."""
    speech, texts = corpora.training.validation_speech, corpora.training.validation_texts
    turned = [replace(s, keys=(s.keys[copy % len(s.keys)],)) for copy, s in enumerate(speech)]
    own = [s for s in speech if s.own_text]
    return [
        *draw_pairs(speech, texts, tuple(UNIT_NAMES), seed=1),
        *draw_pairs(turned, texts, tuple(UNIT_NAMES), seed=2),
        *show_alone(own, tuple(UNIT_NAMES), with_own_text=True),
    ]


def combine_outputs(late: Head, early: Head, examples: Sequence[Example], cache: FeatureCache) -> Outputs:
    """The mean of both heads' logits (section 2.4)."""
    found = [predict_examples(h.model, make_reader(h, cache), examples) for h in (late, early)]
    return Outputs(found[0].labels, combine(found[1].logits, found[0].logits))


def make_reader(head: Head, cache: FeatureCache) -> BatchReader:
    config = head.config
    layers = {u: len(config.text_layers if u == "T" else config.speech_layers) for u in config.units}
    return BatchReader(cache, config.units, layers=layers, dim=config.dim, normalisation=head.normalisation)


def make_progress(what: str, *, every: float = 10.0) -> Callable[[int, int], None]:
    """Prints how far a slow step is, every so many seconds."""
    last = begun = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every and done:
            last = now
            print(f"{what}: {done} of {total}, {(now - begun) / done * (total - done):.0f} s left", file=sys.stderr)

    return report


def _describe_row(row: dict) -> str:
    return f"epoch {row['epoch']}: loss {row['loss']:.3f}, validation loss {row['validation_loss']:.3f}, UA {row['validation_ua']:.3f}"
