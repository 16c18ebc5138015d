"""A run of a planted experiment becomes a head that says what the run said, calibrated on all runs' test parts; the hub reads its card."""

import hashlib
import json

import numpy as np
import pytest
from huggingface_hub import ModelCard
from planted_run import plant_experiment
from sklearn.metrics import recall_score

from mmer.choices.emotions import EMOTIONS
from mmer.errors import DataError, HeadError
from mmer.experiments.choosing import choose_run
from mmer.experiments.confidence import measure_confidence
from mmer.experiments.promote import promote_combination, promote_run
from mmer.heads.config_file import list_heads
from mmer.heads.folder import load_head

LOGITS = [f"logit.{e}" for e in EMOTIONS]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant_experiment(tmp_path_factory.mktemp("runs"), steps=8)


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    return plant_experiment(
        tmp_path_factory.mktemp("early"), "early", fusion="coattention", units=("T", "F"), model={"blocks": 1, "heads": 4}
    )


@pytest.fixture(scope="module")
def promoted(planted, tmp_path_factory):
    return promote_run(planted[0], name="mine", out=tmp_path_factory.mktemp("pretrained"))


def rows_of(folder, fold, repetition, part):
    p = folder.read_predictions()
    return p[(p["fold"] == fold) & (p["repetition"] == repetition) & (p["part"] == part)]


def test_the_head_says_what_its_run_said(planted, promoted):
    folder, features = planted
    head = load_head(promoted)
    training = head.config.training
    rows = rows_of(folder, training["fold"], training["repetition"], "test")
    for _, row in rows.iterrows():
        prediction = head.predict(features[row["utterance"]])
        assert np.array_equal(prediction.logits, row[LOGITS].to_numpy(np.float32))
    assert head.config.name == "mine" and list_heads(promoted.parent)["mine"] == head.config
    assert [p.name for p in promoted.parent.iterdir()] == ["mine"]


def test_it_tells_the_layer_weights_of_all_runs(planted, promoted):
    folder, features = planted
    found = folder.read("results")["runs"]
    prediction = load_head(promoted).predict(next(iter(features.values())))
    for unit, weights in prediction.layer_weights.items():
        assert weights.runs.shape == (len(found), len(weights.layer_names))
        np.testing.assert_allclose(weights.runs, [run["layer_weights"][unit]["normalised"] for run in found], atol=1e-5)
        assert np.abs(weights.runs - weights.normalised).max(axis=1).min() < 1e-5  # its own run is among them


def test_it_is_the_run_at_the_median_validation_loss(planted, promoted):
    runs = sorted(planted[0].read("results")["runs"], key=lambda run: run["validation_loss"])
    middle = runs[1]  # of four, the lower one in the middle
    training = load_head(promoted).config.training
    chosen = (training["fold"], training["repetition"], training["chosen by"])
    assert chosen == (middle["fold"], middle["repetition"], "the median validation loss")


def test_the_lowest_loss_can_be_asked_for_and_the_card_says_what_that_picks(planted, tmp_path):
    best = min(planted[0].read("results")["runs"], key=lambda run: run["validation_loss"])
    place = promote_run(planted[0], name="low", by="lowest", out=tmp_path)
    training = load_head(place).config.training
    assert (training["fold"], training["repetition"]) == (best["fold"], best["repetition"])
    card = (place / "README.md").read_text()
    assert "chosen by the lowest validation loss" in card and "the lowest is often that of the easiest ones" in card
    with pytest.raises(DataError, match="A run is chosen by median or lowest, not by 'best'"):
        promote_run(planted[0], name="x", by="best", out=tmp_path)


def test_the_choice_is_among_equals_of_a_fold():
    losses = {(0, 0): 0.1, (0, 1): 0.9, (0, 2): 0.5, (1, 0): 2.0, (1, 1): 1.0}
    assert choose_run(losses, None, None, of="x") == (0, 1) and choose_run(losses, None, None, of="x", by="lowest") == (0, 0)
    assert choose_run(losses, 0, None, of="x") == (0, 2) and choose_run(losses, 1, None, of="x") == (1, 1)
    assert choose_run(losses, 1, 0, of="x") == (1, 0)


def test_runs_that_never_learnt_are_not_chosen_and_the_card_counts_them(tmp_path):
    folder, _ = plant_experiment(tmp_path / "runs", units=("F",), steps=0)
    predictions = folder.read_predictions()
    idle = (predictions["fold"] == 0) | (predictions["repetition"] == 0)
    folder.write_predictions(predictions.assign(predicted=predictions["predicted"].where(~idle, "anger")))
    rows = [row for row in folder.read_metrics() if row["epoch"] == 1 or (row["fold"], row["repetition"]) == (1, 1)]
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    place = promote_run(folder, name="learnt", out=tmp_path / "heads")
    training = load_head(place).config.training
    assert (training["fold"], training["repetition"]) == (1, 1)
    assert "3 of 4 runs stopped before learning" in (place / "README.md").read_text()
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if row["epoch"] == 1))
    folder.write_predictions(predictions.assign(predicted="anger"))
    with pytest.raises(DataError, match=r"All 4 runs of planted stopped before learning .* name it with --fold and --repetition"):
        promote_run(folder, name="none", out=tmp_path / "heads")
    assert promote_run(folder, name="named", fold=0, repetition=0, out=tmp_path / "heads").is_dir()


def test_confidence_is_fitted_on_the_test_predictions_of_all_runs(tmp_path):
    folder, _ = plant_experiment(tmp_path / "runs", units=("F",), steps=8, per_speaker=28)
    head = load_head(promote_run(folder, name="mine", out=tmp_path / "out"))
    config, rows = head.config, folder.read_predictions()
    found = measure_confidence(rows, folder.read("splits"))
    assert (config.temperature, config.margin, config.measured_clips) == (found.temperature, found.margin, 4 * 28)
    assert config.metrics["calibration"] == found.figures
    card = (tmp_path / "out" / "mine" / "README.md").read_text("utf-8")
    assert "cross-fitted: each fold's clips by the temperature and margin of the other folds" in card and "| ece, cross-fitted |" in card


def test_a_small_experiment_measures_no_confidence(planted, promoted):
    head = load_head(promoted)
    config = head.config
    assert (config.temperature, config.margin, config.measured_clips) == (1.0, 0.0, None)
    verdicts = {head.predict(features).verdict for features in planted[1].values()}
    assert verdicts == {"never measured"}
    card = (promoted / "README.md").read_text("utf-8")
    assert "How sure it is was never measured: its runs have test predictions of 64 clips of 4 speakers" in card


def test_a_head_of_two_emotions_says_which_it_never_met(tmp_path, promoted):
    folder, _ = plant_experiment(tmp_path / "runs", units=("F",), steps=8)
    folder.write("data", folder.read("data") | {"counts": {"anger": 32, "happiness": 32, "sadness": 0}})
    place = promote_run(folder, name="two", out=tmp_path / "heads")
    unmet = "Its data held nothing of sadness and neutral, which it therefore can't recognise."
    assert load_head(place).config.caveat.endswith(unmet) and unmet not in load_head(promoted).config.caveat
    card, whole = ((head / "README.md").read_text("utf-8") for head in (place, promoted))
    assert "Only anger and happiness from speech." in card and "mean recall of anger and happiness (chance 0.50)" in card
    assert "Four emotions from speech." in whole and "mean recall of the four classes (chance 0.25)" in whole
    assert "mfa_model" not in whole  # settings that nobody set


def test_the_config_tells_the_test_part_s_figures_and_no_path(planted, promoted):
    config = load_head(promoted).config
    rows = rows_of(planted[0], config.training["fold"], config.training["repetition"], "test")
    assert config.metrics["run"]["ua"] == pytest.approx(recall_score(rows["label"], rows["predicted"], average="macro"), abs=1e-4)
    assert config.metrics["run"]["speakers"].keys() == set(rows["speaker"]) == set(config.training["test speakers"])
    assert config.metrics["experiment"]["runs"] == 4
    assert config.licence == "CC BY-NC-SA 4.0" and "acted" in config.caveat and config.trained_on.startswith("16 utterances of ravdess")
    assert not {"data", "features"} & config.training["experiments"]["planted"].keys()


def test_the_hub_reads_the_card(planted, promoted):
    card = ModelCard.load(promoted / "README.md")
    data = card.data
    assert (data.license, data.library_name, data.pipeline_tag) == ("cc-by-nc-sa-4.0", "mmer-explorer", "audio-classification")
    results = {r.metric_type: r for r in data.eval_results}
    config = load_head(promoted).config
    assert results["recall"].metric_value == config.metrics["run"]["ua"] and results["f1"].dataset_name == "ravdess"
    assert data.model_name == "mine"
    for words in (
        "# mine: F + S, late fusion",
        f"fold {config.training['fold'] + 1}, repetition",
        "| actor",
        "must not be used for",
        "chosen by the median validation loss",
        "stand in the test part too",
        "learning_rate 0.001",
        "`python -m mmer runs promote`",
        "## Calibration",
    ):
        assert words in card.content, words
    assert "None" not in card.content and "{" not in card.text


def test_a_run_can_be_chosen_by_hand(planted, tmp_path):
    config = load_head(promote_run(planted[0], name="other", fold=1, repetition=0, out=tmp_path)).config
    assert (config.training["fold"], config.training["repetition"], config.training["chosen by"]) == (1, 0, "hand")
    runs = planted[0].read("results")["runs"]
    config = load_head(promote_run(planted[0], name="third", fold=1, out=tmp_path)).config
    best = min((r for r in runs if r["fold"] == 1), key=lambda r: r["validation_loss"])
    assert (config.training["fold"], config.training["repetition"]) == (1, best["repetition"])


def test_half_precision_stays_half(tmp_path):
    folder, features = plant_experiment(tmp_path / "runs", "small", units=("F",), half=True)
    place = promote_run(folder, name="small", out=tmp_path / "out")
    whole = sum(p.stat().st_size for p in folder.place_head(0, 0).glob("*.safetensors"))
    assert sum(p.stat().st_size for p in place.glob("*.safetensors")) == whole
    head = load_head(place)
    row = rows_of(folder, head.config.training["fold"], head.config.training["repetition"], "test").iloc[0]
    assert np.array_equal(head.predict(features[row["utterance"]]).logits, row[LOGITS].to_numpy(np.float32))


def test_a_licence_that_nobody_knows_is_said_to_be_unknown(tmp_path):
    folder, _ = plant_experiment(tmp_path / "runs", "own", data="mydata", units=("F",))
    card = ModelCard.load(promote_run(folder, name="own", out=tmp_path / "out") / "README.md")
    assert card.data.license == "other" and card.data.to_dict()["license_name"] == "unknown"
    assert "trained on mydata alone" in card.text and "unknown: it is that of the data" in card.text
    card = ModelCard.load(promote_run(folder, name="own2", out=tmp_path / "out", licence="MIT") / "README.md")
    assert card.data.license == "mit"


def test_what_can_t_be_promoted_is_refused_and_leaves_nothing(planted, promoted, tmp_path):
    folder = planted[0]
    for wanted, message in (
        ({"name": "mine", "out": promoted.parent}, "already a head mine"),
        ({"name": "../mine"}, "can't be a head's name"),
        ({"name": "x", "fold": 7}, "no finished run of fold 8"),
        ({"name": "x", "fold": 0, "repetition": 5}, "no finished run of fold 1 repetition 6"),
    ):
        with pytest.raises(DataError, match=message):
            promote_run(folder, **({"out": tmp_path} | wanted))
    assert list(tmp_path.iterdir()) == []


def test_an_altered_head_is_refused(tmp_path):
    folder, _ = plant_experiment(tmp_path / "runs", units=("F",))
    (folder.place_head(0, 0) / "model.safetensors").write_bytes(b"x")
    with pytest.raises(HeadError, match="was altered"):
        promote_run(folder, name="x", fold=0, repetition=0, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_early_and_a_late_experiment_become_a_combination(planted, early, tmp_path):
    place = promote_combination(early[0], planted[0], name="both", out=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["both", "both-early", "both-late"]
    head = load_head(place)
    training = head.config.training
    assert training["experiments"].keys() == {"early", "planted"} and head.config.units == ("T", "F", "S")
    first, second = (rows_of(f, training["fold"], training["repetition"], "test").set_index("utterance") for f in (early[0], planted[0]))
    name = first.index[0]
    mean = (first.loc[name, LOGITS].to_numpy(float) + second.loc[name, LOGITS].to_numpy(float)) / 2
    own = {role: load_head(tmp_path / f"both-{role}") for role in ("early", "late")}
    found = head.combine(own["early"].predict(early[1][name]), own["late"].predict(planted[1][name]))
    assert found.logits == pytest.approx(mean, abs=1e-6)
    assert "Its folder lies beside" in (place / "README.md").read_text()
    with pytest.raises(DataError, match="name the early experiment first"):
        promote_combination(planted[0], early[0], name="wrong", out=tmp_path)


def test_the_card_s_metadata_is_one_block(promoted):
    _, front, _ = (promoted / "README.md").read_text().split("---\n", 2)
    assert all(json.loads(line.partition(": ")[2]) for line in front.splitlines())


def test_the_training_clips_of_a_public_corpus_are_listed_and_of_others_only_when_asked(planted, tmp_path):
    folder = planted[0]
    assert load_head(promote_run(folder, name="none", out=tmp_path)).clips is None  # an experiment of before kept no hashes
    names = sorted({name for split in folder.read("splits") for part in ("train", "validation", "test") for name in split[part]})
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    own, _ = plant_experiment(tmp_path / "runs", "own", data="mydata", units=("F",))
    for where in (folder, own):
        where.write("clips", hashes)
    head = load_head(promote_run(folder, name="public", out=tmp_path))
    split = next(
        s
        for s in folder.read("splits")
        if (s["fold"], s["repetition"]) == (head.config.training["fold"], head.config.training["repetition"])
    )
    parts = {"train": "training", "validation": "validation", "test": ""}
    assert all(head.clips.find(hashes[name]) == said for part, said in parts.items() for name in split[part])
    tested = head.config.training["test speakers"]
    assert [head.clips.knows_speaker(f"ravdess/actor{s}") for s in range(4)] == [f"actor{s}" not in tested for s in range(4)]
    assert "`clips.safetensors` lists short hashes" in (tmp_path / "public" / "README.md").read_text("utf-8")
    silent = tmp_path / "own"
    assert load_head(promote_run(own, name="own", out=tmp_path)).clips is None and not (silent / "clips.safetensors").exists()
    assert "Which clips it was trained on is not listed" in (silent / "README.md").read_text("utf-8")
    asked = load_head(promote_run(own, name="asked", out=tmp_path, clip_hashes=True))
    assert len(asked.clips.training) > 0 and sum(asked.clips.knows_speaker(f"mydata/actor{s}") for s in range(4)) == 2
    folder.write("clips", ["no", "mapping"])
    with pytest.raises(DataError, match=r"clips\.json"):
        promote_run(folder, name="broken", out=tmp_path)
    (folder.path / "clips.json").unlink()
