"""Anchoring: acted corpora are moved to where everyday speech lies while training, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from planted import DIM, plant_data, plant_unit

from mmer.choices.emotions import EMOTIONS
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, Pairing
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import show_alone
from mmer.feature_store.anchoring import anchor_speech, average_neutral
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.results import Features

NEUTRAL = EMOTIONS.index("neutral")


def plant_corpus(cache, corpus, labels, *, room, seed=0):
    """Clips of a corpus whose states all lie `room` away from where they would be; every third one has an augmented copy."""
    rng, items = np.random.default_rng(seed), []
    for i, label in enumerate(labels):
        keys = [f"{ord(corpus[0]):02x}{corpus}{i}", *([f"{ord(corpus[0]):02x}{corpus}{i}copy"] if i % 3 == 0 else [])]
        for key in keys:
            units = {u: plant_unit(rng, u, label, strength=0.3) for u in ("F", "S")}
            cache.write(key, Features("compact", {u: replace(s, states=(s.states + room).astype(np.float32)) for u, s in units.items()}))
        speaker = f"{corpus}/{i % 4}"
        copies = tuple(keys[1:])
        items.append(FeatureItem(f"{corpus}{i}", label, speaker, "", "", keys[0], None, ("F", "S"), i, None, copies=copies, corpus=corpus))
    return tuple(items)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features")


@pytest.fixture
def corpora(cache):
    acted = plant_corpus(cache, "stage", [i % 4 for i in range(32)], room=2.0)
    everyday = plant_corpus(cache, "home", [NEUTRAL] * 12, room=0.0, seed=1)
    elsewhere = plant_corpus(cache, "elsewhere", [i % 4 for i in range(8)], room=-3.0, seed=2)
    return acted, everyday, elsewhere


def test_the_neutral_mean_of_an_acted_corpus_becomes_the_anchors(cache, corpora):
    acted, everyday, elsewhere = corpora
    moved = anchor_speech(cache, (*acted[:24], *everyday), acted[24:], anchor="home", neutral=NEUTRAL)
    goal = average_neutral(cache, everyday, "home", neutral=NEUTRAL)
    np.testing.assert_allclose(average_neutral(moved, acted[:24], "stage", neutral=NEUTRAL), goal, atol=2e-3)
    shift = goal - average_neutral(cache, acted[:24], "stage", neutral=NEUTRAL)
    for item in (acted[0], acted[30]):  # of training and of validation: the same shift, for copies and other units too
        for key in (item.speech, *item.copies):
            for unit in ("F", "S"):
                difference = moved.read_states(key, unit).astype(float) - cache.read_states(key, unit)
                np.testing.assert_allclose(difference, np.broadcast_to(shift[:, None], difference.shape), atol=5e-3)
    for item in (everyday[0], elsewhere[0]):  # the anchor itself, and a corpus that is not trained on
        np.testing.assert_array_equal(moved.read_states(item.speech, "F"), cache.read_states(item.speech, "F"))


def test_validation_clips_decide_no_shift(cache, corpora):
    acted, everyday, _ = corpora
    few = anchor_speech(cache, (*acted[:24], *everyday), (), anchor="home", neutral=NEUTRAL)
    all_of_them = anchor_speech(cache, (*acted[:24], *everyday), acted[24:], anchor="home", neutral=NEUTRAL)
    np.testing.assert_array_equal(few.read_states(acted[0].speech, "F"), all_of_them.read_states(acted[0].speech, "F"))


def test_a_corpus_without_neutral_clips_can_not_be_anchored(cache, corpora):
    acted, everyday, _ = corpora
    with pytest.raises(DataError, match="Anchoring needs neutral training clips of nowhere: there are none"):
        anchor_speech(cache, (*acted, *everyday), (), anchor="nowhere", neutral=NEUTRAL)
    loud = [item for item in acted if item.label != NEUTRAL]
    with pytest.raises(DataError, match="neutral training clips of stage"):
        anchor_speech(cache, (*loud, *everyday), (), anchor="home", neutral=NEUTRAL)


def test_a_room_is_no_emotion_for_a_run_that_was_anchored_and_is_asked_without_a_shift(cache):
    """Emotions in one room, everyday speech in another: only the anchored run hears emotions in the second one."""
    room = 3.0 * np.random.default_rng(9).normal(size=DIM)  # far from home in a direction of its own
    acted = plant_corpus(cache, "stage", [i % 4 for i in range(96)], room=room)
    everyday = plant_corpus(cache, "home", [NEUTRAL] * 24, room=0.0, seed=1)
    strangers = plant_corpus(cache, "elsewhere", [i % 4 for i in range(32)], room=0.0, seed=2)
    data = replace(plant_data(cache), speech=(*acted[:80], *everyday), texts=(), validation_speech=acted[80:], validation_texts=())
    found = {}
    for anchor in ("", "home"):
        pairing = Pairing(augmented=0.0, balance_corpora=0.0, everyday=0.5, anchor=anchor)
        experiment = Experiment("", "", fusion="linear", units=("F",), epochs=8, patience=9, min_steps=0, threads=1, pairing=pairing)
        found[anchor] = train_pairs(experiment, data, cache).predict(show_alone(strangers, ("F",))).ua()
    assert found["home"] > 0.8 > found[""] + 0.1, found
