"""Manifests: what loads, and what is refused with file, row and column."""

import json

import pytest

from mmer.datasets.manifest import read_manifest
from mmer.errors import DataError

HEADER = "path,label,text,speaker,duration\n"


@pytest.fixture
def folder(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("a.wav", "b.wav"):
        (corpus / name).write_bytes(b"sound")
    return corpus


def write(folder, text, name="manifest.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_rows_become_utterances_with_metadata(folder):
    write(folder, HEADER + 'a.wav,anger,"Stop, now.",ann,1.5\nb.wav,neutral,,bob,2.0\n')
    dataset = read_manifest(folder)
    first, second = dataset.utterances
    assert dataset.name == "corpus" and dataset.speakers == ("ann", "bob")
    assert (first.path, first.text, first.label, first.speaker) == (folder / "a.wav", "Stop, now.", "anger", "ann")
    assert first.extra == {"duration": "1.5"} and second.text == "" and second.session == ""


def test_tsv_and_json_lines_say_the_same(folder):
    tsv = write(folder, "path\tlabel\ttext\tspeaker\tsession\na.wav\tsadness\tOh.\tann\t3\n", "m.tsv")
    lines = write(
        folder, json.dumps({"path": "a.wav", "label": "sadness", "text": "Oh.", "speaker": "ann", "session": 3}) + "\n", "m.jsonl"
    )
    assert read_manifest(tsv).utterances == read_manifest(lines).utterances
    assert read_manifest(tsv).utterances[0].session == "3"


def test_label_mapping_leaves_out_by_name(folder):
    path = write(folder, HEADER + "a.wav,exc,Hi.,ann,1\nb.wav,fea,Hi.,ann,1\n")
    dataset = read_manifest(path, labels={"exc": "happiness", "fea": ""})
    assert [u.label for u in dataset.utterances] == ["happiness"]
    assert dataset.left_out == ("row 3: label 'fea'",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no rows"]),
        (HEADER, ["no rows"]),
        ("path,label,text\na.wav,anger,Hi.\n", ["'speaker'", "missing"]),
        (HEADER + "a.wav,anger,Hi.,ann,1\nb.wav, ,Hi.,ann,1\n", ["row 3", "'label'", "empty"]),
        (HEADER + 'a.wav,anger,Hi.,ann,1\nb.wav,"mad, sad",Hi.,ann,1\n', ["row 3", "'label'", "'mad, sad'", "holds ','"]),
        (HEADER + "a.wav,anger,Hi.,ann,1\nb.wav,Anger,Hi.,ann,1\n", ["'anger' and 'Anger'", "two classes"]),
        (HEADER + "c.wav,anger,Hi.,ann,1\n", ["row 2", "'path'", "'c.wav'"]),
        (HEADER + "a.wav,anger,Hi., ,1\n", ["row 2", "'speaker'", "empty"]),
        (HEADER + ",anger,Hi.,ann,1\n", ["row 2", "'path'", "empty"]),
        (HEADER + "a.wav,anger,Hi, there.,ann,1\n", ["row 2", "1 cell more", "quotes"]),
        (HEADER + "a.wav,anger,Hi.\n", ["row 2", "'speaker'"]),
        (HEADER + 'a.wav,anger,"Hi.,ann,1\n', ["not a table"]),
        (HEADER + "a.wav,anger,Hi.,ann,1\na.wav,sadness,Hi.,ann,1\n", ["row 3", "'path'", "'a.wav' stands already in row 2"]),
    ],
)
def test_bad_tables_are_refused_with_their_place(folder, text, words):
    path = write(folder, text)
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert all(word in str(caught.value) for word in [str(path), *words]), str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("m.jsonl", b'{"path": 1\n', ["row 1", "not JSON"]),
        ("m.jsonl", b"[1]\n", ["row 1", "an object"]),
        ("m.jsonl", b'{"path": "a.wav", "text": "", "label": "anger"}\n', ["row 1", "'speaker'"]),
        ("m.jsonl", b'{"path": "a.wav", "text": ["a"], "label": "anger", "speaker": "s"}\n', ["row 1, column 'text'", 'not ["a"]']),
        ("m.jsonl", b'{"path": "a.wav", "text": "", "label": true, "speaker": "s"}\n', ["column 'label'", "not true"]),
        ("m.csv", b"path,label\xff\n", ["UTF-8", "byte 10"]),
        ("m.xlsx", b"", [".csv, .tsv or .jsonl"]),
    ],
)
def test_bad_files_are_refused(folder, name, data, words):
    (folder / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_manifest(folder / name)
    assert all(word in str(caught.value) for word in [name, *words]), str(caught.value)


def test_missing_manifest_and_unmapped_label(folder):
    with pytest.raises(DataError, match=r"manifest\.csv: the manifest can't be opened"):
        read_manifest(folder)
    path = write(folder, HEADER + "a.wav,xyz,Hi.,ann,1\n")
    with pytest.raises(DataError, match="'xyz' is not in the label mapping"):
        read_manifest(path, labels={"ang": "anger"})


def test_optional_columns_become_fields(folder):
    (folder / "a.TextGrid").write_text("")
    path = write(
        folder,
        "path,label,text,speaker,session,dialogue,alignment,start,end,mood\n"
        "a.wav,anger,Stop.,ann,1,d1,a.TextGrid,0.5,2,odd\na.wav,anger,Go.,ann,1,d1,,2,,odd\nb.wav,anger,Go.,ann,1,,,,,\n",
    )
    first, second, third = read_manifest(path).utterances
    assert (first.session, first.dialogue, first.alignment, first.start, first.end) == ("1", "d1", folder / "a.TextGrid", 0.5, 2.0)
    assert first.extra == {"mood": "odd"}
    assert (second.alignment, second.start, second.end) == (None, 2.0, None)
    assert (third.dialogue, third.start, third.end) == ("", None, None)
    assert [u.name for u in (first, second, third)] == ["a.wav 0.5-2", "a.wav 2-end", "b.wav"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("soon,2,", ["'start'", "'soon' is not a number of seconds"]),
        ("-1,2,", ["'start'", "'-1' is not a time"]),
        ("1,nan,", ["'end'", "'nan' is not a time"]),
        ("2,1.5,", ["'end'", "1.5 s is not after the start, 2 s"]),
        (",,a.txt", ["'alignment'", "'a.txt' is neither a .TextGrid nor a .wdseg"]),
        (",,a.TextGrid", ["'alignment'", "no file 'a.TextGrid'"]),
    ],
)
def test_bad_times_and_alignments_are_refused_with_their_place(folder, cells, words):
    path = write(folder, f"path,label,text,speaker,start,end,alignment\na.wav,anger,Hi.,ann,{cells}\n")
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert all(word in str(caught.value) for word in [str(path), "row 2", *words]), str(caught.value)


def test_words_alone_need_no_sound(folder):
    path = write(folder, HEADER + "a.wav,anger,Hi.,ann,1\nmissing.wav,anger,Ho.,ann,1\n")
    assert [u.has_audio for u in read_manifest(path, audio=False).utterances] == [True, False]


def test_nothing_in_json_is_an_empty_cell(folder):
    row = {"path": "a.wav", "label": "sadness", "text": "Oh.", "speaker": "ann", "session": None, "rating": [1, 2]}
    first = read_manifest(write(folder, json.dumps(row), "m.jsonl")).utterances[0]
    assert first.session == "" and first.extra == {"rating": "[1, 2]"}


def test_fingerprint_follows_the_content_alone(folder, tmp_path):
    text = HEADER + "a.wav,anger,Hi.,ann,1\n"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.wav").write_bytes(b"sound")
    here, there = read_manifest(write(folder, text)).fingerprint, read_manifest(write(elsewhere, text)).fingerprint
    changed = read_manifest(write(elsewhere, text.replace("anger", "sadness"))).fingerprint
    assert here == there != changed


def test_blanks_around_names_make_no_other_speaker(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").touch()
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,text,label,speaker,session,dialogue\na.wav,x,anger,one, 1,d \nb.wav,y, sadness,one ,1,d\n")
    dataset = read_manifest(manifest)
    assert dataset.speakers == ("one",) and dataset.sessions == ("1",)
    assert {u.dialogue for u in dataset.utterances} == {"d"} and [u.label for u in dataset.utterances] == ["anger", "sadness"]


def test_a_single_row_without_a_header_is_told_what_the_header_names(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("c1.wav,he was not,neutral,s1\n")
    with pytest.raises(DataError, match=r"no rows below the header, which names the columns: path, text, label, speaker, …"):
        read_manifest(path)
