"""Pairing: shares, balance, what is drawn again."""

from collections import Counter

import numpy as np
import pytest
from planted import plant_text

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, Pairing, read_experiment
from mmer.experiments.trainer.pairing import draw_speech, pair_epoch
from mmer.feature_store.feature_items import FeatureItem


def make_speech(corpus, counts, *, units=("F", "S"), own=None):
    def make(label, i):
        key, voice = f"{corpus}{label}-{i}", f"{corpus}/{i % 3}"
        has = (*(("T",) if own else ()), *units)
        return FeatureItem(f"{label}-{i}", label, voice, "", "", key, own, has, i, None, copies=(f"{key}+",), corpus=corpus)

    return [make(label, i) for label, count in enumerate(counts) for i in range(count)]


TEXTS = [plant_text("show", i % 4, f"text{i}-{i % 4}") for i in range(200)]
EVEN = {"augmented": 0.5, "balance_corpora": 0.0}


def pair(speech, pairing, *, units=("T", "F", "S"), seed=0):
    return pair_epoch(speech, TEXTS, pairing, units=units, rng=np.random.default_rng(seed))


def test_shares_of_the_mix_and_labels_of_the_texts():
    speech = make_speech("a", [500] * 4, own="own")
    examples = pair(speech, Pairing(**EVEN, same_label=0.5, own_words=0.2, text_alone=0.25, drop_aligned=0.3, drop_frames=0.1))
    spoken = [e for e in examples if e.speech]
    assert len(spoken) == 2000 and len(examples) == 2500
    kinds = Counter(e.kind for e in spoken)
    assert kinds["(a)"] / 2000 == pytest.approx(0.5, abs=0.04) and kinds["(b)"] / 2000 == pytest.approx(0.2, abs=0.04)
    for e in examples:
        if e.kind == "(a)" or not e.speech:
            assert e.text.endswith(f"-{e.label}")
        elif e.kind == "(b)":
            assert e.text == "own"
        else:
            assert e.text is None
    units = Counter(tuple(u for u in e.units if u != "T") for e in spoken)
    assert all(("T" in e.units) == (e.text is not None) for e in examples)
    assert units[("F",)] / 2000 == pytest.approx(0.3, abs=0.04) and units[("S",)] / 2000 == pytest.approx(0.1, abs=0.04)
    assert sum(e.speech.endswith("+") for e in spoken) / 2000 == pytest.approx(0.5, abs=0.04)


def test_own_words_need_a_transcript_and_text_needs_to_be_read():
    speech = make_speech("a", [50] * 4)
    assert not any(e.kind == "(b)" for e in pair(speech, Pairing(**EVEN, own_words=0.5)))
    assert all(e.text is None for e in pair(speech, Pairing(**EVEN), units=("F",)))


def test_an_epoch_can_be_drawn_again():
    speech = make_speech("a", [30] * 4, own="own")
    assert pair(speech, Pairing(**EVEN)) == pair(speech, Pairing(**EVEN)) != pair(speech, Pairing(**EVEN), seed=1)


def test_corpora_and_labels_are_balanced_as_told():
    speech = make_speech("small", [20, 20, 20, 10]) + make_speech("large", [300] * 4)
    for balance, share in ((1.0, 0.5), (0.0, 70 / 1270), (0.5, 70**0.5 / (70**0.5 + 1200**0.5))):
        drawn = draw_speech(speech, balance_corpora=balance, rng=np.random.default_rng(0))
        counts = Counter((s.corpus, s.label) for s in drawn)
        small = [counts["small", label] for label in range(4)]
        assert sum(small) / len(drawn) == pytest.approx(share, abs=0.02) and max(small) == min(small)


def test_no_clip_comes_again_before_its_group_has_come_round():
    drawn = draw_speech(make_speech("a", [10, 20, 20, 20]), balance_corpora=0.0, rng=np.random.default_rng(0))
    counts = Counter(s.name for s in drawn if s.label == 0)
    assert len(counts) == 10 and set(counts.values()) == {1, 2}


def test_a_stored_pairing_is_read_back_and_a_wrong_one_is_refused():
    experiment = Experiment("data", "features", pairing=Pairing(same_label=0.3))
    assert read_experiment(experiment.to_json()) == experiment
    assert read_experiment(Experiment("data", "features").to_json()).pairing is None
    with pytest.raises(DataError, match=r"Pairing same_label is 1\.5: it must be a number from 0 to 1"):
        Pairing(same_label=1.5)
    with pytest.raises(DataError, match="Pairing sme_label: known are"):
        read_experiment(experiment.to_json() | {"pairing": {"sme_label": 0.5}})


def test_everyday_clips_are_drawn_beside_the_acted_ones():
    speech = make_speech("stage", [40] * 4) + make_speech("home", [0, 0, 0, 90])
    drawn = draw_speech(speech, balance_corpora=0.5, everyday=0.25, rng=np.random.default_rng(0))
    assert Counter(s.corpus for s in drawn) == {"stage": 160, "home": 40}
    assert len({s.name for s in drawn if s.corpus == "home"}) == 40
    with pytest.raises(DataError, match="Pairing anchor is 3: it must be the name of a corpus"):
        Pairing(anchor=3)
