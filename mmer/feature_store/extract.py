"""Clips and texts -> entries of the feature cache: audio, augmented copies, alignment, states, pooled units; each clip once.

The path is the app's: read_transcript, an aligner, the encoders, extract_features. One that can't be aligned keeps its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmer.align import Aligner
from mmer.align.files import read_alignment
from mmer.choices.units import aligned_units, speech_units
from mmer.datasets.dataset import Utterance
from mmer.encoders.encoders import SpeechEncoder, TextEncoder
from mmer.encoders.features import extract_features
from mmer.encoders.pooling import PooledClip
from mmer.errors import AlignmentError, TranscriptError
from mmer.feature_store.augment import CLEAN, Augmentation, apply_augmentation, draw_augmentation, name_augmentation
from mmer.feature_store.cache import FEATURES_VERSION, FeatureCache, make_key
from mmer.feature_store.entry_names import name_alignment, name_text
from mmer.results import SAMPLE_RATE, Alignment, Clip, Features, Segment, SpeechStates, TextStates
from mmer.transcript.transcribe import read_transcript

TEXT_BATCH = 64
NO_ALIGNER = "There is no alignment file, and no aligner was asked for."
Progress = Callable[[int, int], None]


def draw_augmentations(clip: Clip, copies: int) -> list[Augmentation]:
    """The clip as it is and `copies` augmented copies, drawn from its content: the same clip has the same copies everywhere."""
    return [CLEAN, *(draw_augmentation(np.random.default_rng([copy, int(clip.sha256[:8], 16)])) for copy in range(1, copies + 1))]


@dataclass(frozen=True, eq=False)
class PreparedEntry:
    """An entry that is to be written, up to what the encoder makes of it."""

    key: str
    samples: np.ndarray  # (samples,) float32 at 16 kHz, as it is or as an augmented copy
    alignment: Alignment | None
    absent: Mapping[str, str]  # unit -> why it can't be had
    kept: frozenset[str]  # units that are stored

    @property
    def segments(self) -> dict[str, tuple[Segment, ...]]:
        """Of each unit that the alignment has."""
        tiers = {unit: self.alignment.tier(unit) for unit in aligned_units()} if self.alignment else {}
        return {unit: tier for unit, tier in tiers.items() if tier}


class ClipPreparer:
    """One aligner, and what a cache holds already: what of a clip has to be encoded, by an encoder that need not be here."""

    def __init__(
        self,
        cache: FeatureCache,
        identity: str,
        *,
        aligner: Aligner | None = None,
        check: bool = False,
        again: bool = False,
    ):
        self.cache, self.identity, self.aligner = cache, identity, aligner  # the identity is the encoder's
        self.check = check  # read entries that are there through: altered ones are written again
        self.again = again  # try once more what could not be had before

    def prepare(
        self,
        utterance: Utterance,
        clip: Clip,
        *,
        augmentations: Sequence[Augmentation] = (CLEAN,),
        units: Sequence[str] | None = None,
        aligned: bool = True,
    ) -> tuple[list[str], list[PreparedEntry]]:
        """The cache keys of `clip` under `augmentations`, and the entries among them that lack any of `units` (all) without a reason, or
        are damaged.

        `aligned` False does without the units that need an alignment.
        """
        units = units or speech_units()
        spoken = name_alignment(utterance, self.aligner.identity if self.aligner else "") if aligned else ""
        keys = [self.name_entry(clip, augmentation, spoken=spoken) for augmentation in augmentations]
        missing = {key: augmentation for key, augmentation in zip(keys, augmentations) if not self.holds(key, units)}
        if not missing:
            return keys, []
        alignment, absent = self._align(utterance, clip) if aligned else (None, {})
        entries = []
        for key, augmentation in missing.items():
            moved = None if alignment is None else scale_alignment(alignment, augmentation.speed)
            kept = frozenset({*units, *self.cache.list_units(key)} if key in self.cache else units)
            entries.append(PreparedEntry(key, apply_augmentation(clip.samples, augmentation), moved, absent, kept))
        return keys, entries

    def name_entry(self, clip: Clip, augmentation: Augmentation = CLEAN, *, spoken: str) -> str:
        """The cache key of an entry; `spoken` is the result of name_alignment."""
        content = f"{clip.sha256} {name_augmentation(augmentation)}"
        return make_key(content=content, encoder=self.identity, version=FEATURES_VERSION, alignment=spoken)

    def holds(self, key: str, units: Sequence[str]) -> bool:
        """Whether the entry has each of `units`, or the reason why it can't be had."""
        if not (self.cache.is_whole(key) if self.check else key in self.cache):
            return False
        missing = set(units) - set(self.cache.list_units(key))
        return not missing or (not self.again and missing <= set(self.cache.read_absent(key)))

    def _align(self, utterance: Utterance, clip: Clip) -> tuple[Alignment | None, dict[str, str]]:
        """The utterance's own alignment file, which need not have the transcript's words, else the aligner's; or why there is none."""
        try:
            if utterance.alignment is not None:
                return read_alignment(utterance.alignment, duration=clip.duration), {}
            if self.aligner is None:
                return None, dict.fromkeys(aligned_units(), NO_ALIGNER)
            return self.aligner.align(clip, read_transcript(utterance.text)), {}
        except (AlignmentError, TranscriptError) as error:
            return None, dict.fromkeys(aligned_units(), str(error))


class SpeechExtractor(ClipPreparer):
    """One encoder and one aligner, which write the units of clips into a cache."""

    def __init__(self, cache: FeatureCache, encoder: SpeechEncoder, *, preset: str, **options: Any):
        super().__init__(cache, encoder.identity, **options)
        self.encoder, self.preset = encoder, preset

    def extract(self, utterance: Utterance, clip: Clip, **wanted: Any) -> list[str]:
        """The keys that `prepare` gives; each entry has the wanted units then, or the reason why not. What is missing or damaged is
        written."""
        keys, entries = self.prepare(utterance, clip, **wanted)
        for entry, states in zip(entries, self.encoder.encode_batch([entry.samples for entry in entries])):
            self.cache.write(entry.key, extract_features(self.preset, states, None, entry.alignment, absent=entry.absent), units=entry.kept)
        return keys


@dataclass(frozen=True, eq=False)
class LoadedClip:
    """A clip that was read and aligned, for the device."""

    utterance: Utterance
    identity: str  # identify_speech's
    keys: tuple[str, ...]  # of its entry, then of its copies
    entries: tuple[PreparedEntry, ...]  # those of them that are to be written
    seconds: float
    sha256: str

    @property
    def length(self) -> float:
        """Seconds of the longest entry."""
        return max(len(entry.samples) for entry in self.entries) / SAMPLE_RATE


def choose_similar(clips: Sequence[LoadedClip], *, most: float) -> list[LoadedClip]:
    """The clip that has waited longest, and those nearest to it in length, up to `most` seconds with each as long as the longest."""
    chosen: list[LoadedClip] = []
    count, longest = 0, 0.0
    for clip in sorted(clips, key=lambda clip: abs(clip.length - clips[0].length)):  # stable: the first is the oldest
        count, longest = count + len(clip.entries), max(longest, clip.length)
        if chosen and count * longest > most:
            break
        chosen.append(clip)
    return chosen


def write_pooled(cache: FeatureCache, entry: PreparedEntry, pooled: PooledClip, *, preset: str, encoder: str, step: float) -> None:
    """Writes an entry whose states were pooled on a device. `encoder` is its identity, `step` the seconds between its frames."""
    frames = np.empty((0, len(pooled.times), 0), np.float16) if pooled.frames is None else pooled.frames  # those that nobody stores
    units = {unit: np.empty((0, len(tier), 0), np.float16) for unit, tier in entry.segments.items()} | dict(pooled.units)
    states = SpeechStates(frames, pooled.times, step, encoder, ())
    cache.write(entry.key, extract_features(preset, states, None, entry.alignment, absent=entry.absent, pooled=units), units=entry.kept)


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
    check: bool = False,
    progress: Progress = lambda done, total: None,
) -> list[str]:
    """The cache keys of texts, in order; what is not yet there is encoded in batches of equal length.

    `check` reads entries that are there through; altered ones are written again.
    """
    keys = [name_text(text, encoder.identity) for text in texts]
    missing = {k: t for k, t in zip(keys, texts) if not (cache.is_whole(k) if check else k in cache)}
    done = 0
    for batch in _group_texts(missing, encoder):
        transcripts = [read_transcript(missing[key]) for key in batch]
        for key, states in zip(batch, encoder.encode_batch(transcripts)):
            cache.write(key, _text_features(preset, states))
        done += len(batch)
        progress(done, len(missing))
    return keys


def _group_texts(texts: Mapping[str, str], encoder: TextEncoder) -> Iterator[list[str]]:
    """Keys of texts (by key) of the same number of word pieces, so that nothing is padded and a text's states don't depend on its batch."""
    lengths: dict[int, list[str]] = {}
    for key, text in texts.items():
        lengths.setdefault(encoder.count_pieces(text), []).append(key)
    for length, keys in sorted(lengths.items()):
        size = TEXT_BATCH if length <= encoder.window else 1  # the windows of longer texts are padded
        yield from (keys[start : start + size] for start in range(0, len(keys), size))


def _text_features(preset: str, states: TextStates) -> Features:
    return extract_features(preset, None, states, None)
