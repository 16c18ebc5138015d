"""Distances from planted training clips."""

import numpy as np

from mmer.heads.novelty import fit_novelty, novelty_distance, novelty_vector


def test_novelty_of_training_clips_is_one_on_average_and_grows_outside():
    random = np.random.default_rng(0)
    mix = random.normal(size=(3, 40))
    vectors = (random.normal(size=(500, 3)) @ mix + 0.1 * random.normal(size=(500, 40))).astype(np.float32)
    novelty = fit_novelty(vectors, components=3)
    distances = np.array([novelty_distance(novelty, v) for v in vectors])
    assert np.isclose(np.sqrt(np.mean(distances**2)), 1, atol=1e-3)
    aside = vectors[0] + random.normal(size=40)  # off the plane, though no farther from the mean than others
    assert novelty_distance(novelty, aside) > distances.max()
    assert novelty_distance(novelty, 5 * vectors[0]) > distances[0]


def test_novelty_vector_is_the_mean_over_frames():
    states = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    assert np.allclose(novelty_vector(states), [4.5, 5.5, 6.5, 16.5, 17.5, 18.5])
