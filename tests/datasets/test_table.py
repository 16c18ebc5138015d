"""Manifests, batch lists and text corpora take the same tables, and say the same about what is wrong with one."""

import os

import numpy as np
import pytest
import soundfile

from mmer.batch.items import read_items
from mmer.datasets.manifest import read_manifest
from mmer.datasets.table import parse_table
from mmer.datasets.texts import read_texts
from mmer.errors import DataError
from mmer.files.encoding import decode_text

ROWS = [
    ["path", "label", "text", "speaker", "session"],
    ["a.wav", "anger", "Hi; you, there.", "ann", "1"],
    ["b.wav", "neutral", "", "bob", "2"],
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "A").mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.zeros(1600), 16000)
    os.link(tmp_path / "a.wav", tmp_path / "hard.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    return tmp_path


def write(mark=",", end="\n", rows=ROWS):
    return end.join(mark.join(f'"{cell}"' if any(c in cell for c in ",;\t") else cell for cell in row) for row in rows) + end


SPELLINGS = {
    "commas": ("m.csv", write().encode()),
    "semicolons": ("m.csv", write(";").encode()),
    "tabs": ("m.tsv", write("\t").encode()),
    "tabs in a csv": ("m.csv", write("\t").encode()),
    "commas in a tsv": ("m.tsv", write().encode()),
    "suffix in capitals": ("m.CSV", write(";").encode()),
    "byte order mark": ("m.csv", b"\xef\xbb\xbf" + write(";").encode()),
    "Excel's sep": ("m.csv", ("sep=;\r\n" + write(";", "\r\n")).encode()),
    "sep and tabs": ("m.csv", ('"sep=\t"\n' + write("\t")).encode()),
    "Excel's Unicode text": ("m.tsv", write("\t", "\r\n").encode("utf-16")),
    "big-endian": ("m.csv", b"\xfe\xff" + write().encode("utf-16-be")),
    "blank rows behind": ("m.csv", (write() + ",,,,\n \n\n , ,,,\n").encode()),
    "blank columns behind": ("m.csv", write(rows=[[*row, "", ""] for row in ROWS]).encode()),
    "blank line before": ("m.csv", ("\n" + write()).encode()),
    "old Mac line ends": ("m.csv", write(end="\r").encode()),
    "spaces around names": ("m.csv", write().replace("label,", " label ,").encode()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_table_in_many_spellings_is_one_table(folder, spelling):
    name, data = SPELLINGS[spelling]
    (folder / name).write_bytes(data)
    first, second = read_manifest(folder / name).utterances
    assert (first.path, first.text, first.label, first.speaker, first.session) == (folder / "a.wav", "Hi; you, there.", "anger", "ann", "1")
    assert (second.text, second.speaker, second.extra) == ("", "bob", {})
    items = read_items(folder / name)
    assert len(items) == 2 and (items[0].path, items[0].text, items[0].label) == (first.path, first.text, "anger")
    assert dict(items[0].extra) == {"speaker": "ann", "session": "1"}


def test_text_corpora_take_them_too(tmp_path):
    (tmp_path / "t.csv").write_bytes("sep=;\nsplit;emotion;text\ntrain;anger;No, never.\n;;\n".encode("utf-16"))
    assert [(t.label, t.text) for t in read_texts(tmp_path / "t.csv")] == [("anger", "No, never.")]


def both_refuse(folder, text, *words):
    path = folder / "m.csv"
    path.write_text(text, encoding="utf-8")
    for read in (read_manifest, read_items):
        with pytest.raises(DataError) as caught:
            read(path)
        assert all(word in str(caught.value) for word in words), str(caught.value)


HEADER = "path,label,text,speaker,session\n"


@pytest.mark.parametrize("again", ["./a.wav", "A/../a.wav", "link.wav", "a.wav"])
def test_same_file_under_two_spellings_is_refused_with_both_rows(folder, again):
    text = HEADER + f"a.wav,anger,Hi.,ann,1\nb.wav,anger,Hi.,ann,1\n{again},anger,Hi.,ann,1\n"
    both_refuse(folder, text, "row 4, column 'path'", repr(again), "row 2")
    pieces = "path,label,text,speaker,start,end\na.wav,anger,Hi.,ann,0,0.05\n./a.wav,anger,Hi.,ann,0.05,0.1\n"
    (folder / "m.csv").write_text(pieces)
    assert len(read_manifest(folder / "m.csv").utterances) == len(read_items(folder / "m.csv")) == 2


def test_columns_named_twice_or_not_at_all_are_refused(folder):
    both_refuse(folder, "path,label,text,speaker,text\na.wav,anger,Hi.,ann,x\n", "column 'text' is named twice (columns 3 and 5)")
    both_refuse(folder, "path,label,text,speaker,\na.wav,anger,Hi.,ann,x\n", "row 2: it has 1 cell more than the header")
    both_refuse(folder, "path,,label,text,speaker\na.wav,x,anger,Hi.,ann\n", "column 2 of 5 has no name")
    both_refuse(folder, HEADER + "a.wav,anger,Hi.\n", "row 2", "2 cells fewer", "column 'speaker'")
    both_refuse(folder, "sep=;\npath;label;text;speaker\na.wav;anger;Hi.\n", "row 3", "1 cell fewer", "'speaker'")


def test_sessions_that_are_one_number_are_refused(folder):
    (folder / "m.csv").write_text(HEADER + "a.wav,anger,Hi.,ann,1\nb.wav,anger,Hi.,bob,1.0\n")
    with pytest.raises(DataError, match=r"row 3, column 'session': '1\.0' here and '1' in row 2 are the same number"):
        read_manifest(folder / "m.csv")
    (folder / "m.csv").write_text(HEADER + "a.wav,anger,Hi.,01,x\nb.wav,anger,Hi.,1,y\n")
    with pytest.raises(DataError, match=r"column 'speaker': '1' here and '01' in row 2"):
        read_manifest(folder / "m.csv")
    (folder / "m.csv").write_text(HEADER + "a.wav,anger,Hi.,nan,1\nb.wav,anger,Hi.,inf,2\n")
    assert read_manifest(folder / "m.csv").speakers == ("inf", "nan")


def test_text_nan_stays_and_is_named(folder):
    (folder / "m.csv").write_text(HEADER + "a.wav,anger,nan,ann,1\nb.wav,anger,Null,bob,2\n")
    dataset = read_manifest(folder / "m.csv")
    assert [u.text for u in dataset.utterances] == ["nan", "Null"] == [i.text for i in read_items(folder / "m.csv")]
    assert dataset.notes == ("rows 2, 3: the text is 'nan', which is read as that word; leave the cell empty where no text is known",)


UNMARKED = {
    "utf-16-le": "UTF-16 .little-endian. without the mark",
    "utf-16-be": "UTF-16 .big-endian. without the mark",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
    "utf-32": "UTF-32",
}


def test_a_manifest_in_another_encoding_is_refused_with_its_name(folder):
    for encoding, named in UNMARKED.items():
        (folder / "m.csv").write_text(HEADER + "a.wav,anger,Hi.,ann,1\n", encoding=encoding)
        for read in (read_manifest, read_items):
            with pytest.raises(DataError, match=named):
                read(folder / "m.csv")


def test_other_encodings_and_no_tables_are_refused():
    with pytest.raises(DataError, match=r"m\.csv: not UTF-8 text \(byte 1\).*CSV UTF-8"):
        decode_text(b"a\xff", "m.csv")
    with pytest.raises(DataError, match="not UTF-16 text"):
        decode_text(b"\xff\xfea", "m.csv")
    for encoding, named in UNMARKED.items():
        with pytest.raises(DataError, match=rf"m\.csv: .*{named}.*Save it as UTF-8"):
            decode_text((HEADER + "ä.wav,anger,Hi.,ann,1\n").encode(encoding), "m.csv")
    assert decode_text("a,ä\n".encode("utf-16"), "m.csv") == decode_text("a,ä\n".encode("utf-8-sig"), "m.csv") == "a,ä\n"
    with pytest.raises(DataError, match=r"not a table \(.*near line 2\)"):
        parse_table('a,b\n"x,y\n', "m.csv")
    assert parse_table("", "m").columns == parse_table("\n ,\n", "m").columns == parse_table("sep=;", "m").columns == ()
    with pytest.raises(DataError, match="501 columns; at most 500"):
        parse_table(",".join(f"c{i}" for i in range(501)), "m")
