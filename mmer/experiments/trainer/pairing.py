"""Voices and words that were never recorded together -> examples: what one epoch shows.

All is drawn from a generator that is passed in, so that it can be drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmer.choices.units import aligned_units, speech_units
from mmer.experiments.experiment import Pairing
from mmer.feature_store.feature_items import FeatureItem


@dataclass(frozen=True)
class PairedExample:
    """One row of a batch."""

    label: int  # index of its class
    speech: str | None = None  # cache key
    text: str | None = None
    units: tuple[str, ...] = ()  # that are shown, T among them where there is a text
    kind: str = ""  # (a), (b) or (c)


def make_example(label: int, speech: str | None, text: str | None, shown: Sequence[str], kind: str) -> PairedExample:
    """The example with the units it has; `shown` are its speech units."""
    return PairedExample(label, speech, text, (*(("T",) if text is not None else ()), *shown), kind)


def pair_epoch(
    speech: Sequence[FeatureItem],
    texts: Sequence[FeatureItem],
    pairing: Pairing,
    *,
    units: Sequence[str],
    rng: np.random.Generator,
) -> list[PairedExample]:
    """The examples of one epoch, in random order: as many with speech as there are acted clips, everyday ones, and the texts alone.

    Speech is drawn so that each corpus's share follows its size to the power 1 - balance_corpora, and each label's is the same within it.
    """
    classes = 1 + max((item.label for item in (*speech, *texts)), default=0)
    by_label = [[t for t in texts if t.label == label] for label in range(classes)]
    reads_text = "T" in units and bool(texts)
    examples = []
    for item in draw_speech(speech, balance_corpora=pairing.balance_corpora, everyday=pairing.everyday, rng=rng):
        shown = _drop_units([u for u in item.units if u in units and u != "T"], pairing, rng)
        key = item.copies[rng.integers(len(item.copies))] if item.copies and rng.random() < pairing.augmented else item.speech
        text, kind = _choose_text(item, by_label, pairing, rng) if reads_text else (None, "(c)")
        examples.append(make_example(item.label, key, text, shown, kind))
    if reads_text:
        for _ in range(round(pairing.text_alone * len(examples))):
            label = int(rng.integers(classes))
            if by_label[label]:
                text = by_label[label][int(rng.integers(len(by_label[label])))].text
                examples.append(make_example(label, None, text, (), "(c)"))
    return [examples[i] for i in rng.permutation(len(examples))]


def draw_speech(
    speech: Sequence[FeatureItem], *, balance_corpora: float, everyday: float = 1.0, rng: np.random.Generator
) -> list[FeatureItem]:
    """As many clips as there are of corpora with several labels, and `everyday` times as many of those with one alone, if there are any.

    Every clip of a group (corpus and label) comes round before one comes again.
    """
    groups: dict[tuple[str, int], list[FeatureItem]] = {}
    for item in speech:
        groups.setdefault((item.corpus, item.label), []).append(item)
    sizes = {corpus: sum(item.corpus == corpus for item in speech) for corpus, _ in groups}
    labels = {corpus: sum(c == corpus for c, _ in groups) for corpus in sizes}
    shares = {corpus: size ** (1 - balance_corpora) for corpus, size in sizes.items()}
    acted = {corpus for corpus, count in labels.items() if count > 1} or set(labels)  # one corpus of one label: all there is
    clips = sum(sizes[corpus] for corpus in acted)
    drawn: list[FeatureItem] = []
    for (corpus, _), items in groups.items():
        alike = acted if corpus in acted else set(labels) - acted
        total = clips if corpus in acted else everyday * clips
        wanted = round(total * shares[corpus] / sum(shares[c] for c in alike) / labels[corpus])
        while wanted > 0:
            drawn += [items[i] for i in rng.permutation(len(items))[:wanted]]
            wanted -= len(items)
    return drawn


def balance_texts(texts: Sequence[FeatureItem], rng: np.random.Generator) -> list[PairedExample]:
    """Texts with every label equally often: as many of each as the labels have on average, drawn round after round."""
    labels = sorted({t.label for t in texts})
    drawn: list[FeatureItem] = []
    for label in labels:
        group = [t for t in texts if t.label == label]
        wanted = len(texts) // len(labels)
        while wanted > 0:
            drawn += [group[i] for i in rng.permutation(len(group))[:wanted]]
            wanted -= len(group)
    return show_texts([drawn[i] for i in rng.permutation(len(drawn))])


def _drop_units(units: Sequence[str], pairing: Pairing, rng: np.random.Generator) -> tuple[str, ...]:
    aligned = [u for u in units if u in aligned_units()]
    if not aligned:
        return tuple(units)
    chance = rng.random()
    if chance < pairing.drop_aligned:
        return tuple(u for u in units if u not in aligned)
    if chance < pairing.drop_aligned + pairing.drop_frames:
        return tuple(aligned)
    return tuple(units)


def _choose_text(
    item: FeatureItem, by_label: Sequence[Sequence[FeatureItem]], pairing: Pairing, rng: np.random.Generator
) -> tuple[str | None, str]:
    chance = rng.random()
    if chance < pairing.same_label and by_label[item.label]:
        return by_label[item.label][int(rng.integers(len(by_label[item.label])))].text, "(a)"
    if pairing.same_label <= chance < pairing.same_label + pairing.own_words and item.text is not None:
        return item.text, "(b)"
    return None, "(c)"


def show_alone(speech: Sequence[FeatureItem], units: Sequence[str], *, copy: int = 0, with_own_text: bool = False) -> list[PairedExample]:
    """The clips as they are, or their `copy`-th augmented copies, with the given speech units and no text (or their own)."""
    return [
        make_example(
            item.label,
            pick_copy(item, copy),
            item.text if with_own_text else None,
            tuple(u for u in speech_units() if u in units and u in item.units),
            "(b)" if with_own_text else "(c)",
        )
        for item in speech
    ]


def show_texts(texts: Sequence[FeatureItem]) -> list[PairedExample]:
    return [make_example(t.label, None, t.text, (), "(c)") for t in texts]


def pick_copy(item: FeatureItem, copy: int) -> str | None:
    """The cache key of the clip as it is (0), or of its `copy`-th augmented copy, of its last where it has fewer."""
    return item.speech if copy == 0 or not item.copies else item.copies[min(copy, len(item.copies)) - 1]


def list_copies(item: FeatureItem) -> tuple[str, ...]:
    """The cache keys of the clip as it is and of all its copies."""
    return (*((item.speech,) if item.speech else ()), *item.copies)


def draw_pairs(
    speech: Sequence[FeatureItem], texts: Sequence[FeatureItem], units: Sequence[str], *, seed: int, copy: int = 0
) -> list[PairedExample]:
    """Every clip (or its `copy`-th augmented copy) with a random text of its label: pairing (a)."""
    rng = np.random.default_rng([seed, 4])
    by_label: dict[int, list[FeatureItem]] = {}
    for text in texts:
        by_label.setdefault(text.label, []).append(text)
    pairs = []
    for item in speech:
        if item.label in by_label:
            choices = by_label[item.label]
            shown = tuple(u for u in speech_units() if u in units and u in item.units)
            pairs.append(make_example(item.label, item.speech, choices[rng.integers(len(choices))].text, shown, "(a)"))
    return pairs
