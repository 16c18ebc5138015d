"""`mmer space OUT`: a folder that can be pushed to a Hugging Face Space as it is."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from mmer.errors import DataError
from mmer.phrasing import say_count
from mmer.space.folder import measure_lfs, plan_space, write_space
from mmer.space.hardware import HARDWARE, Hardware

PROJECT = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    titles = "; ".join(f"{row.key}: {row.title}" for row in HARDWARE.values())
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder that is written; one that this command wrote is written anew")
    parser.add_argument("--hardware", choices=HARDWARE, default="cpu-basic", help=f"{titles} (%(default)s)")
    parser.add_argument("--heads", metavar="FOLDER", type=Path, help="the heads that speak there (pretrained)")
    parser.add_argument("--no-wheels", action="store_true", help="don't ask pip whether every requirement has a wheel")


def run(args: argparse.Namespace) -> None:
    hardware = HARDWARE[args.hardware]
    files = plan_space(PROJECT, hardware, heads=args.heads)
    write_space(files, args.out, hardware=hardware)
    sizes = files.sizes()
    print(f"{args.out}: {say_count(len(sizes), 'file')}, {sum(sizes.values()) / 2**20:.1f} MB, for {hardware.key} ({hardware.title})")
    count, large = measure_lfs(files)
    print(f"git LFS keeps {count} of them, {large / 2**20:.1f} MB")
    if args.no_wheels:
        print("not checked: whether every requirement has a wheel (--no-wheels)")
    else:
        print("asking pip for the wheels of every requirement ...", flush=True)
        check_wheels(args.out, hardware)
    print(f"to publish it: hf auth login, then hf upload NAME/SPACE {args.out} . --repo-type space")


def check_wheels(folder: Path, hardware: Hardware) -> None:
    """Raises DataError naming the lines that pip would have to build there, or when pip can't be asked."""
    python = ".".join(hardware.python.split(".")[:2])
    script = PROJECT / "scripts" / "check_wheels.py"
    command = [sys.executable, str(script), "--requirements", str(folder / "requirements.txt"), "--python", python]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wrong = [line.removeprefix("WRONG ") for line in done.stdout.splitlines() if line.startswith("WRONG")]
    if wrong:
        raise DataError(f"The folder is written, but would not install there: {' '.join(wrong)}")
    if done.returncode != 0:
        raise DataError(f"The folder is written, but not checked: {done.stderr.strip()[-300:]} (--no-wheels leaves this check out)")
    print(done.stdout.splitlines()[-1])
