"""Temperature, margin and calibration error against a grid search and against figures worked out by hand."""

import numpy as np

from mmer.heads.calibration import ece, fit_margin, fit_temperature, softmax


def test_temperature_equals_a_grid_search():
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 400)
    logits = 3 * (np.eye(4)[labels] + random.normal(size=(400, 4)))
    grid = np.exp(np.linspace(np.log(0.2), np.log(10), 4000))
    losses = [-np.log(softmax(logits / t)[np.arange(400), labels]).mean() for t in grid]
    assert np.isclose(fit_temperature(logits, labels), grid[np.argmin(losses)], rtol=2e-3)
    assert np.isclose(fit_temperature(2 * logits, labels), 2 * fit_temperature(logits, labels), rtol=1e-4)


def test_a_temperature_is_shrunk_by_the_number_of_clips():
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, 400)
    logits = 6 * (np.eye(4)[labels] + random.normal(size=(400, 4)))
    free = fit_temperature(logits, labels)
    shrunk = [fit_temperature(logits, labels, clips=n) for n in (1, 20, 400, 100_000)]
    assert 1 < shrunk[0] < shrunk[1] < shrunk[2] < shrunk[3] < free and shrunk[0] < 1.5 and free - shrunk[3] < 0.01
    few = np.array([0, 1, 2, 3])
    assert fit_temperature(3 * np.eye(4)[few], few) < 0.1  # all right: the sharper the better
    assert 0.6 < fit_temperature(3 * np.eye(4)[few], few, clips=4) < 1


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.45, 0.55], [0.4, 0.6]])
    labels = np.array([0, 1, 1, 0])
    # 2 bins, (0, 0.5] and (0.5, 1]: all four in the second, confidence 0.7125, accuracy 0.5
    assert np.isclose(ece(probabilities, labels, bins=2), 0.2125)
    # 10 bins: 0.9, 0.8, 0.55 and 0.6 -> (0.8, 0.9], (0.7, 0.8], (0.5, 0.6] twice
    assert np.isclose(ece(probabilities, labels, bins=10), 0.25 * 0.1 + 0.25 * 0.8 + 0.5 * abs(0.5 - 0.575))


def test_margin_is_the_gap_below_which_too_few_are_right():
    gaps = np.linspace(0.01, 0.99, 99)
    probabilities = np.stack([(1 + gaps) / 2, (1 - gaps) / 2], 1)
    labels = np.where(gaps < 0.295, 1, 0)  # wrong below 0.3, right above: at 0.58 half of those below are right
    margin = fit_margin(probabilities, labels, accuracy=0.5, minimum=5)
    assert np.isclose(margin, 0.58, atol=0.011)
    below = gaps < margin - 1e-9
    assert (labels[below] == 0).mean() < 0.5
    assert fit_margin(probabilities, np.zeros(99, int), accuracy=0.5) == 0.0
