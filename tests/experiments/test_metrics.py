"""Metrics by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from mmer.scores.metrics import count_confusions, measure_macro_f1, measure_reliability, measure_ua, measure_wa


def test_ua_and_wa_by_hand():
    labels, said = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert measure_ua(labels, said) == pytest.approx((3 / 4 + 1 / 2) / 2)  # not 4 / 6
    assert measure_wa(labels, said) == pytest.approx(4 / 6)
    assert count_confusions(labels, said, classes=4)[:2, :2].tolist() == [[3, 1], [1, 1]]


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    labels, said = rng.integers(4, size=50), rng.integers(4, size=50)
    assert measure_ua(labels, said) == pytest.approx(balanced_accuracy_score(labels, said))
    assert measure_wa(labels, said) == pytest.approx(accuracy_score(labels, said))
    assert measure_macro_f1(labels, said) == pytest.approx(f1_score(labels, said, average="macro"))
    assert np.array_equal(count_confusions(labels, said, classes=4), confusion_matrix(labels, said, labels=range(4)))


def test_saying_one_class_is_a_quarter_whatever_the_counts():
    labels = np.repeat([0, 1, 2, 3], [5, 1, 30, 2])
    assert measure_ua(labels, np.full(38, 2)) == 0.25


def test_reliability_bins_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.92, 0.08], [0.55, 0.45]])
    first, second = measure_reliability(np.array([0, 1, 0]), probabilities)
    assert (first.low, first.clips, first.confidence, first.accuracy) == (0.5, 1, pytest.approx(0.55), 1.0)
    assert (second.low, second.clips, second.confidence, second.accuracy) == (0.9, 2, pytest.approx(0.91), 0.5)
