"""The order in which the runs of an experiment visit the utterances: one order an epoch for all of them, so that data is read once for all.

A run takes its own training utterances out of the shared order, in batches of its own that hold nothing else. What a run visits depends on
the experiment's seed, the epoch and its own split alone, so it is the same whether the run is trained by itself or beside 24 others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def draw_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of all utterances in one epoch, (count,) int."""
    return np.random.default_rng([seed, 5, epoch]).permutation(count)


def cut_chunk(
    chunk: np.ndarray, pending: np.ndarray, mask: np.ndarray, lengths: np.ndarray, *, size: int, last: bool
) -> tuple[list[np.ndarray], np.ndarray]:
    """One run's batches of one chunk of the order, shortest first, and what stays for the next chunk.

    chunk (utterances,) and pending (fewer than `size`) are indices in visiting order; mask (count,) bool says which are the run's own,
    lengths (count,) how many segments each has. All batches hold `size` utterances but for the epoch's last.
    """
    waiting = np.concatenate([pending, chunk[mask[chunk]]])
    whole = len(waiting) if last else len(waiting) // size * size
    visited = waiting[:whole]
    visited = visited[np.argsort(lengths[visited], kind="stable")]
    return [visited[start : start + size] for start in range(0, whole, size)], waiting[whole:]


def visit_epoch(
    masks: Sequence[np.ndarray], lengths: np.ndarray, *, seed: int, epoch: int, size: int, chunk: int
) -> Iterator[list[np.ndarray | None]]:
    """Step after step, every run's next batch; None for a run that has none at this step.

    Utterances of similar length stand in a batch together: each chunk of the order is sorted by length, and its batches are visited in
    random order. Runs have unlike numbers of batches in a chunk; their longest meet at a step, then their second longest and so on, since
    runs that are one batch are padded to the longest utterance of all. `masks` holds one (count,) bool array per run.
    """
    order = draw_order(seed, epoch, len(lengths))
    pending = [order[:0]] * len(masks)
    for number, start in enumerate(range(0, len(order), chunk)):
        last = start + chunk >= len(order)
        cuts = [cut_chunk(order[start : start + chunk], kept, mask, lengths, size=size, last=last) for kept, mask in zip(pending, masks)]
        pending = [kept for _, kept in cuts]
        for place in np.random.default_rng([seed, 6, epoch, number]).permutation(chunk // size + 2):  # the same for any set of runs
            step = [batches[-1 - place] if place < len(batches) else None for batches, _ in cuts]
            if any(batch is not None for batch in step):
                yield step


def mark(rows: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool, True at `rows`."""
    marked = np.zeros(count, bool)
    marked[rows] = True
    return marked


def scramble_keys(seeds: np.ndarray, step: np.ndarray, sites: int) -> np.ndarray:
    """Keys of the dropout masks, (runs, sites) int32: a hash (splitmix64) of each run's seed (runs,), its step (runs,) and the site."""
    with np.errstate(over="ignore"):
        x = seeds.astype(np.uint64)[:, None] + step.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
        x = _mix(x) + np.arange(sites, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
        return _mix(x).astype(np.uint32).view(np.int32)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: np.ndarray = x ^ (x >> np.uint64(31))
    return found
