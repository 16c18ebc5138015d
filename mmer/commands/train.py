"""`mmer train`: one model on one data set, all folds and repetitions; made in runs/<name>/, or gone on with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmer.errors import DataError

if TYPE_CHECKING:
    from mmer.training.experiment import Experiment
    from mmer.training.runs import RunFolder

MODELS = ("linear", "transformer", "late", "coattention", "concatenation")
UNITS = ("T", "F", "P", "S", "W")
FIELDS = {  # of Experiment; a flag each
    "preset": (str, "compact or paper (compact)"),
    "folds": (int, "of speakers; where the data has sessions, each is a fold (the paper's 5)"),
    "repetitions": (int, "of every fold (the paper's 5)"),
    "by": (str, "folds by session, speaker or auto: sessions where there are any (auto)"),
    "validation": (str, "random, speaker or session (the paper's random)"),
    "share": (float, "of the utterances that are not tested, for validation (the paper's 0.1)"),
    "seed": (int, "of folds, orders, weights and dropout (0)"),
    "epochs": (int, "at most (100)"),
    "patience": (int, "epochs without a lower validation loss (4)"),
    "batch_size": (int, "of each run (the paper's 32)"),
    "learning_rate": (float, "the paper's by default: 5e-5 for transformer and coattention, 1e-3 else"),
    "layer_rate": (float, "the layer weights learn so many times as fast (1)"),
    "label_smoothing": (float, "(0)"),
    "weight_decay": (float, "(0)"),
    "clip_norm": (float, "of each run's gradient (1)"),
    "max_seconds": (float, "read of an utterance (15)"),
    "chunk": (int, "utterances that are sorted by length together (512)"),
    "device": (str, "cpu, cuda or auto"),
    "stacked": (str, "yes, no or auto: one stack for all runs"),
    "threads": (int, "of the CPU (0: all cores)"),
}
MODEL = {"hidden": int, "dropout": float, "heads": int, "feedforward": int, "blocks": int}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resume", metavar="FOLDER", type=Path, help="go on with the experiment in this folder; nothing else is needed")
    parser.add_argument("--name", help="of the experiment's folder; the same name again goes on with it")
    parser.add_argument("--model", choices=MODELS, default="late", help="(%(default)s)")
    parser.add_argument("--units", nargs="+", choices=UNITS, metavar="UNIT", default=["T", "F", "S"], help="of T F P S W (T F S)")
    add_settings(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """What an experiment is told beside its model; shared with `mmer reproduce`."""
    parser.add_argument("--data", metavar="PATH", help="a manifest, its folder, or the folder of an IEMOCAP release")
    parser.add_argument("--labels", metavar="MAPPING", help="angry=anger,calm= or a JSON file: a manifest's labels; nothing leaves one out")
    parser.add_argument("--features", metavar="FOLDER", default="cache", help="what was extracted (%(default)s); what is missing is added")
    parser.add_argument("--runs", metavar="FOLDER", type=Path, default=Path("runs"), help="where experiments are kept (%(default)s)")
    parser.add_argument("--workers", metavar="N", type=int, default=0, help="processes that extract features (0: as many as CPU cores)")
    for name, (kind, what) in FIELDS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=kind.__name__.upper(), help=what)
    for name, model_kind in MODEL.items():
        parser.add_argument(f"--{name}", type=model_kind, metavar=model_kind.__name__.upper(), help="of the model")


def run(args: argparse.Namespace) -> None:
    from mmer.training.run_experiment import run_experiment
    from mmer.training.run_report import format_run
    from mmer.training.runs import RunFolder

    folder = RunFolder(args.resume) if args.resume else find_folder(args)
    print(f"experiment in {folder.path}", flush=True)
    run_experiment(folder, workers=args.workers)
    print(format_run(folder), end="")


def find_folder(args: argparse.Namespace) -> RunFolder:
    """The folder named on the command line, made when it is new. Raises DataError when it holds another experiment."""
    from mmer.training.run_experiment import claim_experiment

    if not args.name:
        raise DataError("Give the experiment a name with --name, or name the folder to go on with: --resume runs/NAME.")
    return claim_experiment(args.runs, args.name, read_settings(args, fusion=args.model, units=tuple(args.units)))


def read_settings(args: argparse.Namespace, **model: Any) -> Experiment:
    """The experiment that the arguments describe. Raises DataError for what can't be."""
    from mmer.datasets.reading import read_labels
    from mmer.training.experiment import Experiment

    if not args.data:
        raise DataError("Name the data set with --data: a manifest, its folder, or the folder of an IEMOCAP release.")
    told = {name: value for name in FIELDS if (value := getattr(args, name)) is not None}
    sizes = {name: value for name in MODEL if (value := getattr(args, name)) is not None}
    labels = read_labels(args.labels) if args.labels else {}
    return Experiment(data=args.data, features=args.features, labels=labels, model=sizes, **told, **model)
