"""The feature cache: what comes back, and what counts as absent."""

import numpy as np
import pytest

from mmer.cache import FeatureCache, make_key
from mmer.errors import DataError
from mmer.results import Features, UnitStates


def make_features(seed=0, frames=7):
    rng = np.random.default_rng(seed)
    times = np.arange(frames) * 0.02
    labels = tuple(f"{t:.2f} s" for t in times)
    frame = UnitStates("F", rng.normal(size=(2, frames, 3)).astype(np.float32), labels, times, times + 0.02, np.full(frames, -1))
    text = UnitStates("T", rng.normal(size=(2, 2, 3)).astype(np.float32), ("hé", "##llo"), None, None, np.array([0, 0]))
    return Features("compact", {"F": frame, "T": text}, {"P": "No alignment."})


def test_what_is_written_comes_back_in_half_precision(tmp_path):
    cache, features = FeatureCache(tmp_path), make_features()
    assert "k1" not in cache
    cache.write("k1", features)
    found = FeatureCache(tmp_path).read("k1")
    assert "k1" in cache and found.preset == "compact" and found.absent == {"P": "No alignment."}
    for unit, states in features.units.items():
        other = found.units[unit]
        assert isinstance(other.states, np.memmap) and other.states.dtype == np.float16
        np.testing.assert_allclose(other.states, states.states, atol=2e-3)
        assert other.labels == states.labels and np.array_equal(other.words, states.words)
    np.testing.assert_array_equal(found.units["F"].starts, features.units["F"].starts)
    assert found.units["T"].starts is None
    assert cache.list_units("k1") == ("T", "F") and cache.count_segments("k1", "F") == 7


def test_only_chosen_units_are_stored(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.write("k1", make_features(), units=("F",))
    assert cache.list_units("k1") == ("F",)
    with pytest.raises(DataError, match=r"no 'T\.states'"):
        cache.read_states("k1", "T")


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:4], lambda b: b + b"x", lambda b: b[:8] + b"#" + b[9:], lambda b: b""])
def test_a_damaged_entry_counts_as_absent(tmp_path, damage):
    cache = FeatureCache(tmp_path)
    cache.write("k1", make_features())
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    fresh = FeatureCache(tmp_path)
    assert "k1" not in fresh
    with pytest.raises(DataError, match="k1"):
        fresh.read("k1")
    fresh.write("k1", make_features())
    assert "k1" in fresh


def test_an_interrupted_write_is_never_seen(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.write("k1", make_features())
    (path,) = tmp_path.rglob("*.safetensors")
    path.rename(path.with_name(path.name + ".1.part"))  # killed before the rename
    assert "k1" not in FeatureCache(tmp_path)


def test_key_covers_everything_the_numbers_depend_on():
    said = {"content": "abc", "encoder": "whisper", "version": 1, "alignment": "sphinx: hi"}
    keys = {make_key(**said)} | {make_key(**said | {name: 2 if name == "version" else "other"}) for name in said}
    assert len(keys) == 5 and all(len(k) == 64 for k in keys)
