"""A batch's table as a table of utterances: right and wrong where labels are, training clips apart, both forms of the file, bad files."""

import json
import math

import pytest

from mmer.batch.items import BatchItem, list_columns
from mmer.batch.scores import score_rows as score_batch
from mmer.batch.table import write_table
from mmer.choices.emotions import EMOTIONS
from mmer.error_table.batch_table import read_batch_table
from mmer.error_table.filters import find_rows, parse_filter
from mmer.error_table.summary import format_table, score_rows
from mmer.errors import DataError
from mmer.ui.batch import write_files


def make_row(path, label, said, *, share=0.7, role="combined", **more):
    others = (1 - share) / 3
    row = {"path": path, "label": label, "head": "h", "words": f"words of {path}", "seconds": "2.5", "state": "sure", "verdict": said}
    row |= {role: said, f"{role}_novelty": "0.8", "late_F_logit_anger": "1.25"}
    return row | {f"{role}_p_{name}": f"{share if name == said else others:.7g}" for name in EMOTIONS} | more


@pytest.fixture
def rows():
    return [
        make_row("a.wav", "anger", "anger", speaker="x"),
        make_row("b.wav", "anger", "sadness", share=0.4, speaker="x"),
        make_row("=c.wav", "happiness", "happiness", speaker="y"),
        make_row("d.wav", "sadness", "sadness", in_training="training", speaker="y"),
        make_row("e.wav", "furious", "anger", speaker="y"),
        make_row("f.wav", "", "neutral", role="late", speaker="y"),
        {"path": "g.wav", "label": "anger", "head": "h", "error": "The file is empty."},
        make_row("h.wav", "neutral", "neutral", start="1", end="2.5", speaker="z"),
        make_row("h.wav", "neutral", "anger", start="2.5", end="4", speaker="z"),
    ]


@pytest.fixture
def written(tmp_path, rows):
    items = [BatchItem("a.wav", tmp_path / "a.wav", extra={"speaker": "", "start": "", "end": ""})]
    path = tmp_path / "table.csv"
    path.write_text(write_table(rows, list_columns(items, EMOTIONS)), encoding="utf-8")
    return path, items


def test_each_clip_is_right_wrong_or_not_judged(written):
    table = read_batch_table(written[0])
    found = dict(zip(table.frame["utterance"], table.frame["outcome"]))
    assert found == {
        "a.wav": "right", "b.wav": "wrong", "=c.wav": "right", "d.wav": "right, in training", "e.wav": "", "f.wav": "", "g.wav": "",
        "h.wav 1-2.5": "right", "h.wav 2.5-4": "wrong",
    }  # fmt: skip
    row = table.frame.set_index("utterance").loc["b.wav"]
    assert (row["answer"], row["p_sadness"], row["seconds"], row["late_F_logit_anger"]) == ("sadness", 0.4, 2.5, 1.25)
    assert row["loss"] == pytest.approx(-math.log(0.2), rel=1e-6)
    assert row["margin"] == pytest.approx(0.2 - 0.4)
    assert row["entropy"] == pytest.approx(-(0.4 * math.log2(0.4) + 3 * 0.2 * math.log2(0.2)), rel=1e-6)
    assert {column.name for column in table.columns} == set(table.frame.columns)
    assert next(column for column in table.columns if column.name == "seconds").unit == "s"


def test_the_score_is_the_batch_s_own_and_leaves_training_clips_out(written, rows):
    table = read_batch_table(written[0])
    expected = score_batch(rows)
    assert score_rows(table)["ua"] == pytest.approx(next(s for s in expected if s.role == "combined").ua)
    assert score_rows(table)["utterances"] == 5
    printed = format_table(table, [], rows=3, whole=9)
    assert "so that no score counts them: 1 clip." in " ".join(printed.split())
    assert "could not be analysed" in printed


def test_labels_can_be_mapped(written):
    table = read_batch_table(written[0], labels={"furious": "anger"})
    assert dict(zip(table.frame["utterance"], table.frame["outcome"]))["e.wav"] == "right"


def test_both_forms_of_the_file_are_one_table(tmp_path, written, rows):
    (_, table), (name, text) = write_files(rows, written[1], [], EMOTIONS)
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "again.csv").write_text(table, encoding="utf-8")
    first, second = read_batch_table(tmp_path / name), read_batch_table(tmp_path / "again.csv")
    assert first.frame.equals(second.frame)
    assert first.columns == second.columns


def test_a_filter_finds_what_could_not_be_analysed(written):
    table = read_batch_table(written[0])
    assert table.keep(find_rows(table, [parse_filter("error!=")])).frame["utterance"].tolist() == ["g.wav"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "has no rows"),
        ("a.csv", "path,text\na.wav,x\n", "no column such as combined_p_anger"),
        ("a.csv", "late_p_a,late_p_b\n1,2\n", "no column path"),
        ("a.json", "{}", "is not a batch's JSON"),
        ("a.json", json.dumps({"format": "mmer-batch", "rows": [{"path": 3}]}), "something else than texts"),
        ("a.json", "[" * 5000, "nested too deeply"),
        ("a.csv", "path,late_p_a\nx\n", "1 cell fewer"),
    ],
)
def test_a_file_that_is_no_batch_s_says_why(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        read_batch_table(tmp_path / name)


def test_a_row_of_rubbish_numbers_is_unknown_not_a_crash(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("path,label,late,late_p_a,late_p_b,seconds\nx,a,a,nan,,inf\nx,a,a,0.6,0.4,2\n")
    table = read_batch_table(path)
    assert table.frame["utterance"].tolist() == ["x", "x (2)"]
    assert math.isnan(table.frame["loss"][0])
    assert table.frame["loss"][1] == pytest.approx(-math.log(0.6), rel=1e-6)
