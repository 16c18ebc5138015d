"""`mmer errors SOURCE [SOURCE2]`: which utterances a model gets wrong, as a table that can be filtered, sorted and written."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmer.errors import DataError

if TYPE_CHECKING:
    from mmer.error_table.table import UtteranceTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="an experiment (its folder, or its name), or a batch's table (.csv, .json)")
    parser.add_argument(
        "other", metavar="SOURCE2", nargs="?", help="a second one of the same utterances: what one has right and the other wrong"
    )
    parser.add_argument(
        "--where", metavar="FILTER", action="append", default=[], help="keep rows: column=value, column:low..high, text~letters"
    )
    parser.add_argument("--sort", metavar="COLUMN", help="by this column, the lowest first; COLUMN:down for the highest")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write all rows and columns: .csv, .parquet or .html")
    parser.add_argument("--rows", type=int, default=20, help="how many rows are printed (%(default)s)")
    parser.add_argument("--runs", metavar="ROOT", type=Path, default=Path("runs"), help="the folder of experiments (runs)")
    parser.add_argument(
        "--data-root", metavar="FOLDER", type=Path, action="append", default=[], help="a folder that the experiment's data set lies in now"
    )
    parser.add_argument("--labels", metavar="MAP", help="what a batch's labels mean: angry=anger,calm= or a JSON file")
    parser.add_argument("--measure", action="store_true", help="add pitch, loudness, pace ... of the clips; what was measured is kept")
    parser.add_argument("--features", metavar="FOLDER", type=Path, default=Path("cache"), help="where measures are kept (cache)")
    parser.add_argument("--explore", action="store_true", help="print slices and labels worth a look, each with the filters of its rows")
    parser.add_argument("--notes-in", metavar="FILE", type=Path, help="bring in notes that were exported (.json, .csv)")
    parser.add_argument("--notes-out", metavar="FILE", type=Path, help="write what people noted: .json (with the codebook) or .csv")
    parser.add_argument("--agreement", action="store_true", help="print how far every two coders agree on each tag (Cohen's kappa)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> None:
    from mmer.commands.options.clip import check_outputs, print_summary, write
    from mmer.datasets.reading import read_labels
    from mmer.error_table.filters import describe_absent, find_rows, parse_filters, sort_rows
    from mmer.error_table.joined import join_tables
    from mmer.error_table.measures import add_measures
    from mmer.error_table.sources import read_source
    from mmer.error_table.summary import format_table
    from mmer.error_table.write import check_suffix, write_table

    filters = parse_filters(args.where)
    if args.out is not None:
        check_suffix(args.out)
        check_apart(args.out, [source for source in (args.source, args.other) if source])
        check_outputs(args.out.parent, (args.out,))
    sources = [source for source in (args.source, args.other) if source is not None]
    if args.labels and not any(map(os.path.isfile, sources)):
        raise DataError("--labels says what a batch's labels mean, and no batch's table is named; leave it out.")
    labels = read_labels(args.labels) if args.labels else None
    roots = [root.resolve() for root in args.data_root]
    tables = [read_source(source, runs=args.runs, roots=roots, labels=labels) for source in sources]
    table = join_tables(*tables) if len(tables) == 2 else tables[0]
    table = add_measures(table, args.features, measure=args.measure, progress=None if args.quiet or not args.measure else show_progress)
    table = use_notes(args, table)
    if args.explore:
        print(format_findings(table), end="")
    whole, kept = len(table.frame), find_rows(table, filters)
    table = replace(table, notes=(*table.notes, *describe_absent(table, filters))).keep(kept)
    if args.sort:
        table = sort_rows(table, args.sort)
    if not args.quiet:
        print_summary(format_table(table, filters, rows=max(0, args.rows), whole=whole), (args.out,), quiet=False)
    if args.out is not None:
        write(args.out, write_table(table, args.out.suffix), quiet=args.quiet)


def use_notes(args: argparse.Namespace, table: UtteranceTable) -> UtteranceTable:
    """The table with what people noted of the first source, after what was asked to be done with that."""
    from mmer.commands.options.clip import check_outputs, write
    from mmer.error_table.findings.noted import add_notes
    from mmer.error_table.sources import place_source_notes
    from mmer.notes.agreement import list_agreements
    from mmer.notes.exchange import check_suffix, read_notes, write_notes
    from mmer.notes.store import NotesFile

    file = NotesFile(place_source_notes(args.source, runs=args.runs))
    if args.notes_out is not None:
        check_suffix(args.notes_out.suffix)
        check_apart(args.notes_out, [source for source in (args.source, args.other, args.notes_in) if source])
        check_outputs(args.notes_out.parent, (args.notes_out,))
    if args.notes_in is not None:
        brought = read_notes(args.notes_in)
        count = file.merge(brought.entries, brought.codebook)
        if not args.quiet:
            print(f"{count:,} of {len(brought.entries):,} entries of {args.notes_in} are new and were brought in.", file=sys.stderr)
    notes = file.read()
    if args.notes_out is not None:
        write(args.notes_out, write_notes(notes, args.notes_out.suffix), quiet=args.quiet)
    if args.agreement:
        found = list_agreements(notes.entries)
        print("\n".join(one.sentence for one in found) if found else "No two people have coded the same utterance and used a tag there.")
    return add_notes(table, notes)


def format_findings(table: UtteranceTable) -> str:
    """Slices and labels worth a look, of the whole table. Raises DataError for one of which neither can be said."""
    from mmer.error_table.findings.doubted_labels import list_doubted
    from mmer.error_table.findings.slices import list_slices

    slices, said = list_slices(table)
    text = "".join(f"{line}\n" for line in (said, *(f"  {one.sentence}" for one in slices)))
    if table.has("runs") and table.frame["runs"].max() > 1:
        doubted, said = list_doubted(table)
        lines = (said, *(f"  {one.sentence}: {' '.join(f'--where {shlex.quote(str(f))}' for f in one.filters)}" for one in doubted))
        text += "".join(f"{line}\n" for line in lines)
    return text


def check_apart(out: Path, sources: list[str | Path]) -> None:
    """Raises DataError for an output that would take the place of what is read, or of an experiment's answers."""
    if not os.path.exists(out):
        return
    if any(os.path.isfile(source) and os.path.samefile(out, source) for source in sources):
        raise DataError(f"{out} is the table that is read; choose another name for the output.")
    if out.name == "predictions.parquet" and os.path.isfile(out.with_name("config.json")):
        raise DataError(f"{out} holds the answers of an experiment; choose another name for the output.")


def show_progress(done: int, total: int) -> None:
    """Every hundredth clip, and the last."""
    if done % 100 == 0 or done == total:
        print(f"[{done}/{total}] clips measured", file=sys.stderr, flush=True)
