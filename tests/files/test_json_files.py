"""JSON from anywhere: what no reader takes is one sentence that names the file, the row and the column."""

import json
import os
from pathlib import Path

import pytest

from mmer.align.textgrid_tiers import read_tiers
from mmer.datasets.manifest import read_manifest
from mmer.datasets.reading import read_dataset, read_labels
from mmer.errors import AlignmentError, DataError, MmerError
from mmer.exports.analysis_json import read_analysis
from mmer.files.guarded_json import MAX_DEPTH, explain_name, parse_json, read_json
from mmer.heads.config_file import read_config

LONG = "x" * 5000


def manifest(path="a.wav", **more):
    return {"path": path, "text": "yes", "label": "anger", "speaker": "s"} | more


MANIFESTS = {  # a line of JSON -> what the sentence must say
    "many digits": (
        '{"path": ' + "9" * 5000 + ', "text": "", "label": "anger", "speaker": "s"}',
        "column 'path': a number of 5,000 digits",
    ),
    "half a character": (r'{"path": "a.wav", "text": "\ud800", "label": "anger", "speaker": "s"}', "column 'text': '\\ud800'"),
    "half a name": (r'{"\udfff": 1}', "half of a character"),
    "named twice": ('{"path": "a.wav", "path": "b.wav"}', "the column 'path' stands twice in one object ('a.wav' and 'b.wav')"),
    "half a name twice": (r'{"\udfff": 1, "\udfff": []}', "the column '\\udfff' stands twice in one object."),
    "deep": ('{"path": ' + "[" * 99 + "]" * 99 + "}", "column 'path': lists or objects nested more than 60 deep"),
    "deeper": ("[" * 100_000, "nested too deeply"),
    "long": (json.dumps(manifest(LONG)), "column 'path'"),
    "zero byte": (json.dumps(manifest("a\0.wav")), "column 'path'"),
    "long alignment": (json.dumps(manifest(alignment=LONG + ".TextGrid")), "column 'alignment'"),
    "huge time": (json.dumps(manifest(start="9" * 5000)), "column 'start'"),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_manifest_s_bad_line_is_named(tmp_path, kind):
    line, said = MANIFESTS[kind]
    (tmp_path / "a.wav").touch()
    path = tmp_path / "m.jsonl"
    path.write_text("\n" + line + "\n")
    with pytest.raises(DataError) as error:
        read_manifest(path)
    assert said in str(error.value) and "m.jsonl, row 2" in str(error.value) and len(str(error.value)) <= 800
    str(error.value).encode()


@pytest.mark.parametrize("name", [LONG + ".wav", "zero\0byte.wav"])
def test_a_table_s_bad_name_is_named_with_its_row(tmp_path, name):
    path = tmp_path / "m.csv"
    path.write_text(f"path,text,label,speaker\n{name},yes,anger,s\n")
    with pytest.raises(DataError, match=r"m\.csv, row 2, column 'path'"):
        read_manifest(path)


LABELS = ["[" * 100_000, '{"a": ' + "9" * 5000 + "}", r'{"\ud800": "anger"}', '{"a": "anger"', "\ud800".encode("utf-8", "surrogatepass")]


@pytest.mark.parametrize("content", LABELS, ids=range(len(LABELS)))
def test_a_label_mapping_that_is_none(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=r"labels\.json"):
        read_labels(str(path))


@pytest.mark.parametrize("name", [LONG, "a\0b", "a/" * 3000])
def test_names_that_no_file_has(name):
    for read in (read_labels, read_dataset, read_analysis):
        with pytest.raises(DataError) as error:
            read(name)
        assert len(str(error.value)) < 800


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + "1," * 100 + "1]")
    assert len(read_json(path)) == 101
    with pytest.raises(DataError, match="more than 0 MB"):
        read_json(path, limit=100)


def test_what_is_ours_is_taken():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deepest, "x") == json.loads(deepest)
    assert parse_json('{"a": -9223372036854775808, "b": [1.5, NaN, null]}', "x")["a"] == -(2**63)
    assert parse_json(r'["\ud83d\ude00"]', "x") == ["😀"]
    assert parse_json(r'["\ud83d"]', "x", half_characters=True) == ["\ud83d"]
    with pytest.raises(AlignmentError):
        parse_json("[" + deepest + "]", "x", error=AlignmentError)


def read_head(path):
    return read_config(Path(path).parent)


def read_grid(path):
    return read_tiers(Path(path))


@pytest.mark.parametrize("read", [read_analysis, read_labels, read_head, read_grid])
def test_a_key_named_twice_is_refused_wherever_json_is_read(tmp_path, read):
    path = tmp_path / "config.json"
    path.write_text('{"tiers": {"words": [], "phones": [], "words": []}}')
    with pytest.raises(MmerError, match="'words' stands twice in one object"):
        read(str(path))
    path.write_text('{"tiers": 1}', encoding="utf-16-le")
    with pytest.raises(MmerError, match=r"UTF-16 \(little-endian\) without the mark"):
        read(str(path))


def test_names_that_file_systems_take(tmp_path):
    assert explain_name("a/" * 200 + "n" * 255) == "" and explain_name(os.fsdecode(b"\xff.wav")) == ""
    assert explain_name("n" * 256) and explain_name("é" * 128) and explain_name("\ud800") and explain_name("\0")
