"""How sure a head may be: fitted on speakers never heard, judged by folds that did not fit it, refused where that is too little."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmer.choices.emotions import EMOTIONS
from mmer.experiments.confidence import measure_confidence, read_outputs, select_unheard
from mmer.experiments.folder.runs import RunFolder
from mmer.heads.calibration import MIN_CLIPS, ece, mean_log_loss, softmax

LOGITS = [f"logit.{emotion}" for emotion in EMOTIONS]
RECORDED = sorted((Path(__file__).parents[2] / "assets" / "runs").glob("ravdess-linear-*"))


def plant(*, speakers=8, per_speaker=40, folds=4, repetitions=2, sharpness=2.0):
    """(predictions, splits) of a model whose logits are `sharpness` times those that mean what they say."""
    random = np.random.default_rng(7)
    rows, splits = [], []
    names = [(f"s{s}", f"s{s}-{i}") for s in range(speakers) for i in range(per_speaker)]
    labels = random.integers(4, size=len(names))
    for repetition in range(repetitions):
        for fold in range(folds):
            heard = [name for i, (speaker, name) in enumerate(names) if int(speaker[1:]) % folds != fold]
            splits.append({"fold": fold, "repetition": repetition, "train": heard[5:], "validation": heard[:5]})
            for (speaker, name), label in zip(names, labels):
                if int(speaker[1:]) % folds == fold:
                    logits = sharpness * (1.5 * np.eye(4)[label] + random.normal(size=4))
                    rows.append({"fold": fold, "repetition": repetition, "utterance": name, "speaker": speaker, "label": EMOTIONS[label]})
                    rows[-1] |= {"part": "test", "session": "", "gender": "", "predicted": EMOTIONS[int(logits.argmax())]}
                    rows[-1] |= dict(zip(LOGITS, logits))
    return pd.DataFrame(rows), splits


def test_a_model_that_is_twice_too_sharp_gets_a_higher_temperature():
    plain, sharp = (measure_confidence(*plant(sharpness=sharpness)) for sharpness in (1.0, 2.0))
    assert 1.5 < sharp.temperature / plain.temperature < 2  # shrunk towards 1
    assert sharp.clips == sharp.figures["clips"] == 320 and sharp.figures["speakers"] == 8 and sharp.figures["predictions"] == 640
    assert sharp.figures["mean log loss, cross-fitted"] < sharp.figures["mean log loss, temperature 1"]


def test_below_so_many_clips_it_was_never_measured():
    found = measure_confidence(*plant(per_speaker=12))
    assert MIN_CLIPS > 8 * 12 and (found.temperature, found.margin, found.clips) == (1.0, 0.0, None)
    assert "96 clips of 8 speakers" in found.figures["never measured"] and str(MIN_CLIPS) in found.figures["never measured"]
    assert measure_confidence(*plant(per_speaker=13)).clips == 104


def test_speakers_that_a_run_heard_do_not_count():
    predictions, splits = plant()
    splits[0] = splits[0] | {"validation": [*splits[0]["validation"], "s0-1"]}  # one clip of a speaker whom fold 1 tests
    kept = select_unheard(predictions, splits)
    lost = predictions.drop(kept.index)
    assert set(zip(lost["fold"], lost["repetition"], lost["speaker"])) == {(0, 0, "s0")}
    assert select_unheard(predictions.assign(speaker=""), splits).empty  # who it was can't be told
    assert measure_confidence(predictions.assign(speaker=""), splits).clips is None


def test_figures_do_not_come_from_the_clips_that_fitted_them():
    predictions, splits = plant()
    before = measure_confidence(predictions, splits).figures
    own = predictions["fold"] == 0
    wild = predictions.copy()
    wild.loc[own, LOGITS] *= 50  # fold 1 alone is endlessly sure
    after = measure_confidence(wild, splits).figures
    judged = softmax(wild.loc[own, LOGITS].to_numpy() / before["temperature when cross-fitted, highest"])
    labels = read_outputs(wild[own]).labels
    assert ece(judged, labels) > 0.1 and after["ece, cross-fitted"] > before["ece, cross-fitted"]
    assert after["temperature when cross-fitted, lowest"] <= before["temperature when cross-fitted, highest"]


def test_one_fold_is_cross_fitted_by_speaker():
    predictions, splits = plant(folds=1)
    found = measure_confidence(predictions, [split | {"train": [], "validation": []} for split in splits])
    assert found.clips == 320 and found.figures["ece, cross-fitted"] < 0.1


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: p.name)
def test_recorded_runs_are_calibrated_better_than_by_their_validation_part_or_not_at_all(path):
    folder = RunFolder(path)
    predictions = folder.read_predictions()
    found = measure_confidence(predictions, folder.read("splits"))
    assert found.clips in (665, 672) and found.margin > 0
    outputs = read_outputs(predictions[predictions["part"] == "test"])
    assert found.figures["mean log loss, temperature 1"] == pytest.approx(mean_log_loss(outputs.logits, outputs.labels), abs=1e-4)
    assert found.figures["mean log loss, cross-fitted"] < found.figures["mean log loss, temperature 1"] - 0.05
    assert found.figures["ece, cross-fitted"] < found.figures["ece, temperature 1"]
    assert found.figures["accuracy when sure"] > found.figures["accuracy when not sure"] + 0.2
