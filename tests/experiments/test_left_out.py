"""What heads say of corpora that they never read, and the calibration that keeps its word there."""

from dataclasses import replace

import numpy as np
import pytest
from planted import plant_corpus, plant_data

from mmer.choices.emotions import EMOTIONS
from mmer.demo_heads.command import refit_head
from mmer.demo_heads.corpora import DemoCorpora
from mmer.demo_heads.left_out import (
    SURE_ACCURACY,
    Heard,
    add_offsets,
    combine_heard,
    describe_left_out,
    describe_strangers,
    fit_left_out,
    hear_left_out,
    leave_out,
    measure_sure,
    read_heard,
    store_heard,
)
from mmer.demo_heads.recipe import DEMO_EXPERIMENTS
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment, Pairing, shape_head
from mmer.experiments.report.card import describe_head, summarise_strangers
from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import make_example, show_alone
from mmer.experiments.trainer.schedule import CorpusPlaces
from mmer.feature_store.cache import FeatureCache
from mmer.heads.folder import load_single, save_head
from mmer.heads.head import build_model

PAIRED = Experiment(data="", features="", units=("T", "F", "S"), epochs=2, patience=9, branch_loss=0.5, threads=1, pairing=Pairing())


def plant_heard(corpus, *, bias=0.0, strength=2.0, labels=None, seed=0, way="voice alone"):
    """Logits that point at the label, and away from neutral by `bias`: what a model says of an unknown room."""
    rng = np.random.default_rng([seed, len(corpus)])
    labels = np.arange(200) % 4 if labels is None else labels
    logits = strength * np.eye(4)[labels] + rng.normal(size=(len(labels), 4)) - bias * np.eye(4)[3]
    return Heard(corpus, way, Outputs(labels, logits.astype(np.float32)))


def plant_everyday(corpus, **options):
    return plant_heard(corpus, labels=np.full(60, 3), **options)


def test_offsets_bring_neutral_back():
    heard = [plant_heard(name, bias=2.5, seed=i) for i, name in enumerate(("ravdess", "nemo", "tess"))] + [plant_everyday("an4", bias=2.5)]
    fit = fit_left_out(heard)
    assert fit.offsets[3] > 1 and abs(fit.offsets.sum()) < 1e-5
    before = np.mean(heard[0].outputs.logits.argmax(1) == heard[0].outputs.labels)
    after = np.mean(fit.read(heard[0].outputs)[0].argmax(1) == heard[0].outputs.labels)
    assert after > before + 0.1
    np.testing.assert_array_equal(fit_left_out(heard, with_offsets=False).offsets, 0)


def test_what_is_called_sure_is_right_in_the_worst_corpus():
    heard = [plant_heard("ravdess", strength=5), plant_heard("nemo", strength=1.8, seed=1), plant_everyday("an4", strength=3)]
    fit = fit_left_out(heard)
    found = {h.corpus: measure_sure(fit, h) for h in heard}
    assert all(row["right when sure"] >= SURE_ACCURACY for row in found.values())
    looser = {h.corpus: measure_sure(replace(fit, margin=fit.margin - 0.02), h) for h in heard}
    assert min(row["right when sure"] for row in looser.values()) < SURE_ACCURACY  # the least that keeps the word
    assert found["ravdess"]["sure"] > found["nemo"]["sure"] > 0


def test_a_head_that_can_not_keep_its_word_still_calls_three_in_ten_sure():
    heard = [plant_heard("ravdess", strength=4), plant_heard("nemo", strength=0.3, seed=1)]
    fit = fit_left_out(heard)
    shares = [measure_sure(fit, h)["sure"] for h in heard]
    assert np.mean(shares) >= 0.3


def test_a_corpus_is_judged_by_what_the_others_fitted():
    heard = [plant_heard(name, bias=2.5, seed=i) for i, name in enumerate(("ravdess", "nemo"))] + [plant_heard("tess", bias=-2.5, seed=9)]
    rows = {row["corpus"]: row for row in describe_left_out(heard)}
    alone = fit_left_out(heard[:2])
    assert rows["tess"]["ua"] == pytest.approx(
        np.mean([np.mean(alone.read(heard[2].outputs)[0].argmax(1)[heard[2].outputs.labels == y] == y) for y in range(4)]), abs=1e-4
    )


def test_the_mean_of_two_heads_needs_the_same_clips(tmp_path):
    late, early = [plant_heard("ravdess")], [plant_heard("ravdess", seed=5)]
    (both,) = combine_heard(late, early)
    np.testing.assert_allclose(both.outputs.logits, (late[0].outputs.logits + early[0].outputs.logits) / 2)
    store_heard(tmp_path / "left_out.safetensors", late)
    (again,) = read_heard(tmp_path / "left_out.safetensors")
    assert (again.corpus, again.way) == ("ravdess", "voice alone")
    np.testing.assert_array_equal(again.outputs.logits, late[0].outputs.logits)
    with pytest.raises(DataError, match="different corpora"):
        combine_heard(late, [plant_heard("nemo")])
    assert [h.corpus for h in combine_heard([*late, plant_heard("nemo")], early)] == ["ravdess"]
    with pytest.raises(DataError, match="different clips of ravdess"):
        combine_heard(late, [plant_heard("ravdess", labels=np.zeros(5, int))])
    with pytest.raises(DataError, match="--judge"):
        read_heard(tmp_path / "none")


def test_offsets_move_every_answer_of_a_head_alike():
    for fusion, units in (("late", ("T", "F", "S")), ("coattention", ("T", "F"))):
        config = shape_head(replace(PAIRED, fusion=fusion, units=units), name="x", title="X")
        model = build_model(config)
        bias = next(p for name, p in model.named_parameters() if name in ("branches.F.branch.output.bias", "output.bias"))
        before = bias.detach().clone()
        add_offsets(model, np.array([0.5, 0, -0.25, -0.25], np.float32))
        np.testing.assert_allclose((bias - before).detach().numpy(), [0.5, 0, -0.25, -0.25], atol=1e-6)


def test_each_acted_corpus_is_heard_by_a_run_that_never_read_it(tmp_path):
    cache = FeatureCache(tmp_path / "features")
    own = plant_data(cache, name="ravdess")
    other = plant_data(cache, name="nemo")
    data = replace(own, speech=(*own.speech, *other.speech), validation_speech=(*own.validation_speech, *other.validation_speech))
    assert {i.corpus for i in leave_out(data, "nemo").speech} == {"ravdess"}
    with pytest.raises(DataError, match="needs two acted ones"):
        leave_out(own, "ravdess")
    judged, _ = plant_corpus(cache, seed=5, name="tess")
    trained = train_pairs(PAIRED, data, cache, tmp_path / "run")
    whole = {"ravdess": own.validation_speech, "nemo": other.validation_speech}
    heard = hear_left_out(trained, PAIRED, data, judged, tmp_path / "run", whole=whole)
    assert [(h.corpus, h.way) for h in heard[::2]] == [("tess", "voice alone"), ("nemo", "voice alone"), ("ravdess", "voice alone")]
    expected = trained.predict(show_alone(judged, ("F",)))
    np.testing.assert_array_equal(heard[0].outputs.logits, expected.logits)
    assert (tmp_path / "run" / "without-nemo" / "metrics.jsonl").is_file()
    seen = trained.predict(show_alone(own.validation_speech, ("F",)))
    assert not np.allclose(heard[4].outputs.logits, seen.logits)  # by the run without RAVDESS, not by the head


def test_the_card_shows_strangers_before_its_own_corpora():
    heard = [plant_heard("ravdess", way="own words"), plant_heard("nemo", seed=1, way="own words"), plant_everyday("an4", way="own words")]
    fit = fit_left_out(heard)
    metrics = describe_strangers(fit, heard) | {"branch F": {"ua": 0.9, "clips": 5}}
    card = describe_head(shape_head(PAIRED, name="late-fs", title="Planted", metrics=metrics, measured_clips=460))
    assert card.index("## Strangers") < card.index("| AN4 | own words | 60 |") < card.index("| RAVDESS speech | own words | 200 |")
    assert card.index("## Strangers") < card.index("## Figures inside the corpora that it learned from")
    sentence = summarise_strangers(metrics)
    assert sentence.startswith("Of everyday speech in 1 set that it never read") and "worst corpus (" in sentence
    assert summarise_strangers({}) == ""


def test_a_clip_is_moved_towards_other_corpora_and_never_its_own(tmp_path):
    cache = FeatureCache(tmp_path / "features")
    items = [item for name in ("ravdess", "nemo", "an4") for item in plant_corpus(cache, name=name, seed=len(name))[0]]
    places = CorpusPlaces.measure(cache, items, EMOTIONS)
    examples = [*show_alone(items, ("F",)), make_example(0, None, "a text", (), "(c)")]
    shifts = places.draw(examples, 1.0, np.random.default_rng(0))
    corpora = sorted({item.corpus for item in items})
    assert [corpora[row] for row in shifts.origins[0][:-1]] == [item.corpus for item in items]
    assert (shifts.origins != shifts.targets).all() and set(shifts.targets[0]) == {0, 1, 2}
    assert 0 <= shifts.shares.min() < 0.2 and 0.8 < shifts.shares.max() <= 1
    with pytest.raises(DataError, match="two or more corpora"):
        CorpusPlaces.measure(cache, [item for item in items if item.corpus == "an4"], EMOTIONS)


def test_a_run_learns_from_clips_that_are_moved_between_corpora(tmp_path):
    cache = FeatureCache(tmp_path / "features")
    data = plant_data(cache, name="ravdess")
    readers = tuple(replace(item, label=3) for item in plant_corpus(cache, seed=7, name="an4")[0])
    data = replace(data, speech=(*data.speech, *readers))
    plain = train_pairs(PAIRED, data, cache)
    moved = train_pairs(replace(PAIRED, pairing=Pairing(corpus_shift=1.0)), data, cache)
    asked = show_alone(data.validation_speech, ("F",))
    assert not np.allclose(plain.predict(asked).logits, moved.predict(asked).logits)


def test_a_head_is_fitted_anew_without_being_trained(tmp_path):
    cache = FeatureCache(tmp_path / "features")
    speech, texts = plant_corpus(cache, name="ravdess", speakers=3)
    actors = {"ravdess/0": "ravdess/actor01", "ravdess/1": "ravdess/actor17", "ravdess/2": "ravdess/actor21"}
    speech = tuple(replace(item, speaker=actors[item.speaker], text=texts[item.label].text) for item in speech)
    judged, words = plant_corpus(cache, name="tess", seed=5)
    judged = tuple(replace(item, text=words[item.label].text) for item in judged)
    other = tuple(replace(item, text=words[item.label].text) for item in plant_corpus(cache, name="urdu", seed=6)[0])
    parts = {"train": texts, "validation": texts, "test meld": texts}
    corpora = DemoCorpora(cache, speech, parts, dropped={}, judged=(*judged, *other))
    config = shape_head(DEMO_EXPERIMENTS["late-fs"], name="late-fs", title="Planted", trained_on="planted clips")
    save_head(tmp_path / "late-fs", config, build_model(config))
    refit_head(tmp_path, "late-fs", corpora, tmp_path / "run")
    once = load_single(tmp_path / "late-fs")
    assert once.config.measured_clips == len(judged) + len(other) and once.config.metrics["corpora left out"][0]["corpus"] == "tess"
    refit_head(tmp_path, "late-fs", corpora, tmp_path / "run")
    again = load_single(tmp_path / "late-fs")  # what it was fitted on before does not add up
    np.testing.assert_allclose(again.config.metrics["offsets"], once.config.metrics["offsets"], atol=0.01)
    assert again.config.temperature == pytest.approx(once.config.temperature, rel=0.01)
    with pytest.raises(DataError, match="tess alone is there"):
        refit_head(tmp_path, "late-fs", DemoCorpora(cache, speech, parts, dropped={}, judged=judged), tmp_path / "run")
