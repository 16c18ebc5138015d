"""From a trained run to a head on disk with its card; the split of the heads that ship."""

from dataclasses import replace

import numpy as np
import pytest
from planted import plant_corpus, plant_data

from mmer.demo_heads.recipe import TEST_SPEAKERS, VALIDATION_SPEAKERS, read_demo_texts, split_speech
from mmer.errors import DataError
from mmer.experiments.evaluate import TestData, calibrate, fit_familiarity, measure_run, read_gender, slice_ua
from mmer.experiments.experiment import Experiment, Pairing, shape_head
from mmer.experiments.report.card import describe_head, write_card
from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import draw_pairs, show_alone
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.heads.folder import load_head, save_head
from mmer.results import Features

PAIRED = Experiment(data="", features="", epochs=4, patience=9, branch_loss=0.5, threads=1, pairing=Pairing())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    cache = FeatureCache(tmp_path_factory.mktemp("features"))
    data = plant_data(cache)
    return cache, data, train_pairs(PAIRED, data, cache)


def test_the_saved_head_says_what_the_trained_model_said(trained, tmp_path):
    cache, data, run = trained
    config = shape_head(run.experiment, name="late-fs", title="Planted", temperature=1.5)
    save_head(tmp_path / "late-fs", config, run.model, normalisation=run.normalisation)
    head = load_head(tmp_path / "late-fs")
    item = data.validation_speech[1]
    found = head.predict(Features("compact", cache.read(item.speech).units))
    expected = run.predict(show_alone([item], ("F", "S")))
    np.testing.assert_allclose(found.logits, expected.logits[0], atol=0.02)  # float16 weights
    np.testing.assert_allclose(found.branches[0].logits, expected.branches["F"][0], atol=0.02)


def test_figures_fill_the_card(trained, tmp_path):
    cache, _, run = trained
    speech, texts = plant_corpus(cache, seed=2)
    calibration = calibrate(run.predict(run.validation), clips=len(run.validation))
    owned = tuple(replace(s, text=texts[s.label].text) for s in speech)
    metrics = measure_run(run, TestData(owned, {"meld": texts}), calibration)
    assert metrics["branch F"]["ua"] > 0.9 and metrics["branch F"]["corpora"].keys() == {"fake"}
    assert metrics["branch S"]["clips"] == sum("S" in s.units for s in speech) < metrics["branch F"]["clips"]
    assert metrics["text alone, meld test"]["texts"] == len(texts)
    training = {
        "config": {
            "pairing": {"same_label": 0.4, "own_words": 0.15, "text_alone": 1.0, "augmented": 0.7, "anchor": "librispeech"},
            "voice_shift": 1.0,
        },
        "data": {"ravdess": [3, 2, 1], "meld": [6, 5, 4]},
        "copies": {"ravdess": 4},
        "validation speakers": ["ravdess/actor17"],
        "test speakers": ["ravdess/actor21"],
        "dropped texts": {"meld train": 7},
    }
    config = shape_head(run.experiment, name="late-fs", title="Planted", caveat="A caveat.", metrics=metrics, training=training)
    write_card(tmp_path, config)
    card = (tmp_path / "README.md").read_text()
    for words in (
        "license: cc-by-nc-sa-4.0",
        "A caveat.",
        "pairing of voices and words is artificial",
        "| RAVDESS speech | 24 actors, two English sentences | CC BY-NC-SA 4.0 | 3 | 2 | 1 |",
        "7 of meld train",
        "**Anchored**: while it learned, each acted corpus was moved as a whole",
        "| branch F | 24 |",
        "must not be used for",
        "ece test",
    ):
        assert words in card, words
    assert "{" not in card and "None" not in card


def test_a_head_without_figures_still_has_a_card():
    assert "# run" in describe_head(shape_head(PAIRED))


def test_calibration_mends_overconfidence():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=2000)
    logits = rng.normal(size=(2000, 4)) + 1.5 * np.eye(4)[labels]
    found = calibrate(Outputs(labels, 6 * logits), clips=2000)
    assert found.temperature > 3 and found.ece < 0.05 < found.ece_before and found.clips == 2000


def test_a_few_clips_measure_nothing():
    labels = np.array([0, 1, 2, 3, 0])
    found = calibrate(Outputs(labels, np.eye(4)[labels]), clips=5)  # all five right: any fit would be endlessly sure
    assert (found.temperature, found.margin, found.clips) == (1.0, 0.0, None)


def test_familiarity_keeps_all_but_a_hundredth_of_validation(trained):
    cache, data, run = trained
    novelty, threshold = fit_familiarity(cache, data.speech, data.validation_speech, run.normalisation)
    assert novelty.basis.shape == (16, 4 * 384) and 0.5 < threshold < 5


def test_pairs_have_the_clips_label(trained):
    _, data, _ = trained
    pairs = draw_pairs(data.speech, data.texts, ("F", "S"), seed=0)
    labels = {t.text: t.label for t in data.texts}
    assert len(pairs) == len(data.speech) and all(labels[p.text] == p.label for p in pairs)
    assert pairs == draw_pairs(data.speech, data.texts, ("F", "S"), seed=0) != draw_pairs(data.speech, data.texts, ("F", "S"), seed=1)


def make_item(speaker):
    corpus = speaker.split("/")[0]
    return FeatureItem("a", 0, speaker, "", "", "k", None, ("F",), 0, None, corpus=corpus)


def test_slices_by_corpus_gender_and_speaker():
    items = [make_item(s) for s in ("ravdess/actor01", "ravdess/actor02", "nemo/SM0", "nemo/SM0")]
    found = slice_ua(np.array([0, 1, 0, 1]), np.array([0, 0, 0, 1]), items, classes=4)
    assert found["genders"] == {"male": 1.0, "female": 0.0} and found["corpora"] == {"nemo": 1.0, "ravdess": 0.5}
    assert found["speakers"]["nemo/SM0"] == 1.0 and found["ua"] == 0.75 and found["wa"] == 0.75
    assert read_gender(items[2]) == ""


def test_no_speaker_stands_in_two_parts():
    items = [make_item(f"ravdess/actor{i:02d}") for i in range(1, 25)] + [make_item(f"nemo/{s}") for s in ("EB0", "SM0", "WR0")]
    parts = split_speech(items)
    speakers = {name: {s.speaker for s in part} for name, part in parts.items()}
    assert speakers["validation"] == VALIDATION_SPEAKERS and speakers["test"] == TEST_SPEAKERS
    assert not speakers["train"] & (VALIDATION_SPEAKERS | TEST_SPEAKERS) and sum(map(len, parts.values())) == 27
    for held_out in (parts["validation"], parts["test"]):
        genders = [read_gender(s) for s in held_out]
        assert genders.count("male") == genders.count("female") == 2
    with pytest.raises(DataError, match="No clips for validation and test"):
        split_speech(items[:3])


def test_half_of_the_everyday_readers_are_left_for_judging():
    acted = [make_item(f"ravdess/actor{i:02d}") for i in range(1, 25)] + [make_item(f"nemo/{s}") for s in ("EB0", "SM0", "WR0")]
    readers = [make_item(f"librispeech/ls{i}") for i in range(10, 20) for _ in range(2)]
    parts = split_speech([*acted, *readers])
    training = [s.speaker for s in parts["train"] if s.corpus == "librispeech"]
    assert sorted(set(training)) == [f"librispeech/ls{i}" for i in range(10, 20, 2)] and len(training) == 10
    assert not any(s.corpus == "librispeech" for name in ("validation", "test") for s in parts[name])


def test_demo_texts_keep_parts_apart(tmp_path):
    for corpus in ("meld", "emorynlp", "goemotions_ekman"):
        rows = [
            f"{split},{label},{corpus} {split} {label} {i}"
            for split in ("train", "dev", "test")
            for label in ("anger", "sadness")
            for i in range(3)
        ]
        (tmp_path / f"{corpus}.csv").write_text("\n".join(["split,emotion,text", *rows, "train,anger,meld test anger 0"]) + "\n")
    parts, dropped = read_demo_texts(tmp_path)
    assert set(parts) == {"train", "validation", "test meld", "test emorynlp", "test goemotions_ekman"}
    assert dropped == {f"{c} train": 1 for c in ("meld", "emorynlp", "goemotions_ekman")}
    assert [len(parts[name]) for name in ("train", "validation", "test meld")] == [18, 18, 6]
    assert not {t.text for t in parts["train"]} & {t.text for name in parts if name != "train" for t in parts[name]}
