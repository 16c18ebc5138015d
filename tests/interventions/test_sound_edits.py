"""Edits of samples: nothing outside the span changes, no click at its edges, noise like what it replaces."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from mmer.interventions.sound import cut_range, join, match_noise, mute_range, scale_range
from mmer.results import SAMPLE_RATE

HUM = (0.3 * np.sin(2 * np.pi * 200 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


def bands(samples):
    """dB in eight bands of 1 kHz, by an independent way: the power of a plain spectrum."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return 10 * np.log10([part.sum() for part in np.array_split(power, 8)])


@pytest.mark.parametrize("fill", ["silence", "noise"])
def test_nothing_outside_the_span_changes(librivox_clip, fill):
    samples = librivox_clip.samples
    changed = mute_range(samples, 8000, 16000, fill=fill, seed=1)
    assert changed.dtype == np.float32 and len(changed) == len(samples)
    np.testing.assert_array_equal(changed[:8000], samples[:8000])
    np.testing.assert_array_equal(changed[16000:], samples[16000:])
    assert np.abs(changed - samples)[8000:16000].max() > 0.01


def test_silence_is_silent_between_its_fades_and_has_no_click():
    changed = mute_range(HUM, 4000, 8000, fill="silence", seed=0)
    assert np.abs(changed[4080:7920]).max() == 0
    assert np.abs(np.diff(changed)).max() <= np.abs(np.diff(HUM)).max() * 1.2
    hard = HUM.copy()
    hard[4020:8000] = 0  # at a peak
    assert np.abs(np.diff(hard)).max() > 4 * np.abs(np.diff(HUM)).max(), "a cut without fades would click"


def test_noise_has_level_and_spectrum_of_what_it_replaces_and_a_seed():
    random = np.random.default_rng(0)
    piece = sosfilt(butter(4, 1500, fs=SAMPLE_RATE, output="sos"), random.standard_normal(SAMPLE_RATE)) * 0.05
    noise = match_noise(piece, seed=3)
    assert np.isclose(np.std(noise), np.std(piece), rtol=0.01)
    np.testing.assert_allclose(bands(noise)[:3], bands(piece)[:3], atol=1.5)
    assert bands(noise)[4:].max() < bands(noise)[0] - 30
    assert abs(np.corrcoef(noise, piece)[0, 1]) < 0.05
    np.testing.assert_array_equal(noise, match_noise(piece, seed=3))
    assert not np.array_equal(noise, match_noise(piece, seed=4))


def test_noise_for_a_vowel_has_no_pitch_left(librivox_clip):
    piece = librivox_clip.samples[round(2.11 * SAMPLE_RATE) : round(2.33 * SAMPLE_RATE)].astype(float)

    def periodicity(x):
        lags = np.correlate(x, x, "full")[len(x) - 1 :]
        return (lags[40:200] / lags[0]).max()  # 80 to 400 Hz

    assert periodicity(piece) > 0.6 and periodicity(match_noise(piece, seed=0)) < 0.4


def test_noise_for_silence_is_silence():
    assert np.abs(match_noise(np.zeros(700), seed=0)).max() == 0


def test_cut_is_shorter_by_the_span_and_has_no_click():
    changed = cut_range(HUM, 4020, 8000)  # from a peak to a crossing
    assert len(changed) == len(HUM) - 3980
    np.testing.assert_array_equal(changed[: 4020 - 40], HUM[: 4020 - 40])
    np.testing.assert_array_equal(changed[4020 + 40 :], HUM[8000 + 40 :])
    assert np.abs(np.diff(changed)).max() < 1.3 * np.abs(np.diff(HUM)).max()


def test_cut_at_the_edges_of_a_clip_fades_nothing():
    np.testing.assert_array_equal(cut_range(HUM, 0, 4000), HUM[4000:])
    np.testing.assert_array_equal(cut_range(HUM, 12000, 16000), HUM[:12000])


def test_join_of_a_sound_with_itself_is_the_sound():
    np.testing.assert_allclose(join(HUM, 5000, HUM, 5000), HUM, atol=1e-6)


def test_loudness_is_in_decibels_and_stays_in_full_scale():
    changed = scale_range(HUM, 4000, 8000, decibels=-20)
    np.testing.assert_allclose(changed[4080:7920], HUM[4080:7920] / 10, atol=1e-6)
    np.testing.assert_array_equal(changed[8000:], HUM[8000:])
    assert np.abs(scale_range(HUM, 0, 16000, decibels=40)).max() == 1.0
