"""The global normalisation against numpy over all frames at once."""

import numpy as np

from mmer.heads.normalisation import fit_normalisation


def test_normalisation_is_the_mean_and_deviation_of_all_frames():
    random = np.random.default_rng(0)
    clips = [random.normal(3, 2, size=(2, n, 16)).astype(np.float32) for n in (5, 9)]
    clips[0][0, :, 0] = clips[1][0, :, 0] = 7  # a constant
    normalisation, frames = fit_normalisation(clips), np.concatenate(clips, 1)
    assert np.allclose(normalisation.mean, frames.mean(1), atol=1e-5)
    assert np.allclose(normalisation.deviation[1], frames.std(1)[1], atol=1e-5)
    after = normalisation.apply(frames)
    assert np.isfinite(after).all() and np.allclose(after.mean(1), 0, atol=1e-4)
    pooled = frames[:, 2:6].mean(1, keepdims=True)
    assert np.allclose(normalisation.apply(pooled), after[:, 2:6].mean(1, keepdims=True), atol=1e-4)
