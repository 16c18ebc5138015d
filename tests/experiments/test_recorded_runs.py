"""The experiments that come with the app are whole, and their scores are those of their predictions."""

import math
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from mmer.error_table.data import read_table_with_data
from mmer.error_table.opened import SAME, open_tested
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
    assert len(results["runs"]) == len(folder.read("splits"))
    found = {key: balanced_accuracy_score(rows["label"], rows["predicted"]) for key, rows in test.groupby(["fold", "repetition"])}
    for run in results["runs"]:
        assert math.isclose(run["ua"], found[run["fold"], run["repetition"]], abs_tol=1e-9)
    assert math.isclose(results["summary"]["ua"], sum(found.values()) / len(found), abs_tol=1e-9)
    emotions = ["anger", "happiness", "sadness", "neutral"]
    logits = predictions[[f"logit.{e}" for e in emotions]].to_numpy()
    assert [emotions[i] for i in logits.argmax(1)] == predictions["predicted"].tolist()
    rows = pd.DataFrame(folder.read_metrics())
    assert len(rows) == sum(run["epochs"] for run in results["runs"])


@pytest.mark.parametrize("name", NAMES)
def test_no_speaker_stands_on_both_sides(name):
    for split in RunFolder(ROOT / name).read("splits"):
        cut = slice(-7, None) if "ravdess" in name else slice(len("clips/"), len("clips/") + 6)  # "-12.opus", or the voice's first letters
        speakers = {part: {utterance[cut] for utterance in split[part]} for part in ("train", "validation", "test")}
        assert not speakers["test"] & (speakers["train"] | speakers["validation"])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_machine_and_nothing_of_the_corpus(name):
    for path in (ROOT / name).iterdir():
        assert path.suffix in (".json", ".jsonl", ".txt", ".parquet") or path.name == "heads", path
    assert RunFolder(ROOT / name).read("status")["host"] == ""
    config = RunFolder(ROOT / name).read("config")
    assert (config["data"], config["features"]) == ("ravdess" if "ravdess" in name else "game-voices", "cache")


VOICES = ROOT.parent / "game-voices"


def test_the_corpus_that_comes_with_the_app_says_what_it_is():
    rows = pd.read_csv(VOICES / "manifest.csv")
    assert set(rows["path"]) == {path.relative_to(VOICES).as_posix() for path in VOICES.glob("clips/*")}
    assert set(rows["label"]) == {"anger", "happiness", "sadness", "neutral"} and not rows.duplicated("source").any()
    assert sum(path.stat().st_size for path in VOICES.rglob("*")) < 1.5e6
    said = (VOICES / "README.md").read_text("utf-8")
    counts = rows["label"].value_counts()
    assert ", ".join(f"{name} {counts[name]}" for name in ("anger", "happiness", "sadness", "neutral")) in said
    assert f"# Game voices\n\n{len(rows)} one-liners" in said and "no listener judged" in said
    assert (VOICES / "LICENSE.txt").read_text("utf-8").lstrip().startswith("GNU Free Documentation License")


def test_its_clips_open_with_a_model_that_never_heard_their_voice(analyzer):
    folder = RunFolder(ROOT / "game-voices-late-tf")
    assert sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file()) < 10e6
    table = read_table_with_data(folder, roots=(VOICES,))
    assert len(table.utterances) == 52 and all(u.has_audio for u in table.utterances.values())
    for name in ("clips/british-hello.opus", "clips/surfer-victory.opus"):
        found = open_tested(analyzer, folder, table.utterances[name], name)
        assert found.difference < SAME / 4 and not any("Careful" in note for note in found.notes)
        assert {branch.unit for branch in found.analysis.best.branches} == {"T", "F"}
