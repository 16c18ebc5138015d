"""`mmer runs ...`: the experiments that `mmer train` keeps in runs/. See docs/runs.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (_, what, names) in ACTIONS.items():
        own = commands.add_parser(name, help=what, description=what.capitalize() + ".")
        own.add_argument("--runs", metavar="ROOT", type=Path, default=Path("runs"), help="the folder of experiments (runs)")
        for argument in names:
            own.add_argument(argument, metavar="NAME", help="an experiment")
        if name == "resume":
            own.add_argument("--background", action="store_true", help="train in a process of its own, which continues when the shell ends")
        if name == "export":
            own.add_argument("--out", type=Path, metavar="FILE", help="the zip to write (NAME.zip)")
            own.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="write event files for TensorBoard instead of a zip")
        if name == "promote":
            add_promote_arguments(own)
        if name == "claims":
            own.add_argument("names", metavar="NAME", nargs="*", help="the experiments (all that are finished in the folder)")
            own.add_argument("--out", type=Path, metavar="FILE", help="write the table as .csv, .md or .tex")


def add_promote_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--with-late", metavar="NAME", help="combine it, an early fusion model, with this late fusion experiment (Section 2.4)"
    )
    parser.add_argument("--head", metavar="NAME", help="the head's name (the experiment's)")
    parser.add_argument("--fold", type=int, help="the fold of the run, from 1 (with --repetition; otherwise a run is chosen)")
    parser.add_argument("--repetition", type=int, help="the repetition of the run, from 1")
    parser.add_argument(
        "--choose",
        choices=("median", "lowest"),
        default="median",
        help="which run: the one at the median validation loss (%(default)s), or the lowest, which is often that of the easiest clips",
    )
    parser.add_argument("--each-fold", action="store_true", help="make a head of every fold, NAME-fold1 and so on, to compare them")
    parser.add_argument("--heads", metavar="FOLDER", type=Path, default=Path("pretrained"), help="where the head's folder is written")
    parser.add_argument(
        "--clip-hashes", action="store_true", help="list the hashes of the training clips even if they are not from a public corpus"
    )
    parser.add_argument("--licence", default="", help="the licence of the weights; by default that of the data, where it is known")


def run(args: argparse.Namespace) -> int | None:
    return ACTIONS[args.action][0](args)


def list_experiments(args: argparse.Namespace) -> None:
    from mmer.experiments.folder.run_list import list_runs
    from mmer.experiments.report.run_report import format_list

    print(format_list(list_runs(args.runs), root=str(args.runs)), end="")


def show(args: argparse.Namespace) -> None:
    from mmer.experiments.folder.runs import find_run
    from mmer.experiments.report.run_report import format_run

    print(format_run(find_run(args.runs, args.name)), end="")


def resume(args: argparse.Namespace) -> int | None:
    from mmer.experiments.folder.run_status import launch_run
    from mmer.experiments.folder.runs import find_run

    folder = find_run(args.runs, args.name)
    if args.background:
        print(f"{folder.name}: process {launch_run(folder)} writes to {folder.path / 'log.txt'}")
        return None
    train = import_module("mmer.commands.train")
    parser = argparse.ArgumentParser(prog="mmer train")
    train.add_arguments(parser)
    found: int | None = train.run(parser.parse_args(["--resume", str(folder.path)]))
    return found


def stop(args: argparse.Namespace) -> None:
    from mmer.experiments.folder.run_status import stop_run
    from mmer.experiments.folder.runs import find_run

    print(f"{args.name}: {stop_run(find_run(args.runs, args.name)).state}")


def delete(args: argparse.Namespace) -> None:
    from mmer.experiments.folder.run_list import delete_run

    delete_run(args.runs, args.name)
    print(f"{args.name}: deleted")


def export(args: argparse.Namespace) -> None:
    from mmer.commands.options.clip import print_summary
    from mmer.experiments.folder.run_list import export_run, write_events
    from mmer.experiments.folder.runs import find_run
    from mmer.files.output import OUTPUT

    folder = find_run(args.runs, args.name)
    if args.tensorboard:
        print(f"wrote {write_events(folder, args.tensorboard)}")
    if args.out or not args.tensorboard:
        out = args.out or Path(f"{folder.name}.zip")
        export_run(folder, out)
        print_summary(f"wrote {out}\n", (out,), quiet=out == OUTPUT)


def promote(args: argparse.Namespace) -> None:
    from mmer.errors import DataError
    from mmer.experiments.folder.runs import find_run
    from mmer.experiments.promote import promote_combination, promote_folds, promote_run

    folder, name = find_run(args.runs, args.name), args.head or args.name
    options: dict[str, Any] = {"by": args.choose, "out": args.heads, "licence": args.licence, "clip_hashes": args.clip_hashes}
    if args.each_fold:
        if args.with_late or args.fold or args.repetition:
            raise DataError("--each-fold makes a head of every fold; leave out --fold, --repetition and --with-late.")
        for place in promote_folds(folder, name=name, **options):
            print(f"wrote {place}")
        return
    numbers = (("fold", args.fold), ("repetition", args.repetition))
    options |= {what: None if value is None else value - 1 for what, value in numbers}
    if args.with_late:
        late = find_run(args.runs, args.with_late)
        place = promote_combination(folder, late, name=name, **options)
    else:
        place = promote_run(folder, name=name, **options)
    print(f"wrote {place}")


def compare(args: argparse.Namespace) -> None:
    from mmer.experiments.choosing import read_learning
    from mmer.experiments.folder.runs import find_run
    from mmer.experiments.report.run_report import format_comparison
    from mmer.scores import pairs

    folders = [find_run(args.runs, name) for name in (args.name, args.other)]
    first, second = (folder.read_predictions() for folder in folders)
    print(format_comparison(pairs.compare(first, second, names=(args.name, args.other))), end="")
    for folder in folders:
        if (learning := read_learning(folder)).short:
            print(f"! {folder.name}: {learning.short}, and the comparison includes them.")


def claims(args: argparse.Namespace) -> None:
    from mmer.errors import DataError
    from mmer.experiments.folder.run_list import list_runs
    from mmer.experiments.folder.runs import find_run
    from mmer.experiments.report.claims import WRITERS, check_claims, write_text
    from mmer.files.output import write_file

    if args.out and args.out.suffix not in WRITERS:
        raise DataError(f"{args.out}: the ending must be one of {', '.join(WRITERS)}.")
    folders = [find_run(args.runs, name) for name in dict.fromkeys(args.names or [run.name for run in list_runs(args.runs)])]
    report = check_claims(folders if args.names else [folder for folder in folders if folder.has("results")])
    print(write_text(report), end="")
    if args.out:
        print(f"wrote {write_file(args.out, WRITERS[args.out.suffix](report))}")


ACTIONS: dict[str, tuple[Callable[[argparse.Namespace], int | None], str, tuple[str, ...]]] = {
    "list": (list_experiments, "list the experiments, the newest first", ()),
    "show": (show, "show one experiment: its state, scores per fold, layer weights, confusion", ("name",)),
    "resume": (resume, "continue one that was stopped, failed or lost", ("name",)),
    "stop": (stop, "end its process; what it has learned is kept", ("name",)),
    "delete": (delete, "delete it permanently", ("name",)),
    "export": (export, "write all its results as a zip, without checkpoints", ("name",)),
    "promote": (promote, "turn one of its runs into a head, with a model card", ("name",)),
    "claims": (claims, "test what the paper says of its models on experiments of one plan", ()),
    "compare": (compare, "print the difference of two experiments' UA, with its interval and p value", ("name", "other")),
}
