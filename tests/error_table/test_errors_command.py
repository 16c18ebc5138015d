"""`mmer errors` from the shell: what it prints, the three forms of its file, and what it refuses."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from mmer.cli import main

RUNS = Path(__file__).parents[2] / "assets" / "runs"
FRAMES, PHONES = RUNS / "ravdess-linear-f", RUNS / "ravdess-linear-p"


def test_filters_and_order_hold_for_what_is_printed_and_written(tmp_path, capsys):
    out = tmp_path / "wrong.csv"
    filters = ["--where", "label=happiness", "--where", "outcome=wrong"]
    assert main(["errors", str(FRAMES), *filters, "--sort", "loss:down", "--rows", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Filters: label=happiness  outcome=wrong: 37 of 672 are left." in printed
    assert "and 35 more" in printed
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 37
    assert {(row["label"], row["outcome"]) for row in rows} == {("happiness", "wrong")}
    losses = [float(row["loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert rows[0]["utterance"] in printed


def test_an_experiment_is_named_as_in_other_commands(tmp_path, capsys):
    assert main(["errors", "ravdess-linear-f", "ravdess-linear-p", "--runs", str(RUNS), "--rows", "1"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "A is experiment ravdess-linear-f, B is experiment ravdess-linear-p" in printed
    assert "665 utterances that both have; left out are 7 that only A has" in printed
    assert "McNemar: p = " in printed


def test_parquet_and_html_hold_the_same_rows(tmp_path):
    for name in ("t.parquet", "t.html"):
        assert main(["errors", str(PHONES), "--where", "speaker=actor01,actor02", "--out", str(tmp_path / name), "--quiet"]) == 0
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert set(frame["speaker"]) == {"actor01", "actor02"}
    page = (tmp_path / "t.html").read_text()
    assert page.count("<tr>") == len(frame) + 1
    assert "share of them that said the answer" in page


def test_a_page_of_foreign_words_holds_no_markup(tmp_path):
    source = tmp_path / "b.csv"
    source.write_text('path,label,late,late_p_a,late_p_b,words\n<b>x</b>,a,a,0.6,0.4,"=1+1 <script>alert(1)</script>"\n')
    assert main(["errors", str(source), "--out", str(tmp_path / "t.html"), "--quiet"]) == 0
    assert "<script" not in (tmp_path / "t.html").read_text()
    assert main(["errors", str(source), "--out", str(tmp_path / "t.csv"), "--quiet"]) == 0
    assert "'=1+1" in (tmp_path / "t.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "neither the folder of an experiment nor a batch's table"),
        (["nobody"], "There is no experiment nobody"),
        ([str(FRAMES), "--where", "label"], "is not a filter"),
        ([str(FRAMES), "--where", "height=2"], "no column 'height'"),
        ([str(FRAMES), "--sort", "height"], "no column 'height'"),
        ([str(FRAMES), "--out", "table.xlsx"], "ends in none of .csv, .parquet and .html"),
        ([str(RUNS)], "neither the folder of an experiment"),
    ],
)
def test_what_can_t_be_done_is_one_sentence(capsys, arguments, said):
    assert main(["errors", *arguments]) == 2
    assert said in capsys.readouterr().err
