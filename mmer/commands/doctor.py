"""`mmer doctor`: a page on standard output; exit code 1 when an analysis with the default settings could not run."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer.commands.analyze import find_heads_folder
from mmer.commands.options.clip import add_aligner_options, read_aligner_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--heads", metavar="FOLDER", type=Path, default=find_heads_folder(), help="the folder of heads (pretrained)")
    add_aligner_options(parser)
    parser.add_argument("--online", action="store_true", help="also ask whether the model hub answers; otherwise no request is made")


def run(args: argparse.Namespace) -> int:
    from mmer.doctor import examine, format_findings, is_ready

    findings = examine(heads_folder=args.heads, online=args.online, aligner_options=read_aligner_options(args))
    print(format_findings(findings), end="")
    return 0 if is_ready(findings) else 1
