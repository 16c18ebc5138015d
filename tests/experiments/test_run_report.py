"""`mmer runs`: what a person sees, and that every refusal is one sentence and exit code 2."""

import re
import zipfile

import pytest
from planted_run import plant_experiment

from mmer.cli import main
from mmer.experiments.folder.run_list import list_runs
from mmer.experiments.folder.run_progress import RunStatus
from mmer.experiments.folder.run_status import lock_run
from mmer.experiments.report.run_report import format_layers, format_rows, format_state
from mmer.heads.config_file import list_heads


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for name, units in (("frames", ("F",)), ("both", ("F", "S"))):
        folder, _ = plant_experiment(root, name, units=units)
        with lock_run(folder):
            pass
    return root


def run(root, action, *names):
    return main(["runs", action, "--runs", str(root), *map(str, names)])


def refuse(capsys, root, *arguments):
    assert run(root, *arguments) == 2
    out, errors = capsys.readouterr()
    assert out == "" and errors.startswith("mmer: ") and errors.count("\n") == 1
    return errors


def test_list_names_the_newest_first(root, capsys):
    assert run(root, "list") == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["experiment", "state", "UA"]
    assert re.match(r"both +finished +0\.\d{3} +F \+ S, late fusion \(compact\) +ravdess +20", first) and second.startswith("frames")


def test_show_tells_what_results_json_tells(root, capsys):
    assert run(root, "show", "both") == 0
    shown = capsys.readouterr().out
    summary = list_runs(root)[0].folder.read("results")["summary"]
    assert shown.startswith("both: F + S, late fusion, preset compact, finished\n")
    assert f"UA {summary['ua']:.3f}, WA {summary['wa']:.3f}" in shown
    assert [line.split()[:2] for line in re.findall(r"^\d .*$", shown, flags=re.MULTILINE)] == [["1", "2"], ["2", "2"]]
    assert re.search(r"^anger +\d+\.\d%", shown, flags=re.MULTILINE) and "F (frames): 0.250±0.000  0.250±0.000" in shown


def test_an_unfinished_experiment_is_shown_so_far(tmp_path, capsys):
    folder, _ = plant_experiment(tmp_path, "half", units=("F",))
    (folder.path / "results.json").unlink()
    predictions = folder.read_predictions()
    (folder.path / "predictions.parquet").unlink()
    folder.write_part(0, 0, predictions[(predictions["fold"] == 0) & (predictions["repetition"] == 0)])
    assert run(tmp_path, "show", "half") == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^\d .*$", shown, flags=re.MULTILINE)) == 1 and "means over 1 of 4 runs" in shown
    folder.merge_parts()
    (folder.path / "predictions.parquet").unlink()
    assert run(tmp_path, "show", "half") == 0 and "no predictions yet" in capsys.readouterr().out
    assert "no results.json" in refuse(capsys, tmp_path, "promote", "half")


def test_compare_names_both(root, capsys):
    assert run(root, "compare", "both", "frames") == 0
    shown = capsys.readouterr().out
    assert re.match(r"Pooled UA: both 0\.\d{3}, frames 0\.\d{3}, difference [+-]0\.\d{3} \(95% interval by speaker", shown)
    assert "all 16 ways to swap whole speakers; 4 speakers can give no smaller p than 2/2^4 = 0.125)" in shown
    assert "can't reach 0.05 with 4 speakers" in shown and re.search(r"^fold 1 +0", shown, flags=re.MULTILINE)
    assert re.search(r"^Over the \d+ utterances that both tested; neither has any other\.$", shown, flags=re.MULTILINE)


def test_export_writes_what_is_asked_for(root, tmp_path, capsys):
    assert run(root, "export", "both", "--out", tmp_path / "x.zip", "--tensorboard", tmp_path / "tb") == 0
    assert zipfile.ZipFile(tmp_path / "x.zip").testzip() is None
    assert len(list((tmp_path / "tb" / "both").glob("*/events.out.tfevents.*"))) == 4
    assert capsys.readouterr().out.count("wrote ") == 2


def test_promote_counts_from_one(root, tmp_path, capsys):
    assert run(root, "promote", "both", "--head", "mine", "--fold", 2, "--repetition", 1, "--heads", tmp_path) == 0
    training = list_heads(tmp_path)["mine"].training
    assert (training["fold"], training["repetition"]) == (1, 0) and "wrote" in capsys.readouterr().out
    assert "no finished run of fold 3" in refuse(capsys, root, "promote", "both", "--fold", 3, "--heads", tmp_path)


def test_each_fold_becomes_a_head(root, tmp_path, capsys):
    assert run(root, "promote", "both", "--each-fold", "--heads", tmp_path) == 0
    heads = list_heads(tmp_path)
    assert {name: head.training["fold"] for name, head in heads.items()} == {"both-fold1": 0, "both-fold2": 1}
    assert [head.title.rpartition(", ")[2] for head in heads.values()] == ["fold 1 of both", "fold 2 of both"]
    assert capsys.readouterr().out.count("wrote ") == 2
    assert "leave out --fold" in refuse(capsys, root, "promote", "both", "--each-fold", "--fold", 1, "--heads", tmp_path)
    assert "already a head both-fold1" in refuse(capsys, root, "promote", "both", "--each-fold", "--heads", tmp_path)


def test_delete_is_for_good(tmp_path, capsys):
    folder, _ = plant_experiment(tmp_path, "gone", units=("F",))
    with lock_run(folder):
        assert "is being trained by process" in refuse(capsys, tmp_path, "delete", "gone")
    assert run(tmp_path, "delete", "gone") == 0 and not folder.path.exists()
    assert capsys.readouterr().out == "gone: deleted\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "nope"), "There is no experiment nope"),
        (("delete", "../frames"), "can't be an experiment's name"),
        (("stop", "frames"), "is not being trained: it is finished"),
        (("compare", "both", "nope"), "There is no experiment nope"),
        (("promote", "both", "--with-late", "frames"), "is no early fusion"),
        (("export", "both", "--out", "/nowhere/x.zip"), "Can't write /nowhere/x.zip"),
    ],
)
def test_refusals_are_one_sentence(root, capsys, arguments, message):
    assert message in refuse(capsys, root, *arguments)


def test_states_and_times_in_words():
    status = RunStatus("running", runs=25, runs_finished=3, done=0.126, seconds_left=3725)
    assert format_state(status) == "running, 3 of 25 runs, 13%, 1 h 02 min left"
    assert format_state(RunStatus("lost", done=0.5)) == "lost"


def test_layers_are_the_mean_over_runs():
    runs = [{"layer_weights": {"F": {"raw": [1, 1], "normalised": [share, 1 - share]}}} for share in (0.2, 0.4)]
    assert "F (frames): 0.300±0.100  0.700±0.100" in format_layers(runs)
    assert format_layers([]) == "" and format_rows([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d\n"
