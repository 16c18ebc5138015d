"""Speech clips and texts -> examples: what one epoch shows, drawn from a generator so that it can be drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmer.results import ALIGNED_UNITS, EMOTIONS, SPEECH_UNITS
from mmer.training.config import PairingMix


@dataclass(frozen=True)
class SpeechItem:
    """One clip with its copies in the feature cache."""

    name: str  # path within its corpus
    corpus: str
    speaker: str  # "ravdess/actor01": unique over corpora
    label: int  # index into EMOTIONS
    keys: tuple[str, ...]  # cache keys: the clip as it is, then its augmented copies
    units: tuple[str, ...]  # speech units that all copies have
    own_text: str | None = None  # cache key of its transcript; None where the text encoder doesn't know the language


@dataclass(frozen=True)
class TextItem:
    corpus: str
    label: int
    key: str  # in the feature cache


@dataclass(frozen=True)
class Example:
    """One row of a batch."""

    label: int
    speech: str | None = None  # cache key
    text: str | None = None
    units: tuple[str, ...] = ()  # speech units to be shown
    kind: str = ""  # (a), (b) or (c)


def pair_epoch(
    speech: Sequence[SpeechItem],
    texts: Sequence[TextItem],
    mix: PairingMix,
    *,
    units: Sequence[str],
    augmented: float,
    balance_corpora: float,
    rng: np.random.Generator,
) -> list[Example]:
    """The examples of one epoch, in random order: as many with speech as there are clips, and the texts alone.

    Speech is drawn so that each corpus's share follows its size to the power 1 - balance_corpora, and each label's is the same within it.
    """
    by_label = [[t for t in texts if t.label == label] for label in range(len(EMOTIONS))]
    reads_text = "T" in units and bool(texts)
    examples = []
    for item in draw_speech(speech, balance_corpora=balance_corpora, rng=rng):
        shown = _drop_units([u for u in item.units if u in units], mix, rng)
        key = item.keys[rng.integers(1, len(item.keys))] if len(item.keys) > 1 and rng.random() < augmented else item.keys[0]
        text, kind = _choose_text(item, by_label, mix, rng) if reads_text else (None, "(c)")
        examples.append(Example(item.label, key, text, shown, kind))
    if reads_text:
        for _ in range(round(mix.text_alone * len(speech))):
            label = int(rng.integers(len(EMOTIONS)))
            if by_label[label]:
                examples.append(Example(label, text=by_label[label][int(rng.integers(len(by_label[label])))].key, kind="(c)"))
    return [examples[i] for i in rng.permutation(len(examples))]


def draw_speech(speech: Sequence[SpeechItem], *, balance_corpora: float, rng: np.random.Generator) -> list[SpeechItem]:
    """len(speech) clips: every clip of a group (corpus and label) comes round before one comes again."""
    groups: dict[tuple[str, int], list[SpeechItem]] = {}
    for item in speech:
        groups.setdefault((item.corpus, item.label), []).append(item)
    sizes = {corpus: sum(item.corpus == corpus for item in speech) for corpus, _ in groups}
    labels = {corpus: sum(c == corpus for c, _ in groups) for corpus in sizes}
    shares = {corpus: size ** (1 - balance_corpora) for corpus, size in sizes.items()}
    drawn: list[SpeechItem] = []
    for (corpus, _), items in groups.items():
        wanted = round(len(speech) * shares[corpus] / sum(shares.values()) / labels[corpus])
        while wanted > 0:
            drawn += [items[i] for i in rng.permutation(len(items))[:wanted]]
            wanted -= len(items)
    return drawn


def _drop_units(units: Sequence[str], mix: PairingMix, rng: np.random.Generator) -> tuple[str, ...]:
    aligned = [u for u in units if u in ALIGNED_UNITS]
    if not aligned:
        return tuple(units)
    chance = rng.random()
    if chance < mix.drop_aligned:
        return tuple(u for u in units if u not in aligned)
    if chance < mix.drop_aligned + mix.drop_frames:
        return tuple(aligned)
    return tuple(units)


def _choose_text(
    item: SpeechItem, by_label: Sequence[Sequence[TextItem]], mix: PairingMix, rng: np.random.Generator
) -> tuple[str | None, str]:
    chance = rng.random()
    if chance < mix.same_label and by_label[item.label]:
        return by_label[item.label][int(rng.integers(len(by_label[item.label])))].key, "(a)"
    if mix.same_label <= chance < mix.same_label + mix.own_words and item.own_text is not None:
        return item.own_text, "(b)"
    return None, "(c)"


def show_alone(speech: Sequence[SpeechItem], units: Sequence[str], *, copy: int = 0, with_own_text: bool = False) -> list[Example]:
    """The clips as they are, or their `copy`-th augmented copies, with the given speech units and no text (or their own)."""
    return [
        Example(
            item.label,
            item.keys[min(copy, len(item.keys) - 1)],
            item.own_text if with_own_text else None,
            tuple(u for u in SPEECH_UNITS if u in units and u in item.units),
            "(b)" if with_own_text else "(c)",
        )
        for item in speech
    ]
