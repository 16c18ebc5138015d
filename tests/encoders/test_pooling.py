import numpy as np

from mmer.encoders.pooling import frame_ranges, pool_segments
from mmer.results import Segment


def _segments(*spans):
    return [Segment("x", start, end, 0) for start, end in spans]


def test_pooling_equals_a_slow_loop_over_frames():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(3, 50, 4)).astype(np.float32)
    times = (320 * np.arange(50) + 200) / 16000
    segments = _segments((0.0, 0.1), (0.1, 0.137), (0.2, 0.61), (0.61, 1.0))
    expected = np.zeros((3, len(segments), 4))
    for k, s in enumerate(segments):
        inside = [f for f, t in enumerate(times) if s.start <= t < s.end]
        for layer in range(3):
            for d in range(4):
                expected[layer, k, d] = sum(float(hidden[layer, f, d]) for f in inside) / len(inside)
    np.testing.assert_allclose(pool_segments(hidden, times, segments), expected, atol=1e-6)


def test_short_phone_takes_nearest_frame():
    hidden = np.arange(10, dtype=np.float32).reshape(1, 10, 1)
    times = np.arange(10) * 0.02
    pooled = pool_segments(hidden, times, _segments((0.061, 0.069), (0.071, 0.079)))
    assert pooled[0, :, 0].tolist() == [3.0, 4.0]


def test_segment_beyond_the_last_frame_takes_the_last():
    hidden = np.arange(5, dtype=np.float32).reshape(1, 5, 1)
    assert pool_segments(hidden, np.arange(5) * 0.02, _segments((0.2, 0.3)))[0, 0, 0] == 4.0


def test_boundaries_on_a_frame_centre_are_half_open_despite_float_error():
    times = np.arange(20) * 0.02
    assert frame_ranges(times, _segments((0.06, 0.06 + 3 * 0.02), (0.12, 0.18))) == [(3, 6), (6, 9)]


def test_pooling_and_layer_mixing_commute():
    rng = np.random.default_rng(1)
    hidden, weights = rng.normal(size=(4, 30, 6)).astype(np.float32), np.array([0.5, -0.2, 1.0, 0.3])
    times, segments = np.arange(30) * 0.02, _segments((0.0, 0.2), (0.2, 0.55))
    mixed_first = np.tensordot(weights, hidden, 1)
    pooled_first = np.tensordot(weights, pool_segments(hidden, times, segments), 1)
    for k, (a, b) in enumerate(frame_ranges(times, segments)):
        np.testing.assert_allclose(pooled_first[k], mixed_first[a:b].mean(0), atol=1e-6)


def test_ranges_are_those_that_a_look_at_every_frame_finds():
    rng = np.random.default_rng(0)
    for count in (1, 2, 50):
        times = 0.0125 + 0.02 * np.arange(count)
        edges = np.sort(rng.uniform(0, times[-1] + 0.05, 120))
        segments = _segments(*zip(edges[:-1].tolist(), edges[1:].tolist()))
        for segment, (first, last) in zip(segments, frame_ranges(times, segments)):
            inside = np.flatnonzero((times >= segment.start) & (times < segment.end))
            nearest = int(np.argmin(np.abs(times - (segment.start + segment.end) / 2)))
            assert list(range(first, last)) == (inside.tolist() or [nearest])
