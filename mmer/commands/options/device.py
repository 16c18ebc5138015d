"""Where models compute: the flag that every command has that loads any."""

from __future__ import annotations

import argparse

from mmer.devices.choice import NAMES, check_device_name


def add_device(parser: argparse.ArgumentParser, *, what: str = "where the models compute") -> None:
    parser.add_argument("--device", metavar="NAME", default="auto", help=f"{what}: {NAMES}; auto: CUDA where there is a card (auto)")


def read_device(args: argparse.Namespace) -> str:
    """The name of the device; whether there is such a one is found when the models are loaded. Raises DeviceError for a wrong name."""
    return check_device_name(args.device)
