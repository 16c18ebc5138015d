"""`mmer analyze CLIP`: a summary on standard output, and JSON, CSV, TextGrid and HTML files if they are asked for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mmer.commands.clip import (
    add_clip_arguments,
    check_outputs,
    parse_pronunciations,
    print_summary,
    read_mfa,
    read_text,
    read_textgrid_text,
    tell,
    write,
)
from mmer.errors import AlignmentError
from mmer.exports.analysis_json import analysis_to_json, dump_json
from mmer.heads.config import check_head
from mmer.results import UNIT_NAMES, Analysis

if TYPE_CHECKING:
    from mmer.pipeline import Analyzer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_clip_arguments(parser)
    parser.add_argument("--head", default="combined", help="a head's name, or a folder that holds one (%(default)s)")
    parser.add_argument("--heads", metavar="FOLDER", type=Path, default=find_heads_folder(), help="the folder of heads (pretrained)")
    parser.add_argument("--preset", default="compact", choices=("compact", "paper"), help="the pair of encoders (%(default)s)")
    parser.add_argument("--json", metavar="OUT", type=Path, help="write everything as JSON (docs/analysis-json.md)")
    parser.add_argument("--samples", action="store_true", help="put the sound into the JSON as well")
    parser.add_argument("--csv", metavar="OUT", type=Path, help="write a table with one row per segment (docs/segment-table.md)")
    parser.add_argument("--html", metavar="OUT", type=Path, help="write a report that needs no network, sound included")


def find_heads_folder() -> Path:
    """`pretrained` beside the package, where the heads of this project are; in an installed wheel, the copy inside it."""
    package = Path(__file__).parents[1]
    inside = package / "pretrained"
    return inside if inside.is_dir() else package.parent / "pretrained"


def run(args: argparse.Namespace) -> None:
    from mmer.exports.summary import summarise

    outputs = (args.json, args.csv, args.textgrid, args.html)
    check_outputs(args.clip, outputs)
    _, analysis = load_analysis(args)
    write_outputs(analysis, args)
    print_summary(summarise(analysis), outputs, quiet=args.quiet)
    if args.textgrid and not analysis.alignment:
        reason = next((analysis.unavailable[u] for u in ("W", "P", "T") if u in analysis.unavailable), f"There are no {UNIT_NAMES['W']}.")
        raise AlignmentError(f"No TextGrid was written: {reason}")


def load_analysis(args: argparse.Namespace) -> tuple[Analyzer, Analysis]:
    """The analysis that the arguments ask for, and what made it. What can be wrong with them is found before anything is loaded."""
    from mmer.audio.load import load_audio

    pronunciations = parse_pronunciations(args.pronounce)
    text, textgrid = read_text(args), read_textgrid_text(args.textgrid_in)
    folder, head = locate_head(args.head, args.heads)
    check_head(folder, head, preset=args.preset)
    clip = load_audio(args.clip)
    tell("  0 % Loading the models", quiet=args.quiet)
    from mmer.pipeline import Analyzer  # torch and transformers take seconds to import

    analyzer = Analyzer.load(preset=args.preset, heads_folder=folder, mfa=read_mfa(args))
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
    """What tells each stage, unless nothing shall be told."""
    return lambda share, stage: tell(f"{100 * share:3.0f} % {stage}", quiet=args.quiet)


def locate_head(name: str, folder: Path) -> tuple[Path, str]:
    """(folder of heads, head's name): `name` may be a path to a head's own folder."""
    path = Path(name)
    return (path.resolve().parent, path.resolve().name) if len(path.parts) > 1 or os.path.isfile(path / "config.json") else (folder, name)


def write_outputs(analysis: Analysis, args: argparse.Namespace) -> None:
    """The files, whole or not at all; no TextGrid where there is no alignment. Raises DataError."""
    if args.json:
        write(args.json, dump_json(analysis_to_json(analysis, include_samples=args.samples)), quiet=args.quiet)
    if args.csv:
        from mmer.exports.segment_table import write_segment_table

        write(args.csv, write_segment_table(analysis), quiet=args.quiet)
    if args.html:
        from mmer.exports.report import report_html

        write(args.html, report_html(analysis), quiet=args.quiet)
    if args.textgrid and analysis.alignment:
        from mmer.align.textgrid import write_textgrid

        write(args.textgrid, write_textgrid(analysis.alignment, analysis.clip.duration), quiet=args.quiet)
