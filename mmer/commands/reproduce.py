"""`mmer reproduce`: one of the paper's tables, cell by cell, beside the paper's figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer.commands.options.clip import check_outputs, print_summary
from mmer.commands.options.executor import add_executor, read_executor
from mmer.commands.train import add_settings, read_settings
from mmer.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=int, choices=(1, 2, 3), required=True, help="of the paper")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table as Markdown too")
    parser.add_argument("--latex", metavar="FILE", type=Path, help="write the table as LaTeX too (booktabs)")
    parser.add_argument(
        "--only", nargs="+", metavar="CELL", help="train only these cells, e.g. table2-late-fs; the others are shown as they are"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cells, one a line, and train nothing")
    add_executor(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> None:
    from mmer.experiments.report.reproduce import choose_cells, reproduce_table

    if args.list:
        print("\n".join(cell.name for cell in choose_cells(args.table, args.only)))
        return
    if args.workers < 0:
        raise DataError(f"--workers {args.workers}: it can't be below 0.")
    outputs = (args.markdown,)
    check_outputs(Path(args.data or ""), outputs)
    table = reproduce_table(
        args.table,
        read_settings(args),
        args.runs,
        only=args.only,
        workers=args.workers,
        train=read_executor(args),
        say=lambda text: print_summary(text + "\n", outputs, quiet=False),
        markdown=args.markdown,
        latex=args.latex,
    )
    print_summary(table + "\n", outputs, quiet=False)
