"""Scores against scikit-learn, intervals and tests against slow loops and against answers known in closed form."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from planted_predictions import make_rows, plant_answers, plant_predictions
from scipy.stats import binom, t
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from mmer.choices.emotions import EMOTIONS
from mmer.errors import DataError
from mmer.scores import intervals, pairs, scores
from mmer.scores.predictions import KEYS, count_groups, have_session_folds

LOGITS = [f"logit.{emotion}" for emotion in EMOTIONS]


def ua(rows):
    return recall_score(rows["label"], rows["predicted"], average="macro", labels=sorted(set(rows["label"])), zero_division=0)


def pooled_ua(rows):
    """The mean over repetitions of scikit-learn's balanced accuracy, which the loops below ask for hundreds of times."""
    right = (rows["label"] == rows["predicted"]).groupby([rows["repetition"], rows["label"]])
    return right.mean().groupby(level=0).mean().mean()


def test_the_quick_ua_is_scikit_learns():
    rows = held_out(plant_predictions())
    assert pooled_ua(rows) == pytest.approx(np.mean([ua(own) for _, own in rows.groupby("repetition")]))


def held_out(predictions):
    return predictions[predictions["part"] == "test"]


def test_scores_of_runs_are_scikit_learns():
    predictions = plant_predictions()
    for part in ("test", "validation"):
        for run in scores.score_runs(predictions, part=part):
            rows = predictions.query(f"part == '{part}' and fold == {run['fold']} and repetition == {run['repetition']}")
            assert run["utterances"] == len(rows)
            assert run["ua"] == pytest.approx(ua(rows))
            assert run["wa"] == pytest.approx(accuracy_score(rows["label"], rows["predicted"]))
            assert run["macro_f1"] == pytest.approx(f1_score(rows["label"], rows["predicted"], average="macro"))


def test_classes_that_do_not_occur_do_not_count():
    label, said = np.array([0, 0, 0, 1]), np.array([0, 2, 2, 1])  # sadness is only said
    rows = make_rows("test", 0, 0, np.arange(4), np.zeros(4, int), label, np.eye(4, dtype=np.float32)[said])
    (run,) = scores.score_runs(rows)
    assert run["ua"] == pytest.approx((1 / 3 + 1) / 2)
    assert run["macro_f1"] == pytest.approx(f1_score(rows["label"], rows["predicted"], average="macro"))  # anger, happiness, sadness


def test_summary_has_means_over_runs_and_pooled_scores():
    predictions = plant_predictions()
    rows, summary = held_out(predictions), scores.summarise(predictions, resamples=50)
    runs = np.array([[ua(rows.query(f"fold == {f} and repetition == {r}")) for f in range(3)] for r in range(2)])
    assert (summary["runs"], summary["folds"], summary["repetitions"], summary["speakers"]) == (6, 3, 2, 6)
    assert summary["ua"] == pytest.approx(runs.mean())
    assert summary["ua_over_folds_sd"] == pytest.approx(runs.mean(0).std(ddof=1))
    assert summary["ua_over_repetitions_sd"] == pytest.approx(runs.mean(1).std(ddof=1))
    assert summary["ua_over_runs_sd"] == pytest.approx(runs.std(ddof=1))
    assert summary["pooled_ua"] == pytest.approx(pooled_ua(rows))
    assert summary["pooled_ua"] != pytest.approx(summary["ua"], abs=1e-6)
    assert [fold["ua"] for fold in summary["per_fold"]] == pytest.approx(runs.mean(0))
    for column in ("session", "speaker"):
        for row in summary[f"per_{column}"]:
            assert row["ua"] == pytest.approx(pooled_ua(rows[rows[column] == row["value"]]))


def test_confusion_rows_are_shares_and_counts_are_all():
    predictions = plant_predictions()
    rows, confusion = held_out(predictions), scores.summarise(predictions, resamples=10)["confusion"]
    assert confusion["classes"] == list(EMOTIONS)
    assert confusion["counts"] == confusion_matrix(rows["label"], rows["predicted"], labels=EMOTIONS).tolist()
    shares = [confusion_matrix(own["label"], own["predicted"], labels=EMOTIONS, normalize="true") for _, own in rows.groupby("repetition")]
    assert np.allclose(confusion["rows"], np.mean(shares, 0))


def test_summary_is_json_and_the_same_every_time():
    predictions = plant_predictions()
    first = json.dumps(scores.summarise(predictions, resamples=50), allow_nan=False)
    shuffled = predictions.sample(frac=1, random_state=0)
    assert first == json.dumps(scores.summarise(shuffled, resamples=50), allow_nan=False)


def test_summary_reads_categories_as_texts():
    predictions = plant_predictions()
    names = ["part", "speaker", "session", "gender", "label", "predicted"]
    assert scores.summarise(predictions.astype(dict.fromkeys(names, "category")), resamples=20) == scores.summarise(
        predictions, resamples=20
    )


def test_summary_of_unfinished_experiments():
    predictions = plant_predictions()
    begun = predictions[predictions["repetition"] * 3 + predictions["fold"] < 4]  # all of repetition 1, one fold of repetition 2
    summary = scores.summarise(begun, resamples=50)
    assert (summary["runs"], summary["folds"], summary["repetitions"]) == (4, 3, 2)
    assert summary["pooled_ua"] == pytest.approx(pooled_ua(held_out(begun)))
    one = scores.summarise(predictions.query("fold == 0 and repetition == 0"), resamples=50)
    assert one["ua_over_folds_sd"] is None and one["ua_over_repetitions_sd"] is None
    assert one["interval"]["low"] <= one["pooled_ua"] <= one["interval"]["high"]
    json.dumps(one, allow_nan=False)


def test_a_single_speaker_has_no_interval_by_speaker():
    rows = plant_answers([[1, 0, 1]])
    assert intervals.bootstrap_speakers(rows) is None
    assert intervals.bootstrap_utterances(rows)["of"] == "utterances"


def test_slices_by_gender_label_and_metadata():
    predictions = plant_predictions()
    rows = held_out(predictions)
    kinds = {name: "scripted" if int(name[-1]) < 3 else "improvised" for name in rows["utterance"].unique() if not name.endswith("9")}
    summary = scores.summarise(predictions, metadata={"kind": kinds}, resamples=50)
    found = {row["value"]: row for row in summary["slices"]["kind"]}
    assert set(found) == {"scripted", "improvised"}  # utterances without one are left out
    assert found["scripted"]["ua"] == pytest.approx(pooled_ua(rows[rows["utterance"].map(kinds) == "scripted"]))
    assert found["scripted"]["interval"]["of"] == "speakers"
    for row in summary["slices"]["gender"]:
        assert row["ua"] == pytest.approx(pooled_ua(rows[rows["gender"] == row["value"]]))
        assert row["speakers"] == 3
    recall = {row["value"]: row["ua"] for row in summary["slices"]["label"]}
    assert [recall[emotion] for emotion in EMOTIONS] == pytest.approx(np.diag(summary["confusion"]["rows"]))


def test_unnamed_sessions_are_left_out():
    assert scores.summarise(plant_predictions().assign(session="", gender=""), resamples=10)["per_session"] == []


# intervals


def repeat_speakers(rows, speakers, weights):
    return pd.concat([rows[rows["speaker"] == name] for name, times in zip(speakers, weights) for _ in range(times)])


def test_bootstrap_by_speaker_is_the_slow_loops():
    rows = held_out(plant_predictions(by_speaker=[2, 0, 0.5, 1, -1, 0]))
    counts, speakers = count_groups(rows, "speaker")
    weights = intervals.draw_weights(np.ones(6, int), resamples=60)
    assert (weights.sum(1) == 6).all() and len(np.unique(weights, axis=0)) > 40
    slow = [pooled_ua(repeat_speakers(rows, speakers, w)) for w in weights]
    np.testing.assert_allclose(intervals.resample_ua(counts, weights), slow)
    interval = intervals.bootstrap_speakers(rows, resamples=60)
    assert (interval["low"], interval["high"]) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])))


def test_resamples_without_a_class_or_a_repetition_take_the_others():
    parts = [
        make_rows("test", 0, 0, np.arange(3), np.zeros(3, int), np.array([0, 1, 2]), np.eye(4, dtype=np.float32)[[0, 1, 0]]),
        make_rows("test", 1, 1, np.arange(3, 5), np.ones(2, int), np.array([3, 3]), np.eye(4, dtype=np.float32)[[3, 0]]),
    ]
    counts, _ = count_groups(pd.concat(parts), "speaker")
    np.testing.assert_allclose(intervals.resample_ua(counts, np.array([[2, 0], [0, 2], [1, 1]])), [2 / 3, 1 / 2, (2 / 3 + 1 / 2) / 2])


def test_speakers_that_are_all_right_or_all_wrong_give_the_binomial_interval():
    interval = intervals.bootstrap_speakers(plant_answers([[1]] * 5 + [[0]] * 5), resamples=20_000)
    assert interval["low"] == pytest.approx(binom.ppf(0.025, 10, 0.5) / 10)
    assert interval["high"] == pytest.approx(binom.ppf(0.975, 10, 0.5) / 10)


def test_speakers_that_are_all_alike_give_a_point():
    interval = intervals.bootstrap_speakers(plant_answers([[1, 0, 1, 1]] * 8))
    assert interval["low"] == interval["high"] == pytest.approx(0.75)
    assert intervals.bootstrap_utterances(plant_answers([[1, 0, 1, 1]] * 8))["high"] > 0.8  # utterances are not alike


def test_interval_by_speaker_covers_the_planted_ua():
    """24 speakers (RAVDESS's number) whose true UA varies: about 95 of 100 intervals hold its mean; by utterance far fewer would."""
    rng, held, held_by_utterance = np.random.default_rng(0), 0, 0
    for _ in range(100):
        recall = rng.beta(7, 3, size=24)  # mean 0.7
        rows = plant_answers(rng.random((24, 20)) < recall[:, None])
        interval, naive = intervals.bootstrap_speakers(rows, resamples=400), intervals.bootstrap_utterances(rows, resamples=400)
        held += interval["low"] <= 0.7 <= interval["high"]
        held_by_utterance += naive["low"] <= 0.7 <= naive["high"]
    assert 0.88 <= held / 100 <= 0.99
    assert held_by_utterance / 100 < 0.75


def test_bootstrap_by_utterance_keeps_class_counts_and_is_binomial():
    right = np.zeros(100, int)
    right[:30] = 1
    label = np.zeros(100, int)
    rows = make_rows("test", 0, 0, np.arange(100), label, label, np.eye(4, dtype=np.float32)[1 - right])
    interval = intervals.bootstrap_utterances(rows, resamples=20_000)
    assert interval["low"] == pytest.approx(binom.ppf(0.025, 100, 0.3) / 100, abs=0.011)
    assert interval["high"] == pytest.approx(binom.ppf(0.975, 100, 0.3) / 100, abs=0.011)


def test_bootstrap_by_utterance_is_the_slow_loops():
    rows = held_out(plant_predictions(speakers=2, folds=2, per_speaker=40))
    rng = np.random.default_rng(3)
    by_class = [own["utterance"].unique() for _, own in rows.groupby("label")]
    slow = []
    for _ in range(300):
        drawn = pd.DataFrame({"utterance": np.concatenate([rng.choice(names, len(names)) for names in by_class])})
        slow.append(pooled_ua(rows.merge(drawn, on="utterance")))
    interval = intervals.bootstrap_utterances(rows, resamples=4000)
    assert (interval["low"], interval["high"]) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=0.02)


def test_repeating_the_same_answers_makes_no_interval_narrower():
    once = held_out(plant_predictions(repetitions=1))
    twice = pd.concat([once, once.assign(repetition=1)])
    for bootstrap in (intervals.bootstrap_speakers, intervals.bootstrap_utterances):
        assert bootstrap(once) == bootstrap(twice)


# comparisons


def test_difference_and_its_interval_are_the_slow_loops():
    a, b = plant_predictions(strength=1.3, seed=1), plant_predictions(strength=0.8, seed=2)
    found = pairs.compare(a, b, resamples=60)
    assert found["difference"] == pytest.approx(pooled_ua(held_out(a)) - pooled_ua(held_out(b)))
    speakers = sorted(a["speaker"].unique())
    weights = intervals.draw_weights(np.ones(6, int), resamples=60)
    slow = [pooled_ua(repeat_speakers(held_out(a), speakers, w)) - pooled_ua(repeat_speakers(held_out(b), speakers, w)) for w in weights]
    assert (found["interval"]["low"], found["interval"]["high"]) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])))
    assert sum(row["share"] for row in found["per_speaker"]) == pytest.approx(found["difference"])


def test_randomisation_test_is_the_slow_loop_that_swaps_rows():
    a, b = plant_predictions(strength=1.1, seed=1, speakers=5, folds=5), plant_predictions(strength=0.9, seed=2, speakers=5, folds=5)
    found = pairs.compare(a, b, resamples=10)
    speakers, rows_a, rows_b = sorted(a["speaker"].unique()), held_out(a), held_out(b)
    as_large = 0
    for swapped in product((False, True), repeat=5):
        names = [name for name, swap in zip(speakers, swapped) if swap]
        x = pd.concat([rows_a[~rows_a["speaker"].isin(names)], rows_b[rows_b["speaker"].isin(names)]])
        y = pd.concat([rows_b[~rows_b["speaker"].isin(names)], rows_a[rows_a["speaker"].isin(names)]])
        as_large += abs(pooled_ua(x) - pooled_ua(y)) >= abs(found["difference"]) - 1e-9
    assert (found["p_value"], found["patterns"], found["exact"]) == (pytest.approx(as_large / 32), 32, True)
    assert 2 / 32 < found["p_value"] < 1  # a case in which it matters who is swapped


def test_better_for_every_speaker_has_the_smallest_p_value():
    better, worse = plant_answers([[1, 1]] * 8), plant_answers([[1, 0]] * 8)
    found = pairs.compare(better, worse)
    assert found["difference"] == pytest.approx(0.5)
    assert found["p_value"] == found["smallest_p_value"] == 2 / 256
    assert pairs.compare(worse, better)["difference"] == pytest.approx(-0.5)
    same = pairs.compare(worse, worse)
    assert (same["difference"], same["p_value"], same["interval"]["low"], same["interval"]["high"]) == (0, 1, 0, 0)


def test_random_patterns_come_near_all_patterns():
    shares = np.random.default_rng(2).normal(0.25, 1, size=13)
    signs = np.array(list(product((1, -1), repeat=13)))
    exact = (np.abs(signs @ shares) >= abs(shares.sum()) - 1e-12).mean()
    p_value, patterns = pairs.swap_groups(shares)
    assert patterns == pairs.SIGN_PATTERNS and 0.05 < exact < 0.95
    assert p_value == pytest.approx(exact, abs=0.015)
    assert pairs.swap_groups(np.ones(30))[0] == pytest.approx(1 / 10_001)


def test_p_values_are_even_where_nothing_differs():
    rng = np.random.default_rng(5)
    found = [pairs.swap_groups(rng.normal(size=10))[0] for _ in range(400)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_comparison_says_whether_validation_was_the_same():
    a = plant_predictions(seed=1)
    assert pairs.compare(a, plant_predictions(seed=2), resamples=10)["same_validation"] is True
    assert pairs.compare(a, plant_predictions(seed=2, share=0.3), resamples=10)["same_validation"] is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda b: b.query("not (fold == 1 and repetition == 1)"),
            "only one of them has 1 of the runs, the first is fold 2, repetition 2, only in run-a",
        ),
        (
            lambda b: b.assign(fold=b["fold"].where((b["utterance"] != "utterance0005") | (b["part"] != "test"), 0)),
            "has 4 of the rows, the first is utterance utterance0005 in the test part of fold 1, repetition 1, only in run-b",
        ),
        (lambda b: b.assign(utterance="other-" + b["utterance"]), "run-a and run-b have no test utterance in common"),
        (
            lambda b: b.assign(label=b["label"].where(b["utterance"] != "utterance0005", "anger")),
            "has the label 'neutral' in run-a and 'anger' in run-b",
        ),
        (
            lambda b: b.assign(speaker=b["speaker"].where(b["speaker"] != "speaker03", "Ann")),
            "has the speaker 'speaker03' in run-a and 'Ann' in run-b",
        ),
    ],
)
def test_other_protocols_are_not_compared(change, message):
    a, b = plant_predictions(seed=1), plant_predictions(seed=2)
    with pytest.raises(DataError, match=message):
        pairs.compare(a, change(b), names=("run-a", "run-b"))


def test_what_only_one_has_is_left_out_and_counted():
    """As with phones beside frames, where some clips could not be aligned: the rest is compared as if those had never been there."""
    a, b = plant_predictions(strength=1.3, seed=1), plant_predictions(strength=0.8, seed=2)
    gone = [f"utterance{i:04d}" for i in (3, 17, 30, 44, 58, 71, 90)]
    lacking = b[~b["utterance"].isin(gone)]
    found = pairs.compare(a[a["utterance"] != "utterance0001"], lacking, resamples=20)
    assert (found["alone"], found["utterances"]) == ([7, 1], 144 - 8)
    kept = [frame[~frame["utterance"].isin([*gone, "utterance0001"])] for frame in (a, b)]
    same = pairs.compare(*kept, resamples=20)
    assert same["alone"] == [0, 0] and {k: v for k, v in same.items() if k not in ("alone", "same_validation")} == {
        k: v for k, v in found.items() if k not in ("alone", "same_validation")
    }
    assert found["difference"] == pytest.approx(pooled_ua(held_out(kept[0])) - pooled_ua(held_out(kept[1])))


# sessions as folds


def plant_sessions(sessions=5, **changes):
    """As IEMOCAP: both speakers of a session are tested by its own fold."""
    options = {"speakers": 2 * sessions, "folds": sessions} | changes
    predictions = plant_predictions(**options)
    fold = predictions["session"].astype(int) - 1  # every row is tested in the fold of its session
    test = predictions[predictions["part"] == "test"]
    return pd.concat([test.assign(fold=fold[test.index]), predictions[predictions["part"] == "validation"]], ignore_index=True)


def test_a_session_that_is_a_fold_is_what_is_swapped():
    a, b = plant_sessions(strength=1.4, seed=1), plant_sessions(strength=0.6, seed=2)
    found = pairs.compare(a, b)
    assert (found["of"], found["groups"], found["speakers"], found["patterns"]) == ("sessions", 5, 10, 32)
    assert found["smallest_p_value"] == 2 / 2**5 == 0.0625 <= found["p_value"]
    assert [fold["value"] for fold in found["per_fold"]] == [f"session {n}" for n in range(1, 6)]
    for fold in found["per_fold"]:
        own = [held_out(frame).query(f"fold == {fold['fold']}") for frame in (a, b)]
        assert fold["ua"] == pytest.approx([pooled_ua(rows) for rows in own]) and fold["difference"] == fold["ua"][0] - fold["ua"][1]
    assert sum(row["share"] for row in found["per_session"]) == pytest.approx(found["difference"])


def test_speakers_of_several_sessions_in_a_fold_are_not_sessions():
    found = pairs.compare(plant_predictions(seed=1), plant_predictions(seed=2), resamples=20)
    assert found["of"] == "speakers" and found["shared_model"] and found["per_fold"][0]["value"] == "fold 1"
    single = pairs.compare(*(plant_predictions(seed=n, speakers=3, folds=3) for n in (1, 2)), resamples=20)
    assert not single["shared_model"]  # one speaker a fold: nobody shares a model
    assert not have_session_folds(plant_sessions().assign(session=""))


def test_the_jackknife_is_the_slow_loop():
    rows = held_out(plant_sessions())
    sessions = sorted(rows["session"].unique())
    whole, without = pooled_ua(rows), [pooled_ua(rows[rows["session"] != name]) for name in sessions]
    pseudo = [5 * whole - 4 * value for value in without]
    reach = t.ppf(0.975, 4) * np.std(pseudo, ddof=1) / np.sqrt(5)
    interval = scores.summarise(plant_sessions(), resamples=10)["interval"]
    assert (interval["low"], interval["high"], interval["of"]) == (pytest.approx(whole - reach), pytest.approx(whole + reach), "sessions")
    assert intervals.jackknife_interval(count_groups(rows.query("session == '1'"), "session")[0], of="sessions") is None


def test_the_interval_by_session_covers_where_one_by_speaker_does_not():
    """Models that differ by 6 points from session to session; benchmarks/interval_coverage.py has more of it."""
    rng, held = np.random.default_rng(1), {"speakers": 0, "sessions": 0}
    for _ in range(150):
        by_session = rng.normal(0.65, 0.06, 5).repeat(2)
        right = rng.binomial(30, by_session[:, None], size=(10, 4))
        counts = np.zeros((1, 10, 4, 4), int)
        counts[0][:, range(4), range(4)] = right
        counts[0][:, range(4), [1, 2, 3, 0]] = 30 - right
        values = intervals.resample_ua(counts, intervals.draw_weights(np.ones(10, int), resamples=300))
        low, high = np.quantile(values, [0.025, 0.975])
        held["speakers"] += low <= 0.65 <= high
        own = intervals.jackknife_interval(counts.reshape(1, 5, 2, 4, 4).sum(2), of="sessions")
        held["sessions"] += own["low"] <= 0.65 <= own["high"]
    assert held["speakers"] / 150 < 0.87 and 0.9 <= held["sessions"] / 150 <= 0.99


# combination and choice


def test_combination_is_the_mean_of_logits():
    early, late = plant_predictions(seed=1), plant_predictions(seed=2).assign(**{"branch.T.anger": 0.0})
    found = pairs.combine_predictions(early, late.sample(frac=1, random_state=1))
    logits = (early[LOGITS].to_numpy() + late[LOGITS].to_numpy()) / 2
    np.testing.assert_allclose(found[LOGITS].to_numpy(), logits, rtol=1e-6)
    assert found["predicted"].tolist() == [EMOTIONS[i] for i in logits.argmax(1)]
    assert found[list(KEYS)].equals(early[list(KEYS)])
    assert found[LOGITS].dtypes.eq(np.float32).all()
    assert scores.summarise(found, resamples=10)["ua"] > max(scores.summarise(f, resamples=10)["ua"] for f in (early, late))


def test_combination_refuses_other_validation_utterances():
    with pytest.raises(
        DataError,
        match=r"early and late can't be paired: only one of them has \d+ of the rows.* in the validation part of fold 1, repetition 1",
    ):
        pairs.combine_predictions(plant_predictions(), plant_predictions(share=0.3))
    with pytest.raises(DataError, match="no rows of the validation part"):
        pairs.combine_predictions(plant_predictions(), held_out(plant_predictions()))


def test_choice_follows_validation_and_never_test():
    a, b = plant_predictions(seed=1), plant_predictions(seed=2)
    rows, chosen = pairs.choose_by_validation({"a": a, "b": b})
    assert {choice["name"] for choice in chosen} == {"a", "b"} and len(chosen) == 6
    for choice in chosen:
        where = f"part == 'validation' and fold == {choice['fold']} and repetition == {choice['repetition']}"
        reached = {name: ua(frame.query(where)) for name, frame in (("a", a), ("b", b))}
        assert choice["validation_ua"] == pytest.approx(max(reached.values())) == pytest.approx(reached[choice["name"]])
        run = f"fold == {choice['fold']} and repetition == {choice['repetition']}"
        of = {"a": a, "b": b}[choice["name"]].query(run).reset_index(drop=True)
        assert rows.query(run).reset_index(drop=True).equals(of)
    spoilt = {name: f.assign(predicted=f["predicted"].where(f["part"] != "test", "anger")) for name, f in (("a", a), ("b", b))}
    assert pairs.choose_by_validation(spoilt)[1] == chosen


def test_choice_of_equals_is_the_first_and_of_other_splits_is_refused():
    a = plant_predictions()
    assert {choice["name"] for choice in pairs.choose_by_validation({"x": a, "y": a.copy()})[1]} == {"x"}
    with pytest.raises(DataError, match="x and y can't be paired"):
        pairs.choose_by_validation({"x": a, "y": plant_predictions(share=0.4)})
    with pytest.raises(DataError, match="no candidate"):
        pairs.choose_by_validation({})


# what is not an experiment's predictions


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.drop(columns=["speaker", "label"]), "lack the columns speaker, label"),
        (lambda p: p[p["part"] != "test"], "no rows of the test part"),
        (lambda p: p.assign(label="joy"), "the label 'joy'; known ones are anger, happiness"),
        (
            lambda p: pd.concat([p, p.query("part == 'test'").head(1).assign(fold=2)]),
            "utterance0000 stands twice in the test part of repetition 1",
        ),
    ],
)
def test_bad_predictions_are_refused(spoil, message):
    with pytest.raises(DataError, match=message):
        scores.summarise(spoil(plant_predictions()))


@pytest.mark.parametrize("name", ["repetition", "predicted", "fold", "speaker"])
def test_metadata_may_be_called_what_it_likes(name):
    predictions = plant_predictions(seed=3)
    values = {u: "ab"[i % 2] for i, u in enumerate(sorted(predictions["utterance"].unique()))}
    plain = scores.summarise(predictions, metadata={"room": values}, resamples=20)["slices"]["room"]
    assert scores.summarise(predictions, metadata={name: values}, resamples=20)["slices"][name] == plain
