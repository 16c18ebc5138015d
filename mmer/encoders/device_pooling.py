"""Clips -> what is stored of their speech states, computed where the encoder is: batches of similar length, segments averaged there.

The numbers are those of encoders.py and pooling.py up to float tolerance. Only what is stored comes to the CPU's memory, and as it is
stored, in half precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmer.encoders.encoders import SpeechEncoder, find_inside
from mmer.encoders.pooling import PooledClip, frame_ranges
from mmer.results import SAMPLE_RATE, Segment

BATCH_FRAMES = 12_000  # padding included; halved where they don't fit. Not measured


@dataclass(frozen=True, eq=False)
class PoolingRequest:
    """One clip, and what is wanted of it."""

    samples: np.ndarray  # (samples,) float32 at 16 kHz
    segments: Mapping[str, Sequence[Segment]]  # unit -> its segments
    frames: bool = True  # whether the frames themselves are wanted


@dataclass(frozen=True, eq=False)
class _Window:
    """One window of a clip as a row of a batch."""

    samples: np.ndarray
    frames: int  # that are computed
    whole: bool  # whether it is the clip's only one
    kept: slice  # of its frames
    rows: np.ndarray  # segments of the clip of which frames lie in it
    weights: np.ndarray  # (rows, frames kept) float32: what each frame is times in the mean of the row's segment
    wanted: bool  # whether the frames themselves are


@dataclass(frozen=True, eq=False)
class _Part:
    """What came of a window."""

    frames: np.ndarray | None  # (layers, frames kept, dim) float16
    sums: np.ndarray  # (layers, rows, dim) float32 or float16, the window's part of each segment's mean


class PoolingEncoder:
    """A speech encoder with its pooling. Batches that were too large for the device's memory are not tried again."""

    def __init__(self, encoder: SpeechEncoder, *, most_frames: int = BATCH_FRAMES):
        self.encoder, self.most_frames = encoder, most_frames

    def encode(self, requests: Sequence[PoolingRequest]) -> list[PooledClip]:
        """In order. Clips of any lengths; those that go together should be of similar length, since the shorter ones are padded."""
        plans = [self._plan(request) for request in requests]
        windows = [window for _, own in plans for window in own]
        parts: dict[int, _Part] = {}
        for batch in self._make_batches(windows):
            parts.update((id(window), part) for window, part in zip(batch, self._run(batch)))
        return [join(request, times, [(w, parts[id(w)]) for w in own]) for request, (times, own) in zip(requests, plans)]

    def _plan(self, request: PoolingRequest) -> tuple[np.ndarray, list[_Window]]:
        """The times of a clip's frames, and its windows."""
        model, found = self.encoder.model, self.encoder.find_windows(request.samples)
        read, times = [], []
        for first, last, start, end in found:
            samples = request.samples[first:last]
            centres = first / SAMPLE_RATE + model.times(model.count_frames(len(samples)))
            inside = np.flatnonzero(find_inside(centres, start, end)) if len(found) > 1 else np.arange(len(centres))
            kept = slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)
            read.append((samples, len(centres), kept))
            times.append(centres[kept])
        joined = np.concatenate(times)
        segments = [segment for unit in request.segments.values() for segment in unit]
        ranges = np.array(frame_ranges(joined, segments) if segments else [], dtype=np.int64).reshape(-1, 2)
        windows, begin = [], 0
        for samples, count, kept in read:
            rows, weights = weigh_frames(ranges, begin, begin + kept.stop - kept.start)
            windows.append(_Window(samples, count, len(read) == 1, kept, rows, weights, request.frames))
            begin += kept.stop - kept.start
        return joined, windows

    def _make_batches(self, windows: Sequence[_Window]) -> Iterator[list[_Window]]:
        """Windows of similar length, of at most `most_frames` frames with padding; one longer than that alone."""
        batch: list[_Window] = []
        for window in sorted(windows, key=lambda window: len(window.samples)):
            fits = self.encoder.model.pads or not batch or len(batch[0].samples) == len(window.samples)
            if batch and not (fits and (len(batch) + 1) * window.frames <= self.most_frames):
                yield batch
                batch = []
            batch.append(window)
        if batch:
            yield batch

    def _run(self, batch: Sequence[_Window]) -> list[_Part]:
        done: list[int] = []

        def compute(some: Sequence[_Window]) -> list[_Part]:
            parts = self._compute(some)
            done.append(len(some) * max(window.frames for window in some))
            return parts

        found = self.encoder.placement.run(batch, compute)
        if len(done) > 1:
            self.most_frames = max(done)
        return found

    @torch.no_grad()
    def _compute(self, batch: Sequence[_Window]) -> list[_Part]:
        """One forward pass; the means of all segments of a layer as one product; one copy of the frames and one of the means."""
        layers = self.encoder.model.layers([window.samples for window in batch])
        layers = layers if self.encoder.include_input else layers[1:]
        width, rows = max(window.kept.stop for window in batch), max(len(window.rows) for window in batch)
        device, (count, _, dim) = layers[0].device, layers[0].shape
        weights = torch.zeros(count, rows, width)
        for k, window in enumerate(batch):
            weights[k, : len(window.rows), window.kept] = torch.from_numpy(window.weights)
        weights = weights.to(device)
        whole = all(window.whole for window in batch)  # else means are added up, which needs their precision
        means = torch.empty(count, len(layers), rows, dim, device=device, dtype=torch.float16 if whole else torch.float32)
        wanted = [k for k, window in enumerate(batch) if window.wanted]
        frames = torch.empty(len(wanted), len(layers), width, dim, device=device, dtype=torch.float16)
        for number, layer in enumerate(layers):
            own = layer[:, :width].float()
            means[:, number] = torch.bmm(weights, own)
            frames[:, number] = own if len(wanted) == count else own[wanted]
        stored, averaged = dict(zip(wanted, bring(frames))), bring(means)
        return [
            _Part(stored[k][:, window.kept] if window.wanted else None, averaged[k][:, : len(window.rows)])
            for k, window in enumerate(batch)
        ]


def weigh_frames(ranges: np.ndarray, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Which segments, given by their half open (segments, 2) ranges of frames, have any of the frames from `begin` to `end`, and what each
    of these frames is times in their means: (rows,) and (rows, end - begin) float32."""
    rows = np.flatnonzero((ranges[:, 0] < end) & (ranges[:, 1] > begin))
    weights = np.zeros((len(rows), end - begin), np.float32)
    for k, (first, last) in enumerate(ranges[rows].tolist()):
        weights[k, max(first, begin) - begin : min(last, end) - begin] = 1 / (last - first)
    return rows, weights


def bring(found: torch.Tensor) -> np.ndarray:
    """A copy in the CPU's memory; from a card through page-locked memory, which is several times as fast."""
    if found.device.type != "cuda":
        return found.cpu().numpy()
    locked = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
    return locked.copy_(found).numpy()


def join(request: PoolingRequest, times: np.ndarray, parts: Sequence[tuple[_Window, _Part]]) -> PooledClip:
    """The windows of a clip one after the other; of a segment that lies in several, the parts of its mean added up."""
    units = list(request.segments)
    edges = np.cumsum([0, *(len(request.segments[unit]) for unit in units)])
    first = parts[0][1].sums
    total = np.zeros((first.shape[0], edges[-1], first.shape[2]), np.float16 if len(parts) == 1 else np.float32)
    for window, part in parts:
        total[:, window.rows] += part.sums.astype(total.dtype, copy=False)
    total = total.astype(np.float16, copy=False)
    found = [part.frames for _, part in parts if part.frames is not None]
    frames = None if not request.frames else found[0] if len(found) == 1 else np.concatenate(found, axis=1)
    return PooledClip(times, frames, {unit: total[:, a:b] for unit, a, b in zip(units, edges[:-1], edges[1:])})
