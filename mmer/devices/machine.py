"""What this machine has to compute on: cards as PyTorch sees them, and as NVIDIA's driver lists them."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmer.devices.choice import Machine
from mmer.devices.failure import shorten_failure

DRIVER = Path("/proc/driver/nvidia")  # where NVIDIA's driver for Linux says what it found
PATIENCE = 20  # seconds that nvidia-smi may take


@dataclass(frozen=True)
class CardMemory:
    free: int  # bytes
    total: int


def look_at_machine(*, driver_folder: Path = DRIVER, ask_driver: Callable[[], str] | None = None) -> Machine:
    """PyTorch's cards and the driver's. `ask_driver` gives nvidia-smi's "name, version" lines, "" where there is no such program; it is
    asked only where PyTorch sees no card and the driver has no folder.
    """
    import torch

    cards, failure = find_cards()
    driver, listed = read_driver(driver_folder)
    if not cards and not driver:
        driver, listed = parse_driver((ask_driver or ask_nvidia_smi)())
    return Machine(
        torch=torch.__version__,
        cuda=torch.version.cuda or "",
        cards=cards,
        failure=failure,
        driver=driver,
        listed=listed,
        mps=bool(torch.backends.mps.is_available()),
    )


def find_cards() -> tuple[tuple[str, ...], str]:
    """(names of the cards that PyTorch can use, what CUDA answered instead): a driver that is busy, broken or too old only warns."""
    import torch

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    except (RuntimeError, AssertionError) as error:
        return (), shorten_failure(str(error))
    names = tuple(name_card(number) for number in range(count))
    return names, "" if names else next((shorten_failure(str(w.message)) for w in said if "CUDA" in str(w.message)), "")


def name_card(number: int) -> str:
    """One that does not answer is there all the same: whatever is moved to it says why it can't be."""
    import torch

    try:
        return torch.cuda.get_device_name(number)
    except (RuntimeError, AssertionError):
        return "NVIDIA card"


def measure_memory(number: int) -> CardMemory | str:
    """The memory of a card, or what CUDA answered instead of it."""
    import torch

    try:
        return CardMemory(*torch.cuda.mem_get_info(number))
    except (RuntimeError, AssertionError) as error:
        return shorten_failure(str(error))


def read_driver(folder: Path) -> tuple[str, tuple[str, ...]]:
    """(version, names of the cards) by the driver's own files; ("", ()) where there are none."""
    try:
        version = (folder / "version").read_text(encoding="utf-8", errors="replace")
        infos = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("gpus/*/information"))]
    except OSError:
        return "", ()
    found = re.search(r"\b(\d{2,4}\.\d+(?:\.\d+)?)\b", version)
    models = (re.search(r"^Model:\s*(.+)$", info, re.MULTILINE) for info in infos)
    return found[1] if found else "of unknown version", tuple(model[1].strip() if model else "an NVIDIA card" for model in models)


def parse_driver(text: str) -> tuple[str, tuple[str, ...]]:
    """(version, names of the cards) of nvidia-smi's lines "NVIDIA A100-SXM4-40GB, 550.54.15"."""
    rows = [line.rpartition(",") for line in text.splitlines() if "," in line]
    return (rows[0][2].strip(), tuple(name.strip() for name, _, _ in rows)) if rows else ("", ())


def ask_nvidia_smi() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
