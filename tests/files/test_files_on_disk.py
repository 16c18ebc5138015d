"""Files are whole or not there, whoever writes them at once."""

import threading

import pytest

from mmer.files.replace import remove_parts, replace_file


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_is_replaced_and_nothing_else_stays(tmp_path, sync):
    path = tmp_path / "a.bin"
    for data in (b"first", b"second"):
        replace_file(path, data, sync=sync)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cant_be_written_leaves_the_old_one_and_no_other(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "inside").touch()
    with pytest.raises(OSError):
        replace_file(tmp_path / "a", b"a folder is not replaced")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_many_writers_of_one_file_leave_one_whole_content(tmp_path):
    path, contents = tmp_path / "a", [bytes([65 + i]) * 200_000 for i in range(6)]
    threads = [threading.Thread(target=lambda data=data: [replace_file(path, data) for _ in range(20)]) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents and list(tmp_path.iterdir()) == [path]


def test_only_parts_are_removed(tmp_path):
    for name in (".a.bin.1-2.part", "b.bin", "part"):
        (tmp_path / name).touch()
    remove_parts(tmp_path, seconds=600)
    assert len(list(tmp_path.iterdir())) == 3
    remove_parts(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"b.bin", "part"}
