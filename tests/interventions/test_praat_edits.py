"""Pitch and tempo, measured by an independent pitch tracker: autocorrelation in numpy."""

import sys

import numpy as np
import pytest

from mmer.errors import EditError
from mmer.interventions.praat import change_pitch, change_tempo
from mmer.results import SAMPLE_RATE


def glottal(hz, seconds):
    """A buzz with the harmonics of a voice."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.2 * sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 20))).astype(np.float32)


def pitch(samples):
    lags = np.correlate(samples, samples, "full")[len(samples) - 1 :]
    first = SAMPLE_RATE // 500
    return SAMPLE_RATE / (first + np.argmax(lags[first : SAMPLE_RATE // 60]))


@pytest.mark.parametrize("semitones", [-5, 3, 12])
def test_pitch_moves_by_semitones_in_the_span_alone(semitones):
    voice = glottal(120, 1.5)
    changed = change_pitch(voice, 8000, 16000, semitones=semitones)
    assert len(changed) == len(voice)
    np.testing.assert_array_equal(changed[:7900], voice[:7900])
    np.testing.assert_array_equal(changed[16100:], voice[16100:])
    assert np.isclose(pitch(changed[9000:13000]), 120 * 2 ** (semitones / 12), rtol=0.02)


@pytest.mark.parametrize("factor", [0.5, 1.6])
def test_tempo_changes_the_length_and_keeps_the_pitch(factor):
    voice = glottal(120, 1.5)
    changed = change_tempo(voice, 8000, 16000, factor=factor)
    length = round(8000 / factor)
    assert len(changed) == len(voice) - 8000 + length
    np.testing.assert_array_equal(changed[:7900], voice[:7900])
    np.testing.assert_array_equal(changed[8000 + length + 100 :], voice[16100:])
    assert np.isclose(pitch(changed[8500 : 8500 + length // 2]), 120, rtol=0.02)
    assert np.abs(np.diff(changed)).max() < 1.5 * np.abs(np.diff(voice)).max()


def test_a_sound_without_pitch_says_so():
    hiss = (0.05 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype(np.float32)
    hiss[6000:10000] = 0
    with pytest.raises(EditError, match=r"No pitch was found between 0\.44 and 0\.56 s.*choose a vowel"):
        change_pitch(hiss, 7000, 9000, semitones=2)


def test_without_praat_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    with pytest.raises(EditError, match=r"pip install -e '.\[praat\]'"):
        change_tempo(glottal(120, 1), 4000, 8000, factor=2)
