"""The global normalisation of frames, and of what is pooled from them."""

import numpy as np

from mmer.heads.normalisation import Normalisation


def test_normalised_frames_have_mean_0_and_deviation_1_and_pooling_commutes():
    frames = np.random.default_rng(0).normal(3, 2, size=(2, 14, 16)).astype(np.float32)
    normalisation = Normalisation(frames.mean(1), frames.std(1))
    after = normalisation.apply(frames)
    assert after.dtype == np.float32 and np.allclose(after.mean(1), 0, atol=1e-4) and np.allclose(after.std(1), 1, atol=1e-4)
    pooled = frames[:, 2:6].mean(1, keepdims=True)
    assert np.allclose(normalisation.apply(pooled), after[:, 2:6].mean(1, keepdims=True), atol=1e-4)
