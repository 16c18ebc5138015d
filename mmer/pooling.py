"""Frames -> phones, syllables, words (the segment formula of the paper's section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmer.results import Segment


def pool_segments(hidden: np.ndarray, times: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    """Mean state of each segment over the frames whose centre lies in [start, end).

    hidden (layers, frames, dim), times (frames,) ascending seconds -> (layers, segments, dim) float32.

    The paper's sum runs over s..e inclusive and divides by e - s, one frame fewer than it adds; taken half open, sum and divisor
    agree. A segment that holds no frame's centre (shorter than a frame) takes the nearest frame, so that each has a vector.
    Averaging over frames and mixing layers commute, both being linear: the layer axis is kept and mixed later.
    """
    pooled = np.empty((hidden.shape[0], len(segments), hidden.shape[2]), np.float32)
    for k, (first, last) in enumerate(frame_ranges(times, segments)):
        pooled[:, k] = hidden[:, first:last].mean(axis=1)
    return pooled


def frame_ranges(times: np.ndarray, segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """Half open frame range of each segment; never empty."""
    ranges = []
    for segment in segments:
        first, last = (int(i) for i in np.searchsorted(times, [segment.start - 1e-9, segment.end - 1e-9]))
        if first == last:
            first = int(np.argmin(np.abs(times - (segment.start + segment.end) / 2)))
            last = first + 1
        ranges.append((first, last))
    return ranges
