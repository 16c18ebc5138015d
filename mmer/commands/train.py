"""`mmer train`: one model on one data set, all folds and repetitions; made in runs/<name>/, or gone on with."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmer.align import list_choices, list_options
from mmer.choices.fusion_models import FUSION_MODELS
from mmer.choices.units import UNITS
from mmer.devices.choice import NAMES
from mmer.encoders.presets import DEFAULT, PRESETS
from mmer.errors import DataError
from mmer.experiments.experiment import FURTHER, MODEL, PROTOCOL, SETTINGS, Experiment

if TYPE_CHECKING:
    from mmer.experiments.folder.runs import RunFolder
NUMBERS = (*PROTOCOL, *SETTINGS, *FURTHER)


def list_texts() -> dict[str, str]:
    """The fields of Experiment that are no numbers -> what they are; a flag each."""
    kept = {f.name for f in fields(Experiment)}
    return {
        "preset": f"the pair of encoders: {', '.join(PRESETS)} ({DEFAULT})",
        "aligner": f"{', '.join(list_choices())}: what finds the words of utterances without an alignment file (sphinx)",
        **{option.name: option.help for option in list_options() if option.name in kept},
        "by": "make folds of session, speaker or auto: sessions where there are any (auto)",
        "validation": "how the validation part is chosen: random, speaker or session (random, as in the paper)",
        "device": f"where to train: {NAMES} (auto)",
        "stacked": "yes, no or auto: whether all runs are computed as one stack (auto)",
        "precision": "of training's products: float32, tf32 (a GPU's), bfloat16, or auto: float32 on a CPU, else tf32 or bfloat16 (auto)",
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resume", metavar="FOLDER", type=Path, help="continue the experiment in this folder; no other flag is needed")
    parser.add_argument("--name", help="the name of the experiment's folder; the same name again continues it")
    parser.add_argument("--model", choices=tuple(FUSION_MODELS), help="the fusion model (late)")
    parser.add_argument(
        "--units", nargs="+", choices=tuple(UNITS), metavar="UNIT", help=f"the units that the model reads, of {' '.join(UNITS)} (T F S)"
    )
    add_settings(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The flags of an experiment's settings beside its model; shared with `mmer reproduce`."""
    parser.add_argument("--data", metavar="PATH", help="a manifest, its folder, or the folder of an IEMOCAP release")
    parser.add_argument(
        "--labels",
        metavar="MAPPING",
        help="angry=anger,calm= or a JSON file: what a manifest's labels mean; an empty meaning leaves a label out",
    )
    parser.add_argument("--classes", metavar="NAMES", help="the classes to learn, in this order: bad,neutral,good (those of the labels)")
    parser.add_argument(
        "--features", metavar="FOLDER", default="cache", help="the folder of extracted features (%(default)s); missing ones are added"
    )
    parser.add_argument("--runs", metavar="FOLDER", type=Path, default=Path("runs"), help="the folder of experiments (%(default)s)")
    parser.add_argument("--workers", metavar="N", type=int, default=0, help="processes that extract features (0: as many as CPU cores)")
    for name, what in list_texts().items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="NAME", help=what)
    for setting in NUMBERS:
        kind: type = int if setting.whole else float
        text = f"{setting.title}. {setting.note}".replace("%", "%%")
        parser.add_argument(f"--{setting.name.replace('_', '-')}", type=kind, metavar=kind.__name__.upper(), help=text)


def run(args: argparse.Namespace) -> None:
    from mmer.datasets.classes import say_own_classes
    from mmer.datasets.describe import word_missing_classes
    from mmer.datasets.leakage import format_leakage
    from mmer.experiments.report.run_report import format_run
    from mmer.experiments.trainer.run_experiment import run_experiment

    if args.workers < 0:
        raise DataError(f"--workers {args.workers}: it can't be below 0.")
    folder = find_begun(args) if args.resume else find_folder(args)
    data = folder.read("data")
    classes = folder.read_experiment().class_names
    missing = word_missing_classes((label for label, count in data["counts"].items() if count), classes)
    warnings = [f"! {sentence}" for sentence in (say_own_classes(classes), missing, *data.get("warnings", ())) if sentence]
    print(f"experiment in {folder.path}", format_leakage(folder.read("leakage")), *warnings, sep="\n", flush=True)
    run_experiment(folder, workers=args.workers)
    print(format_run(folder), end="")


def find_begun(args: argparse.Namespace) -> RunFolder:
    """The folder to go on with. Raises DataError for a flag whose value the experiment has already."""
    from mmer.experiments.folder.runs import RunFolder

    names = ("name", "model", "units", "data", "labels", "classes", *list_texts(), *(setting.name for setting in NUMBERS))
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is not None]
    if given:
        raise DataError(f"--resume continues with the settings that the experiment was begun with; leave out {', '.join(given)}.")
    return RunFolder(args.resume)


def find_folder(args: argparse.Namespace) -> RunFolder:
    """The folder named on the command line, made when it is new. Raises DataError when it holds another experiment."""
    from mmer.experiments.prepare import claim_experiment

    if not args.name:
        raise DataError("Give the experiment a name with --name, or name the folder to continue: --resume runs/NAME.")
    return claim_experiment(args.runs, args.name, read_settings(args, **read_model(args)))


def read_model(args: argparse.Namespace) -> dict[str, Any]:
    """What differs from Experiment's defaults in model and units."""
    return ({"fusion": args.model} if args.model else {}) | ({"units": tuple(args.units)} if args.units else {})


def read_settings(args: argparse.Namespace, **model: Any) -> Experiment:
    """The experiment that the arguments describe. Raises DataError for what can't be."""
    from mmer.datasets.classes import parse_classes
    from mmer.datasets.reading import read_labels

    if not args.data:
        raise DataError("Name the data set with --data: a manifest, its folder, or the folder of an IEMOCAP release.")
    settings = {
        name: value for name in (*list_texts(), *(setting.name for setting in NUMBERS)) if (value := getattr(args, name)) is not None
    }
    sizes = {name: settings.pop(name) for name in MODEL if name in settings}
    labels = read_labels(args.labels) if args.labels else {}
    classes = parse_classes(args.classes or "")
    return Experiment(data=args.data, features=args.features, labels=labels, classes=classes, model=sizes, **settings, **model)
