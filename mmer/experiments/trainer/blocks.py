"""Cached features -> padded batches in memory: read once for all runs, and kept in memory as far as a budget allows."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mmer.encoders.features import count_begun
from mmer.feature_store.cache import FeatureCache
from mmer.fusion import TEXT
from mmer.heads.normalisation import MIN_DEVIATION, Normalisation

CGROUP = Path("/sys/fs/cgroup")
MIN_BUDGET, MAX_SHARE = 2**29, 0.4  # bytes that are always taken, and the share of the free memory that may be
COLUMNS = 2**16  # of a product on a CPU at a time, so that what is read and written stays in its caches
PIECE_BYTES = 2**28  # of a block in single precision


class TrainingExample(Protocol):
    """One row that a model reads: an utterance, or a voice and words that a schedule brought together."""

    @property
    def label(self) -> int: ...  # index of its class

    @property
    def speech(self) -> str | None: ...  # cache key of F, P, S, W

    @property
    def text(self) -> str | None: ...  # cache key of T

    @property
    def units(self) -> tuple[str, ...]: ...  # those that are read


@dataclass(frozen=True, eq=False)
class VoiceShifts:
    """What is added to the normalised speech states of an epoch's examples: a random share of the difference between two voices.

    An utterance's emotion stays; its voice, room and microphone become others, so that a model can't lean on where a speaker lies.
    """

    voices: tuple[np.ndarray, ...]  # per fold (voices, layers, dim) float32, each voice's mean state as the encoder gives it
    origins: np.ndarray  # (folds, examples) int, the voice that the way begins at
    targets: np.ndarray  # (folds, examples) int
    shares: np.ndarray  # (examples,) float32; 0 leaves an example as it is

    def take(self, rows: np.ndarray, normalisation: Normalisation, fold: int) -> np.ndarray:
        """The shifts of `rows`, (layers, rows, 1, dim) float32. Normalising a difference needs the deviation only: means cancel."""
        voices = self.voices[fold]
        ways = (voices[self.targets[fold, rows]] - voices[self.origins[fold, rows]]) / normalisation.deviation  # (rows, layers, dim)
        return np.ascontiguousarray((self.shares[rows, None, None] * ways).astype(np.float32).transpose(1, 0, 2)[:, :, None])


@dataclass(frozen=True, eq=False)
class SummedShifts:
    """Several shifts at once: that between voices, and that between corpora."""

    parts: tuple[VoiceShifts, ...]

    def take(self, rows: np.ndarray, normalisation: Normalisation, fold: int) -> np.ndarray:
        found: np.ndarray = np.sum([part.take(rows, normalisation, fold) for part in self.parts], axis=0)
        return found


class Buffer:
    """Memory that is used again at every step, because on a CPU allocating it anew costs more than the computation that uses it.

    What was taken under a name holds until that name is taken again.
    """

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def take(self, name: str, shape: Sequence[int], *, like: Tensor) -> Tensor:
        """An uninitialised tensor of this shape, with the type and device of `like`."""
        size = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.numel() < size or held.dtype != like.dtype or held.device != like.device:
            self._held.pop(name, None)
            held = self._held[name] = like.new_empty(size)
        return held[:size].view(*shape)


class Block:
    """The padded states of one unit for some utterances. Layers come first, so that all runs weight them in one matrix product.

    A block that is large in single precision stays in half and is widened and normalised a few utterances at a time.
    """

    def __init__(
        self,
        half: Tensor,
        mask: Tensor,
        normalisation: Normalisation | None,
        *,
        buffer: Buffer | None = None,
        shifts: Tensor | None = None,
    ):
        self.buffer = buffer or Buffer()
        self.shifts = shifts  # (layers, utterances, 1, dim), added to the normalised states; None for none
        self.half = half  # (layers, utterances, segments, dim), as they lie on disk
        self.mask = mask  # (utterances, segments) bool; a row of False for an utterance that lacks the unit
        self.scale: Tensor | None = None  # (layers, 1, 1, dim)
        if normalisation is not None:
            self.scale = torch.from_numpy(1 / normalisation.deviation).to(half.device)[:, None, None]
            self.offset = torch.from_numpy(-normalisation.mean / normalisation.deviation).to(half.device)[:, None, None]
        self.wide = half.new_empty(0, dtype=torch.float32)
        layers, utterances, segments, dim = half.shape
        self.step = max(1, min(utterances, PIECE_BYTES // (4 * layers * segments * dim)))  # utterances of a piece
        self._whole = self._widen(slice(None)) if self.step >= utterances else None

    def _widen(self, place: slice | Tensor) -> Tensor:
        half = self.half[:, place]
        states = self.buffer.take("wide", half.shape, like=self.wide).copy_(half)
        if self.scale is not None:
            torch.addcmul(self.offset, states, self.scale, out=states)
        return states if self.shifts is None else states.add_(self.shifts[:, place])

    def cut_pieces(self) -> Iterator[tuple[slice, Tensor]]:
        """Yields slices of utterances with their normalised states (layers, utterances, segments, dim) float32."""
        if self._whole is not None:
            yield slice(None), self._whole
            return
        for start in range(0, self.half.shape[1], self.step):
            place = slice(start, start + self.step)
            yield place, self._widen(place)

    def weigh(self, weights: Tensor) -> Tensor:
        """Equation 1's weighted sums for weights (runs, layers): (runs, utterances, segments, dim), in the block's buffer."""
        mixed = self.buffer.take("mixed", (len(weights), *self.half.shape[1:]), like=weights)
        flat, at = mixed.flatten(1), 0
        for _, states in self.cut_pieces():
            columns = states.flatten(1)  # (layers, utterances * segments * dim)
            for part in torch.split(columns, COLUMNS if columns.device.type == "cpu" else columns.shape[1], dim=1):
                torch.mm(weights, part, out=flat[:, at : at + part.shape[1]])
                at += part.shape[1]
        return mixed

    def weigh_rows(self, weights: Tensor, rows: Tensor) -> Tensor:
        """The weighted sums of one run with weights (layers,), for these utterances of the block only: (rows, segments, dim)."""
        segments, dim = self.half.shape[2:]
        if self._whole is not None:
            states = self._whole[:, rows]
            return (weights @ states.flatten(1)).view(len(rows), segments, dim)
        parts = [(weights @ self._widen(part).flatten(1)).view(len(part), segments, dim) for part in torch.split(rows, self.step)]
        return torch.cat(parts)

    def weigh_gradients(self, gradients: Tensor) -> Tensor:
        """The gradients of the weights, (runs, layers), from those of the weighted sums, (runs, utterances, segments, dim)."""
        pieces = [gradients[:, place].flatten(1) @ states.flatten(1).T for place, states in self.cut_pieces()]
        return torch.stack(pieces).sum(0)


class FeatureLoader:
    """Loads the states of a model's units for the examples that are shown now, and keeps some of them in memory.

    `bytes_read` counts what came from the cache, not what was still held.
    """

    def __init__(
        self,
        cache: FeatureCache,
        items: Sequence[TrainingExample],
        units: Sequence[str],
        *,
        max_seconds: float,
        device: str = "cpu",
        budget: int | None = None,
        stride: int = 1,
        sizes: Mapping[str, tuple[int, int]] | None = None,
    ):
        self.cache, self.units, self.device = cache, tuple(units), device
        self.stride = stride  # every n-th frame is read: models without positions read them as they read all, in an n-th of the time
        self.max_seconds = max_seconds
        self._counts: dict[tuple[str, str], int] = {}  # (cache key, unit) -> segments that are read
        self.budget = measure_budget() if budget is None else budget
        self.bytes_read = 0
        self._held: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()  # (cache key, unit) -> all its states
        self._bytes_held = 0
        self.sizes = dict(sizes or {})  # unit -> layers, width of its states; what is missing is looked up
        self.show(items)

    def show(
        self, items: Sequence[TrainingExample], *, firsts: np.ndarray | None = None, shifts: VoiceShifts | SummedShifts | None = None
    ) -> None:
        """Makes row numbers refer to `items`. With a stride, `firsts` (items,) is each one's first frame, by default the middle one."""
        self.items, self.shifts = items, shifts
        self.firsts = np.full(len(items), self.stride // 2) if firsts is None else firsts

    def measure_lengths(self) -> np.ndarray:
        """The number of segments of each example's longest unit, (items,): how much it costs to compute."""
        return np.array([max([0, *(self.count(i, u) for u in self.units)]) for i in range(len(self.items))])

    def count(self, index: int, unit: str) -> int:
        key = self.find_key(index, unit)
        return 0 if key is None else self.count_key(key, unit)

    def count_key(self, key: str, unit: str) -> int:
        """Segments that are read, see count_until; all of the text."""
        if (key, unit) not in self._counts:
            self._counts[key, unit] = count_until(self.cache, key, unit, seconds=self.max_seconds)
        return self._counts[key, unit]

    def find_key(self, index: int, unit: str) -> str | None:
        """The cache key of an example's unit; None where it lacks the unit."""
        item = self.items[index]
        if unit not in item.units:
            return None
        return item.text if unit == TEXT else item.speech

    def read(self, index: int, unit: str) -> np.ndarray | None:
        """(layers, segments, dim) float16; None where the utterance lacks the unit."""
        key = self.find_key(index, unit)
        if key is None:
            return None
        states = self.read_whole(key, unit)
        if unit != "F" or self.stride == 1:
            return states
        return states[:, min(int(self.firsts[index]), states.shape[1] - 1) :: self.stride]

    def read_whole(self, key: str, unit: str) -> np.ndarray:
        """(layers, segments, dim) float16 of an entry, up to the last second that is read."""
        if (key, unit) in self._held:
            self._held.move_to_end((key, unit))
            return self._held[key, unit]
        states = np.array(self.cache.read_states(key, unit)[:, : self.count_key(key, unit)])
        self.bytes_read += states.nbytes
        self._held[key, unit] = states
        self._bytes_held += states.nbytes
        while self._bytes_held > self.budget:
            self._bytes_held -= self._held.popitem(last=False)[1].nbytes
        return states

    def build_block(
        self, rows: np.ndarray, unit: str, normalisation: Normalisation | None, *, fold: int = 0, buffer: Buffer | None = None
    ) -> Block:
        """The states of examples `rows` (indices of items) as one padded block, which uses the memory of `buffer` if there is one.

        `fold` is that of the runs that read it, whose voices a shift may use.
        """
        arrays = [self.read(int(row), unit) for row in rows]
        layers, dim = self.measure_states(unit)
        longest = max([1, *(a.shape[1] for a in arrays if a is not None)])
        buffer = buffer or Buffer()
        half = buffer.take("half", (layers, len(rows), longest, dim), like=torch.empty(0, dtype=torch.float16))
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for row, array in enumerate(arrays):
            count = 0 if array is None else array.shape[1]
            if array is not None:
                half[:, row, :count] = torch.from_numpy(array)
            half[:, row, count:] = 0
            mask[row, :count] = True
        shifts = None
        if self.shifts is not None and normalisation is not None and unit != TEXT:
            shifts = torch.from_numpy(self.shifts.take(rows, normalisation, fold)).to(self.device)
        own = None if unit == TEXT else normalisation
        return Block(half.to(self.device), mask.to(self.device), own, buffer=buffer, shifts=shifts)

    def measure_states(self, unit: str) -> tuple[int, int]:
        """The number of layers and the width of a unit's states."""
        if unit not in self.sizes:
            key = next(key for i in range(len(self.items)) if (key := self.find_key(i, unit)) is not None)
            layers, _, dim = self.cache.read_states(key, unit).shape
            self.sizes[unit] = (layers, dim)
        return self.sizes[unit]


def count_until(cache: FeatureCache, key: str, unit: str, *, seconds: float) -> int:
    """Segments of an entry's first `seconds`, as count_begun has it; all of a text."""
    whole = cache.count_segments(key, unit)
    return whole if unit == TEXT or whole == 0 else count_begun(cache.read_starts(key, unit), unit, seconds)


def measure_budget() -> int:
    """Bytes of features that may stay in memory: a share of what is free now, to this container too, at least half a GiB."""
    if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return MIN_BUDGET
    free = min(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), read_container_memory(CGROUP))
    return max(MIN_BUDGET, int(free * MAX_SHARE))


def read_container_memory(cgroup: Path) -> float:
    """Bytes that a container's limit leaves (Linux cgroup v2's memory.max less memory.current); infinite where there is none."""
    try:
        most, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return math.inf if most == "max" else max(0.0, float(most) - float(used))
    except (OSError, ValueError):
        return math.inf


def fit_fold_normalisations(
    cache: FeatureCache, items: Sequence[TrainingExample], tests: Sequence[np.ndarray], *, max_seconds: float
) -> list[Normalisation]:
    """The global normalisation of each fold: over all frames of the utterances that the fold does not test.

    `tests` are the folds' test utterances (indices of items). Frames are read once, whatever the number of folds.
    """
    fold_of = np.full(len(items), -1)
    for fold, rows in enumerate(tests):
        fold_of[rows] = fold
    count = np.zeros(len(tests) + 1)
    total: np.ndarray | None = None  # (folds + 1, layers, dim); the last is of utterances that no fold tests
    squares: np.ndarray | None = None
    for index, item in enumerate(items):
        if item.speech is None or "F" not in item.units:
            continue
        count_frames = count_until(cache, item.speech, "F", seconds=max_seconds)
        x = cache.read_states(item.speech, "F")[:, :count_frames].astype(np.float32)
        if total is None or squares is None:
            total = np.zeros((len(tests) + 1, x.shape[0], x.shape[2]))
            squares = np.zeros_like(total)
        count[fold_of[index]] += x.shape[1]
        total[fold_of[index]] += x.sum(1, dtype=np.float64)
        squares[fold_of[index]] += np.square(x).sum(1, dtype=np.float64)
    found = []
    for fold in range(len(tests)):
        others = [f for f in range(len(tests) + 1) if f != fold]
        if total is None or squares is None or not count[others].sum():
            raise ValueError("no frames to normalise by")
        mean = total[others].sum(0) / count[others].sum()
        variance = squares[others].sum(0) / count[others].sum() - np.square(mean)
        deviation = np.sqrt(np.maximum(variance, MIN_DEVIATION**2))
        found.append(Normalisation(mean.astype(np.float32), deviation.astype(np.float32)))
    return found


@dataclass(eq=False)
class MixedStates:
    """The weighted sums of a group of runs at one step."""

    runs: list[int]
    places: list[Tensor]  # per run, where its utterances stand in the block
    blocks: dict[str, Block]  # per unit
    weights: dict[str, Tensor]  # unit -> (runs, layers), normalised
    mixed: dict[str, Tensor]  # unit -> (runs, utterances, segments, dim)
    gradients: dict[str, Tensor]  # of `mixed`, once they are known

    def take_gradients(self, unit: str) -> Tensor:
        """Allocates the gradient buffer, uninitialised."""
        return self.blocks[unit].buffer.take("gradients", self.mixed[unit].shape, like=self.mixed[unit])

    def write_gradients(self, unit: str, i: int, found: Tensor | None) -> None:
        """Writes the gradients of run i: those found for its own utterances, and 0 for the others."""
        others = torch.ones(self.mixed[unit].shape[1], dtype=torch.bool, device=self.mixed[unit].device)
        if found is not None:
            others[self.places[i]] = False
            self.gradients[unit][i, self.places[i]] = found
        self.gradients[unit][i, others] = 0
