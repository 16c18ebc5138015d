"""What a person names: told apart by what is there."""

import json

import pytest
from iemocap_tree import write_small_tree

from mmer.datasets.reading import read_dataset, read_labels
from mmer.errors import DataError

ROWS = "path,text,label,speaker\na.wav,Hello.,angry,anna\nb.wav,Hi.,calm,ben\n"


def write_manifest(folder, name="manifest.csv", content=ROWS):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content, encoding="utf-8")
    for sound in ("a.wav", "b.wav"):
        (folder / sound).write_bytes(sound.encode())
    return folder / name


def test_a_manifest_by_file_or_folder(tmp_path):
    file = write_manifest(tmp_path / "voices")
    labels = {"angry": "anger", "calm": ""}
    by_file, by_folder = read_dataset(file, labels=labels), read_dataset(file.parent, labels=labels)
    assert by_file == by_folder and by_file.name == "voices" and [u.label for u in by_file.utterances] == ["anger"]


def test_the_name_is_the_folder_s_wherever_one_stands(tmp_path, monkeypatch):
    file = write_manifest(tmp_path / "voices")
    monkeypatch.chdir(file.parent)
    labels = {"angry": "anger", "calm": ""}
    assert [read_dataset(path, labels=labels).name for path in (".", "manifest.csv", file)] == ["voices"] * 3


def test_a_folder_may_hold_its_manifest_in_another_format(tmp_path):
    write_manifest(tmp_path / "voices", "manifest.tsv", ROWS.replace(",", "\t").replace("angry", "anger").replace("calm", "neutral"))
    assert len(read_dataset(tmp_path / "voices").utterances) == 2


@pytest.mark.parametrize("inside", ["", "IEMOCAP_full_release"])
def test_a_release_is_known_by_its_sessions(tmp_path, inside):
    write_small_tree(tmp_path / inside, sound="empty")
    found = read_dataset(tmp_path)
    assert found.name == "iemocap" and len(found.utterances) == 10
    with pytest.raises(DataError, match="a label mapping is for manifests"):
        read_dataset(tmp_path, labels={"ang": "anger"})


def test_words_alone_need_no_sound(tmp_path):
    write_small_tree(tmp_path)
    assert not any(u.has_audio for u in read_dataset(tmp_path, audio=False).utterances)
    with pytest.raises(DataError, match="no sound file"):
        read_dataset(tmp_path)


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        read_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"neither a .* nor the folders"):
        read_dataset(tmp_path)


TWICE = (('{"angry": "anger", "calm": "", "angry": ""}', "the key 'angry' stands twice in one object .'anger' and ''."),)


def test_label_mappings(tmp_path):
    assert read_labels("angry=anger, calm=,") == {"angry": "anger", "calm": ""}
    (tmp_path / "labels.json").write_text(json.dumps({"angry": "anger", "calm": ""}))
    assert read_labels(str(tmp_path / "labels.json")) == {"angry": "anger", "calm": ""}
    wrong = {
        "angry=ra\u202ege": "'angry': 'ra.u202ege' can't be the name of a class",
        "angry=anger,calm": "'calm' does not have the form",
        "none": "can't be opened",
    }
    wrong |= {"angry=anger, angry=": "'angry' stands in it twice .as 'anger' and ''."}
    for given, words in wrong.items():
        with pytest.raises(DataError, match=words):
            read_labels(given)
    for content, words in (("[1]", "an object such as"), ('{"a": 1}', "an object such as"), ("{", "Not a JSON object"), *TWICE):
        (tmp_path / "labels.json").write_text(content)
        with pytest.raises(DataError, match=words):
            read_labels(str(tmp_path / "labels.json"))
