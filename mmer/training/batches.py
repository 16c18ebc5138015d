"""Examples -> padded, normalised tensors, read from the feature cache as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmer.cache import FeatureCache
from mmer.fusion import TEXT
from mmer.normalisation import Normalisation, fit_normalisation
from mmer.results import EMOTIONS
from mmer.training.pairing import Example, SpeechItem

CHUNK = 16  # batches that are sorted by length together, so that little is padding and the order stays random
STATISTICS_CLIPS = 3000  # at most so many clips are read for the normalisation


@dataclass(frozen=True)
class Batch:
    states: dict[str, Tensor]  # unit -> (batch, layers, segments, dim) float32
    masks: dict[str, Tensor]  # unit -> (batch, segments) bool; a row of False where the example lacks the unit
    labels: Tensor  # (batch,)


class BatchReader:
    """Reads batches for one model: its units, normalised as its head will normalise them."""

    def __init__(
        self,
        cache: FeatureCache,
        units: Sequence[str],
        *,
        layers: Mapping[str, int],
        dim: int,
        normalisation: Normalisation | None = None,
        max_frames: int = 1500,
        stride: int = 1,
    ):
        self.cache, self.units, self.layers, self.dim, self.max_frames = cache, tuple(units), layers, dim, max_frames
        self.stride = stride  # of the frames: models without positions read every n-th as they read all, in an n-th of the time
        self.mean: Tensor | None = None  # (layers, 1, dim)
        self.scale: Tensor | None = None
        if normalisation is not None:
            self.mean = torch.from_numpy(normalisation.mean)[:, None]
            self.scale = 1 / torch.from_numpy(normalisation.deviation)[:, None]

    def read(self, examples: Sequence[Example], *, shifts: Tensor | None = None, rng: np.random.Generator | None = None) -> Batch:
        """`shifts` (batch, layers, dim) is added to the normalised states of all speech units; `rng` draws each clip's first frame."""
        states, masks = {}, {}
        for unit in self.units:
            arrays = [self._find(example, unit, rng) for example in examples]
            states[unit], masks[unit] = self._pad(arrays, self.layers[unit])
            if unit != TEXT and self.mean is not None and self.scale is not None:
                states[unit].sub_(self.mean).mul_(self.scale)
            if unit != TEXT and shifts is not None:
                states[unit].add_(shifts[:, :, None])
        return Batch(states, masks, torch.tensor([e.label for e in examples]))

    def _find(self, example: Example, unit: str, rng: np.random.Generator | None) -> np.ndarray | None:
        key = example.text if unit == TEXT else example.speech if unit in example.units else None
        if key is None:
            return None
        states = self.cache.read_states(key, unit)[:, : self.max_frames]
        if unit != "F" or self.stride == 1:
            return states
        first = self.stride // 2 if rng is None else int(rng.integers(self.stride))
        return states[:, min(first, states.shape[1] - 1) :: self.stride]

    def _pad(self, arrays: Sequence[np.ndarray | None], layers: int) -> tuple[Tensor, Tensor]:
        longest = max([1, *(a.shape[1] for a in arrays if a is not None)])
        states = torch.zeros(len(arrays), layers, longest, self.dim)
        mask = torch.zeros(len(arrays), longest, dtype=torch.bool)
        for row, array in enumerate(arrays):
            if array is not None:
                states[row, :, : array.shape[1]] = torch.from_numpy(np.array(array))  # a copy: memory maps are read-only
                mask[row, : array.shape[1]] = True
        return states, mask

    def measure_length(self, example: Example) -> int:
        """Segments of the longest unit, which is what a batch costs."""
        if example.speech is not None:
            return max((self.cache.count_segments(example.speech, u) for u in example.units), default=0)
        return self.cache.count_segments(example.text, TEXT) if example.text is not None else 0


def cut_batches(examples: Sequence[Example], reader: BatchReader, *, size: int, rng: np.random.Generator) -> list[list[Example]]:
    """Batches of similar length in random order; every example once."""
    batches = []
    for start in range(0, len(examples), size * CHUNK):
        chunk = sorted(examples[start : start + size * CHUNK], key=reader.measure_length)
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def read_in_order(examples: Sequence[Example], reader: BatchReader, *, size: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """Batches for evaluation, shortest first, each with the positions of its examples."""
    order = np.argsort([reader.measure_length(e) for e in examples], kind="stable")
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield rows, reader.read([examples[i] for i in rows])


def fit_speech_normalisation(cache: FeatureCache, items: Sequence[SpeechItem], *, rng: np.random.Generator) -> Normalisation:
    """Statistics of the training clips' frames: every clip as it is and one of its augmented copies (a sample where there are many)."""
    chosen = [items[i] for i in rng.permutation(len(items))[: STATISTICS_CLIPS // 2]]
    keys = [key for item in chosen for key in {item.keys[0], item.keys[rng.integers(len(item.keys))]}]
    return fit_normalisation(cache.read_states(key, "F") for key in keys)


def average_voices(cache: FeatureCache, items: Sequence[SpeechItem], normalisation: Normalisation) -> Tensor:
    """(voices, layers, dim): the mean normalised state of every training speaker, in every copy, each emotion counting the same."""
    sums: dict[tuple[str, int], dict[int, list[np.ndarray]]] = {}
    for item in items:
        for copy, key in enumerate(item.keys):
            mean = cache.read_states(key, "F").mean(1, dtype=np.float32)
            sums.setdefault((item.speaker, copy), {}).setdefault(item.label, []).append(mean)
    whole = [voice for voice in sums.values() if len(voice) == len(EMOTIONS)]  # one without an emotion would shift towards the others
    means = np.stack([np.mean([np.mean(clips, axis=0) for clips in voice.values()], axis=0) for voice in whole])
    return torch.from_numpy(((means - normalisation.mean) / normalisation.deviation).astype(np.float32))


def draw_shifts(voices: Tensor, count: int, *, greatest: float, rng: np.random.Generator) -> Tensor:
    """(count, layers, dim): a random share of the way from one random voice to another, to be added to a clip.

    A clip's emotion stays, its voice, room and microphone become others; the model can't lean on where a speaker happens to lie.
    """
    from_voice, to_voice = rng.integers(len(voices), size=(2, count))
    share = torch.from_numpy(rng.uniform(0, greatest, count).astype(np.float32))[:, None, None]
    return share * (voices[to_voice] - voices[from_voice])
