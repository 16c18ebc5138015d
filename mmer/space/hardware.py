"""The kinds of Space that we write folders for, one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hardware:
    """One kind of machine of Hugging Face Spaces, and what its folder needs that others don't."""

    key: str  # Hugging Face's name, `suggested_hardware` in the front matter
    title: str
    python: str  # `python_version` in the front matter
    torch: str  # versions of torch that may be installed there, beside those of requirements.txt
    index: str = ""  # where pip finds a build of torch without CUDA
    further: tuple[str, ...] = ()  # lines of requirements that only this kind needs


HARDWARE = {
    row.key: row
    for row in (
        Hardware(
            "cpu-basic",
            "two CPU cores and 16 GB of memory, free",
            python="3.12",
            torch="",
            index="https://download.pytorch.org/whl/cpu",
        ),
        # what Hugging Face's documentation of ZeroGPU (hub/spaces-zerogpu) offers; Python 3.10.13 is too old for us
        Hardware(
            "zero-a10g",
            "ZeroGPU: a share of an NVIDIA card while something computes",
            python="3.12.12",
            torch=">=2.8,<=2.11.0",
            further=("spaces>=0.51,<1             # 0.51.3, Apache-2.0; asks for the card",),
        ),
    )
}
