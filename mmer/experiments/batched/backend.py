"""Whether the kernels written in Triton are used: on a CUDA device, where they compile there and give what the plain path gives."""

from __future__ import annotations

import importlib.util
import subprocess
from functools import cache

import torch
from torch import Tensor


def use_kernels(values: Tensor, wanted: bool | None = None) -> bool:
    """`wanted` decides where it is given (tests run the kernels on a CPU, in Triton's interpreter)."""
    if wanted is not None:
        return wanted
    return values.is_cuda and not explain_no_kernels(values.device.index or 0)


@cache
def explain_no_kernels(device: int) -> str:
    """Why the plain path is taken on this CUDA device, as one sentence; "" where the kernels are taken. Tried once a process."""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed, so training takes PyTorch's own operations, which are slower."
    from triton.errors import TritonError

    from mmer.experiments.batched.kernel_check import find_difference

    try:
        with torch.cuda.device(device):
            different = find_difference(torch.device("cuda", device))
    except (TritonError, RuntimeError, OSError, subprocess.SubprocessError) as error:  # no C compiler, no Python.h, a card that is too old
        reason = " ".join(str(error).split())[:200]
        return f"Triton's kernels don't compile here ({reason}), so training takes PyTorch's own operations, which are slower."
    if different:
        return f"Triton's kernels give another result here ({different}), so training takes PyTorch's own operations, which are slower."
    return ""
