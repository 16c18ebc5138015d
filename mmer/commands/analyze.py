"""`mmer analyze CLIP`: a summary on standard output, and JSON, CSV, TextGrid and HTML files if they are asked for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mmer.commands.options.clip import (
    SHARED_EXPORT,
    add_clip_arguments,
    add_export_argument,
    add_preset,
    check_outputs,
    parse_pronunciations,
    print_summary,
    read_aligner_options,
    read_text,
    read_textgrid_text,
    tell,
    write,
)
from mmer.commands.options.device import add_device, read_device
from mmer.errors import AlignmentError
from mmer.exports.formats import EXPORTS, Wishes
from mmer.heads.config_file import check_head
from mmer.results import Analysis

if TYPE_CHECKING:
    from mmer.pipeline import Analyzer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_clip_arguments(parser)
    parser.add_argument("--head", help="a head's name, or a folder that holds one (combined)")
    parser.add_argument("--heads", metavar="FOLDER", type=Path, default=find_heads_folder(), help="the folder of heads (pretrained)")
    add_preset(parser)
    add_device(parser)
    for key in EXPORTS:
        if key != SHARED_EXPORT:
            add_export_argument(parser, key)
    parser.add_argument("--samples", action="store_true", help="include the sound in the JSON")


def find_heads_folder() -> Path:
    """`pretrained` beside the package, where the heads of this project are; in an installed wheel, the copy inside it."""
    package = Path(__file__).parents[1]
    inside = package / "pretrained"
    return inside if inside.is_dir() else package.parent / "pretrained"


def run(args: argparse.Namespace) -> None:
    from mmer.exports.summary import summarise

    outputs = [getattr(args, key) for key in EXPORTS]
    check_outputs(args.clip, outputs)
    _, analysis = load_analysis(args)
    write_outputs(analysis, args)
    print_summary(summarise(analysis), outputs, quiet=args.quiet)
    for key, export in EXPORTS.items():
        if getattr(args, key) and (refused := export.refuse(analysis)):
            raise AlignmentError(refused)


def load_analysis(args: argparse.Namespace) -> tuple[Analyzer, Analysis]:
    """The analysis that the arguments ask for, and what made it. What can be wrong with them is found before anything is loaded."""
    from mmer.audio.load import load_audio

    pronunciations, device = parse_pronunciations(args.pronounce), read_device(args)
    text, textgrid = read_text(args), read_textgrid_text(args.textgrid_in)
    folder, head = locate_head(args.head or "combined", args.heads)
    check_head(folder, head, preset=args.preset, alone=args.head is not None)
    clip = load_audio(args.clip)
    tell("  0 % Loading the models", quiet=args.quiet)
    from mmer.pipeline import Analyzer  # torch and transformers take seconds to import

    analyzer = Analyzer.load(
        preset=args.preset,
        heads_folder=folder,
        head=head if args.head else None,
        device=device,
        aligner_options=read_aligner_options(args),
    )
    if analyzer.left_out:
        tell(analyzer.left_out, quiet=False)
    return analyzer, analyzer.analyze(
        clip,
        text=text,
        aligner=args.aligner,
        textgrid=textgrid,
        pronunciations=pronunciations,
        head=head,
        progress=report(args),
    )


def report(args: argparse.Namespace) -> Callable[[float, str], None]:
    """The callback that prints each stage; None where nothing shall be printed."""
    return lambda share, stage: tell(f"{100 * share:3.0f} % {stage}", quiet=args.quiet)


def locate_head(name: str, folder: Path) -> tuple[Path, str]:
    """(folder of heads, head's name): `name` may be a path to a head's own folder."""
    path = Path(name)
    return (path.resolve().parent, path.resolve().name) if len(path.parts) > 1 or os.path.isfile(path / "config.json") else (folder, name)


def write_outputs(analysis: Analysis, args: argparse.Namespace) -> None:
    """The files, whole or not at all; those that this analysis can't be written as are left out. Raises DataError."""
    for key, export in EXPORTS.items():
        path = getattr(args, key)
        if path and not export.refuse(analysis):
            write(path, export.write(analysis, Wishes(sound=args.samples)), quiet=args.quiet)
