"""Augmented copies: each augmentation does what it says, in numbers."""

import numpy as np
import pytest

from mmer.feature_store.augment import CLEAN, Augmentation, apply_augmentation, draw_augmentation, name_augmentation
from mmer.feature_store.extract import scale_alignment
from mmer.results import Alignment, Segment

RATE = 16000


def make_tone(hertz, seconds=1.0, level=0.1):
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def measure_level(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples[2000:-2000], dtype=np.float64)) + 1e-20))


def find_peak(samples):
    return np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples)


def test_clean_changes_nothing():
    tone = make_tone(440)
    assert np.array_equal(apply_augmentation(tone, CLEAN), tone) and name_augmentation(CLEAN) == "clean"


def test_speed_shortens_and_raises():
    fast = apply_augmentation(make_tone(440), Augmentation(speed=1.1))
    assert len(fast) == pytest.approx(RATE / 1.1, abs=2) and find_peak(fast) == pytest.approx(484, abs=2)


def test_gain_and_noise_are_in_decibels():
    tone = make_tone(440)
    assert measure_level(apply_augmentation(tone, Augmentation(gain_db=-12))) == pytest.approx(measure_level(tone) - 12, abs=0.01)
    noise = apply_augmentation(tone, Augmentation(noise_db=20, noise_slope=-3, seed=1)) - tone
    assert measure_level(noise) == pytest.approx(measure_level(tone) - 20, abs=0.7)
    halves = [np.abs(np.fft.rfft(noise))[a:b].mean() for a, b in ((200, 1000), (4000, 7000))]
    assert halves[0] > 2 * halves[1]


def test_room_lengthens_a_click_and_keeps_the_level():
    click = np.zeros(RATE, np.float32)
    click[4000] = 0.5
    wet = apply_augmentation(click, Augmentation(room_seconds=0.5, room_share=0.5, seed=1))
    energy = np.square(wet)
    assert energy[:3990].max() < 1e-12 and energy[4001:8000].sum() > 20 * energy[10000:].sum() > 0
    assert energy.sum() == pytest.approx(np.square(click).sum(), rel=0.01)


def test_microphone_and_telephone_cut_the_band():
    for augmentation in (Augmentation(high_hz=3000), Augmentation(line=True)):
        lost = [measure_level(apply_augmentation(make_tone(f), augmentation)) - measure_level(make_tone(f)) for f in (1000, 6500)]
        assert abs(lost[0]) < 1 and lost[1] < -20
    low = measure_level(apply_augmentation(make_tone(50), Augmentation(low_hz=300))) - measure_level(make_tone(50))
    assert low < -20
    coloured = measure_level(apply_augmentation(make_tone(800), Augmentation(colour_db=(0, 0, 6, 0, 0)))) - measure_level(make_tone(800))
    assert coloured == pytest.approx(6, abs=0.2)


def test_copies_stay_in_range_and_can_be_made_again():
    tone = make_tone(300, level=0.9)
    names = set()
    for seed in range(40):
        augmentation = draw_augmentation(np.random.default_rng(seed))
        copy = apply_augmentation(tone, augmentation)
        assert copy.dtype == np.float32 and np.isfinite(copy).all() and np.abs(copy).max() <= 1
        assert len(copy) == pytest.approx(len(tone) / augmentation.speed, abs=2)
        assert np.array_equal(copy, apply_augmentation(tone, augmentation))
        names.add(name_augmentation(augmentation))
    assert len(names) == 40


def test_silence_stays_finite():
    augmentation = Augmentation(room_seconds=0.3, room_share=0.5, noise_db=10, line=True, high_hz=4000, colour_db=(1, 2, 3, 4, 5))
    assert not np.isnan(apply_augmentation(np.zeros(8000, np.float32), augmentation)).any()


def test_alignment_moves_with_the_speed():
    word = Segment("hi", 0.5, 1.0, 0)
    moved = scale_alignment(Alignment((word,), (word,), (word,), "x"), 1.25)
    assert (moved.words[0].start, moved.phones[0].end) == (0.4, 0.8)
