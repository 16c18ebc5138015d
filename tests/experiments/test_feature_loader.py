"""What a loader reads of an utterance, and how much of it may stay in memory."""

import math

import numpy as np
import pytest

from mmer.experiments.trainer.blocks import FeatureLoader, read_container_memory
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.results import Features, UnitStates


def plant_long(cache, *, step=0.02, centre=0.01):
    """25 s: a frame each `step` whose first one's centre is at `centre`, a phone each 100 ms, and 900 word pieces."""
    rng = np.random.default_rng(0)
    units = {}
    for unit, length, middle in (("F", step, centre), ("P", 0.1, 0.05)):
        count = round(25 / length)
        centres = middle + np.arange(count) * length
        states = rng.normal(size=(2, count, 4)).astype(np.float16)
        starts = np.maximum(centres - length / 2, 0)
        units[unit] = UnitStates(unit, states, ("x",) * count, starts, centres + length / 2, np.zeros(count, int))
    cache.write("long", Features("compact", units, {}))
    text = UnitStates("T", rng.normal(size=(2, 900, 4)).astype(np.float16), ("x",) * 900, None, None, np.zeros(900, int))
    cache.write("words", Features("compact", {"T": text}, {}))
    return FeatureItem("long", 0, "s", "", "", "long", "words", ("T", "F", "P"), 0, 25.0)


def test_every_unit_of_sound_is_cut_at_the_same_second_and_words_are_not(tmp_path):
    cache = FeatureCache(tmp_path)
    loader = FeatureLoader(cache, [plant_long(cache)], ("T", "F", "P"), max_seconds=15)
    assert [loader.count(0, unit) for unit in "TFP"] == [900, 750, 150]
    assert [loader.read(0, unit).shape[1] for unit in "TFP"] == [900, 750, 150]
    assert [FeatureLoader(cache, loader.items, ("P",), max_seconds=s).count(0, "P") for s in (0.05, 30)] == [1, 250]


@pytest.mark.parametrize(
    ("step", "centre", "frames"),
    [(0.02, 0.0, 750), (0.02, 0.0125, 750), (0.04, 0.02, 375), (0.01, 0.0, 1500)],
    ids=["Whisper", "wav2vec 2.0", "25 Hz", "100 Hz"],
)
def test_frames_are_counted_by_the_encoder_s_own_times(tmp_path, step, centre, frames):
    loader = FeatureLoader(FeatureCache(tmp_path), [plant_long(FeatureCache(tmp_path), step=step, centre=centre)], ("F",), max_seconds=15)
    assert loader.count(0, "F") == frames and loader.read(0, "F").shape[1] == frames
    loader = FeatureLoader(loader.cache, loader.items, ("F",), max_seconds=300)
    assert loader.count(0, "F") == round(25 / step)


def test_a_container_s_limit_counts(tmp_path):
    assert read_container_memory(tmp_path) == math.inf
    (tmp_path / "memory.current").write_text("3000\n")
    for limit, room in (("max", math.inf), ("5000", 2000.0), ("1000", 0.0), ("odd", math.inf)):
        (tmp_path / "memory.max").write_text(limit + "\n")
        assert read_container_memory(tmp_path) == room
