"""The paper's claims asked of planted experiments: which pairs fit, their numbers by another way, what may be said of them."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
from planted_run import plant_experiment
from sklearn.metrics import balanced_accuracy_score

from mmer.cli import main
from mmer.errors import DataError
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.report.claims import CLAIMS, ClaimRow, check_claims, list_cells, write_latex, write_text

CLASSES = ("anger", "happiness", "sadness", "neutral")
COLUMNS = [f"logit.{name}" for name in CLASSES]
MODELS = {
    "t": ("linear", "T"),
    "f": ("linear", "F"),
    "s": ("linear", "S"),
    "late-tf": ("late", "TF"),
    "late-tfs": ("late", "TFS"),
    "late-tfp": ("late", "TFP"),
    "coattention-tfp": ("coattention", "TFP"),
    "concatenation-tfp": ("concatenation", "TFP"),
}
PAIRS = {
    ("text", "t", "f"),
    ("frames", "f", "s"),
    ("coattention", "coattention-tfp", "concatenation-tfp"),
    ("late", "late-tfp", "coattention-tfp"),
    ("syllables", "late-tfs", "late-tf"),
    ("combination", "coattention-tfp + late-tfs", "coattention-tfp"),
    ("combination", "coattention-tfp + late-tfs", "late-tfs"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Copies of one experiment that say they are other models and answer otherwise."""
    root = tmp_path_factory.mktemp("runs")
    base, _ = plant_experiment(tmp_path_factory.mktemp("base"), "base", fusion="linear", units=("T",))
    found = {}
    for number, (name, (fusion, units)) in enumerate(MODELS.items()):
        folder = found[name] = RunFolder(root / name)
        shutil.copytree(base.path, folder.path, ignore=shutil.ignore_patterns("heads"))
        folder.write("config", folder.read("config") | {"fusion": fusion, "units": list(units)})
        predictions = folder.read_predictions()
        noise = np.random.default_rng(number).normal(0, 1, (len(predictions), len(CLASSES)))
        predictions[COLUMNS] = (predictions[COLUMNS].to_numpy() + noise).astype(np.float32)
        predictions["predicted"] = np.array(CLASSES)[predictions[COLUMNS].to_numpy().argmax(1)]
        folder.write_predictions(predictions)
    return found


@pytest.fixture(scope="module")
def report(folders):
    return check_claims(list(folders.values()))


def test_every_pair_that_a_claim_speaks_of_is_a_row(report):
    assert {(row.claim.key, *row.names) for row in report.rows} == PAIRS
    assert report.unasked == () and len(CLAIMS) == 6
    paper = {(row.claim.key, row.names[1]): row.paper for row in report.rows}
    assert paper["text", "f"] == pytest.approx(68.12 - 65.44) and paper["late", "coattention-tfp"] == pytest.approx(75.15 - 74.57)
    assert paper["combination", "late-tfs"] == pytest.approx(76.31 - 75.80)


def pooled(rows, logits):
    found = rows.assign(said=np.array(CLASSES)[logits.argmax(1)])
    return np.mean([balanced_accuracy_score(own["label"], own["said"]) for _, own in found.groupby("repetition")])


def test_differences_are_those_of_the_predictions_and_the_combination_is_the_mean_of_logits(folders, report):
    def read(name):
        rows = folders[name].read_predictions()
        rows = rows[rows["part"] == "test"].sort_values(["repetition", "fold", "utterance"])
        return rows, rows[COLUMNS].to_numpy(np.float64)

    (rows, early), (_, late) = read("coattention-tfp"), read("late-tfs")
    found = {row.names: row.found["difference"] for row in report.rows}
    both = pooled(rows, (early + late) / 2)
    assert found["coattention-tfp + late-tfs", "late-tfs"] == pytest.approx(both - pooled(*read("late-tfs")), abs=1e-9)
    assert found["t", "f"] == pytest.approx(pooled(*read("t")) - pooled(*read("f")), abs=1e-9)


def test_few_groups_can_t_reach_significance_and_that_is_said(report):
    assert all(row.corrected >= row.found["p_value"] and row.verdict != "holds here" for row in report.rows)
    assert "4 speakers can give no smaller p than 0.125" in " ".join(report.sentences)
    assert "no corrected p here can reach 0.05" in " ".join(report.sentences)


def test_a_verdict_says_no_more_than_the_test_and_the_interval(report):
    def say(difference, low, high, corrected):
        found = {"difference": difference, "interval": {"low": low, "high": high}}
        return ClaimRow(CLAIMS[0], ("a", "b"), found, None, corrected).verdict

    assert say(0.1, 0.05, 0.15, 0.01) == "holds here" and say(-0.1, -0.15, -0.05, 0.05) == "the reverse holds here"
    assert say(0.1, 0.05, 0.15, 0.06) == "leans that way" and say(-0.1, -0.15, -0.05, 1.0) == "leans the other way"
    assert say(0.1, -0.01, 0.2, 0.2) == "open"
    assert replace(report.rows[0], found={"difference": 0.1, "interval": None}, corrected=0.5).verdict == "open"


def test_other_plans_data_and_too_few_are_refused(folders, tmp_path):
    other, _ = plant_experiment(tmp_path, "other", fusion="linear", units=("T",), seed=3)
    with pytest.raises(DataError, match="other has other folds, repetitions, validation or seed than f"):
        check_claims([folders["f"], other])
    with pytest.raises(DataError, match="name two or more that are finished, not 1"):
        check_claims([folders["f"]])


def test_the_command_prints_and_writes_them(folders, report, tmp_path, capsys):
    root = str(folders["t"].path.parent)
    out = tmp_path / "claims.csv"
    assert main(["runs", "claims", "--runs", root, "t", "f", "s", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert (
        "Text tells more than frames.\n" in printed and ": t over f: " in printed and "No pair of these experiments speaks of:" in printed
    )
    with open(out, newline="") as file:
        assert [row["than"] for row in csv.DictReader(file)] == ["f", "s"]
    assert main(["runs", "claims", "--runs", root]) == 0
    assert capsys.readouterr().out == write_text(report)
    assert main(["runs", "claims", "--runs", root, "--out", str(tmp_path / "claims.xlsx")]) == 2
    assert "the ending must be one of .csv, .md, .tex" in capsys.readouterr().err
    assert r"coattention-tfp + late-tfs & late-tfs" in write_latex(report) and len(list_cells(report)) == len(PAIRS)
