"""`mmer schema [KIND]`: the JSON schema of what mmer writes, on standard output."""

from __future__ import annotations

import argparse
import json

from mmer.exports.schema import KINDS, read_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", default="analysis", choices=KINDS, metavar="KIND", help=f"{', '.join(KINDS)} (%(default)s)")


def run(args: argparse.Namespace) -> None:
    print(json.dumps(read_schema(args.kind), ensure_ascii=False, indent=2))
