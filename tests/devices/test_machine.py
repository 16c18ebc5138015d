"""What the driver's files and nvidia-smi say, as they were written on machines with cards."""

import warnings

import pytest
import torch

from mmer.devices.failure import shorten_failure
from mmer.devices.machine import find_cards, look_at_machine, parse_driver, read_driver

VERSION = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n"
CARD = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 0\nGPU UUID: \t GPU-1\n"


def plant_driver(folder, version, cards):
    (folder / "version").write_text(version)
    for number, card in enumerate(cards):
        (folder / "gpus" / f"0000:{number:02d}:00.0").mkdir(parents=True)
        (folder / "gpus" / f"0000:{number:02d}:00.0" / "information").write_text(card)
    return folder


def test_the_driver_s_files_are_read(tmp_path):
    folder = plant_driver(tmp_path, VERSION, [CARD, "IRQ: 0\n"])
    assert read_driver(folder) == ("550.54.15", ("NVIDIA H100 80GB HBM3", "an NVIDIA card"))
    (folder / "version").write_text(OPEN)
    assert read_driver(folder)[0] == "580.159.04"
    assert read_driver(tmp_path / "none") == ("", ())


def test_nvidia_smi_s_lines_are_read():
    assert parse_driver("NVIDIA A100-SXM4-40GB, 550.54.15\nTesla T4, 550.54.15\n") == ("550.54.15", ("NVIDIA A100-SXM4-40GB", "Tesla T4"))
    assert parse_driver("") == parse_driver("No devices were found\n") == ("", ())


def test_the_machine_is_looked_at_without_a_warning(tmp_path):
    asked = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine = look_at_machine(driver_folder=plant_driver(tmp_path, VERSION, [CARD]), ask_driver=lambda: asked.append(1) or "")
    assert (machine.torch, machine.listed, machine.driver) == (torch.__version__, ("NVIDIA H100 80GB HBM3",), "550.54.15")
    assert not asked  # the driver's files were there


def test_nvidia_smi_is_asked_where_there_are_no_files(tmp_path):
    if find_cards()[0]:
        return
    machine = look_at_machine(driver_folder=tmp_path / "none", ask_driver=lambda: "Tesla T4, 550.1\n")
    assert (machine.driver, machine.listed) == ("550.1", ("Tesla T4",))


@pytest.mark.parametrize(
    ("said", "short"),
    [
        (
            "CUDA error: all CUDA-capable devices are busy or unavailable\nCUDA kernel errors might be asynchronously reported",
            "CUDA error: all CUDA-capable devices are busy or unavailable.",
        ),
        (
            "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver",
            "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040).",
        ),
        ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB", "CUDA out of memory."),
        ("CUDA unknown error - incorrectly set up. Setting the devices to be zero. (Triggered internally at x)", None),
        ("", "it gave no reason."),
    ],
)
def test_what_cuda_says_is_cut_to_its_first_sentence(said, short):
    assert shorten_failure(said) == (short or "CUDA unknown error - incorrectly set up.")
