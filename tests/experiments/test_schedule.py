"""What runs read in an epoch: strides, shifts of the voice, and pairs that can be drawn again."""

import numpy as np
import pytest
from planted import plant_corpus, plant_data
from planted_items import plant_items, plant_runs

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, Pairing
from mmer.experiments.trainer.blocks import FeatureLoader, VoiceShifts
from mmer.experiments.trainer.paired_run import measure_speech
from mmer.experiments.trainer.pairing import PairedExample
from mmer.experiments.trainer.schedule import EveryUtterance, PairedData, Pairs, average_voices
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.heads.normalisation import Normalisation

SIZES = {"T": (6, 384), "F": (4, 384), "S": (4, 384)}
NORMALISATION = Normalisation(np.full((4, 384), 0.5, np.float32), np.full((4, 384), 2.0, np.float32))


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path)


def read_block(loader, rows, unit, **options):
    """(utterances, layers, segments, dim) and the mask, as numpy arrays."""
    block = loader.build_block(np.asarray(rows), unit, NORMALISATION, **options)
    (states,) = [states for _, states in block.cut_pieces()]
    return states.transpose(0, 1).numpy(), block.mask.numpy()


def test_a_block_holds_normalised_and_shifted_speech_and_plain_text_and_says_what_is_absent(cache):
    speech, texts = plant_corpus(cache)
    voices = np.random.default_rng(1).normal(size=(2, 4, 384)).astype(np.float32)
    shifts = VoiceShifts((voices,), np.array([[0, 0, 1]]), np.array([[1, 1, 1]]), np.array([0.5, 0.3, 0.9], np.float32))
    loader = FeatureLoader(cache, (), ("T", "F", "S"), max_seconds=0.12, sizes=SIZES)
    examples = [
        PairedExample(1, speech[1].speech, None, ("F", "S")),
        PairedExample(2, None, texts[2].text, ("T",)),
        PairedExample(3, speech[3].speech, texts[3].text, ("T", "F")),
    ]
    loader.show(examples, shifts=shifts)
    found = {unit: read_block(loader, [0, 1, 2], unit) for unit in "TFS"}
    assert [found[u][1].any(1).tolist() for u in "TFS"] == [[False, True, True], [True, False, True], [True, False, False]]
    raw = np.array(cache.read_states(speech[1].speech, "F"), np.float32)[:, :6]
    states, mask = found["F"]
    assert mask[0].sum() == raw.shape[1] <= 6
    expected = (raw - 0.5) / 2.0 + 0.5 * (voices[1] - voices[0])[:, None] / 2.0
    np.testing.assert_allclose(states[0, :, : raw.shape[1]], expected, atol=1e-2)
    unmoved = (np.array(cache.read_states(speech[3].speech, "F"), np.float32)[:, :6] - 0.5) / 2.0  # from voice 1 to voice 1
    np.testing.assert_allclose(states[2, :, : unmoved.shape[1]], unmoved, atol=1e-2)
    block = loader.build_block(np.array([1]), "T", NORMALISATION)
    text = np.array(cache.read_states(texts[2].text, "T"), np.float32)
    np.testing.assert_array_equal(block.half[:, 0].float().numpy(), text)  # neither normalised nor shifted


def test_a_stride_takes_every_third_frame_and_all_segments(cache):
    speech, _ = plant_corpus(cache, clips=4, texts=0)
    loader = FeatureLoader(cache, speech, ("F", "S"), max_seconds=15, stride=3)
    raw = np.array(cache.read_states(speech[1].speech, "F"))
    np.testing.assert_array_equal(loader.read(1, "F"), raw[:, 1::3])  # from the middle one
    loader.show(speech, firsts=np.array([0, 2, 0, 0]))
    np.testing.assert_array_equal(loader.read(1, "F"), raw[:, 2::3])
    assert loader.read(1, "S").shape[1] == cache.count_segments(speech[1].speech, "S")


def test_statistics_and_voices_are_those_of_the_frames(cache):
    speech, _ = plant_corpus(cache, clips=32, texts=0, copies=0, speakers=2)
    frames = np.concatenate([np.array(cache.read_states(s.speech, "F"), np.float64) for s in speech], axis=1)
    normalisation = measure_speech(Experiment("", "", pairing=Pairing()), cache, speech)
    np.testing.assert_allclose(normalisation.mean, frames.mean(1), atol=1e-4)
    np.testing.assert_allclose(normalisation.deviation, frames.std(1), rtol=1e-3)
    voices = average_voices(cache, speech, classes=4)
    assert voices.shape == (2, 4, 384)
    by_label = [
        np.mean([cache.read_states(s.speech, "F").mean(1, dtype=np.float32) for s in speech if (s.speaker, s.label) == ("fake/0", k)], 0)
        for k in range(4)
    ]
    np.testing.assert_allclose(voices[0], np.mean(by_label, 0), atol=1e-3)
    with pytest.raises(DataError, match="no speaker has every class"):
        average_voices(cache, [item for item in speech if item.label], classes=4)


def test_an_experiment_s_shifts_use_no_voice_that_its_fold_tests(cache):
    items = plant_items(cache, count=96)
    runs = plant_runs(items)
    tests = [runs[0].test, runs[1].test]
    experiment = Experiment("data", "features", voice_shift=0.5, frame_stride=2)
    schedule = EveryUtterance(experiment, FeatureLoader(cache, items, experiment.units, max_seconds=15, stride=2), items, tests)
    held_out = average_voices(cache, [items[i] for i in tests[0]], classes=4)
    assert all(np.abs(schedule.voices[0] - voice).max((1, 2)).min() > 1e-4 for voice in held_out)
    shown = schedule.show_training(runs, 0)
    assert [rows.tolist() for rows in shown.rows] == [run.train.tolist() for run in runs]
    first = schedule.loader.shifts
    assert first.shares.min() >= 0 and 0.4 < first.shares.max() <= 0.5
    schedule.show_training(runs, 1)
    assert not np.array_equal(schedule.loader.shifts.shares, first.shares)
    schedule.show_training(runs, 0)
    assert np.array_equal(schedule.loader.shifts.shares, first.shares)
    assert schedule.show_validation(runs).rows[0].tolist() == runs[0].validation.tolist() and schedule.loader.shifts is None


def test_pairs_are_the_same_for_all_runs_and_can_be_drawn_again(cache):
    data = plant_data(cache)
    experiment = Experiment("", "", pairing=Pairing(), seed=3)
    schedule = Pairs(experiment, FeatureLoader(cache, (), experiment.units, max_seconds=15, sizes=SIZES), data)
    shown = schedule.show_training([None, None], 4)
    first = list(schedule.loader.items)
    assert len(shown.labels) == len(first) == schedule.count_examples(None) and np.array_equal(*shown.rows)
    schedule.show_validation([None])
    assert list(schedule.loader.items) == schedule.validation != first
    schedule.show_training([None], 4)
    assert list(schedule.loader.items) == first


def test_no_data_is_refused(cache):
    speech, _ = plant_corpus(cache, clips=4, texts=0)
    loader = FeatureLoader(cache, (), ("F",), max_seconds=15)
    with pytest.raises(DataError, match="both the training and the validation part"):
        Pairs(Experiment("", "", pairing=Pairing()), loader, PairedData(speech=speech))


def test_items_of_text_alone_have_no_sound_to_read(cache):
    item = FeatureItem("a", 0, "", "", "", None, "k", ("T",), 0, None)
    assert FeatureLoader(cache, [item], ("T", "F"), max_seconds=15).count(0, "F") == 0
