"""A corpus whose answer is known: every label's states lie along a direction of their own, voices and noise on top."""

import numpy as np

from mmer.choices.emotions import EMOTIONS
from mmer.experiments.trainer.schedule import PairedData
from mmer.feature_store.feature_items import FeatureItem
from mmer.results import Features, UnitStates

LAYERS = {"F": 4, "S": 4, "P": 4, "T": 6}
DIM = 384


def plant_unit(rng, unit, label, *, strength, voice=0.0, dim=DIM):
    direction = np.random.default_rng([77, label, ord(unit) if unit == "T" else 0]).normal(size=dim)
    segments = int(rng.integers(3, 9))
    states = rng.normal(size=(LAYERS[unit], segments, dim)) + strength * direction + voice
    times = np.arange(segments) * 0.02
    timed = (None, None) if unit == "T" else (times, times + 0.02)
    return UnitStates(unit, states.astype(np.float32), ("x",) * segments, *timed, np.zeros(segments, int))


def plant_corpus(cache, *, clips=24, texts=40, speakers=4, units=("F", "S"), strength=0.5, copies=1, seed=0, name="fake"):
    """Speech and text items with entries in the cache; every third clip lacks its aligned units."""
    rng = np.random.default_rng(seed)
    voices = rng.normal(size=(speakers, DIM))
    speech = []
    for i in range(clips):
        label, speaker = i % len(EMOTIONS), (i // len(EMOTIONS)) % speakers
        shown = units if i % 3 else ("F",)
        keys = tuple(f"{name}{seed}-{i}-{copy}" for copy in range(copies + 1))
        for key in keys:
            found = {u: plant_unit(rng, u, label, strength=strength, voice=voices[speaker]) for u in shown}
            cache.write(key, Features("compact", found))
        own, *further = keys
        item = FeatureItem(f"{i}.wav", label, f"{name}/{speaker}", "", "", own, None, shown, i, None, copies=tuple(further), corpus=name)
        speech.append(item)
    items = []
    for i in range(texts):
        key = f"{name}{seed}-text-{i}"
        cache.write(key, Features("compact", {"T": plant_unit(rng, "T", i % len(EMOTIONS), strength=strength)}))
        items.append(plant_text(name, i % len(EMOTIONS), key))
    return tuple(speech), tuple(items)


def plant_text(corpus, label, key):
    return FeatureItem(key, label, "", "", "", None, key, ("T",), 0, None, corpus=corpus)


def plant_data(cache, **options):
    speech, texts = plant_corpus(cache, seed=0, **options)
    held_out, held_out_texts = plant_corpus(cache, seed=1, **options)
    return PairedData(speech, texts, held_out, held_out_texts)
