"""Measures of clips against planted sounds; what was measured is kept, and measured again when the clip is another."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import soundfile

from mmer.datasets.dataset import Utterance
from mmer.error_table.measures import COLUMNS, add_measures, find_or_measure, measure_samples, place_measures
from mmer.error_table.table import TEXT, Column, UtteranceTable
from mmer.errors import DataError

RATE = 16000


def make_tone(hertz, seconds, level):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_a_tone_between_silences_is_measured_as_it_was_made():
    quiet = 0.001 * np.random.default_rng(0).normal(size=RATE // 2).astype(np.float32)
    found = measure_samples(np.concatenate([quiet, make_tone(200, 1, 0.5), quiet]))
    assert found["clip_seconds"] == 2
    assert found["pitch_mean"] == pytest.approx(200, abs=2)
    assert found["pitch_range"] < 0.5
    assert found["loudness"] == pytest.approx(20 * math.log10(0.5 / math.sqrt(2) * math.sqrt(0.5)), abs=0.1)
    assert found["loud_over_quiet"] == pytest.approx(20 * math.log10(0.5 / math.sqrt(2) / 0.001), abs=1)


def test_an_octave_is_twelve_semitones_and_noise_has_no_pitch():
    both = measure_samples(np.concatenate([make_tone(150, 1, 0.5), make_tone(300, 1, 0.5)]))
    assert both["pitch_range"] == pytest.approx(12, abs=0.3)
    assert both["pitch_mean"] == pytest.approx(225, abs=5)
    assert math.isnan(measure_samples(np.zeros(RATE, np.float32))["pitch_mean"])
    assert measure_samples(np.zeros(RATE, np.float32))["loudness"] == -100


@pytest.fixture
def table(tmp_path):
    utterances = {}
    for name, hertz in (("a", 150), ("b", 250)):
        soundfile.write(tmp_path / f"{name}.wav", make_tone(hertz, 1, 0.5), RATE)
        utterances[name] = Utterance(tmp_path / f"{name}.wav", "", "x", "s", name=name)
    utterances["gone"] = Utterance(tmp_path / "gone.wav", "", "x", "s", name="gone", has_audio=False)
    frame = pd.DataFrame({"utterance": ["a", "b", "gone"], "text": ["one two", "", "three"]})
    columns = tuple(Column(name, TEXT, "") for name in frame)
    return UtteranceTable("three", frame, columns, ("x", "y"), pd.DataFrame(), utterances=utterances)


def test_columns_say_their_units_and_what_is_not_known(table, tmp_path):
    found = add_measures(table, tmp_path / "cache", measure=True)
    assert {column.name for column in found.columns} == set(found.frame.columns)
    assert {column.name: column.unit for column in COLUMNS}["pitch_mean"] == "Hz"
    assert found.frame["pitch_mean"].round(-1).tolist()[:2] == [150, 250]
    assert found.frame["words_per_second"].tolist()[0] == 2
    assert found.frame["clip_words"].isna().tolist() == [False, True, False]
    assert math.isnan(found.frame["clip_seconds"][2])
    assert "2 of 3 clips" in found.notes[0]


def test_what_was_measured_is_kept_and_a_changed_clip_is_measured_again(table, tmp_path):
    cache = tmp_path / "cache"
    assert add_measures(table, cache, measure=False) is table
    add_measures(table, cache, measure=True)
    kept = add_measures(table, cache, measure=False)
    assert kept.frame["pitch_mean"].notna().tolist() == [True, True, False]
    soundfile.write(tmp_path / "a.wav", make_tone(350, 1.5, 0.5), RATE)
    assert find_or_measure(table.utterances["a"], cache, measure=False) is None
    assert find_or_measure(table.utterances["a"], cache, measure=True)["pitch_mean"] == pytest.approx(350, abs=3)
    place = place_measures(table.utterances["b"], cache)
    for damage in ("{", json.dumps({"clip_seconds": 1}), "[1]"):
        place.write_text(damage)
        assert find_or_measure(table.utterances["b"], cache, measure=False) is None
    assert find_or_measure(table.utterances["b"], cache, measure=True)["clip_seconds"] == 1


def test_a_table_without_recordings_says_so(table, tmp_path):
    blind = UtteranceTable(**{**vars(table), "utterances": None})
    assert add_measures(blind, tmp_path, measure=False) is blind
    with pytest.raises(DataError, match="no recordings to measure"):
        add_measures(blind, tmp_path, measure=True)
