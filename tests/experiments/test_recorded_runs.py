"""The experiments that come with the app are whole, and their scores are those of their predictions."""

import math
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from mmer.experiments.folder.run_list import list_runs
from mmer.experiments.folder.runs import RunFolder

ROOT = Path(__file__).parents[2] / "assets" / "runs"
NAMES = sorted(path.parent.name for path in ROOT.glob("*/config.json"))


def test_there_are_some_and_all_can_be_read():
    assert NAMES
    assert all(run.status.state == "finished" and not run.problem for run in list_runs(ROOT))


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_the_predictions(name):
    folder = RunFolder(ROOT / name)
    results, predictions = folder.read("results"), folder.read_predictions()
    test = predictions[predictions["part"] == "test"]
    assert len(results["runs"]) == 25
    found = {key: balanced_accuracy_score(rows["label"], rows["predicted"]) for key, rows in test.groupby(["fold", "repetition"])}
    for run in results["runs"]:
        assert math.isclose(run["ua"], found[run["fold"], run["repetition"]], abs_tol=1e-9)
    assert math.isclose(results["summary"]["ua"], sum(found.values()) / 25, abs_tol=1e-9)
    emotions = ["anger", "happiness", "sadness", "neutral"]
    logits = predictions[[f"logit.{e}" for e in emotions]].to_numpy()
    assert [emotions[i] for i in logits.argmax(1)] == predictions["predicted"].tolist()
    rows = pd.DataFrame(folder.read_metrics())
    assert len(rows) == sum(run["epochs"] for run in results["runs"])


@pytest.mark.parametrize("name", NAMES)
def test_no_speaker_stands_on_both_sides(name):
    for split in RunFolder(ROOT / name).read("splits"):
        speakers = {part: {utterance[-7:] for utterance in split[part]} for part in ("train", "validation", "test")}
        assert not speakers["test"] & (speakers["train"] | speakers["validation"])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_machine_and_nothing_of_the_corpus(name):
    for path in (ROOT / name).iterdir():
        assert path.suffix in (".json", ".jsonl", ".txt", ".parquet"), path
    assert RunFolder(ROOT / name).read("status")["host"] == ""
    config = RunFolder(ROOT / name).read("config")
    assert (config["data"], config["features"]) == ("ravdess", "cache")
