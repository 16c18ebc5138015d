"""A run on pairs: planted answers are learned, a killed run goes on as if nothing had happened, shuffled labels give chance."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import plant_data

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, Pairing
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import show_alone
from mmer.feature_store.cache import FeatureCache

EVEN = Pairing(balance_corpora=0.0)
SHORT = Experiment("", "", epochs=4, patience=9, min_steps=0, voice_shift=0.5, threads=1, pairing=EVEN)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features")


@pytest.mark.parametrize(
    ("fusion", "units", "model"),
    [
        ("linear", ("F",), {}),
        ("linear", ("T",), {}),
        ("late", ("T", "F", "S"), {}),
        ("coattention", ("T", "F"), {"heads": 4, "feedforward": 64, "blocks": 1}),
    ],
)
def test_planted_labels_are_learned(cache, fusion, units, model):
    data = plant_data(cache)
    rate = 3e-4 if fusion == "coattention" else 1e-3
    config = replace(SHORT, fusion=fusion, units=units, model=model, learning_rate=rate, epochs=10)
    trained = train_pairs(config, data, cache)
    outputs = trained.predict(trained.validation)
    assert outputs.ua() > 0.9
    assert set(outputs.branches) == (set() if fusion == "coattention" else set(units))


def test_every_branch_of_late_fusion_learns(cache):
    data = plant_data(cache)
    trained = train_pairs(replace(SHORT, epochs=6, branch_loss=0.5), data, cache)
    alone = trained.predict(show_alone(data.validation_speech, ("F",)))
    assert alone.ua("F") > 0.9
    assert np.array_equal(alone.logits, alone.branches["F"])  # T and S are left out of the sum, not filled in


def test_shuffled_labels_give_chance(cache):
    data = plant_data(cache, clips=96, texts=0)
    labels = np.random.default_rng(5).permutation([s.label for s in data.speech])
    shuffled = tuple(replace(s, label=int(label)) for s, label in zip(data.speech, labels))
    config = replace(SHORT, fusion="linear", units=("F",), epochs=2, voice_shift=0.0)
    trained = train_pairs(config, replace(data, speech=shuffled), cache)
    outputs = trained.predict(show_alone(data.validation_speech, ("F",)))
    assert abs(outputs.ua() - 0.25) < 0.2


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_with_the_same_result(cache, tmp_path):
    data = plant_data(cache)

    def kill_after_two(row):
        if row["epoch"] == 2:
            raise Killed

    whole = train_pairs(SHORT, data, cache, tmp_path / "whole")
    with pytest.raises(Killed):
        train_pairs(SHORT, data, cache, tmp_path / "cut", report=kill_after_two)
    (tmp_path / "cut" / "checkpoint.safetensors.part").write_bytes(b"half a checkpo")  # killed while writing, too
    resumed = train_pairs(SHORT, data, cache, tmp_path / "cut")
    assert resumed.history == whole.history and [row["epoch"] for row in whole.history] == [1, 2, 3, 4]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])
    rows = [json.loads(line) for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(whole.history)


def test_a_finished_run_is_not_trained_again(cache, tmp_path):
    data = plant_data(cache)
    train_pairs(SHORT, data, cache, tmp_path / "run")
    train_pairs(SHORT, data, cache, tmp_path / "run", report=lambda row: pytest.fail(f"trained again: {row}"))


def test_early_stopping_keeps_the_best_epoch(cache):
    data = plant_data(cache, strength=0.0)  # nothing to learn: the validation loss rises
    trained = train_pairs(replace(SHORT, epochs=30, patience=2, units=("F",), fusion="linear", learning_rate=5e-3), data, cache)
    losses = [row["validation_loss"] for row in trained.history]
    assert len(losses) < 30 and int(np.argmin(losses)) == len(losses) - 3
    outputs = trained.predict(trained.validation)
    assert outputs.loss() == pytest.approx(min(losses), abs=1e-4)


def test_another_config_in_the_same_folder_is_refused(cache, tmp_path):
    data = plant_data(cache)
    train_pairs(replace(SHORT, epochs=1), data, cache, tmp_path / "run")
    with pytest.raises(DataError, match=r"another learning_rate, pairing"):
        train_pairs(replace(SHORT, learning_rate=0.5, pairing=replace(EVEN, own_words=0.0)), data, cache, tmp_path / "run")


def test_a_damaged_checkpoint_is_refused(cache, tmp_path):
    data = plant_data(cache)
    train_pairs(replace(SHORT, epochs=1), data, cache, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"checkpoint\.safetensors"):
        train_pairs(SHORT, data, cache, tmp_path / "run")


def test_bfloat16_follows_float32(cache):
    data = plant_data(cache)
    config = replace(SHORT, fusion="coattention", units=("T", "F"), epochs=1, model={"heads": 4, "feedforward": 64, "blocks": 1})
    losses = [train_pairs(replace(config, precision=kind), data, cache).history[0]["loss"] for kind in ("float32", "bfloat16")]
    assert losses[0] == pytest.approx(losses[1], abs=0.05) and losses[0] != losses[1]


def test_one_label_is_refused(cache):
    data = plant_data(cache)
    alike = replace(data, speech=tuple(replace(s, label=1) for s in data.speech), texts=())
    with pytest.raises(DataError, match="labelled happiness: there is nothing to tell apart"):
        train_pairs(SHORT, alike, cache)
