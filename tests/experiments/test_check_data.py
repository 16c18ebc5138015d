"""What is too small, or can't be learned, is said before an experiment begins."""

from dataclasses import replace

import numpy as np
import pytest
from planted_items import plant_items
from planted_sentences import write_sentences

from mmer.choices.emotions import EMOTIONS
from mmer.cli import main
from mmer.datasets.dataset import Dataset, Utterance
from mmer.errors import DataError
from mmer.experiments.check_data import check_classes, check_data
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.prepare import prepare_experiment
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureSet, choose_items
from mmer.ui.train.cards import write_report


def rewrite(manifest, label_of):
    """The manifest with the labels that label_of(speaker, row, label) gives."""
    head, *lines = manifest.read_text().splitlines()
    rows = [line.rsplit(",", 4) for line in lines]
    given = [",".join([first, label_of(speaker, n, label), speaker, *rest]) for n, (first, label, speaker, *rest) in enumerate(rows)]
    manifest.write_text("\n".join([head, *given]) + "\n")
    return manifest


def words(path, **settings):
    return Experiment(str(path), "cache", fusion="linear", units=("T",), **({"folds": 3, "repetitions": 2} | settings))


def test_one_emotion_is_refused_with_a_sentence(tmp_path, capsys):
    data = rewrite(write_sentences(tmp_path / "data"), lambda speaker, n, label: "anger")
    for refused in (check_data, lambda experiment: prepare_experiment(tmp_path / "runs", "x", experiment)):
        with pytest.raises(DataError, match=r"All 96 utterances are labelled anger: .* nothing to tell apart"):
            refused(words(data))
    assert main(["train", "--data", str(data), "--model", "linear", "--units", "T", "--name", "x", "--runs", str(tmp_path / "runs")]) == 2
    assert capsys.readouterr().err.startswith("mmer: All 96 utterances are labelled anger")
    assert not (tmp_path / "runs").exists()


def test_a_fold_whose_training_part_lacks_an_emotion_is_refused(tmp_path):
    """Only one speaker is ever sad: the fold that tests her can't have learned sadness."""
    data = rewrite(
        write_sentences(tmp_path / "data"), lambda speaker, n, label: "anger" if label == "sadness" and speaker != "s2" else label
    )
    with pytest.raises(DataError, match=r"training part of fold\d-rep1 has no utterance of sadness \(\d+ anger, .*--labels sadness=$"):
        check_data(words(data))


def test_a_data_set_without_an_emotion_is_only_said(tmp_path):
    data = rewrite(write_sentences(tmp_path / "data"), lambda speaker, n, label: "anger" if label == "sadness" else label)
    assert "There is no utterance of sadness" in write_report(check_data(words(data)))
    check_classes(np.array([0, 1, 0, 1]), {"fold1-rep1": np.array([0, 1])}, ("a", "b"))


def test_small_parts_are_said_at_check_and_in_the_shell(tmp_path):
    report = check_data(words(write_sentences(tmp_path / "data"), share=0.08))
    first = report.warnings[0]
    assert first.startswith("5 validation utterances in the smallest of the runs, fewer than 40 in 6 of 6: ")
    assert "validation parts lack a class" in report.warnings[1]
    assert "fold 1 tests 8 utterances of anger: each is 12 points of that recall." in report.warnings
    shown = write_report(report)
    assert "Too small to be sure" in shown and "5 validation utterances" in shown
    folder = prepare_experiment(tmp_path / "runs", "small", words(write_sentences(tmp_path / "data"), share=0.08))
    assert folder.read("data")["warnings"] == list(report.warnings)


def test_few_steps_are_said(tmp_path):
    data = write_sentences(tmp_path / "data")
    (text,) = [w for w in check_data(words(data, epochs=20)).warnings if "steps" in w]
    assert text.startswith("2 steps an epoch and at most 20 epochs make 40 steps, fewer than the 200")
    assert not [w for w in check_data(words(data, epochs=20, min_steps=0)).warnings if "steps" in w]


def test_nothing_is_warned_of_at_a_fair_size():
    rng = np.random.default_rng(0)
    people = [Utterance(None, "x", EMOTIONS[i % 4], f"s{i // 60}", name=str(i)) for i in rng.permutation(60 * 10)]
    dataset = Dataset("fair", tuple(people), (), ())
    from mmer.datasets.folds import make_splits
    from mmer.experiments.check_data import list_warnings

    experiment = Experiment("d", "c")
    assert list_warnings(dataset, make_splits(dataset, experiment.plan), experiment) == ()


def test_units_that_the_model_does_not_read_are_not_listed_as_lacking(tmp_path):
    gone = (("P", "no path fits"), ("S", "no path fits"), ("W", "no path fits"))
    items = [replace(item, units=("T", "F"), absent=gone) for item in plant_items(FeatureCache(tmp_path / "cache"), count=4)]
    nothing = replace(items[3], units=(), absent=(("T", "There are no words."), *gone, ("F", "There is no sound file.")))
    found = FeatureSet(Dataset("d", (), (), ()), "compact", tuple(items[:3]), (nothing.describe_gaps(),), (), (nothing,))
    kept, excluded = choose_items(found, ("F",))
    assert len(kept) == 3 and excluded == ("u3: F: There is no sound file.",)
    kept, excluded = choose_items(found, ("S",))
    assert not kept and excluded[1] == "u0: S: no path fits" and len(excluded) == 4


def test_an_experiment_lists_what_its_own_units_lack(tmp_path):
    """Words alone: that nothing was aligned is nobody's business."""
    from mmer.experiments.trainer.run_experiment import run_experiment

    data = write_sentences(tmp_path / "data", speakers=4, each=4)
    given = words(data, folds=2, repetitions=1, epochs=1)
    folder = prepare_experiment(tmp_path / "runs", "t", replace(given, features=str(tmp_path / "cache")))
    run_experiment(folder, say=lambda line: None)
    assert RunFolder(folder.path).read("data")["partial"] == [] == folder.read("data")["excluded"]
