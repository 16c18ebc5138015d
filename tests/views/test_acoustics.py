"""Pitch, spectrogram and outline against sounds whose answer is known."""

import numpy as np
import pytest

from mmer.results import SAMPLE_RATE
from mmer.views.acoustics import make_spectrogram, trace_wave, track_pitch

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE


def make_voice(hertz, *, harmonics=8, loudness=0.1):
    """A tone of harmonics that fall by 6 dB an octave; hertz may change over time."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, TIME.shape)) / SAMPLE_RATE
    return sum(np.sin(k * phase) / k for k in range(1, harmonics)) * loudness


@pytest.mark.parametrize("hertz", [85.0, 120.3, 220.0, 440.0, 580.0])
def test_a_steady_voice_has_its_pitch_throughout(hertz):
    pitch = track_pitch(make_voice(hertz))
    assert len(pitch.hertz) == 200 and (pitch.hertz > 0).all()
    np.testing.assert_allclose(pitch.hertz[5:-5], hertz, rtol=1e-3)


def test_a_missing_fundamental_is_heard():
    voice = sum(np.sin(2 * np.pi * 150 * k * TIME) for k in (3, 4, 5, 6)) * 0.05
    np.testing.assert_allclose(track_pitch(voice).hertz[5:-5], 150, rtol=1e-3)


def test_a_glide_is_followed():
    wanted = 120 + 60 * TIME
    pitch = track_pitch(make_voice(wanted))
    middles = (np.arange(200) + 0.5) * pitch.step
    np.testing.assert_allclose(pitch.hertz[5:-5], (120 + 60 * middles)[5:-5], rtol=0.01)


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, len(TIME))
    assert (track_pitch(noise).hertz > 0).mean() < 0.02
    assert not track_pitch(np.zeros(8000)).hertz.any()


def test_pitch_begins_where_the_voice_begins():
    voice = make_voice(200.0) * (TIME >= 1)
    voiced = track_pitch(voice + np.random.default_rng(0).normal(0, 1e-4, len(TIME))).hertz > 0
    assert abs(int(np.argmax(voiced)) - 100) <= 2 and voiced[102:198].all() and not voiced[:97].any()


def test_pitch_of_a_real_voice_is_that_of_one_woman(librivox_clip):
    hertz = track_pitch(librivox_clip.samples).hertz
    voiced = hertz[hertz > 0]
    assert 0.3 < len(voiced) / len(hertz) < 0.9
    low, high = np.percentile(voiced, [10, 90])
    assert 70 < low < high < 350


def test_spectrogram_is_brightest_at_the_tone_s_band():
    values = make_spectrogram(0.3 * np.sin(2 * np.pi * 1900 * TIME)).values
    assert values.shape == (80, 500)
    assert set(np.argmax(values[:, 5:-5], axis=0)) == {30}  # 62.5 Hz each: 1875 to 1937.5
    assert values.max() == 255 and values[60, 5:-5].max() < 60


def test_spectrogram_shows_when_a_click_comes():
    click = np.zeros(SAMPLE_RATE)
    click[8000] = 1
    spectrogram = make_spectrogram(click)
    column = int(np.argmax(spectrogram.values.sum(axis=0)))
    assert (column + 0.5) * spectrogram.step == pytest.approx(0.5, abs=0.006)
    assert not spectrogram.values[:, :100].any()


def test_long_clips_get_fewer_columns_and_silence_none_that_shine():
    long = make_spectrogram(np.zeros(120 * SAMPLE_RATE, np.float32))
    assert long.values.shape[0] == 80 and long.values.shape[1] <= 7500 and not long.values.any()
    assert long.step * long.values.shape[1] == pytest.approx(120, abs=0.05)


def test_outline_holds_every_peak():
    samples = np.zeros(50_000, np.float32)
    samples[[3, 20_001, 49_999]] = [0.5, -1, 0.25]
    wave = trace_wave(samples)
    assert len(wave.low) == len(wave.high) <= 4000
    assert wave.high.max() == 64 and wave.low.min() == -127 and wave.high[-1] == 32
    assert wave.low.dtype == np.int8 and wave.step * len(wave.low) >= 50_000 / SAMPLE_RATE
