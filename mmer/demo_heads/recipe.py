"""The heads that ship: which speakers and texts train, validate and test them, and their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.texts import LabelledText, drop_leaks, read_texts
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, Pairing
from mmer.feature_store.feature_items import FeatureItem

COPIES: Mapping[str, int] = {"ravdess": 4, "nemo": 2, "tess": 1}  # augmented copies of every clip
ENGLISH = ("ravdess", "tess", "librispeech", "an4", "vctk_sample")  # corpora whose words the aligner and the text encoder know
EVERYDAY = (
    "librispeech",
    "common_voice",
    "an4",
    "vctk_sample",
    "cmu_arctic_sample",
    "asterisk_prompts",
)  # read or spoken by people at ease
NEUTRAL = EMOTIONS.index("neutral")
TEXT_CORPORA = ("meld", "emorynlp", "goemotions_ekman")  # spoken dialogue first
TRAINING_TEXTS = 6000  # at most so many of each label, spoken dialogue first
VALIDATION_TEXTS = 400  # of each label

# RAVDESS's odd actors are male, its even ones female: two of each are held out for each part.
VALIDATION_SPEAKERS = frozenset({"ravdess/actor17", "ravdess/actor18", "ravdess/actor19", "ravdess/actor20", "nemo/SM0"})
TEST_SPEAKERS = frozenset({"ravdess/actor21", "ravdess/actor22", "ravdess/actor23", "ravdess/actor24", "nemo/WR0"})

LATE = Experiment(
    data="",  # several corpora, which the command names
    features="",
    fusion="late",
    units=("T", "F", "S"),
    epochs=30,
    min_steps=0,
    layer_rate=20.0,
    label_smoothing=0.3,
    voice_shift=0.5,
    branch_loss=0.5,
    frame_stride=2,
    threads=1,
    pairing=Pairing(augmented=0.4),
)
COATTENTION = Experiment(
    data="",
    features="",
    fusion="coattention",
    units=("T", "F", "P"),
    learning_rate=5e-5,
    warmup_steps=100,
    layer_rate=20.0,
    label_smoothing=0.2,
    voice_shift=0.5,
    epochs=14,
    min_steps=0,
    model={"heads": 4, "feedforward": 384},
    frame_stride=4,
    precision="bfloat16",
    threads=1,
    pairing=Pairing(same_label=0.5, own_words=0.2, text_alone=0.15, drop_aligned=0.0, drop_frames=0.0, augmented=0.4),
)
DEMO_EXPERIMENTS: Mapping[str, Experiment] = {
    "late-fs": LATE,
    "coattention-fp": COATTENTION,
    "coattention-f": replace(COATTENTION, units=("T", "F")),
}

DEMO_TITLES: Mapping[str, str] = {
    "late-fs": "Late fusion of text, frames and syllables",
    "coattention-fp": "Coattention of text with frames and phones",
    "coattention-f": "Coattention of text with frames",
    "combined": "Late and early fusion together",
}


def read_demo_texts(folder: str | Path) -> tuple[dict[str, tuple[LabelledText, ...]], dict[str, int]]:
    """Texts by part ("train", "validation", "test meld", ...), and how many each corpus lost because another part holds them.

    Raises DataError when a corpus is missing or a row can't be used.
    """
    texts = [text for corpus in TEXT_CORPORA for text in read_texts(Path(folder) / f"{corpus}.csv")]
    kept, dropped = drop_leaks(texts)
    parts = {
        "train": _take_balanced([t for t in kept if t.split == "train"], TRAINING_TEXTS),
        "validation": _take_balanced([t for t in kept if t.split == "dev"], VALIDATION_TEXTS),
    }
    parts |= {f"test {c}": tuple(t for t in kept if (t.corpus, t.split) == (c, "test")) for c in TEXT_CORPORA}
    return parts, dropped


def _take_balanced(texts: Sequence[LabelledText], count: int) -> tuple[LabelledText, ...]:
    """The first `count` of each label; texts come in the order of TEXT_CORPORA."""
    return tuple(text for label in EMOTIONS for text in [t for t in texts if t.label == label][:count])


def split_speech(items: Sequence[FeatureItem]) -> dict[str, tuple[FeatureItem, ...]]:
    """Items by part: train, validation, test; no speaker stands in two. Raises DataError when a part is left without clips.

    Every second speaker of a corpus of everyday speech trains; nobody learns from the others, who are for judging what strangers get.
    """
    parts: dict[str, list[FeatureItem]] = {"train": [], "validation": [], "test": []}
    judging = {item.speaker for item in list_other_readers(items)}
    for item in items:
        held_out = "validation" if item.speaker in VALIDATION_SPEAKERS else "test" if item.speaker in TEST_SPEAKERS else "train"
        if item.speaker not in judging:
            parts[held_out].append(item)
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise DataError(f"No clips for {' and '.join(empty)}: the demo heads need RAVDESS's actors 01 to 24 and nEMO's nine speakers.")
    return {name: tuple(part) for name, part in parts.items()}


def list_other_readers(items: Sequence[FeatureItem]) -> tuple[FeatureItem, ...]:
    """The clips of everyday speech whose speakers nobody learns from: every second one of each corpus."""
    everyday = {name: sorted({i.speaker for i in items if i.corpus == name}) for name in EVERYDAY}
    judging = {speaker for speakers in everyday.values() for speaker in speakers[1::2]}
    return tuple(item for item in items if item.speaker in judging)
