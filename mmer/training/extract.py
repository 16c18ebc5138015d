"""Data sets -> items with features in the cache: audio, augmented copies, alignment, states, pooled units; each clip once.

The path is the app's: load_audio, read_transcript, an aligner, the encoders, extract_features. A clip that can't be read is left out by
name; one that can't be aligned keeps its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmer.align import Aligner
from mmer.audio import load_audio
from mmer.cache import FeatureCache, make_key
from mmer.datasets.manifest import Dataset, Utterance
from mmer.datasets.texts import LabelledText
from mmer.encoders import SpeechEncoder, TextEncoder
from mmer.errors import AlignmentError, AudioError
from mmer.features import FEATURES_VERSION, extract_features
from mmer.results import ALIGNED_UNITS, EMOTIONS, SPEECH_UNITS, Alignment, Clip, Features, Segment
from mmer.training.augment import CLEAN, Recipe, apply_recipe, draw_recipe, recipe_name
from mmer.training.pairing import SpeechItem, TextItem
from mmer.transcribe import read_transcript

TEXT_BATCH = 64
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SpeechExtraction:
    items: tuple[SpeechItem, ...]
    left_out: tuple[str, ...]  # one sentence per clip that is missing from items
    unaligned: tuple[str, ...]  # one sentence per clip that has frames only


def extract_speech(
    dataset: Dataset,
    cache: FeatureCache,
    encoder: SpeechEncoder,
    *,
    preset: str,
    copies: int = 0,
    aligner: Aligner | None = None,
    text_encoder: TextEncoder | None = None,
    progress: Progress = lambda done, total: None,
) -> SpeechExtraction:
    """Every clip of `dataset` and `copies` augmented copies of it; with an aligner P, S, W too, with a text encoder its own words.

    Recipes are drawn from the clip's content, so the same clip has the same copies everywhere and a second call finds them all.
    """
    items, left_out, unaligned = [], [], []
    for done, utterance in enumerate(dataset.utterances):
        progress(done, len(dataset.utterances))
        try:
            clip = load_audio(utterance.path)
        except AudioError as error:
            left_out.append(f"{utterance.path.name}: {error}")
            continue
        recipes = [CLEAN, *(draw_recipe(np.random.default_rng([copy, int(clip.sha256[:8], 16)])) for copy in range(1, copies + 1))]
        spoken = f"{aligner.name}: {utterance.text}" if aligner else ""
        keys = [
            make_key(content=f"{clip.sha256} {recipe_name(r)}", encoder=encoder.identity, version=FEATURES_VERSION, alignment=spoken)
            for r in recipes
        ]
        missing = {key: recipe for key, recipe in zip(keys, recipes) if key not in cache}
        if missing:
            _write_copies(clip, utterance, missing, cache, encoder, preset=preset, aligner=aligner)
        units = tuple(u for u in cache.list_units(keys[0]) if u in SPEECH_UNITS)
        if aligner and not set(ALIGNED_UNITS) & set(units):
            unaligned.append(f"{utterance.path.name} ({utterance.label}): {cache.read(keys[0]).absent['W']}")
        own = extract_texts([utterance.text], cache, text_encoder, preset=preset)[0] if text_encoder and utterance.text else None
        label = EMOTIONS.index(utterance.label)
        name, speaker = utterance.path.name, f"{dataset.name}/{utterance.speaker}"
        items.append(SpeechItem(name, dataset.name, speaker, label, tuple(keys), units, own))
    progress(len(dataset.utterances), len(dataset.utterances))
    return SpeechExtraction(tuple(items), tuple(left_out), tuple(unaligned))


def _write_copies(
    clip: Clip,
    utterance: Utterance,
    recipes: Mapping[str, Recipe],
    cache: FeatureCache,
    encoder: SpeechEncoder,
    *,
    preset: str,
    aligner: Aligner | None,
) -> None:
    """`recipes` by the key each copy is written under."""
    alignment, absent = None, {}
    if aligner:
        try:
            alignment = aligner.align(clip, read_transcript(utterance.text))
        except AlignmentError as error:
            absent = dict.fromkeys(ALIGNED_UNITS, str(error))
    copies = [apply_recipe(clip.samples, recipe) for recipe in recipes.values()]
    for (key, recipe), states in zip(recipes.items(), encoder.encode_batch(copies)):
        moved = None if alignment is None else scale_alignment(alignment, recipe.speed)
        cache.write(key, extract_features(preset, states, None, moved, absent=absent))


def scale_alignment(alignment: Alignment, speed: float) -> Alignment:
    """The alignment of the same clip played `speed` times as fast."""

    def scale(tier: Sequence[Segment]) -> tuple[Segment, ...]:
        return tuple(replace(s, start=s.start / speed, end=s.end / speed) for s in tier)

    return replace(alignment, words=scale(alignment.words), syllables=scale(alignment.syllables), phones=scale(alignment.phones))


def extract_texts(
    texts: Sequence[str],
    cache: FeatureCache,
    encoder: TextEncoder,
    *,
    preset: str,
    progress: Progress = lambda done, total: None,
) -> list[str]:
    """The cache keys of texts, in order; what is not yet there is encoded in batches of similar length."""
    keys = [make_key(content=f"text {text}", encoder=encoder.identity, version=FEATURES_VERSION) for text in texts]
    missing = sorted({k: t for k, t in zip(keys, texts) if k not in cache}.items(), key=lambda pair: len(pair[1]))
    for start in range(0, len(missing), TEXT_BATCH):
        batch = missing[start : start + TEXT_BATCH]
        transcripts = [read_transcript(text) for _, text in batch]
        for (key, _), states in zip(batch, encoder.encode_batch(transcripts)):
            cache.write(key, _text_features(preset, states))
        progress(min(start + TEXT_BATCH, len(missing)), len(missing))
    return keys


def _text_features(preset: str, states) -> Features:
    return extract_features(preset, None, states, None)


def make_text_items(texts: Sequence[LabelledText], keys: Sequence[str]) -> tuple[TextItem, ...]:
    return tuple(TextItem(t.corpus, EMOTIONS.index(t.label), key) for t, key in zip(texts, keys))
