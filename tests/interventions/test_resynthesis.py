"""Pitch and tempo by both methods, measured by an independent pitch tracker: autocorrelation in numpy."""

import subprocess
import sys

import numpy as np
import pytest

from mmer.errors import EditError
from mmer.interventions.resynthesis import LIBROSA, PRAAT, change_pitch, change_tempo, choose_method
from mmer.results import SAMPLE_RATE

BOTH = pytest.mark.parametrize("method", [PRAAT, LIBROSA], ids=["praat", "librosa"])


def glottal(hz, seconds):
    """A buzz with the harmonics of a voice."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.2 * sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 20))).astype(np.float32)


def pitch(samples):
    lags = np.correlate(samples, samples, "full")[len(samples) - 1 :]
    first = SAMPLE_RATE // 500
    return SAMPLE_RATE / (first + np.argmax(lags[first : SAMPLE_RATE // 60]))


@BOTH
@pytest.mark.parametrize("semitones", [-5, 3, 12])
def test_pitch_moves_by_semitones_in_the_span_alone(method, semitones):
    voice = glottal(120, 1.5)
    changed = change_pitch(voice, 8000, 16000, semitones=semitones, method=method)
    assert len(changed) == len(voice) and changed.dtype == np.float32
    np.testing.assert_array_equal(changed[:7900], voice[:7900])
    np.testing.assert_array_equal(changed[16100:], voice[16100:])
    assert np.isclose(pitch(changed[9000:13000]), 120 * 2 ** (semitones / 12), rtol=0.02)


@BOTH
@pytest.mark.parametrize("factor", [0.25, 0.5, 1.6, 4])
def test_tempo_changes_the_length_and_keeps_the_pitch(method, factor):
    voice = glottal(120, 1.5)
    changed = change_tempo(voice, 8000, 16000, factor=factor, method=method)
    length = round(8000 / factor)
    assert len(changed) == len(voice) - 8000 + length and changed.dtype == np.float32
    np.testing.assert_array_equal(changed[:7900], voice[:7900])
    np.testing.assert_array_equal(changed[8000 + length + 100 :], voice[16100:])
    inside = changed[8000 + length // 8 : 8000 + length - length // 8]
    assert np.isclose(pitch(inside), 120, rtol=0.02)
    assert np.abs(np.diff(changed)).max() < 1.6 * np.abs(np.diff(voice)).max()


@BOTH
def test_a_word_is_changed_where_it_lies_by_time(method):
    """A buzz between two pauses, made twice as fast: it fills half the time, and the pauses stay silent."""
    voice = np.concatenate([np.zeros(8000), glottal(150, 0.5), np.zeros(8000)]).astype(np.float32)
    changed = change_tempo(voice, 8000, 16000, factor=2, method=method)
    loud = np.abs(changed) > 0.05
    assert loud[8100:11900].mean() > 0.5 and not loud[:7900].any() and not loud[12100:].any()


@BOTH
def test_a_clip_s_first_and_last_sample_can_be_changed(method):
    voice = glottal(120, 0.5)
    assert len(change_tempo(voice, 0, 8000, factor=0.7, method=method)) == round(8000 / 0.7)
    assert len(change_pitch(voice, 0, 8000, semitones=2, method=method)) == 8000


@BOTH
def test_a_sound_without_pitch_says_so(method):
    hiss = (0.05 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype(np.float32)
    hiss[6000:10000] = 0
    with pytest.raises(EditError, match=r"No pitch was found in these 0\.12 s.*choose a vowel"):
        change_pitch(hiss, 7000, 9000, semitones=2, method=method)


@BOTH
def test_a_clip_that_is_too_short_says_so(method):
    with pytest.raises(EditError, match=r"0\.030 s are too short to measure a pitch in; at least 0\.04 s"):
        change_tempo(glottal(120, 0.03), 100, 300, factor=2, method=method)


def test_praat_s_code_is_used_where_it_is_installed(monkeypatch):
    assert choose_method() is PRAAT
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    assert choose_method() is LIBROSA


def test_a_folder_that_numba_cannot_write_to_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "librosa").mkdir()
    (tmp_path / "librosa" / "__init__.py").write_text("raise RuntimeError('cannot cache function: no locator available')")
    for name in [name for name in sys.modules if name.split(".")[0] == "librosa"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EditError, match=r"no locator available\. Set NUMBA_CACHE_DIR to a folder"):
        change_tempo(glottal(120, 1), 4000, 8000, factor=2, method=LIBROSA)


def test_neither_library_is_loaded_before_it_is_used():
    code = "import sys, mmer.interventions, mmer.views.payload; print({'librosa', 'numba', 'parselmouth'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
