"""Frames -> phones, syllables, words (the segment formula of the paper's section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmer.results import Segment


@dataclass(frozen=True, eq=False)
class PooledClip:
    """What is stored of a clip's speech states, pooled where they were computed."""

    times: np.ndarray  # (frames,) seconds, centre of each frame
    frames: np.ndarray | None  # (layers, frames, dim) float16; None where they were not wanted
    units: Mapping[str, np.ndarray]  # unit -> (layers, segments, dim) float16


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
    edges = np.array([(segment.start, segment.end) for segment in segments], dtype=float).reshape(-1, 2)
    first, last = np.searchsorted(times, edges - 1e-9).T
    middles = edges.mean(axis=1)
    after = np.clip(np.searchsorted(times, middles), 1, max(len(times) - 1, 1))  # the nearest frame is this one or the one before
    nearest = np.where(middles - times[after - 1] <= times[np.minimum(after, len(times) - 1)] - middles, after - 1, after)
    nearest = np.minimum(nearest, len(times) - 1)
    empty = first == last
    first, last = np.where(empty, nearest, first), np.where(empty, nearest + 1, last)
    return list(zip(first.tolist(), last.tolist()))
