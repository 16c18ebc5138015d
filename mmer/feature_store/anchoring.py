"""Anchoring: acted corpora are moved as a whole to where everyday speech lies, while a model learns.

A corpus is a room, a microphone and a way of speaking. Where emotions were acted in one room and everyday speech was recorded in others, a
model learns "this room: emotion". So every acted corpus is shifted, per layer and dimension and every frame alike, so that the mean of its
neutral clips is that of the anchor corpus. Only training clips decide the shift. Nothing is shifted when a head is asked, and a corpus
that nobody trained on is never shifted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmer.errors import DataError
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem


class AnchoredCache(FeatureCache):
    """A feature cache whose entries are read with their corpus's shift; what has none is read as it is."""

    def __init__(self, cache: FeatureCache, shifts: Mapping[str, np.ndarray]):
        """`shifts`: cache key -> (layers, dim) float32, added to every speech state of the entry."""
        super().__init__(cache.folder)
        self.shifts = shifts

    def read_states(self, key: str, unit: str) -> np.ndarray:
        states = super().read_states(key, unit)
        shift = self.shifts.get(key)
        return states if shift is None else (states + shift[:, None]).astype(np.float16)


def anchor_speech(
    cache: FeatureCache, training: Sequence[FeatureItem], others: Sequence[FeatureItem], *, anchor: str, neutral: int
) -> AnchoredCache:
    """The cache as training reads it: the corpora of `training` that hold more than neutral clips lie where `anchor` does.

    `neutral` is the index of the class. `others` (validation clips) are shifted by what their corpus's training clips say and decide
    nothing themselves.
    Raises DataError when the anchor corpus, or a corpus to be moved, has no neutral training clip.
    """
    acted = sorted({item.corpus for item in training if item.label != neutral} - {anchor})
    goal = average_neutral(cache, training, anchor, neutral=neutral)
    shifts = {corpus: goal - average_neutral(cache, training, corpus, neutral=neutral) for corpus in acted}
    moved = [item for item in (*training, *others) if item.corpus in shifts]
    return AnchoredCache(cache, {key: shifts[item.corpus] for item in moved for key in (item.speech, *item.copies) if key})


def average_neutral(cache: FeatureCache, items: Sequence[FeatureItem], corpus: str, *, neutral: int) -> np.ndarray:
    """(layers, dim) float32: the mean of a corpus's neutral clips as they are, each clip's frames averaged first."""
    keys = [item.speech for item in items if item.corpus == corpus and item.label == neutral and item.speech and "F" in item.units]
    if not keys:
        raise DataError(f"Anchoring needs neutral training clips of {corpus}: there are none. Name a corpus that is trained on.")
    total = np.sum([cache.read_states(key, "F").mean(1, dtype=np.float64) for key in keys], axis=0)
    found: np.ndarray = (total / len(keys)).astype(np.float32)
    return found
