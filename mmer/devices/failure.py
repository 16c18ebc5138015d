"""What a device answers instead of a result, told from mistakes of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 300  # characters of what a driver said
OUT_OF_MEMORY = re.compile(r"out of memory|ALLOC_FAILED", re.IGNORECASE)
OF_A_DEVICE = re.compile(r"cuda|cudnn|cublas|nvidia|\bmps\b", re.IGNORECASE)


@dataclass(frozen=True)
class DeviceFailure:
    is_memory: bool  # whether less at once may help
    text: str  # one sentence


def read_failure(error: RuntimeError) -> DeviceFailure | None:
    """What PyTorch or CTranslate2 raised; None for an error that has nothing to do with a device: it is ours, and must not be hidden."""
    text, kinds = str(error), {kind.__name__ for kind in type(error).__mro__}  # by name, as torch takes seconds to import
    if "OutOfMemoryError" in kinds or (OUT_OF_MEMORY.search(text) and OF_A_DEVICE.search(text)):
        return DeviceFailure(True, shorten_failure(text))
    if "AcceleratorError" in kinds or OF_A_DEVICE.search(text):
        return DeviceFailure(False, shorten_failure(text))
    return None


def shorten_failure(text: str) -> str:
    """The first sentence or line of what CUDA said, without the advice for people who write kernels; it ends with a full stop."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "it gave no reason")
    line = re.split(r"\s*\((?:Triggered internally|function )", line)[0]
    sentence = re.split(r"(?<=[a-z)])\. ", line)[0]
    return sentence[:LONGEST].rstrip(".") + "."
