"""What stands in a file's place is kept: a pipe, a link, the permissions. Nothing here leaves its own temporary folder."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from mmer.files.replace import replace_file


def write_through_pipe(path, write):
    """What a reader of the pipe `path` gets while `write` writes to it."""
    got = []

    def read():
        with path.open("rb") as pipe:
            got.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    write()
    reader.join(timeout=20)
    return got[0]


def test_a_pipe_is_written_through_and_stays_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = b"x" * 200_000
    assert write_through_pipe(path, lambda: replace_file(path, data)) == data
    assert stat.S_ISFIFO(path.lstat().st_mode) and list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_to_its_file(tmp_path):
    (tmp_path / "kept").mkdir()
    file, link, second = tmp_path / "kept" / "a.json", tmp_path / "link", tmp_path / "second"
    file.write_bytes(b"old")
    link.symlink_to("kept/a.json")
    second.symlink_to("link")
    replace_file(second, b"new")
    assert link.is_symlink() and second.is_symlink() and file.read_bytes() == b"new"
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["a.json"]


def test_a_link_to_nothing_makes_the_file_it_names(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("later.json")
    replace_file(link, b"now")
    assert link.is_symlink() and (tmp_path / "later.json").read_bytes() == b"now"


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError):
        replace_file(tmp_path / "a", b"nowhere")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"] and all(p.is_symlink() for p in tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_permissions_are_kept(tmp_path, mode):
    path = tmp_path / "secret.json"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace_file(path, b"new")
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, b"new")


def test_a_new_file_has_the_usual_permissions(tmp_path):
    replace_file(tmp_path / "ours", b"a")
    (tmp_path / "usual").write_bytes(b"a")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_is_kept(tmp_path):
    path = tmp_path / "theirs"
    path.write_bytes(b"old")
    os.chown(path, 12345, 12346)
    replace_file(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_the_file_that_standard_output_goes_to_is_added_to(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mmer.files.replace import replace_file\n"
        "print('first', flush=True); replace_file(Path(sys.argv[1]), b'second\\n'); print('third')"
    )
    out = tmp_path / "out.txt"
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", code, str(out)], stdout=file, check=True)
    assert out.read_text().split() == ["first", "second", "third"] and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["n" * 5000, "a/" * 5000, "zero\0byte", "half \ud800"], ids=["long", "deep", "zero byte", "surrogate"])
def test_impossible_names_are_an_os_error(tmp_path, name):
    with pytest.raises(OSError):
        replace_file(tmp_path / name, b"nowhere")
    assert list(tmp_path.iterdir()) == []
