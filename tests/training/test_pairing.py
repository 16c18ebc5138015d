"""Pairing and batches: shares, balance, absent units, padding, shifts."""

from collections import Counter

import numpy as np
import pytest
import torch
from planted import plant_corpus

from mmer.cache import FeatureCache
from mmer.normalisation import Normalisation
from mmer.training.batches import BatchReader, average_voices, cut_batches, draw_shifts, fit_speech_normalisation
from mmer.training.config import PairingMix
from mmer.training.pairing import Example, SpeechItem, TextItem, draw_speech, pair_epoch, show_alone


def make_speech(corpus, counts, *, units=("F", "S"), own=None):
    return [
        SpeechItem(f"{label}-{i}", corpus, f"{corpus}/{i % 3}", label, (f"{corpus}{label}-{i}", f"{corpus}{label}-{i}+"), units, own)
        for label, count in enumerate(counts)
        for i in range(count)
    ]


TEXTS = [TextItem("show", i % 4, f"text{i}-{i % 4}") for i in range(200)]


def pair(speech, mix, *, units=("T", "F", "S"), augmented=0.5, balance=0.0, seed=0):
    return pair_epoch(speech, TEXTS, mix, units=units, augmented=augmented, balance_corpora=balance, rng=np.random.default_rng(seed))


def test_shares_of_the_mix_and_labels_of_the_texts():
    speech = make_speech("a", [500] * 4, own="own")
    examples = pair(speech, PairingMix(same_label=0.5, own_words=0.2, text_alone=0.25, drop_aligned=0.3, drop_frames=0.1))
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
    units = Counter(e.units for e in spoken)
    assert units[("F",)] / 2000 == pytest.approx(0.3, abs=0.04) and units[("S",)] / 2000 == pytest.approx(0.1, abs=0.04)
    assert sum(e.speech.endswith("+") for e in spoken) / 2000 == pytest.approx(0.5, abs=0.04)


def test_own_words_need_a_transcript_and_text_needs_to_be_read():
    speech = make_speech("a", [50] * 4)
    assert not any(e.kind == "(b)" for e in pair(speech, PairingMix(own_words=0.5)))
    assert all(e.text is None for e in pair(speech, PairingMix(), units=("F",)))


def test_an_epoch_can_be_drawn_again():
    speech = make_speech("a", [30] * 4, own="own")
    assert pair(speech, PairingMix()) == pair(speech, PairingMix()) != pair(speech, PairingMix(), seed=1)


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


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path)


def make_reader(cache, units=("T", "F", "S"), **options):
    return BatchReader(cache, units, layers={"T": 6, "F": 4, "S": 4}, dim=384, **options)


def test_a_batch_holds_normalised_states_and_says_what_is_absent(cache):
    speech, texts = plant_corpus(cache)
    normalisation = Normalisation(np.full((4, 384), 0.5, np.float32), np.full((4, 384), 2.0, np.float32))
    reader = make_reader(cache, normalisation=normalisation, max_frames=6)
    shifts = torch.randn(3, 4, 384)
    examples = [
        Example(1, speech[1].keys[0], None, ("F", "S")),
        Example(2, None, texts[2].key),
        Example(3, speech[3].keys[0], texts[3].key, ("F",)),
    ]
    batch = reader.read(examples, shifts=shifts)
    assert batch.labels.tolist() == [1, 2, 3]
    assert batch.masks["T"].any(1).tolist() == [False, True, True]
    assert batch.masks["F"].any(1).tolist() == [True, False, True]
    assert batch.masks["S"].any(1).tolist() == [True, False, False]
    raw = np.array(cache.read_states(speech[1].keys[0], "F"), np.float32)[:, :6]
    expected = (raw - 0.5) / 2.0 + shifts[0].numpy()[:, None]
    assert batch.masks["F"][0].sum() == raw.shape[1] <= 6
    np.testing.assert_allclose(batch.states["F"][0, :, : raw.shape[1]].numpy(), expected, atol=1e-5)
    text = np.array(cache.read_states(texts[2].key, "T"), np.float32)
    np.testing.assert_array_equal(batch.states["T"][1, :, : text.shape[1]].numpy(), text[:, :6])  # neither normalised nor shifted


def test_batches_hold_every_example_once_and_little_padding(cache):
    speech, _ = plant_corpus(cache, clips=64, texts=0)
    reader = make_reader(cache, ("F",))
    examples = show_alone(speech, ("F",))
    batches = cut_batches(examples, reader, size=8, rng=np.random.default_rng(0))
    assert sorted(e.speech for b in batches for e in b) == sorted(e.speech for e in examples)
    spreads = [max(map(reader.measure_length, b)) - min(map(reader.measure_length, b)) for b in batches]
    assert np.mean(spreads) <= 2


def test_statistics_and_voices_are_those_of_the_frames(cache):
    speech, _ = plant_corpus(cache, clips=32, texts=0, copies=0, speakers=2)
    normalisation = fit_speech_normalisation(cache, speech, rng=np.random.default_rng(0))
    frames = np.concatenate([np.array(cache.read_states(s.keys[0], "F"), np.float64) for s in speech], axis=1)
    np.testing.assert_allclose(normalisation.mean, frames.mean(1), atol=1e-4)
    np.testing.assert_allclose(normalisation.deviation, frames.std(1), rtol=1e-4)
    voices = average_voices(cache, speech, normalisation)
    assert voices.shape == (2, 4, 384)
    by_label = [
        np.mean([cache.read_states(s.keys[0], "F").mean(1, dtype=np.float32) for s in speech if (s.speaker, s.label) == ("fake/0", k)], 0)
        for k in range(4)
    ]
    expected = (np.mean(by_label, 0) - normalisation.mean) / normalisation.deviation
    np.testing.assert_allclose(voices[0].numpy(), expected, atol=1e-3)


def test_shifts_lie_between_no_change_and_the_way_to_another_voice():
    voices = torch.randn(2, 4, 384)
    shifts = draw_shifts(voices, 50, greatest=0.5, rng=np.random.default_rng(0))
    way = voices[1] - voices[0]
    shares = (shifts * way).sum((1, 2)) / (way * way).sum()
    torch.testing.assert_close(shifts, shares[:, None, None] * way)
    assert shares.abs().max() <= 0.5 and shares.min() < 0 < shares.max() and (shares == 0).any()


def test_a_stride_takes_every_third_frame_and_all_segments(cache):
    speech, _ = plant_corpus(cache, clips=4, texts=0)
    reader = make_reader(cache, ("F", "S"), stride=3)
    example = Example(1, speech[1].keys[0], None, ("F", "S"))
    raw = np.array(cache.read_states(example.speech, "F"), np.float32)
    np.testing.assert_array_equal(reader.read([example]).states["F"][0].numpy(), raw[:, 1::3])
    assert reader.read([example]).masks["S"].sum() == cache.count_segments(example.speech, "S")
    firsts = {float(reader.read([example], rng=np.random.default_rng(k)).states["F"][0, 0, 0, 0]) for k in range(20)}
    assert firsts == set(raw[0, :3, 0].tolist())
