"""Runs that never learnt are counted and named, and patience does not end them before they had a chance."""

import json
from pathlib import Path

import numpy as np
import pytest
from planted_predictions import make_rows

from mmer.experiments.experiment import SETTINGS, Experiment, default_of, read_experiment
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.remaining import count_least_epochs, count_steps, guess_epochs, guess_epochs_left
from mmer.experiments.report.learning import LearningReport, find_best_epochs, judge_learning, name_runs
from mmer.experiments.trainer.run import RunProgress
from mmer.scores.scores import is_at_chance, score_runs

RECORDED = sorted((Path(__file__).parents[2] / "assets" / "runs").glob("ravdess-*"))  # the factor of the time left was read off these
IEMOCAP_UTTERANCES, IEMOCAP_LARGEST_SESSION = 5531, 1241  # of the four emotions, happiness with excitement


def score(right, *, each=20):
    """score_runs of one run with `each` utterances a class, of which so many are right; the others are called the next class."""
    label = np.repeat(np.arange(4), each)
    said = np.where(np.tile(np.arange(each) < right, 4), label, (label + 1) % 4)
    return score_runs(make_rows("test", 0, 0, np.arange(4 * each), np.zeros(4 * each, int), label, np.eye(4, dtype=np.float32)[said]))


def test_chance_is_what_guessing_reaches():
    rng, reached = np.random.default_rng(0), 0
    for _ in range(2000):
        counts = np.stack([rng.multinomial(24, [0.25] * 4) for _ in range(4)])
        reached += not is_at_chance(counts)
    assert reached / 2000 == pytest.approx(0.06, abs=0.03)
    always = np.zeros((4, 4), int)
    always[:, 1] = 50
    assert is_at_chance(always) and not is_at_chance(np.eye(4, dtype=int) * 20)
    one_class = np.zeros((4, 4), int)
    one_class[0, 0] = 9  # nothing can be said of a test part of one emotion
    assert not is_at_chance(one_class)


def test_only_an_early_best_epoch_at_chance_counts():
    at_chance, good = score(5), score(15)
    assert at_chance[0]["at_chance"] and not good[0]["at_chance"]
    assert judge_learning({(0, 0): 2}, at_chance).unlearnt == ((0, 0),)
    for best, scored in ((3, at_chance), (1, good)):
        assert judge_learning({(0, 0): best}, scored).unlearnt == ()
    assert judge_learning({(0, 0): 0}, at_chance) == LearningReport(1, (), ((0, 0),))  # never a finite loss: another sentence
    assert judge_learning({}, at_chance) == LearningReport(1, ())


def test_the_best_epoch_is_the_first_with_the_lowest_loss():
    losses = {(0, 0): [1.4, 1.2, 1.2, 1.3], (1, 0): [None, None], (0, 1): [1.0]}
    rows = [
        {"fold": f, "repetition": r, "epoch": e, "validation_loss": loss}
        for (f, r), given in losses.items()
        for e, loss in enumerate(given, 1)
    ]
    assert find_best_epochs(rows[::-1]) == {(0, 0): 2, (1, 0): 0, (0, 1): 1}


def test_the_sentence_has_the_count_and_its_whole():
    seven = LearningReport(10, tuple((fold, 1) for fold in range(7)))
    assert seven.short == "7 of 10 runs stopped before learning" and seven.sentence.startswith(f"{seven.short}: their lowest")
    assert "fold 1 repetition 2" in seven.sentence and "and 2 more" in seven.sentence
    assert LearningReport(10, ()).sentence == "" and name_runs([(0, 0)]) == "fold 1 repetition 1"


def test_runs_that_trained_longer_and_end_at_chance_are_counted_too():
    scored = [{"fold": fold, "repetition": 0, "at_chance": fold != 9} for fold in range(10)]
    best = {(fold, 0): 2 if fold < 4 else 30 for fold in range(8)} | {(8, 0): 0, (9, 0): 12}
    found = judge_learning(best, scored)
    assert found.short == "4 of 10 runs stopped before learning, and 4 more ended no better than chance"
    assert found.sentence.startswith(f"{found.short}: their lowest validation loss came in epoch 1 or 2")
    assert "the others trained longer, to a UA at chance (fold 5 repetition 1, fold 6" in found.sentence
    assert "no higher than guessing gets (1 / emotions, plus 1.645 standard errors)" in found.sentence
    assert found.diverged == ((8, 0),) and found.failed == tuple((fold, 0) for fold in range(9))
    longer = judge_learning(dict.fromkeys(best, 30), scored)
    assert longer.short == "9 of 10 runs ended no better than chance" and "they trained longer" in longer.sentence
    assert "min-steps" not in longer.sentence  # more steps did not help them
    (one,) = judge_learning({(0, 0): 7}, scored[:1]).at_chance
    assert one == (0, 0) and judge_learning({}, scored).short == ""


# patience


def test_patience_counts_after_enough_steps():
    experiment = Experiment("data", "features", patience=4, min_steps=200, epochs=100)
    few, many = RunProgress(epoch=5, best_epoch=1), RunProgress(epoch=50, best_epoch=1)
    assert not few.is_over(experiment, steps=4) and many.is_over(experiment, steps=4)
    assert few.is_over(experiment, steps=40)
    assert RunProgress(epoch=100, best_epoch=99).is_over(experiment, steps=1)
    assert count_steps(65, 32) == 3 and count_least_epochs(200, 3) == 67 and count_least_epochs(0, 3) == 0


def test_the_default_changes_nothing_at_the_paper_s_size():
    """The shortest run that patience alone could end there takes more steps: one whose loss is never finite, in the smallest fold."""
    experiment = Experiment("data", "features")
    training = int((IEMOCAP_UTTERANCES - IEMOCAP_LARGEST_SESSION) * (1 - experiment.share))
    steps = count_steps(training, experiment.batch_size)
    assert RunProgress(epoch=experiment.patience).is_over(experiment, steps=steps)
    assert not RunProgress(epoch=experiment.patience - 1).is_over(experiment, steps=steps)


def test_a_config_from_before_goes_on_without():
    stored = Experiment("data", "features").to_json()
    assert read_experiment(stored).min_steps == 200 == default_of(next(s for s in SETTINGS if s.name == "min_steps"))
    del stored["min_steps"]
    assert read_experiment(json.loads(json.dumps(stored))).min_steps == 0
    assert all(RunFolder(path).read_experiment().min_steps == 0 for path in RECORDED)


# the time left


def replay(folder):
    """(epochs left as guessed, as they were) after every epoch of a recorded experiment, over all its runs."""
    experiment, ends = folder.read_experiment(), {(r["fold"], r["repetition"]): r["epochs"] for r in folder.read("results")["runs"]}
    rows = folder.read_metrics()
    for epoch in range(1, max(ends.values())):
        so_far = [row for row in rows if row["epoch"] <= epoch]
        best, finished = find_best_epochs(so_far), [n for n in ends.values() if n <= epoch]
        usual = guess_epochs(finished, least=0, most=experiment.epochs)
        options = {"patience": experiment.patience, "least": 0, "most": experiment.epochs, "usual": usual}
        running = [run for run, n in ends.items() if n > epoch]
        yield sum(guess_epochs_left(epoch, best[run], **options) for run in running), sum(ends[run] - epoch for run in running)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_the_time_left_is_of_the_right_size_to_the_end(path):
    """As recorded: also where three runs go on at epoch 25, which was called 99 % with 8 s left."""
    ratios = np.array([guessed / true for guessed, true in replay(RunFolder(path))])
    assert 0.5 < np.median(ratios) < 2 and ((ratios > 0.3) & (ratios < 4)).mean() > 0.9


def test_a_run_that_goes_on_longer_than_others_is_not_almost_done():
    options = {"patience": 4, "least": 0, "most": 100, "usual": 15.0}
    assert guess_epochs_left(25, 25, **options) == pytest.approx(7)
    assert guess_epochs_left(25, 22, **options) == pytest.approx(1.75)
    assert guess_epochs_left(99.5, 99, **options) == pytest.approx(0.5)  # no more than there may be
    assert guess_epochs_left(5, 1, **(options | {"least": 67})) > 62  # patience does not count yet
    assert guess_epochs([20, 30], least=0, most=100) == 25 and guess_epochs([], least=67, most=60) == 60
