"""`mmer extract DATASET`: what the encoders make of every utterance, once, for all trainings to come."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmer.choices.units import UNITS, list_units
from mmer.commands.options.clip import add_aligner_arguments, add_preset, read_aligner_options
from mmer.commands.options.device import add_device, read_device
from mmer.commands.options.executor import add_executor, read_executor
from mmer.datasets.describe import describe_dataset
from mmer.errors import DataError
from mmer.files.bugs import is_bug
from mmer.phrasing import say_count, say_time

if TYPE_CHECKING:
    from mmer.feature_store.feature_items import FeatureSet

SHOWN = 10  # names that are printed of a longer list


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="a manifest (CSV, TSV, JSON lines), its folder, or IEMOCAP's folder")
    add_preset(parser)
    parser.add_argument(
        "--features", metavar="FOLDER", type=Path, required=True, help="the folder of the features; what is already there is used again"
    )
    parser.add_argument("--units", nargs="+", choices=tuple(UNITS), metavar="UNIT", help=f"{list_units()} (all)")
    add_aligner_arguments(parser, what="what finds the words of utterances without an alignment file")
    parser.add_argument(
        "--labels",
        metavar="MAPPING",
        help="angry=anger,calm= or a JSON file: what a manifest's labels mean; an empty meaning leaves a label out",
    )
    parser.add_argument("--classes", metavar="NAMES", help="the classes to extract, in this order: bad,neutral,good (those of the labels)")
    parser.add_argument("--no-audio", action="store_true", help="read the words only: sound files need not be there")
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=0,
        help="number of processes, of about 1 GB each (0: as many as there are CPU cores and work)",
    )
    add_device(parser, what="where the encoders run")
    parser.add_argument(
        "--shard", metavar="I/N", default="1/1", help="only part I of N: the parts may run anywhere with the same --features"
    )
    parser.add_argument(
        "--shards", metavar="N", type=int, help="with --executor ray: parts that are done at once (one for every CPU or GPU)"
    )
    add_executor(parser)
    parser.add_argument("--check", action="store_true", help="check every stored entry and redo those that were altered")
    parser.add_argument("--again", action="store_true", help="try again to align what could not be aligned before")


def run(args: argparse.Namespace) -> int:
    """1 where a bug was met over an utterance: it is listed, and the others are done."""
    features, units = extract(args)
    print("\n".join(describe_features(features, units)))
    reasons = (why for item in features.items for _, why in item.absent)
    return 1 if any(map(is_bug, (*features.left_out, *reasons))) else 0


def extract(args: argparse.Namespace) -> tuple[FeatureSet, tuple[str, ...]]:
    """What the arguments ask for, and the units that were asked for. Raises DataError."""
    shard, units = parse_shard(args.shard), choose_units(args.units, audio=not args.no_audio)
    if args.workers < 0:
        raise DataError(f"--workers {args.workers}: it can't be below 0.")
    if args.executor == "ray" or args.shards is not None:
        return extract_on_ray(args, units), units
    read_executor(args)
    from mmer.datasets.classes import parse_classes
    from mmer.datasets.reading import read_dataset, read_labels
    from mmer.feature_store.cache import FeatureCache
    from mmer.feature_store.extraction import extract_dataset
    from mmer.feature_store.overlap import StageTimes

    times = StageTimes()
    dataset = read_dataset(
        args.dataset,
        labels=read_labels(args.labels) if args.labels else None,
        classes=parse_classes(args.classes or ""),
        audio=not args.no_audio,
    )
    features = extract_dataset(
        dataset,
        FeatureCache(args.features),
        preset=args.preset,
        units=units,
        aligner=None if args.aligner == "none" else args.aligner,
        aligner_options=read_aligner_options(args),
        workers=args.workers,
        device=read_device(args),
        shard=shard,
        check=args.check,
        again=args.again,
        times=times,
        progress=make_progress(describe=times.describe_shortly),
    )
    if summary := times.describe():
        print(summary, file=sys.stderr)
    return features, units


def extract_on_ray(args: argparse.Namespace, units: Sequence[str]) -> FeatureSet:
    """All shards as tasks of a cluster. Raises DataError."""
    executor = read_executor(args)
    if executor is None:
        raise DataError("--shards is for --executor ray; without it, --shard I/N does one part.")
    if args.shard != "1/1" or (args.shards is not None and args.shards < 1):
        raise DataError("With --executor ray all parts are done: leave --shard out, and let --shards be at least 1.")
    from mmer.cluster.ray_executor import SharedDataset
    from mmer.datasets.classes import parse_classes
    from mmer.datasets.reading import read_labels
    from mmer.feature_store.extraction_job import ExtractionJob, check_units

    aligner = None if args.aligner == "none" else args.aligner
    job = ExtractionJob(
        args.features,
        args.preset,
        check_units(units),
        aligner,
        read_device(args),
        args.check,
        args.again,
        aligner_options=read_aligner_options(args),
    )
    labels, classes = read_labels(args.labels) if args.labels else None, parse_classes(args.classes or "")
    source = SharedDataset.read(args.dataset, job, labels=labels, classes=classes, audio=not args.no_audio)
    return executor.extract(source, shards=args.shards or 0, workers=args.workers or 1, progress=make_progress())


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/8" -> (1, 8): the data counts from 0. Raises DataError."""
    part, sign, count = text.partition("/")
    if not (sign and part.isdecimal() and count.isdecimal() and 1 <= int(part) <= int(count)):
        raise DataError(f"--shard {text!r} does not have the form I/N with I from 1 to N, for example 2/8.")
    return int(part) - 1, int(count)


def choose_units(named: Sequence[str] | None, *, audio: bool) -> tuple[str, ...]:
    if audio:
        return tuple(named or UNITS)
    if named and set(named) != {"T"}:
        raise DataError(f"--no-audio leaves only the unit T, but --units names {' '.join(named)}.")
    return ("T",)


def make_progress(
    *, every: float = 2.0, now: Callable[[], float] = time.monotonic, describe: Callable[[], str] = lambda: ""
) -> Callable[[str, int, int], None]:
    """One line on standard error now and then: how far, how fast, how long still, and what `describe` says of clips."""
    begun: dict[str, tuple[float, int]] = {}  # from the first answer on: before it the processes start
    last = now()

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        if not done:
            print(f"{what}: {total} to extract", file=sys.stderr, flush=True)
            return
        at = now()
        if what not in begun:
            begun[what], last = (at, done), at
        if done < total and at - last < every:
            return
        last = at
        start, first = begun[what]
        rate = (done - first) / max(at - start, 1e-9)
        speed = f", {rate:.1f} a second" if done > first else ""
        left = f", {say_time((total - done) / rate)} left" if done < total and rate else ""
        held_up = f"; {words}" if what == "clips" and (words := describe()) else ""
        print(f"{what}: {done} of {total}{speed}{left}{held_up}", file=sys.stderr, flush=True)

    return report


def describe_features(features: FeatureSet, units: Sequence[str]) -> list[str]:
    """For people: how many utterances have each of `units`, and which have not and why."""
    counts = ", ".join(f"{unit} {sum(unit in item.units for item in features.items)}" for unit in units)
    lines = describe_dataset(features.dataset)
    lines.append(f"{say_count(len(features.items), 'utterance')} with features ({features.preset}): {counts}")
    hours = sum(item.seconds or 0 for item in features.items) / 3600
    if hours:
        lines[-1] += f"; {hours:.2f} h of sound"
    lines += list_names("left out", features.left_out)
    lines += list_names("without some units", [line for item in features.items if (line := item.describe_gaps(units))])
    return lines


def list_names(what: str, names: Iterable[str]) -> list[str]:
    """Nothing for nothing; else the number and the first few."""
    names = list(names)
    more = [f"  ... and {len(names) - SHOWN} more"] * (len(names) > SHOWN)
    return [f"{what}: {len(names)}", *(f"  {name}" for name in names[:SHOWN]), *more] if names else []
