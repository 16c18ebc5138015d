"""Whole experiments on disk: planted sentences, the real text encoder, folders that survive kill -9."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted_sentences import write_sentences

from mmer.cli import main
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_list import summarise_run
from mmer.experiments.folder.run_status import read_status
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.prepare import claim_experiment, prepare_experiment
from mmer.experiments.promote import promote_run
from mmer.experiments.report.run_report import format_run
from mmer.experiments.report.run_view import read_view
from mmer.experiments.trainer.loop import read_checkpoint
from mmer.experiments.trainer.run import Run
from mmer.experiments.trainer.run_experiment import cut_groups, run_experiment
from mmer.heads.folder import load_head
from mmer.scores.slices import cut_ratings
from mmer.ui.train import run_cards

SCRIPT = """
import sys
from mmer.experiments.trainer.run_experiment import run_experiment
from mmer.experiments.folder.runs import RunFolder
run_experiment(RunFolder(sys.argv[1]), checkpoint_seconds=0, batched=True if "batched" in sys.argv else None)
"""


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentences")
    return Experiment(
        str(write_sentences(folder / "data")),
        str(folder / "cache"),
        fusion="linear",
        units=("T",),
        folds=3,
        repetitions=2,
        epochs=12,
        threads=1,
        batch_size=8,
        learning_rate=3e-3,
    )


@pytest.fixture(scope="module")
def undisturbed(sentences, tmp_path_factory):
    folder = prepare_experiment(tmp_path_factory.mktemp("runs"), "undisturbed", sentences)
    run_experiment(folder, say=lambda line: None)
    return folder


def sort(predictions):
    return predictions.sort_values(["repetition", "fold", "part", "utterance"], ignore_index=True)


def test_an_experiment_leaves_everything_behind(sentences, undisturbed):
    results, status = undisturbed.read("results"), read_status(undisturbed)
    assert (status.state, status.runs_finished, status.done) == ("finished", 6, 1.0)
    assert len(results["runs"]) == 6 and results["summary"]["ua"] > 0.8  # the words name the emotion
    predictions = undisturbed.read_predictions()
    test = predictions[predictions["part"] == "test"]
    assert len(test) == 2 * 96 and set(test["utterance"].value_counts()) == {2}  # every utterance once a repetition
    assert all(len(group["speaker"].unique()) == 2 for _, group in test.groupby(["fold", "repetition"]))
    logits = test[[f"logit.{e}" for e in ("anger", "happiness", "sadness", "neutral")]].to_numpy()
    assert np.allclose(logits, test[[f"branch.T.{e}" for e in ("anger", "happiness", "sadness", "neutral")]].to_numpy())
    epochs = pd.DataFrame(undisturbed.read_metrics()).groupby(["fold", "repetition"])
    for run in results["runs"]:
        curve = epochs.get_group((run["fold"], run["repetition"])).set_index("epoch")["validation_loss"]
        assert curve.idxmin() == run["best_epoch"] and len(curve) == run["epochs"] <= 12
        assert len(run["layer_weights"]["T"]["raw"]) == 6 and abs(sum(run["layer_weights"]["T"]["normalised"]) - 1) < 1e-5
    assert {row["value"] for row in results["summary"]["slices"]["kind"]} == {"improvised", "script"}
    leakage = undisturbed.read("leakage")
    assert next(r for r in leakage["summary"] if (r["kind"], r["first"], r["second"]) == ("speakers", "train", "test"))["shared_most"] == 0
    assert not list(undisturbed.checkpoint.glob("*.safetensors"))
    assert {run["epochs"] for run in results["runs"]} == {12}  # 200 steps come before patience: 12 epochs make 84 at most
    assert all(run["at_chance"] is False for run in results["runs"]) and "stopped before learning" not in format_run(undisturbed)


def test_runs_that_never_learnt_are_counted_wherever_the_mean_stands(undisturbed, tmp_path, capsys):
    """As patience 1 on three clips leaves them: the first epoch is the best one and the answer is always the same."""
    folder = RunFolder(shutil.copytree(undisturbed.path, tmp_path / "idle"))
    predictions = folder.read_predictions()
    folder.write_predictions(predictions.assign(predicted=predictions["predicted"].where(predictions["fold"] > 0, "anger")))
    rows = [row for row in folder.read_metrics() if row["fold"] > 0 or row["epoch"] == 1]
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = folder.read("results")
    for run in results["runs"]:
        if run["fold"] == 0:
            run |= {"best_epoch": 1, "epochs": 1, "at_chance": True}
    folder.write("results", results)
    assert main(["runs", "show", "idle", "--runs", str(tmp_path)]) == 0
    assert "! 2 of 6 runs stopped before learning: their lowest validation loss came in epoch 1 or 2" in capsys.readouterr().out
    assert main(["runs", "list", "--runs", str(tmp_path)]) == 0
    assert "finished, 2 of 6 runs stopped before learning" in capsys.readouterr().out
    view = read_view(folder)
    assert "2 of 6 runs stopped before learning" in run_cards.write_run(view)
    assert run_cards.write_fold_scores(view).count("<td>no</td>") == 2
    shutil.copytree(undisturbed.path, tmp_path / "well")
    assert main(["runs", "compare", "idle", "well", "--runs", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "! idle: 2 of 6 runs stopped before learning, and the comparison includes them." in out and "! well" not in out
    shown = run_cards.write_comparison(view, read_view(undisturbed), None, "")
    assert "idle: 2 of 6 runs stopped before learning. The comparison includes these runs." in shown and "<td>0 of 6</td>" in shown
    assert "2 of 6 runs stopped before learning" in run_cards.write_runs([("run/idle", summarise_run(folder))], None)


def test_a_run_s_head_says_what_its_predictions_say(undisturbed, text_encoder):
    from mmer.encoders.features import extract_features
    from mmer.transcript.transcribe import read_transcript

    head = load_head(undisturbed.place_head(1, 0))
    predictions = undisturbed.read_predictions()
    row = predictions[(predictions["fold"] == 1) & (predictions["repetition"] == 0) & (predictions["part"] == "test")].iloc[0]
    manifest = pd.read_csv(undisturbed.read_experiment().data).set_index("path")
    states = text_encoder.encode(read_transcript(manifest.loc[row["utterance"], "text"]))
    found = head.predict(extract_features("compact", None, states, None))
    assert np.allclose(found.logits, [row[f"logit.{e}"] for e in found.classes], atol=0.02)  # the cache holds half precision


@pytest.mark.parametrize("rows_before", [7, 40])
def test_killed_at_any_moment_it_ends_the_same(sentences, undisturbed, tmp_path, rows_before):
    folder = prepare_experiment(tmp_path, "killed", sentences)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder.path)], stdout=subprocess.DEVNULL)
    wait_for(lambda: len(folder.read_metrics()) >= rows_before, process)
    process.kill()
    process.wait()
    assert read_status(folder).state == "lost"
    run_experiment(folder, say=lambda line: None)
    pd.testing.assert_frame_equal(sort(folder.read_predictions()), sort(undisturbed.read_predictions()), check_exact=True)
    assert {(r["fold"], r["repetition"]): r["epochs"] for r in folder.read("results")["runs"]} == {
        (r["fold"], r["repetition"]): r["epochs"] for r in undisturbed.read("results")["runs"]
    }
    assert len(folder.read_metrics()) == len(undisturbed.read_metrics())


def test_all_runs_as_one_batch_end_like_the_stack_and_survive_kill(sentences, undisturbed, tmp_path):
    """The way that a GPU takes, here on a CPU: with its own plain operations, and the checkpoints as they are."""
    whole, killed = (prepare_experiment(tmp_path, name, sentences) for name in ("whole", "killed"))
    run_experiment(whole, say=lambda line: None, batched=True)
    ours, theirs = sort(whole.read_predictions()), sort(undisturbed.read_predictions())
    assert (ours["predicted"] == theirs["predicted"]).mean() > 0.99
    assert np.allclose(ours.filter(like="logit."), theirs.filter(like="logit."), atol=1e-2)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(killed.path), "batched"], stdout=subprocess.DEVNULL)
    wait_for(lambda: len(killed.read_metrics()) >= 20, process)
    process.kill()
    process.wait()
    assert read_checkpoint(killed.checkpoint / "group1.safetensors").at_once == 6
    run_experiment(killed, say=lambda line: None, batched=True)
    pd.testing.assert_frame_equal(sort(killed.read_predictions()), ours, check_exact=True)


def test_sigterm_stops_and_the_same_command_goes_on(sentences, undisturbed, tmp_path):
    folder = prepare_experiment(tmp_path, "stopped", sentences)
    command = [sys.executable, "-m", "mmer", "train", "--resume", str(folder.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(folder.read_metrics()) >= 6, process)
    os.kill(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and "was stopped" in errors and "Traceback" not in errors
    assert read_status(folder).state == "stopped"
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "finished" in done.stdout
    pd.testing.assert_frame_equal(sort(folder.read_predictions()), sort(undisturbed.read_predictions()), check_exact=True)


def wait_for(true, process, seconds=90):
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)


def test_groups_of_runs_end_like_all_together(sentences, undisturbed, tmp_path, monkeypatch):
    """Where memory allows two runs at a time only."""
    monkeypatch.setattr("mmer.experiments.trainer.layout.STATE_BYTES", {"cpu": 1})
    folder = prepare_experiment(tmp_path, "groups", sentences)
    run_experiment(folder, say=lambda line: None)
    ours, theirs = sort(folder.read_predictions()), sort(undisturbed.read_predictions())
    assert (ours["predicted"] == theirs["predicted"]).mean() > 0.99
    assert np.allclose(ours.filter(like="logit."), theirs.filter(like="logit."), atol=1e-2)


def test_groups_keep_the_runs_of_a_fold_together():
    none = np.zeros(0, int)
    runs = [Run(f, r, 0, none, none, none) for r in range(3) for f in range(2)]
    assert [[m.fold for m in group] for group in cut_groups(runs, 10, limit=30)] == [[0, 0, 0], [1, 1, 1]]
    assert len(cut_groups(runs, 10, limit=5)) == 6 and len(cut_groups(runs, 10, limit=1000)) == 1


def test_changed_data_is_refused(sentences, tmp_path):
    data = write_sentences(tmp_path / "data", speakers=4, each=4)
    folder = prepare_experiment(tmp_path / "runs", "changed", replace(sentences, data=str(data), folds=2))
    data.write_text(data.read_text().replace("furious", "happy"))
    with pytest.raises(DataError, match="has changed since the experiment changed was made"):
        run_experiment(folder, say=lambda line: None)
    status = read_status(folder)
    assert status.state == "failed" and "has changed" in status.message


def test_another_experiment_of_the_same_name_is_refused(sentences, tmp_path):
    first = claim_experiment(tmp_path, "one", sentences)
    assert claim_experiment(tmp_path, "one", sentences).path == first.path
    with pytest.raises(DataError, match="seed 0 instead of 7"):
        claim_experiment(tmp_path, "one", replace(sentences, seed=7))


def test_a_damaged_checkpoint_is_named(sentences, tmp_path):
    folder = prepare_experiment(tmp_path, "damaged", sentences)
    folder.checkpoint.mkdir()
    (folder.checkpoint / "group1.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"group1.safetensors: the checkpoint is damaged"):
        run_experiment(folder, say=lambda line: None)


def test_a_seed_gives_one_result(sentences, undisturbed, tmp_path):
    folder = prepare_experiment(tmp_path, "again", sentences)
    run_experiment(folder, say=lambda line: None)
    pd.testing.assert_frame_equal(sort(folder.read_predictions()), sort(undisturbed.read_predictions()), check_exact=True)
    other = prepare_experiment(tmp_path, "other", replace(sentences, seed=1, repetitions=1, epochs=1))
    run_experiment(other, say=lambda line: None)
    assert json.dumps(other.read("splits")[0]["test"]) and RunFolder(other.path).read("results")["summary"]["runs"] == 3


def test_session_folds_test_whole_sessions(sentences, tmp_path):
    data = write_sentences(tmp_path / "data", speakers=6, each=4, sessions=True)
    folder = prepare_experiment(tmp_path / "runs", "sessions", replace(sentences, data=str(data), repetitions=1, epochs=1))
    run_experiment(folder, say=lambda line: None)
    test = folder.read_predictions().query("part == 'test'")
    assert all(len(group["session"].unique()) == 1 for _, group in test.groupby("fold")) and test["session"].nunique() == 3


def test_a_unit_that_no_utterance_has_is_named(sentences, tmp_path):
    data = write_sentences(tmp_path / "data", speakers=4, each=4)
    given = replace(sentences, data=str(data), features=str(tmp_path / "cache"), fusion="late", units=("T", "F"), folds=2)
    add_files(data)
    folder = prepare_experiment(tmp_path / "runs", "silent", given)
    with pytest.raises(DataError, match=r"No utterance of .* has the unit F: .*is not a recording"):
        run_experiment(folder, say=lambda line: None)


def test_runs_that_never_had_a_finite_loss_are_named_and_no_heads(undisturbed, tmp_path):
    folder = RunFolder(shutil.copytree(undisturbed.path, tmp_path / "steep"))
    results = folder.read("results")
    for run in results["runs"]:
        run["validation_loss"] = None  # as write_done leaves it
    folder.write("results", results)
    shown = format_run(folder)
    assert "6 of 6 runs had no finite validation loss: untrained, but part of the means (fold 1 repetition 1, fold 2" in shown
    with pytest.raises(DataError, match="No run of steep had a finite validation loss"):
        promote_run(folder, name="x", out=tmp_path / "heads")


def add_files(manifest):
    """Files in the place of all recordings, each other bytes."""
    for path in pd.read_csv(manifest)["path"]:
        (manifest.parent / path).parent.mkdir(exist_ok=True)
        (manifest.parent / path).write_text(f"not the sound of {path}")


def test_other_recordings_are_refused(sentences, tmp_path):
    data = write_sentences(tmp_path / "data", speakers=4, each=4)
    given = replace(sentences, data=str(data), features=str(tmp_path / "cache"), fusion="linear", units=("F",), folds=2)
    add_files(data)
    folder = prepare_experiment(tmp_path / "runs", "sound", given)
    (data.parent / "s0" / "0.wav").write_text("another sound")
    with pytest.raises(DataError, match=r"Recordings or alignment files of .* have changed since the experiment sound was made"):
        run_experiment(folder, say=lambda line: None)


def test_ratings_become_thirds_and_other_columns_stay_out():
    values = {f"u{i}": str(1 + i / 10) for i in range(30)}
    thirds = cut_ratings(values)
    assert [list(thirds.values()).count(v) for v in sorted(set(thirds.values()))] == [10, 10, 10]
    assert thirds["u0"] == "1 low, up to 1.96667" and thirds["u29"].startswith("3 high, above")
    assert cut_ratings(values | {"u0": "loud"}) == {} and cut_ratings({"a": "", "b": ""}) == {}


def test_resume_takes_no_other_settings(undisturbed, capsys):
    assert main(["train", "--resume", str(undisturbed.path), "--epochs", "3", "--units", "T"]) == 2
    assert "leave out --units, --epochs" in capsys.readouterr().err


def test_the_shell_says_what_the_parts_share_before_and_after(undisturbed, capsys):
    assert main(["train", "--resume", str(undisturbed.path)]) == 0
    out = capsys.readouterr().out
    assert out.count("speakers   train and test: none shared") == 2
