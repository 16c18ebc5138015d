"""The corpora of the heads that ship as items with features in the cache, split by speaker and by text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from mmer.choices.emotions import EMOTIONS
from mmer.choices.units import UNITS
from mmer.datasets.manifest import read_manifest
from mmer.datasets.texts import LabelledText
from mmer.demo_heads.recipe import COPIES, ENGLISH, list_other_readers, read_demo_texts, split_speech
from mmer.encoders.encoders import TextEncoder
from mmer.encoders.presets import PRESETS
from mmer.errors import DataError
from mmer.experiments.evaluate import TestData
from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.schedule import PairedData
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extract import extract_texts
from mmer.feature_store.extraction import extract_dataset
from mmer.feature_store.feature_items import FeatureItem
from mmer.heads.clip_list import ClipList, make_clip_list
from mmer.phrasing import say_count

SAID_EVERY = 10.0  # seconds between two lines about a slow step


class DemoCorpora:
    """The demo's speech and texts as items with features in the cache, split."""

    def __init__(
        self,
        cache: FeatureCache,
        speech: Sequence[FeatureItem],
        texts: Mapping[str, tuple[FeatureItem, ...]],
        *,
        dropped: Mapping[str, int],
        judged: Sequence[FeatureItem] = (),
    ):
        self.cache, self.dropped = cache, dropped
        self.speech = split_speech(speech)
        self.judged = (*judged, *list_other_readers(speech))
        self.texts = texts
        self.training = PairedData(self.speech["train"], texts["train"], self.speech["validation"], texts["validation"])
        tests = {name.removeprefix("test "): items for name, items in texts.items() if name.startswith("test ")}
        self.test = TestData(self.speech["test"], tests)

    @classmethod
    def load(
        cls, manifests: Sequence[Path], texts: Path, features: Path, *, judged: Sequence[Path] = (), preset: str = "compact"
    ) -> DemoCorpora:
        """Reads manifests and texts and extracts what the cache lacks; nothing learns from the manifests `judged`. Raises DataError."""
        cache = FeatureCache(features)
        items = [item for path in manifests for item in load_speech(path, cache, preset=preset)]
        others = [item for path in judged for item in load_speech(path, cache, preset=preset, copies=0)]
        parts, dropped = read_demo_texts(texts)
        encoder = TextEncoder.load(PRESETS[preset])
        return cls(cache, items, extract_parts(parts, cache, encoder, preset=preset), dropped=dropped, judged=others)

    def count_data(self) -> dict[str, list[int]]:
        """Corpus -> examples in training, validation and test."""
        tests = [t for items in self.test.texts.values() for t in items]
        parts = [
            [*self.training.speech, *self.training.texts],
            [*self.training.validation_speech, *self.training.validation_texts],
            [*self.test.speech, *tests],
        ]
        names = dict.fromkeys(item.corpus for part in parts for item in part)
        return {name: [sum(item.corpus == name for item in part) for part in parts] for name in names}

    def list_corpus(self, corpus: str) -> tuple[FeatureItem, ...]:
        """All clips of a corpus that trains, those of every speaker."""
        return tuple(item for part in self.speech.values() for item in part if item.corpus == corpus)

    def list_clips(self) -> ClipList:
        """Hashes of the training and validation clips and of the training speakers."""
        parts = (self.training.speech, self.training.validation_speech)
        training, validation = ([item.sha256 for item in part if item.sha256] for part in parts)
        return make_clip_list(training, validation, {item.speaker for item in self.training.speech})

    def describe(self, experiment: Experiment) -> dict[str, Any]:
        """The `training` record of a head's config."""
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "config": experiment.to_json(),
            "copies": {s.corpus: len(s.copies) for s in self.training.speech},
            "data": self.count_data(),
            "dropped texts": dict(self.dropped),
            "validation speakers": sorted({s.speaker for s in self.training.validation_speech}),
            "test speakers": sorted({s.speaker for s in self.test.speech}),
        }


def load_speech(manifest: Path, cache: FeatureCache, *, preset: str = "compact", copies: int | None = None) -> tuple[FeatureItem, ...]:
    """A corpus with its copies in the cache (by default those of the demo); English ones aligned and with their words.

    Speakers are named "ravdess/actor01", since two corpora may name theirs alike. Raises DataError when a clip can't be read.
    """
    dataset = read_manifest(manifest, classes=EMOTIONS)  # a corpus of everyday speech holds one of them alone
    english = dataset.name in ENGLISH
    report = make_progress()
    found = extract_dataset(
        dataset,
        cache,
        preset=preset,
        units=tuple(UNITS) if english else ("F",),
        aligner="sphinx" if english else None,
        workers=0,
        copies=COPIES.get(dataset.name, 0) if copies is None else copies,
        progress=lambda what, done, total: report(f"{what} of {dataset.name}", done, total),
    )
    if found.left_out:
        raise DataError(f"{say_count(len(found.left_out), 'clip')} of {dataset.name} can't be read, the first: {found.left_out[0]}")
    return tuple(replace(item, speaker=f"{dataset.name}/{item.speaker}") for item in found.items)


def extract_parts(
    parts: Mapping[str, tuple[LabelledText, ...]], cache: FeatureCache, encoder: TextEncoder, *, preset: str
) -> dict[str, tuple[FeatureItem, ...]]:
    found = {}
    for name, texts in parts.items():
        report = partial(make_progress(), f"texts of {name}")
        keys = extract_texts([t.text for t in texts], cache, encoder, preset=preset, progress=report)
        found[name] = make_text_items(texts, keys)
    return found


def make_text_items(texts: Sequence[LabelledText], keys: Sequence[str]) -> tuple[FeatureItem, ...]:
    """Texts without a voice, with the cache keys of their states."""
    rows = enumerate(zip(texts, keys))
    return tuple(
        FeatureItem(f"{t.corpus} {i}", EMOTIONS.index(t.label), "", "", "", None, key, ("T",), i, None, corpus=t.corpus)
        for i, (t, key) in rows
    )


def make_progress() -> Callable[[str, int, int], None]:
    """Prints how far a slow step is, every so many seconds."""
    last = begun = time.monotonic()

    def report(step: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SAID_EVERY and done:
            last = now
            print(f"{step}: {done} of {total}, {(now - begun) / done * (total - done):.0f} s left", file=sys.stderr)

    return report
