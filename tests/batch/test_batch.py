"""Batches from the shell: one row per clip, bad clips are rows, what is there is not done again, whatever ended the run before."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from mmer.batch import rows as batch_rows
from mmer.batch.columns import list_found
from mmer.batch.fill import BatchProgress, name_json, run_batch
from mmer.batch.items import BatchItem, list_columns, read_items
from mmer.batch.rows import BatchRequest, analyze_item
from mmer.batch.scores import score_rows
from mmer.batch.table import describe_added, hold_table, read_table, write_table
from mmer.choices.emotions import EMOTIONS
from mmer.cli import main
from mmer.commands.batch import describe_progress, describe_time, summarise_batch
from mmer.errors import DataError, HeadError
from mmer.exports.analysis_json import read_analysis
from mmer.exports.schema import read_schema
from mmer.ui.batch import write_rows

CARDS = Path("/usr/share/pocketsphinx/test/data/cards")
QUICK = BatchRequest("late-fs", "none")  # no aligner; words are given


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path):
    """Three recordings, one of them broken, and things that are none."""
    root = tmp_path / "clips"
    (root / "sub").mkdir(parents=True)
    shutil.copy(CARDS / "001.wav", root / "b ace.wav")
    shutil.copy(CARDS / "002.wav", root / "sub" / 'Ünï, "2".WAV')
    (root / "a broken.wav").write_text("no sound")
    (root / "notes.txt").write_text("nothing")
    (root / ".hidden.wav").write_text("nothing")
    return root


@pytest.fixture
def listed(folder):
    """A list of four clips with words, labels and a column of its own."""
    rows = [("b ace.wav", "ace of clubs", "anger", "x, y"), ("sub/Ünï, \"2\".WAV", "four of hearts", "sadness", ""),
            ("a broken.wav", "nothing", "anger", ""), ("none.wav", "nothing", "calm", "")]  # fmt: skip
    path = folder / "list.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "text", "label", "error"), *rows])
    return path


def test_a_folder_s_recordings_are_found(folder):
    assert [item.name for item in read_items(folder)] == ["a broken.wav", "b ace.wav", 'sub/Ünï, "2".WAV']
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="no audio files in this folder"):
        read_items(folder / "empty")


def test_a_list_s_columns_are_used_or_carried(listed):
    items = read_items(listed)
    assert items[0] == BatchItem("b ace.wav", listed.parent / "b ace.wav", "ace of clubs", "anger", extra={"listed_error": "x, y"})
    assert list_columns(items)[:5] == ("path", "text", "label", "listed_error", "file_sha256")


@pytest.mark.parametrize(("name", "text"), [("l.csv", "path;text\na.wav;b, c\n"), ("l.tsv", "path\ttext\na.wav\tb, c\n")])
def test_semicolons_and_tabs_part_cells_too(tmp_path, name, text):
    (tmp_path / name).write_text("\ufeff" + text, encoding="utf-8")
    assert [(item.name, item.text) for item in read_items(tmp_path / name)] == [("a.wav", "b, c")]


BAD_LISTS = {
    "no path": ("file\na.wav\n", "no column 'path'; it has 'file'"),
    "nothing": ("", "no column 'path'; it has no header"),
    "no rows": ("path\n", "no rows below the header"),
    "more cells": ("path,text\na.wav,I, too\n", "row 2: it has 1 cell more than the header"),
    "fewer cells": ("path,text\na.wav\n", "row 2: it has 1 cell fewer"),
    "empty path": ("path,text\n ,b\n", "row 2: the path is empty"),
    "time": ("path,start\na.wav,soon\n", "row 2, column 'start': 'soon' is not a number"),
    "endless": ("path,end\na.wav,inf\n", "not a time within"),
    "backwards": ("path,start,end\na.wav,2,1\n", "the end, 1 s, is not after the start, 2 s"),
    "one number in two ways": ("path,speaker\na.wav,1\nb.wav,1.0\n", "row 3, column 'speaker': '1.0' here and '1' in row 2"),
    "open quote": ('path\n"a.wav\n', "not a table"),
}


@pytest.mark.parametrize("kind", BAD_LISTS)
def test_a_bad_list_is_refused_with_its_row(tmp_path, kind):
    text, said = BAD_LISTS[kind]
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_items(tmp_path / "l.csv")


def test_a_list_that_is_none_is_refused(tmp_path):
    (tmp_path / "l.csv").write_bytes(b"\xff\xfe\x00")
    for path, said in ((tmp_path / "l.csv", "not UTF-16 text"), (tmp_path / "none", "can't be opened")):
        with pytest.raises(DataError, match=said):
            read_items(path)


def test_a_row_holds_what_the_analysis_says(analyzer, tmp_path):
    text = "he was not an ill disposed young man"
    clip = tmp_path / "a.wav"
    shutil.copy(CARDS.parent / "librivox" / "sense_and_sensibility_01_austen_64kb-0880.wav", clip)
    row, analysis = analyze_item(analyzer, BatchItem("a.wav", clip, text, "anger"), BatchRequest())
    assert set(row) - {"path", "text", "label"} <= set(list_found())
    for role, prediction in analysis.predictions.items():
        assert row[role] == prediction.label and row[f"{role}_state"] == prediction.verdict
        for k, emotion in enumerate(EMOTIONS):
            assert float(row[f"{role}_p_{emotion}"]) == pytest.approx(prediction.probabilities[k], abs=1e-6)
            assert float(row[f"{role}_logit_{emotion}"]) == pytest.approx(prediction.logits[k], rel=1e-5)
    for emotion in EMOTIONS:
        branches = sum(float(row[f"late_{unit}_logit_{emotion}"]) for unit in "TFS")
        assert branches == pytest.approx(float(row[f"late_logit_{emotion}"]), abs=1e-4)
    assert (row["verdict"], row["words"], row["words_from"], row["seconds"]) == (analysis.best.label, text, "typed", "2.99")
    assert "late_P_logit_anger" not in row and "error" not in row


def test_a_tone_has_no_verdict_in_the_table_nor_in_the_shell(analyzer, tmp_path):
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000), 16_000)
    row, analysis = analyze_item(analyzer, BatchItem("tone.wav", tmp_path / "tone.wav"), QUICK)
    assert (row["verdict"], row["state"], row["late_state"]) == ("", "no speech", "no speech")
    assert row["late"] == analysis.best.label and float(row[f"late_p_{row['late']}"]) > 0  # what the model says, by name
    shown = write_rows([row])
    cells = re.findall(r"<td[^>]*>(.*?)</td>", shown)
    assert "<b>No speech was heard</b>" in cells[0] and "mb-top" not in shown and 'class="mb-grey"' in shown
    assert not any(emotion in cell for cell in cells for emotion in EMOTIONS)
    text = describe_progress(BatchProgress(BatchItem("tone.wav", tmp_path), row, 1, 1, 0.0, analysis))
    assert text == "[1/1] tone.wav: no speech was heard"
    assert "verdicts: none" in summarise_batch([row], (), tmp_path)


def test_a_piece_of_a_file_is_analysed_alone(analyzer):
    row, analysis = analyze_item(analyzer, BatchItem("a", CARDS / "001.wav", "ace", start=0.2, end=0.9), QUICK)
    assert analysis.clip.duration == pytest.approx(0.7) and row["seconds"] == "0.7"
    row, analysis = analyze_item(analyzer, BatchItem("a", CARDS / "001.wav", "ace", start=0.2, end=900), QUICK)
    assert analysis is None and "does not lie within" in row["error"]


def test_what_is_longer_than_what_is_left_is_an_error(analyzer):
    row, analysis = analyze_item(analyzer, BatchItem("a", CARDS / "001.wav", "ace"), QUICK, most_seconds=0.5)
    assert analysis is None and "and 0 s are left" in row["error"] and float(row["seconds"]) > 0.5


def test_bad_clips_are_rows_and_the_rest_goes_on(analyzer, listed, tmp_path):
    out, jsons = tmp_path / "t.csv", tmp_path / "json"
    jsons.mkdir()
    seen = list(run_batch(analyzer, read_items(listed), out, QUICK, json_dir=jsons))
    rows = read_rows(out)
    assert [row["path"] for row in rows] == ["b ace.wav", 'sub/Ünï, "2".WAV', "a broken.wav", "none.wav"]
    assert [bool(row["error"]) for row in rows] == [False, False, True, True]
    assert "a broken.wav" in rows[2]["error"] and "there is no such file" in rows[3]["error"]
    assert rows[0]["listed_error"] == "x, y" and rows[0]["late"] in EMOTIONS and rows[0]["early"] == ""
    assert [p.done for p in seen] == [1, 2, 3, 4] and seen[-1].seconds_left == 0 and seen[0].seconds_left > 0
    stored = sorted(jsons.iterdir())
    assert len(stored) == 2 and read_analysis(stored[0]).clip.name in ("b ace.wav", 'Ünï, "2".WAV')
    jsonschema.validate(json.loads(stored[0].read_text(encoding="utf-8")), read_schema(), cls=jsonschema.Draft202012Validator)


def count_analyses(monkeypatch, analyzer, items, out, request=QUICK, **options):
    """How many clips were analysed, and the names of those."""
    done = []
    plain = batch_rows.analyze_item
    monkeypatch.setattr(batch_rows, "analyze_item", lambda a, item, *rest, **more: done.append(item.name) or plain(a, item, *rest, **more))
    list(run_batch(analyzer, items, out, request, **options))
    monkeypatch.setattr(batch_rows, "analyze_item", plain)
    return done


def test_what_is_there_is_not_done_again(monkeypatch, analyzer, listed, tmp_path):
    out = tmp_path / "t.csv"
    items = read_items(listed)
    assert len(count_analyses(monkeypatch, analyzer, items, out)) == 4
    before = out.read_text(encoding="utf-8")
    assert count_analyses(monkeypatch, analyzer, items, out) == ["a broken.wav", "none.wav"], "errors are tried again"
    assert out.read_text(encoding="utf-8") == before
    shutil.copy(CARDS / "003.wav", listed.parent / "b ace.wav")
    assert "b ace.wav" in count_analyses(monkeypatch, analyzer, items, out), "another file under the same name"
    rows, earlier = read_rows(out), list(csv.DictReader(before.splitlines()))
    assert len(rows) == 4 and rows[1] == earlier[1] and rows[0] != earlier[0]
    assert len(count_analyses(monkeypatch, analyzer, items[:2], out, BatchRequest("late-fs", "sphinx"))) == 2, "another aligner"
    assert len(read_rows(out)) == 6, "rows of another question stay"
    (tmp_path / "json").mkdir()
    assert len(count_analyses(monkeypatch, analyzer, items[:2], out, json_dir=tmp_path / "json")) == 2, "their JSON is wanted now"
    assert count_analyses(monkeypatch, analyzer, items[:2], out, json_dir=tmp_path / "json") == []


def test_rows_of_an_aligner_with_other_models_are_done_again(monkeypatch, analyzer, listed, tmp_path):
    out, items, models = tmp_path / "t.csv", read_items(listed)[:2], ["mfa 3.4.3 aa bb"]
    asked = BatchRequest("late-fs", "mfa")
    monkeypatch.setattr(analyzer, "identify_aligner", lambda name: models[0])
    assert len(count_analyses(monkeypatch, analyzer, items, out, asked)) == 2
    assert {row["aligner_identity"] for row in read_rows(out)} == {models[0]}
    assert count_analyses(monkeypatch, analyzer, items, out, asked) == []
    models[0] = "mfa 3.4.3 aa cc"
    assert len(count_analyses(monkeypatch, analyzer, items, out, asked)) == 2, "another dictionary"
    assert {row["aligner_identity"] for row in read_rows(out)} == {models[0]}, "in place of the earlier rows"
    assert len(read_rows(out)) == 2


def test_an_aligner_is_identified_by_what_it_is_made_of(analyzer):
    assert analyzer.identify_aligner("sphinx").startswith("pocketsphinx 5.")
    assert analyzer.identify_aligner("none") == "" == analyzer.identify_aligner("not there")


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_row_that_was_cut_off_is_done_again(monkeypatch, analyzer, listed, tmp_path, cut):
    out, items = tmp_path / "t.csv", read_items(listed)[:2]
    list(run_batch(analyzer, items, out, QUICK))
    whole = out.read_text(encoding="utf-8")
    out.write_text(whole[:-cut], encoding="utf-8")
    expected = [] if cut == 1 else [items[1].name]  # without its last line break the row is whole
    assert count_analyses(monkeypatch, analyzer, items, out) == expected
    assert [row["words"] for row in read_rows(out)] == ["ace of clubs", "four of hearts"]


def test_a_run_that_ends_early_leaves_its_rows(analyzer, listed, tmp_path):
    out = tmp_path / "t.csv"
    run = run_batch(analyzer, read_items(listed), out, QUICK)
    next(run)
    run.close()
    assert [row["path"] for row in read_rows(out)] == ["b ace.wav"]


def test_another_table_and_another_head_are_refused(analyzer, listed, tmp_path):
    out = tmp_path / "t.csv"
    out.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has other columns than this batch would write"):
        next(run_batch(analyzer, read_items(listed), out, QUICK))
    assert out.read_text() == "a,b\n1,2\n"
    with pytest.raises(HeadError, match=r"no head 'x'\. Choose one of: late-fs"):
        next(run_batch(analyzer, read_items(listed), out, BatchRequest("x")))
    with pytest.raises(DataError, match="Can't write"):
        next(run_batch(analyzer, read_items(listed), tmp_path / "none" / "t.csv", QUICK))


def test_a_table_of_an_older_version_is_read_and_its_rows_made_anew(monkeypatch, capsys, analyzer, listed, tmp_path):
    out, items = tmp_path / "t.csv", read_items(listed)
    count_analyses(monkeypatch, analyzer, items, out)
    new = read_rows(out)
    lacking = [column for column in new[0] if column not in ("in_training", "aligner_identity")]
    with open(out, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lacking, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(new)
    assert describe_added(out, list_columns(items)) == (
        f"{out} is of an older version, without aligner_identity and in_training: "
        "the rows of this batch's clips are made anew, others stay."
    )
    assert count_analyses(monkeypatch, analyzer, items[:1], out) == ["b ace.wav"]
    rows = {row["path"]: row for row in read_rows(out)}
    assert len(rows) == 4 and rows["b ace.wav"] == new[0]
    others = [row for path, row in rows.items() if path != "b ace.wav"]
    assert all(row["in_training"] == row["aligner_identity"] == "unknown" for row in others)
    assert len(count_analyses(monkeypatch, analyzer, items, out)) == 3, "what is unknown is no answer"
    assert describe_added(out, list_columns(items)) == ""
    lines = out.read_text(encoding="utf-8").splitlines()
    out.write_text("\n".join([lines[0] + ",mood", *(line + ",x" for line in lines[1:])]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="it has 'mood'"):
        count_analyses(monkeypatch, analyzer, items, out)


def test_json_names_are_safe_and_differ():
    names = {name_json(BatchItem(name, Path(name))) for name in ("a/x.wav", "b/x.wav", "../../x.wav", "x" * 300 + ".wav", "a\nb:*?.wav")}
    assert len(names) == 5 and all(len(name) < 120 and re.fullmatch(r"[\w.-]+", name) for name in names)
    assert name_json(BatchItem("a", Path("a"), start=1)) != name_json(BatchItem("a", Path("a"), start=2))


def test_scores_are_those_of_scikit_learn():
    said = ["anger", "anger", "sadness", "neutral", "neutral", "happiness"]
    right = ["angry", "sad", "sad", "neutral", "angry", "calm"]
    rows = [{"label": label, "late": verdict} for label, verdict in zip(right, said)] + [{"label": "sad", "error": "broken"}]
    (score,) = score_rows(rows, {"angry": "anger", "sad": "sadness", "calm": ""})
    meant = ["anger", "sadness", "sadness", "neutral", "anger"]
    assert (score.role, score.clips) == ("late", 5)
    assert score.ua == pytest.approx(balanced_accuracy_score(meant, said[:5])) and score.wa == pytest.approx(
        accuracy_score(meant, said[:5])
    )
    assert score_rows([{"label": "", "late": "anger"}]) == ()


def test_times_and_summaries_are_for_people():
    assert [describe_time(s) for s in (float("nan"), 0, 30, 600, 9000)] == ["", "", "; 30 s left", "; 10 min left", "; 2 h 30 min left"]
    rows = [{"path": "a", "verdict": "anger", "state": "not sure"}, {"path": "b", "error": "broken"}]
    text = summarise_batch(rows, (), Path("t.csv"))
    assert text.splitlines() == [
        "2 clips in t.csv; 1 could not be used, see the column error",
        "verdicts: anger 1",
        "how sure: not sure 1",
    ]
    assert summarise_batch(rows[:1], (), Path("t.csv")).startswith("1 clip in t.csv\n")


def test_the_command_from_end_to_end(capsys, heads_folder, listed, tmp_path):
    out = tmp_path / "t.csv"
    options = ["--heads", str(heads_folder), "--head", "late-fs", "--aligner", "none", "--labels", "anger=anger,sadness=sadness,calm="]
    assert main(["batch", str(listed), "--out", str(out), "--json-dir", str(tmp_path / "new" / "json"), *options]) == 0
    printed = capsys.readouterr()
    assert (
        "4 clips in" in printed.out and "2 could not be used" in printed.out and re.search(r"late +UA .* of 2 labelled clips", printed.out)
    )
    assert "[1/4] b ace.wav: " in printed.err and " left" in printed.err and "[3/4] a broken.wav: a broken.wav" in printed.err
    assert len(list((tmp_path / "new" / "json").iterdir())) == 2
    assert main(["batch", str(listed), "--out", str(listed), *options]) == 2
    assert "list.csv is the list itself" in capsys.readouterr().err
    assert listed.read_text(encoding="utf-8").startswith("path,text")


def test_interrupted_it_goes_on_where_it_stopped(capsys, heads_folder, tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    for k in range(1, 9):
        shutil.copy(CARDS / f"00{k % 5 + 1}.wav", root / f"{k}.wav")
    out = tmp_path / "t.csv"
    command = [sys.executable, "-m", "mmer", "batch", str(root), "--out", str(out), "--heads", str(heads_folder), "--head", "late-fs"]
    process = subprocess.Popen([*command, "--aligner", "none"], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: out.exists() and len(read_rows(out)) >= 2)
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130 and "The same command goes on from there." in shown
    before = read_rows(out)
    assert 2 <= len(before) < 8
    assert main([*command[3:], "--aligner", "none"]) == 0
    assert capsys.readouterr().err.count("(was there)") == len(before)
    assert [row["path"] for row in read_rows(out)] == [f"{k}.wav" for k in range(1, 9)] and read_rows(out)[: len(before)] == before


def wait_for(happened, seconds=300):
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_no_cell_is_a_formula_and_reading_gives_back_what_was_written(tmp_path):
    columns = ("path", "text", "=2+5", "logit")
    row = {"path": "=cmd|x.wav", "text": "+49, @home", "=2+5": "'tis", "logit": "-0.25"}
    text = write_table([row], columns)
    assert list(csv.reader(text.splitlines())) == [["path", "text", "'=2+5", "logit"], ["'=cmd|x.wav", "'+49, @home", "'tis", "-0.25"]]
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    assert read_table(tmp_path / "t.csv", columns) == [row]


def test_one_process_fills_a_table(analyzer, listed, tmp_path):
    items = read_items(listed)[:1]
    with hold_table(tmp_path / "t.csv"), pytest.raises(DataError, match="Another process is filling"):
        next(run_batch(analyzer, items, tmp_path / "t.csv", QUICK))
    assert len(list(run_batch(analyzer, items, tmp_path / "t.csv", QUICK))) == 1


class StumblingAnalyzer:
    """The real one, but for a mistake of ours that one clip's words bring out."""

    def __init__(self, analyzer):
        self.analyzer, self.heads, self.knows_speaker = analyzer, analyzer.heads, analyzer.knows_speaker
        self.identify_aligner, self.read_classes = analyzer.identify_aligner, analyzer.read_classes

    def analyze(self, clip, *, text=None, **options):
        if text == "ace of clubs":
            raise KeyError("planted")
        return self.analyzer.analyze(clip, text=text, **options)


def test_a_bug_in_one_row_is_listed_and_the_rest_is_done(analyzer, listed, tmp_path):
    out = tmp_path / "out.csv"
    rows = [p.row for p in run_batch(StumblingAnalyzer(analyzer), read_items(listed), out, QUICK)]
    assert rows[0]["error"].startswith("This is a bug in mmer") and "KeyError: 'planted'" in rows[0]["error"]
    Path(re.search(r"file (\S+),", rows[0]["error"])[1]).unlink()
    assert not rows[1].get("error")
    assert rows[1]["verdict"] in EMOTIONS and [row["path"] for row in read_rows(out)] == [item.name for item in read_items(listed)]
    again = [p.analysis is not None for p in run_batch(analyzer, read_items(listed), out, QUICK)]
    assert again[:2] == [True, False], "what met a bug is tried again"


def test_a_bug_in_a_row_ends_the_command_with_1(listed, heads_folder, tmp_path):
    code = (
        "import sys, mmer.cli, mmer.pipeline as p; first = p.Analyzer.analyze\n"
        "def stumble(self, clip, *, text=None, **options):\n"
        "    if text == 'ace of clubs': raise KeyError('planted')\n"
        "    return first(self, clip, text=text, **options)\n"
        "p.Analyzer.analyze = stumble; sys.exit(mmer.cli.main(sys.argv[1:]))"
    )
    out = tmp_path / "out.csv"
    options = ["--out", out, "--heads", heads_folder, "--head", "late-fs", "--aligner", "none", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", code, "batch", *map(str, [listed, *options])],
        check=False, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "") and "3 could not be used" in done.stdout
    assert len(read_rows(out)) == 4 and len(list(tmp_path.glob("mmer-bug-*.txt"))) == 1


def test_a_table_goes_to_standard_output(listed, heads_folder, tmp_path):
    options = ["--out", "-", "--heads", heads_folder, "--head", "late-fs", "--aligner", "none", "--quiet"]
    command = [sys.executable, "-m", "mmer", "batch", *map(str, [listed, *options])]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.returncode == 0 and [row["path"] for row in rows] == [item.name for item in read_items(listed)]
    assert rows[0]["verdict"] in EMOTIONS and not list(tmp_path.glob("-*")) and not list(tmp_path.glob(".*"))


def test_a_table_goes_into_a_pipe_and_the_pipe_stays(analyzer, listed, tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    list(run_batch(analyzer, read_items(listed), pipe, QUICK))
    reader.join(timeout=20)
    assert [row["path"] for row in csv.DictReader(io.StringIO(got[0]))] == [item.name for item in read_items(listed)]
    assert pipe.is_fifo() and not list(tmp_path.glob(".*.lock"))
