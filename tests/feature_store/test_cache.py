"""The feature cache: what comes back, and what counts as absent."""

import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmer.errors import DataError
from mmer.experiments.folder.runs import check_name
from mmer.feature_store.cache import FeatureCache, make_key
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


def test_altered_bytes_are_found(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.write("k1", make_features())
    (path,) = tmp_path.rglob("*.safetensors")
    content = path.read_bytes()
    assert cache.is_whole("k1") and not cache.is_whole("k2")
    for at in (len(content) - 3, len(content) // 2, content.index(b"shape") + 8):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert not FeatureCache(tmp_path).is_whole("k1"), at
    path.write_bytes(content)
    assert FeatureCache(tmp_path).is_whole("k1")
    assert set(load_file(path)) >= {"F.states", "T.states"}  # still a file that the format's own library reads


def test_an_entry_without_a_checksum_is_taken(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.write("k1", make_features())
    (path,) = tmp_path.rglob("*.safetensors")
    save_file(load_file(path), path)
    assert FeatureCache(tmp_path).is_whole("k1")


def test_a_reader_sees_an_entry_that_was_written_again(tmp_path):
    reader, features = FeatureCache(tmp_path), make_features()
    FeatureCache(tmp_path).write("k1", features, units=("F",))
    assert reader.list_units("k1") == ("F",)
    FeatureCache(tmp_path).write("k1", features)
    assert reader.list_units("k1") == ("T", "F")
    np.testing.assert_array_equal(reader.read_states("k1", "T"), features.units["T"].states.astype(np.float16))


def test_what_killed_processes_left_is_removed(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.write("k1", make_features())
    (path,) = tmp_path.rglob("*.safetensors")
    old, new = path.with_name("k1.safetensors.1.part"), path.with_name("k1.safetensors.2.part")
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.remove_parts()
    assert sorted(tmp_path.rglob("*.*")) == [path, new]


def test_a_folder_that_no_system_takes_is_refused(tmp_path):
    for name, why in (("f" * 5000, "5,000 characters"), ("a\0b", "zero byte")):
        with pytest.raises(DataError, match=f"folder of features .* can't be: it .*{why}"):
            FeatureCache(name)
        with pytest.raises(DataError, match=f"folder of experiments .* can't be used: it .*{why}"):
            check_name(name, "run")
