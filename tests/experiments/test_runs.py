"""An experiment's folder: what is written can be read, half of it can't be seen, and no name leads out of it."""

import json
import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from planted_run import plant_experiment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_list import delete_run, export_run, list_runs, write_events
from mmer.experiments.folder.runs import RunFolder, create_run, describe_environment, find_run

EXPERIMENT = Experiment(data="data", features="cache", units=("F", "S"), labels={"happy": "happiness"}, model={"hidden": 64})


@pytest.fixture
def folder(tmp_path):
    return create_run(tmp_path, "first", EXPERIMENT)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant_experiment(tmp_path_factory.mktemp("runs"))[0]


def make_frame(fold, repetition, *, names=("a", "b"), value=0.5):
    rows = {"part": "test", "fold": fold, "repetition": repetition, "utterance": list(names), "label": "anger"}
    return pd.DataFrame(rows | {"logit.anger": np.float32([value] * len(names))})


def test_an_experiment_comes_back_as_it_was(folder):
    assert folder.read_experiment() == EXPERIMENT
    assert find_run(folder.path.parent, "first") == folder
    assert not [p for p in folder.path.parent.iterdir() if p != folder.path]


def test_environment_says_on_what_it_ran(folder):
    environment = folder.read("environment")
    assert environment.keys() == {
        "mmer",
        "python",
        "torch",
        "numpy",
        "platform",
        "cpu",
        "cores",
        "device",
        "threads",
        "precision",
        "command",
    }
    assert environment["numpy"] == np.__version__ and environment["cores"] >= 1
    assert describe_environment(device="cuda", threads=3)["device"] == "cuda"


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../b", "/etc", "a\\b", ".hidden", "ä", "a b", "a\n", "-x", "x" * 81, "a\0"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    (tmp_path / "b").mkdir()
    for work in (lambda: create_run(tmp_path, name, EXPERIMENT), lambda: find_run(tmp_path, name), lambda: delete_run(tmp_path, name)):
        with pytest.raises(DataError, match="can't be an experiment's name"):
            work()
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_names_of_the_paper_s_cells_are_allowed(tmp_path):
    assert create_run(tmp_path, "late_T-F.S2", EXPERIMENT).name == "late_T-F.S2"
    assert create_run(tmp_path, "x" * 80, EXPERIMENT).path.is_dir()


def test_a_taken_name_is_refused_and_what_is_there_stays(folder):
    with pytest.raises(DataError, match="already an experiment first"):
        create_run(folder.path.parent, "first", Experiment(data="other", features="cache"))
    assert folder.read_experiment() == EXPERIMENT


def test_a_link_is_not_an_experiment(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder.path)
    with pytest.raises(DataError, match="is a link"):
        find_run(tmp_path, "link")
    with pytest.raises(DataError, match="is a link"):
        delete_run(tmp_path, "link")
    assert folder.path.is_dir()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "holds no experiment"),
        ('{"data": "x"}', "features"),
        ('{"data": "x", "features": 1, "units": 3}', "holds no"),
    ],
)
def test_a_damaged_config_is_named(folder, text, message):
    (folder.path / "config.json").write_text(text)
    with pytest.raises(DataError, match=message):
        folder.read_experiment()


def test_a_missing_document_is_named(folder):
    with pytest.raises(DataError, match=r"has no results\.json"):
        folder.read("results")


def test_numbers_that_json_lacks_are_null(folder):
    folder.write("results", {"a": np.float32(0.5), "b": [np.nan, np.inf], "c": np.arange(2), (1): "x"})
    assert folder.read("results") == {"a": 0.5, "b": [None, None], "c": [0, 1], "1": "x"}


# metrics


def make_row(epoch, *, fold=0, loss=1.0):
    return {"fold": fold, "repetition": 0, "epoch": epoch, "loss": loss, "validation_loss": 1.0, "validation_ua": 0.5, "seconds": 0.1}


def test_metrics_of_an_epoch_begun_anew_are_the_last(folder):
    assert folder.read_metrics() == []
    folder.append_metrics([make_row(1), make_row(1, fold=1)])
    folder.append_metrics([make_row(2, loss=7.0)])
    folder.append_metrics([make_row(2, loss=2.0), make_row(3, loss=float("nan"))])
    assert [(r["fold"], r["epoch"], r["loss"]) for r in folder.read_metrics()] == [(0, 1, 1), (1, 1, 1), (0, 2, 2), (0, 3, None)]


@pytest.mark.parametrize("torn", [b'{"fold": 0, "repe', b"\x00\xff", b'{"fold": 0, "repetition": 0, "epoch": 9}'])
def test_a_torn_last_line_is_dropped_and_not_continued(folder, torn):
    folder.append_metrics([make_row(1)])
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(torn)
    assert [r["epoch"] for r in folder.read_metrics()] == [1]
    folder.append_metrics([make_row(2)])
    assert [r["epoch"] for r in folder.read_metrics()] == [1, 2]
    assert [json.loads(line)["epoch"] for line in (folder.path / "metrics.jsonl").read_text().splitlines()] == [1, 2]


def test_a_file_that_is_one_torn_line_begins_anew(folder):
    (folder.path / "metrics.jsonl").write_bytes(b'{"fold"')
    folder.append_metrics([make_row(1)])
    assert [r["epoch"] for r in folder.read_metrics()] == [1]


def test_a_damaged_line_in_the_middle_is_named(folder):
    (folder.path / "metrics.jsonl").write_text(json.dumps(make_row(1)) + "\nnonsense\n" + json.dumps(make_row(2)) + "\n")
    with pytest.raises(DataError, match="line 2, is damaged: 'nonsense'"):
        folder.read_metrics()


# predictions


def test_parts_become_the_whole(folder):
    with pytest.raises(DataError, match="no predictions yet"):
        folder.read_predictions()
    for fold, repetition in [(1, 1), (0, 0), (1, 0)]:
        folder.write_part(fold, repetition, make_frame(fold, repetition))
    live = folder.read_predictions()
    assert list(zip(live["fold"], live["repetition"])) == [(0, 0)] * 2 + [(1, 0)] * 2 + [(1, 1)] * 2
    pd.testing.assert_frame_equal(folder.merge_parts(), live)
    assert not (folder.path / "parts").exists()
    pd.testing.assert_frame_equal(folder.read_predictions(), live)
    assert live["logit.anger"].dtype == np.float32


def test_a_merge_that_was_killed_half_way_goes_on(folder):
    for fold in (0, 1, 2):
        folder.write_part(fold, 0, make_frame(fold, 0))
    folder.write_predictions(folder.read_predictions())
    os.unlink(folder.path / "parts" / "fold1-rep1.parquet")  # the removal had begun
    assert folder.merge_parts()["fold"].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_run_done_again_takes_the_place_of_its_former_predictions(folder):
    folder.write_predictions(pd.concat([make_frame(0, 0), make_frame(1, 0)]))
    folder.write_part(1, 0, make_frame(1, 0, value=9.0))
    assert folder.read_predictions()["logit.anger"].tolist() == [0.5, 0.5, 9.0, 9.0]


def test_torn_predictions_are_named(folder):
    folder.write_predictions(make_frame(0, 0))
    path = folder.path / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"predictions\.parquet can't be read as predictions"):
        folder.read_predictions()


def test_the_log_s_tail_is_its_last_lines(folder):
    assert folder.tail_log() == ()
    folder.append_log("\n".join(f"line {i}" for i in range(20000)))
    with (folder.path / "log.txt").open("ab") as file:
        file.write(b" 10%\r 20%\r 30%\n\n\xff half")
    assert folder.tail_log(3) == ("line 19999", " 30%", "\ufffd half")


# a root


def test_list_is_newest_first_and_names_what_is_broken(tmp_path, planted):
    assert list_runs(tmp_path / "nowhere") == ()
    for number, name in enumerate(("old", "new", "torn"), 1):
        create_run(tmp_path, name, EXPERIMENT, data={"name": "fake"})
        os.utime(tmp_path / name, (number, number))
    (tmp_path / "torn" / "config.json").write_text("{")
    os.utime(tmp_path / "torn", (9, 9))
    (tmp_path / "empty").mkdir()
    os.utime(tmp_path / "empty", (0, 0))
    (tmp_path / "a file").write_text("")
    (tmp_path / ".first.1.part").mkdir()
    (tmp_path / "link").symlink_to(planted.path)
    found = {run.name: run for run in list_runs(tmp_path)}
    assert [name for name in found if name != "link"] == ["torn", "new", "old", "empty"]
    assert "damaged" in found["torn"].problem and "config.json" in found["empty"].problem and "link" in found["link"].problem
    assert (found["new"].problem, found["new"].status.state, found["new"].data) == ("", "waiting", "fake")
    assert found["new"].title == "F + S, late fusion"


def test_a_finished_experiment_is_listed_with_its_score(planted):
    (run,) = list_runs(planted.path.parent)
    assert run.ua == planted.read("results")["summary"]["ua"] and run.interval[0] <= run.interval[1]


def test_delete_removes_the_folder_and_nothing_else(folder, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (folder.path / "heads").symlink_to(tmp_path / "precious")
    delete_run(tmp_path, "first")
    assert [p.name for p in tmp_path.iterdir()] == ["precious"] and (tmp_path / "precious" / "file").exists()
    with pytest.raises(DataError, match="no experiment first"):
        delete_run(tmp_path, "first")


def test_export_holds_what_was_found_out_and_no_more(planted, tmp_path):
    planted.checkpoint.mkdir()
    (planted.checkpoint / "big.safetensors").write_bytes(b"x")
    for name in ("lock", ".config.json.1.part", "notes.txt"):
        (planted.path / name).write_text("x")
    planted.append_log("hello")
    (planted.path / "heads" / "fold1-rep1" / "outside").symlink_to("/etc/hostname")
    with zipfile.ZipFile(export_run(planted, tmp_path / "out.zip")) as archive:
        names = set(archive.namelist())
        assert pd.read_parquet(archive.open("planted/predictions.parquet")).equals(planted.read_predictions())
    heads = {f"planted/heads/fold{f}-rep{r}/{n}" for f in (1, 2) for r in (1, 2) for n in ("config.json", "model.safetensors")}
    documents = {f"planted/{n}.json" for n in ("config", "data", "splits", "leakage", "environment", "results")}
    assert names == heads | documents | {"planted/predictions.parquet", "planted/metrics.jsonl", "planted/log.txt"}
    assert [p.name for p in tmp_path.iterdir()] == ["out.zip"]


def test_an_export_can_be_looked_at_elsewhere(planted, tmp_path):
    with zipfile.ZipFile(export_run(planted, tmp_path / "out.zip")) as archive:
        archive.extractall(tmp_path)
    (run,) = list_runs(tmp_path)
    assert run.problem == "" and run.folder.read_metrics() == planted.read_metrics()


def test_export_says_where_it_can_t_write(planted, tmp_path):
    with pytest.raises(DataError, match="Can't write"):
        export_run(planted, tmp_path / "nowhere" / "out.zip")
    with pytest.raises(DataError, match=r"no config\.json"):
        export_run(RunFolder(tmp_path), tmp_path / "out.zip")


def test_tensorboard_reads_its_event_files(planted, tmp_path):
    for _ in range(2):  # a second export takes the place of the first
        out = write_events(planted, tmp_path)
    assert sorted(p.name for p in out.iterdir()) == ["fold1-rep1", "fold1-rep2", "fold2-rep1", "fold2-rep2"]
    events = EventAccumulator(str(out / "fold2-rep1"))
    events.Reload()
    rows = [r for r in planted.read_metrics() if (r["fold"], r["repetition"]) == (1, 0)]
    assert [(e.step, e.value) for e in events.Scalars("loss/training")] == [(r["epoch"], np.float32(r["loss"])) for r in rows]
    assert {*events.Tags()["scalars"]} == {"loss/training", "loss/validation", "ua/validation"}


class Busy(RunFolder):
    """A folder whose parts another process merges while they are read, so many times."""

    def _gather_predictions(self):
        if MERGES.pop():
            raise FileNotFoundError("merged")
        return super()._gather_predictions()


MERGES = []


def test_parts_that_are_merged_while_they_are_read_are_read_again(folder):
    folder.write_part(0, 0, pd.DataFrame({"fold": [0, 0], "repetition": 0, "utterance": ["a", "b"]}))
    MERGES[:] = [False, True, True, True]
    assert Busy(folder.path).read_predictions()["utterance"].tolist() == ["a", "b"] and not MERGES
    MERGES[:] = [True] * 5
    with pytest.raises(FileNotFoundError):
        Busy(folder.path).read_predictions()
