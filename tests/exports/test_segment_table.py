"""The CSV of segments: its rows add up to the JSON's logits, and no cell of it is a formula."""

import csv
import io
from dataclasses import replace

import numpy as np
import pandas
import pytest
from planted_words import plant_words
from sample_analysis import make_analysis

from mmer.choices.emotions import EMOTIONS
from mmer.exports.analysis_json import analysis_to_json
from mmer.exports.segment_table import guard_cell, write_segment_table
from mmer.results import Word


def read(analysis):
    return pandas.read_csv(io.StringIO(write_segment_table(analysis)), keep_default_na=False)


def numbers(table, scale):
    return table[[f"{scale}_{name}" for name in EMOTIONS]].apply(pandas.to_numeric)


@pytest.mark.parametrize("words", [True, False])
def test_rows_add_up_to_the_late_logits(words):
    analysis = make_analysis(words=words)
    logits = np.array(analysis_to_json(analysis)["predictions"]["late"]["logits"])
    table = read(analysis)
    np.testing.assert_allclose(numbers(table, "raw").sum(), logits, atol=1e-4)
    np.testing.assert_allclose(numbers(table, "centred").sum(), logits - logits.mean(), atol=1e-4)
    for unit, rows in table.groupby("unit"):
        branch = next((b for b in analysis.predictions["late"].branches if b.unit == unit), None)
        if branch is not None:
            np.testing.assert_allclose(numbers(rows, "raw").sum(), branch.logits, atol=1e-4)


def test_every_segment_of_every_unit_is_a_row_with_its_time():
    analysis = make_analysis()
    table = read(analysis)
    segments = table[table.part == "segment"]
    for unit in "TFPS":
        rows = segments[segments.unit == unit]
        assert rows.label.tolist() == list(analysis.labels[unit]) and rows.segment.astype(int).tolist() == list(range(len(rows)))
        if unit != "T":
            np.testing.assert_allclose(rows.start.astype(float), analysis.starts[unit], atol=1e-6)
            np.testing.assert_allclose(rows.end.astype(float), analysis.ends[unit], atol=1e-6)
    words = segments[segments.unit == "W"]
    assert words.label.tolist() == [s.label for s in analysis.alignment.words]
    assert (words[[f"raw_{name}" for name in EMOTIONS]] == "").all(axis=None), "there is no branch for words"
    assert (table[table.part == "bias"].unit == ["T", "F", "S"]).all()
    assert segments[segments.unit == "S"].word.tolist() == ["I", "won", "10", "&", "more"]


def test_the_rows_of_an_owner_are_the_word_s_whole_contribution():
    table = read(plant_words())
    anger = table.assign(anger=pandas.to_numeric(table.raw_anger).mul(100).round(6)).groupby("owner").anger.sum()
    assert anger.to_dict() == {"": -17 + 1, "0": 67, "1": 228, "2": 167, "3": 40}  # by hand, see test_word_contributions.py
    phones = table[(table.unit == "P") & (table.part == "segment")]
    assert phones.word.tolist() == ["Oh", "no", "stop", "stop", ""]
    marked = "straddles a word's edge"
    assert phones.note.tolist() == ["", marked, marked, "", "between words"]
    assert table[table.unit == "T"].note.tolist() == ["", "", "punctuation", "", "", "", "", "punctuation"]


def test_without_alignment_the_frames_are_not_divided():
    table = read(plant_words(aligned=False))
    assert set(table[(table.unit == "F") & (table.part == "segment")].note) == {"sound not divided"}


def test_every_row_says_where_it_comes_from():
    analysis = make_analysis()
    table = read(analysis)
    assert set(table["clip"]) == {"<voice>.wav"} and set(table.clip_sha256) == {"sha256:" + analysis.clip.sha256[:12]}
    assert set(table["head"]) == {"late-fs"} and set(table.head_sha256) == {"sha256:" + "a" * 12} and set(table.preset) == {"compact"}


def test_without_late_fusion_there_are_times_and_no_numbers():
    analysis = make_analysis()
    table = read(replace(analysis, predictions={"early": analysis.predictions["early"]}))
    assert set(table.part) == {"segment"} and set(table["head"]) == {"coattention-fp"}
    assert (table[[f"centred_{name}" for name in EMOTIONS]] == "").all(axis=None)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_text_of_a_visitor_is_a_formula(start):
    hostile = f'{start}HYPERLINK("http://x","y")'
    analysis = make_analysis()
    words = (Word(hostile, 0, 1, ("i",)), *analysis.transcript.words[1:])
    labels = dict(analysis.labels) | {"T": (hostile, *analysis.labels["T"][1:])}
    attacked = replace(
        analysis, clip=replace(analysis.clip, name=hostile), labels=labels, transcript=replace(analysis.transcript, words=words)
    )
    rows = list(csv.DictReader(io.StringIO(write_segment_table(attacked), newline="")))
    texts = [row[name] for row in rows for name in ("clip", "label", "word")]
    assert f"'{hostile}" in texts and not any(text.startswith(start) for text in texts)
    np.testing.assert_allclose(numbers(read(attacked), "raw").sum(), analysis.predictions["late"].logits, atol=1e-4)


def test_other_text_is_left_as_it_is():
    assert [guard_cell(text) for text in ("don't", "10", "", "zażółć")] == ["don't", "10", "", "zażółć"]
