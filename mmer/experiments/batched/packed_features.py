"""Cached features -> packed tensors on the device: all at once where they fit, else those of a step, copied while the last computes.

Packed means: the states of all utterances of a unit one after the other, (positions, layers, dim) float16, no padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mmer.experiments.batched.layer_mix import UnitBatch

RESIDENT_SHARE = 0.6  # of the device's free memory that features may take; the rest is for computing
PIECE = 2**29  # numbers in a piece of page-locked memory: 1 GiB
RESIDENT, PINNED, DISK = "on the device", "in pinned host memory", "on disk"


class PackableFeatures(Protocol):
    """A FeatureLoader, or what stands in for one."""

    @property
    def units(self) -> tuple[str, ...]: ...

    @property
    def items(self) -> Sequence[Any]: ...

    @property
    def firsts(self) -> np.ndarray: ...

    @property
    def stride(self) -> int: ...

    @property
    def cache(self) -> Any: ...

    def find_key(self, index: int, unit: str) -> str | None: ...

    def count_key(self, key: str, unit: str) -> int: ...

    def measure_states(self, unit: str) -> tuple[int, int]: ...

    def read_whole(self, key: str, unit: str) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class UnitEntries:
    """The cache's entries of one unit that examples refer to, in the order in which they are packed."""

    keys: tuple[str, ...]
    begins: np.ndarray  # (entries + 1,) int64, where each begins, and the end of all
    layers: int
    dim: int

    @property
    def bytes(self) -> int:
        return int(self.begins[-1]) * self.layers * self.dim * 2

    def allocate(self, positions: int, *, device: str = "cpu", pinned: bool = False) -> Tensor:
        return torch.empty(positions, self.layers, self.dim, dtype=torch.float16, device=device, pin_memory=pinned)


def list_entries(loader: PackableFeatures, unit: str) -> UnitEntries:
    """The entries of all examples that the loader shows now."""
    found = (loader.find_key(i, unit) for i in range(len(loader.items)))
    keys = tuple(dict.fromkeys(key for key in found if key is not None))
    begins = np.concatenate([[0], np.cumsum([loader.count_key(key, unit) for key in keys], dtype=np.int64)]).astype(np.int64)
    return UnitEntries(keys, begins, *loader.measure_states(unit))


@dataclass(frozen=True, eq=False)
class ExamplePlaces:
    """Where the states of the examples stand that are shown now."""

    entries: np.ndarray  # (examples + 1,) int64, which entry an example reads, -1 for none; the last stands for a row that is no example
    firsts: np.ndarray  # (examples + 1,) int64, the first position that is read, counted from the entry's begin
    counts: np.ndarray  # (examples + 1,) int32, how many positions are read
    stride: int


def find_places(loader: PackableFeatures, unit: str, listed: UnitEntries) -> ExamplePlaces:
    """Of the examples that the loader shows now. Raises ValueError for one whose entry was not shown when they were packed."""
    position = {key: i for i, key in enumerate(listed.keys)}
    stride = loader.stride if unit == "F" else 1
    entries, firsts, counts = (np.zeros(len(loader.items) + 1, np.int64) for _ in range(3))
    entries[-1] = -1
    for i in range(len(loader.items)):
        key = loader.find_key(i, unit)
        if key is not None and key not in position:
            raise ValueError(f"example {i} reads {unit} of an entry that was not packed")
        entries[i] = -1 if key is None else position[key]
        whole = 0 if key is None else int(listed.begins[entries[i] + 1] - listed.begins[entries[i]])
        firsts[i] = min(int(loader.firsts[i]), max(whole - 1, 0)) if stride > 1 else 0
        counts[i] = -(-(whole - firsts[i]) // stride)
    return ExamplePlaces(entries, firsts, counts.astype(np.int32), stride)


@dataclass(frozen=True, eq=False)
class StepFeatures:
    """What all runs read at one step."""

    units: dict[str, UnitBatch]
    gaps: frozenset[str]  # units that an utterance of this step lacks


class HostSource(Protocol):
    """Where the states of an entry come from that are not on the device."""

    def read_into(self, target: Tensor, unit: str, entry: int) -> None:
        """Writes an entry's states, (positions, layers, dim), without waiting where that is possible."""


class LoaderSource:
    """Reads entries from the cache by way of the loader, which keeps some in memory."""

    def __init__(self, loader: PackableFeatures, entries: Mapping[str, UnitEntries]):
        self.loader, self.entries = loader, entries

    def read_into(self, target: Tensor, unit: str, entry: int) -> None:
        states = torch.from_numpy(self.loader.read_whole(self.entries[unit].keys[entry], unit)).transpose(0, 1)
        if target.is_cuda:
            states = torch.empty_like(target, device="cpu", pin_memory=True).copy_(states)
        target.copy_(states, non_blocking=True)


class PinnedSource:
    """Holds all entries in page-locked memory, which a device reads without the processor's help.

    PyTorch rounds each piece of such memory up to a power of two, so entries lie one after the other in pieces of that size.
    """

    def __init__(self, loader: PackableFeatures, entries: Mapping[str, UnitEntries]):
        self.held: dict[tuple[str, int], Tensor] = {}  # (unit, entry) -> (positions, layers, dim)
        for unit, listed in entries.items():
            piece, used = torch.empty(0, dtype=torch.float16), 0
            for entry, key in enumerate(listed.keys):
                states = read_entry(loader, key, unit)
                if used + states.numel() > piece.numel():
                    size = max(states.numel(), min(PIECE, listed.bytes // 2))
                    piece, used = torch.empty(size, dtype=torch.float16, pin_memory=torch.cuda.is_available()), 0
                self.held[unit, entry] = piece[used : used + states.numel()].view(states.shape).copy_(states)
                used += states.numel()

    def read_into(self, target: Tensor, unit: str, entry: int) -> None:
        target.copy_(self.held[unit, entry], non_blocking=True)


def read_entry(loader: PackableFeatures, key: str, unit: str) -> Tensor:
    """(positions, layers, dim) float16 on the host."""
    states = loader.cache.read_states(key, unit)[:, : loader.count_key(key, unit)]
    return torch.from_numpy(states.transpose(1, 0, 2).copy())  # the cache's own are mapped for reading only


def pack_all(loader: PackableFeatures, unit: str, listed: UnitEntries, *, device: str = "cpu") -> Tensor:
    """All entries of a unit, read once."""
    packed = listed.allocate(int(listed.begins[-1]), device=device)
    for entry, key in enumerate(listed.keys):
        packed[listed.begins[entry] : listed.begins[entry + 1]] = read_entry(loader, key, unit)
    return packed


class PackedFeatures:
    """The features of the examples that a loader shows, for steps of all runs."""

    def __init__(self, loader: PackableFeatures, *, device: str, residence: str, resident: Mapping[str, Tensor] | None = None):
        """`resident` holds what was packed on the device before, unit by unit, in the order of the entries."""
        self.loader, self.device, self.residence = loader, device, residence
        self.entries = {unit: list_entries(loader, unit) for unit in loader.units}
        self.resident: Mapping[str, Tensor] = resident or {}
        self.source: HostSource | None = None
        if residence == RESIDENT and resident is None:
            self.resident = {unit: pack_all(loader, unit, listed, device=device) for unit, listed in self.entries.items()}
        elif residence != RESIDENT:
            self.source = (PinnedSource if residence == PINNED else LoaderSource)(loader, self.entries)

    def read_steps(self, rows: np.ndarray, *, multiple: int = 1) -> Iterator[StepFeatures]:
        """Step after step of rows (steps, runs, batch) of the examples that are shown now, -1 for none.

        Batches are padded to a multiple of so many segments.
        """
        places = {unit: find_places(self.loader, unit, listed) for unit, listed in self.entries.items()}
        return self.read_resident(rows, places, multiple) if self.source is None else self.stream(self.source, rows, places, multiple)

    def read_resident(self, rows: np.ndarray, places: Mapping[str, ExamplePlaces], multiple: int) -> Iterator[StepFeatures]:
        """Only places are sent, those of all steps at once."""
        starts, counts, segments = {}, {}, {}
        for unit, where in places.items():
            begins = np.append(self.entries[unit].begins[:-1], 0)  # the last for examples that lack the unit
            starts[unit] = torch.from_numpy(begins[where.entries[rows]] + where.firsts[rows]).to(self.device)
            found = where.counts[rows]
            counts[unit], segments[unit] = torch.from_numpy(found).to(self.device), count_segments(found, multiple)
        gaps = find_gaps(rows, places)
        for step in range(len(rows)):
            units = {
                unit: UnitBatch(self.resident[unit], starts[unit][step], counts[unit][step], int(segments[unit][step]), where.stride)
                for unit, where in places.items()
            }
            yield StepFeatures(units, gaps[step])

    def stream(self, source: HostSource, rows: np.ndarray, places: Mapping[str, ExamplePlaces], multiple: int) -> Iterator[StepFeatures]:
        """The states of a step are copied while the device computes the step before."""
        ahead = torch.cuda.Stream(self.device) if torch.device(self.device).type == "cuda" else None  # type: ignore[no-untyped-call]
        gaps = find_gaps(rows, places)

        def fetch(step: int) -> StepFeatures:
            with nullcontext() if ahead is None else torch.cuda.stream(ahead):
                units = {unit: self.copy_unit(source, unit, rows[step], where, multiple) for unit, where in places.items()}
            return StepFeatures(units, gaps[step])

        for step in range(len(rows)):
            if step == 0:
                ready = fetch(0)
            if ahead is not None:
                wait_for(ahead, ready)
            yield ready  # the caller starts to compute, and does not wait for it
            if step + 1 < len(rows):
                ready = fetch(step + 1)

    def copy_unit(self, source: HostSource, unit: str, rows: np.ndarray, where: ExamplePlaces, multiple: int) -> UnitBatch:
        listed, wanted = self.entries[unit], where.entries[rows]
        used = np.unique(wanted[wanted >= 0])
        ends = np.concatenate([[0], np.cumsum(listed.begins[used + 1] - listed.begins[used])])
        packed = listed.allocate(max(1, int(ends[-1])), device=self.device)
        for i, entry in enumerate(used):
            source.read_into(packed[ends[i] : ends[i + 1]], unit, int(entry))
        begins = ends[np.minimum(np.searchsorted(used, np.maximum(wanted, 0)), len(used))]
        counts = where.counts[rows]
        starts = torch.from_numpy(np.where(wanted >= 0, begins + where.firsts[rows], 0)).to(self.device)
        segments = int(count_segments(counts[None], multiple)[0])
        return UnitBatch(packed, starts, torch.from_numpy(counts).to(self.device), segments, where.stride)


def count_segments(counts: np.ndarray, multiple: int) -> np.ndarray:
    """(steps,) to which the batches counts (steps, runs, batch) are padded."""
    most = np.maximum(counts.max((1, 2)), 1)
    found: np.ndarray = -(-most // multiple) * multiple
    return found


def find_gaps(rows: np.ndarray, places: Mapping[str, ExamplePlaces]) -> list[frozenset[str]]:
    """Step by step, the units that one of its examples lacks."""
    lacking = {unit: ((where.counts[rows] == 0) & (rows >= 0)).any((1, 2)) for unit, where in places.items()}
    return [frozenset(unit for unit, found in lacking.items() if found[step]) for step in range(len(rows))]


def wait_for(ahead: torch.cuda.Stream, ready: StepFeatures) -> None:
    """What is computed from here on waits for the copies; their memory is not given away before it was used."""
    now = torch.cuda.current_stream(ahead.device)
    now.wait_stream(ahead)
    for unit in ready.units.values():
        for tensor in (unit.packed, unit.starts, unit.counts):
            tensor.record_stream(now)


def choose_residence(needed: int, *, free: int, budget: int) -> str:
    """Where features of so many bytes are kept. `free`: bytes of the device; `budget`: bytes of the host's memory that may be taken."""
    if needed <= RESIDENT_SHARE * free:
        return RESIDENT
    return PINNED if needed <= budget else DISK


def measure_features(loader: PackableFeatures) -> int:
    """Bytes of all features that the examples read."""
    return sum(list_entries(loader, unit).bytes for unit in loader.units)


def word_residence(needed: int, residence: str, units: Sequence[str]) -> str:
    """One sentence on where the features are."""
    how = {RESIDENT: "nothing is copied while it trains", PINNED: "copied ahead, step by step", DISK: "read and copied step by step"}
    return f"The features of {' '.join(units)} take {needed / 1e9:.1f} GB and are kept {residence}: {how[residence]}."
