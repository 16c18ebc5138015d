"""How exact sums and products are while all runs train as one batch: the precision asked for, and the same bits every time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

MEMORY_SHARE = 0.8  # of the device's free memory that one step may take


@contextmanager
def fix_numerics(device: str, precision: str) -> Iterator[None]:
    """On CUDA: algorithms whose result does not depend on the order in which threads end, and TF32 products only where asked for.

    Without it a run that goes on from a checkpoint would end at other weights than one that was never stopped.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs to give the same bits every time
    fill = torch.utils.deterministic
    before = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled(), fill.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")  # every version of PyTorch knows this way
        torch.use_deterministic_algorithms(True)
        fill.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads what was not written
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.use_deterministic_algorithms(before[1])
        fill.fill_uninitialized_memory = before[2]  # type: ignore[attr-defined]


class Memory(Protocol):
    """The memory of a device."""

    def count_free(self) -> int: ...  # bytes

    def start_measuring(self) -> None: ...

    def read_peak(self) -> int: ...  # bytes taken at most, beyond what was taken when measuring started


class CudaMemory:
    """That of a CUDA device: what the driver says is free, and what PyTorch holds without using it."""

    def __init__(self, device: str):
        self.device, self.before = device, 0

    def count_free(self) -> int:
        free: int = torch.cuda.mem_get_info(self.device)[0]
        return free + torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)

    def start_measuring(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.device)
        self.before = torch.cuda.memory_allocated(self.device)

    def read_peak(self) -> int:
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_allocated(self.device) - self.before


def count_runs_at_once(runs: int, *, peak: int, free: int) -> int:
    """How many of the runs a step computes at once, when one of them takes `peak` bytes: as many as fit, at least one, in even groups."""
    most = max(1, min(runs, int(MEMORY_SHARE * free / max(peak, 1))))
    groups = -(-runs // most)
    return -(-runs // groups)
