"""Where somebody speaks, and windows that hold all of it, are cut in pauses and stay short enough."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from mmer.audio.load import load_audio
from mmer.transcript.speech_activity import LONGEST, MARGIN, find_speech, measure_speech, plan_windows

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")


def test_speech_is_found_between_silences_however_quiet():
    speech = load_audio(sorted(LIBRIVOX.glob("*.wav"))[0]).samples
    silence = np.zeros(3 * 16000, np.float32)
    samples = np.concatenate([silence, speech, silence, speech])
    for gain in (1.0, 0.01):
        spans = find_speech(samples * np.float32(gain))
        seconds = len(speech) / 16000
        assert 2.9 < spans[0][0] < 3.6 and spans[-1][1] > len(samples) / 16000 - 0.6
        assert measure_speech(spans, 3 + seconds + 0.3, 6 + seconds) < 0.1
        assert measure_speech(spans, 0, 99) > 1.4 * seconds


@pytest.mark.parametrize("sound", ["silence", "tone", "chord", "noise", "pulses"])
def test_tones_noise_and_silence_are_no_speech(sound):
    times = np.arange(4 * 16000) / 16000
    noise = np.random.default_rng(0).normal(0, 0.2, len(times))
    tone = 0.3 * np.sin(2 * np.pi * 440 * times)
    made = {
        "silence": 0 * times,
        "tone": tone,
        "chord": tone + 0.3 * np.sin(2 * np.pi * 550 * times),
        "noise": noise,
        "pulses": noise * (np.sin(2 * np.pi * 4 * times) > 0.5),
    }
    assert find_speech(made[sound].astype(np.float32)) == ()


def test_short_clip_is_one_window_with_a_margin():
    assert plan_windows((), 5.0) == ()
    assert plan_windows(((0.4, 3.0), (3.5, 4.5)), 5.0) == ((0.0, 5.0),)
    assert plan_windows(((24.0, 29.0),), 29.3) == ((23.0, 29.3),)


def test_long_pause_ends_a_window_and_a_short_one_does_not():
    assert plan_windows(((1.0, 2.0), (3.5, 5.0), (8.0, 9.0)), 20.0) == ((0.0, 6.0), (7.0, 10.0))


def test_long_speech_is_cut_in_its_longest_pause_of_the_second_half():
    spans = ((0.0, 5.0), (6.5, 18.0), (18.9, 24.0), (24.4, 28.5), (28.9, 36.0))
    first, second = plan_windows(spans, 36.0)
    assert first == (0.0, pytest.approx(18.45)) and second == (pytest.approx(18.45), 36.0)


def test_windows_hold_all_speech_in_order_and_are_short_enough():
    pick = random.Random(0)
    for _ in range(300):
        spans, time = [], pick.uniform(0, 40)
        for _ in range(pick.randint(1, 20)):
            length = pick.uniform(0.1, LONGEST - 2 * MARGIN)
            spans.append((time, time + length))
            time += length + pick.choice((0.3, 0.5, 1.9, 2.0, 8.0))
        windows = plan_windows(tuple(spans), spans[-1][1] + pick.uniform(0, 5))
        assert all(0 < end - start <= LONGEST + 1e-9 for start, end in windows)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(windows))
        for span in spans:
            assert sum(measure_speech((span,), *window) for window in windows) == pytest.approx(span[1] - span[0], abs=1e-9)
