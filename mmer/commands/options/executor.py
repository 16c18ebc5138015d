"""What `reproduce` and `extract` share: where the work is done, in this process or on a Ray cluster."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmer.errors import DataError

if TYPE_CHECKING:
    from mmer.cluster.ray_executor import RayExecutor


def add_executor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help="where the work is done (%(default)s)")
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="the address of a running Ray cluster, or auto; by default RAY_ADDRESS, or else Ray is started here",
    )
    parser.add_argument("--ray-cpus", metavar="N", type=int, help="CPU cores of a task (by default the cores are divided among the tasks)")
    parser.add_argument("--ray-gpus", metavar="N", type=float, help="GPUs of a task; with 0.5 two tasks share one (1 where there are any)")


def read_executor(args: argparse.Namespace) -> RayExecutor | None:
    """None: in this process. Raises DataError for options that don't fit."""
    given = [name for name in ("ray_address", "ray_cpus", "ray_gpus") if getattr(args, name) is not None]
    if args.executor != "ray":
        if given:
            raise DataError(f"--{given[0].replace('_', '-')} is for --executor ray.")
        return None
    if args.ray_cpus is not None and args.ray_cpus < 1:
        raise DataError(f"--ray-cpus {args.ray_cpus}: a task needs at least 1.")
    if args.ray_gpus is not None and not (0 <= args.ray_gpus < 1 or (args.ray_gpus.is_integer() and args.ray_gpus > 0)):
        raise DataError(f"--ray-gpus {args.ray_gpus:g}: a task takes a part of one GPU, below 1, or whole ones.")
    from mmer.cluster.ray_executor import RayExecutor

    return RayExecutor(args.ray_address, cpus=args.ray_cpus or 0, gpus=args.ray_gpus)
