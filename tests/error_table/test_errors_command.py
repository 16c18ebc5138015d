"""`mmer errors` from the shell: what it prints, the three forms of its file, and what it refuses."""

import csv
import shutil
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


def test_the_data_set_is_found_below_a_root_that_is_named_from_here(monkeypatch, capsys):
    monkeypatch.chdir(RUNS.parents[1])
    arguments = ["errors", "game-voices-late-tf", "--runs", "assets/runs", "--data-root", "assets/game-voices", "--where", "text~fishes"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "its recordings are there" in " ".join(printed.split()) and "clips/mobster-illgetyou.opus" in printed


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
        ([""], "can't be an experiment's name"),
        ([str(FRAMES), ""], "can't be an experiment's name"),
        ([str(FRAMES), "--labels", "angry=anger"], "no batch's table is named"),
    ],
)
def test_what_can_t_be_done_is_one_sentence(capsys, arguments, said):
    assert main(["errors", *arguments]) == 2
    assert said in capsys.readouterr().err


def write_batch(path, rows, more=""):
    path.write_text(f"path,label,late,late_p_a,late_p_b{more}\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_neither_source_is_overwritten(tmp_path, capsys):
    first, second = (write_batch(tmp_path / name, ["x.wav,a,a,0.6,0.4"]) for name in ("1.csv", "2.csv"))
    for out in (first, second):
        before = out.read_text()
        assert main(["errors", str(first), str(second), "--out", str(out)]) == 2
        assert "is the table that is read" in capsys.readouterr().err
        assert out.read_text() == before
    folder = tmp_path / "run"
    shutil.copytree(FRAMES, folder)
    answers = folder / "predictions.parquet"
    before = answers.read_bytes()
    for source in (FRAMES, folder):
        assert main(["errors", str(source), "--out", str(answers)]) == 2
        assert "holds the answers of an experiment" in capsys.readouterr().err
    assert answers.read_bytes() == before


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x.wav,a,joy,0.6,0.4", "late is 'joy', which is none of its classes (a, b)"),
        ("x.wav,a,a,1.7,0.4", "column late_p_a: '1.7' is no probability"),
        ("x.wav,a,a,70%,0.4", "column late_p_a: '70%' is no probability"),
        ('x.wav,a,a,"0,7",0.3', "column late_p_a: '0,7' is no probability"),
        ("x.wav,a,b,0.6,-0.4", "column late_p_b: '-0.4' is no probability"),
        ("x.wav,a,b,inf,0.4", "column late_p_a: 'inf' is no probability"),
        ("x.wav,a,b,0.6,0.4", "late is 'b', but its probability of a is higher"),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused_with_its_row(tmp_path, capsys, row, said):
    source = write_batch(tmp_path / "b.csv", ["y.wav,a,a,0.6,0.4", row])
    assert main(["errors", str(source)]) == 2
    assert "The row of 'x.wav'" in (found := capsys.readouterr().err)
    assert said in found


def test_rows_without_probabilities_or_answer_are_kept(tmp_path, capsys):
    source = write_batch(tmp_path / "b.csv", ["x.wav,a,a,,", "y.wav,a,,,", "z.wav,a,a,0.49999,0.50001"])
    assert main(["errors", str(source)]) == 0
    assert "3 clips" in capsys.readouterr().out


def test_a_column_called_flip_compares_nothing(tmp_path, capsys):
    source = write_batch(tmp_path / "b.csv", ["x.wav,a,a,0.6,0.4,up", "y.wav,a,b,0.4,0.6,up"], more=",flip")
    assert main(["errors", str(source), "--where", "listed_flip=up"]) == 0
    printed = capsys.readouterr().out
    assert "McNemar" not in printed
    assert "UA 0.500" in printed


def test_a_filter_for_a_value_that_no_row_has_says_so(capsys):
    assert main(["errors", str(FRAMES), "--where", "label==happiness", "--where", "speaker!=nobody"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "No row has label==happiness; it has anger, happiness, neutral, sadness." in printed
    assert "No row has speaker=nobody." in printed
    assert main(["errors", str(FRAMES), "--where", "label=happiness"]) == 0
    assert "No row has" not in capsys.readouterr().out
