"""`mmer batch FOLDER_OR_LIST --out TABLE`: every clip analysed, a row each; started again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmer.commands.analyze import find_heads_folder, locate_head
from mmer.commands.options.clip import add_aligner_arguments, add_preset, check_outputs, print_summary, read_aligner_options, tell
from mmer.commands.options.device import add_device, read_device
from mmer.errors import DataError
from mmer.files.bugs import is_bug
from mmer.files.output import OUTPUT
from mmer.heads.config_file import check_head, read_config
from mmer.phrasing import say_count, say_time

if TYPE_CHECKING:
    from mmer.batch.columns import Row
    from mmer.batch.fill import BatchProgress
    from mmer.batch.scores import BatchScore

MOST_NAMED = 5  # clips, in the summary; the table's column in_training names all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FOLDER_OR_LIST", type=Path, help="a folder of recordings, or a .csv or .tsv with a column path")
    parser.add_argument(
        "--out", metavar="TABLE", type=Path, required=True, help="the CSV file to write; rows that are already in it are not done again"
    )
    parser.add_argument("--json-dir", metavar="FOLDER", type=Path, help="also write the whole analysis of each clip there, as JSON")
    parser.add_argument("--head", help="a head's name, or a folder that holds one (combined)")
    parser.add_argument("--heads", metavar="FOLDER", type=Path, default=find_heads_folder(), help="the folder of heads (pretrained)")
    add_preset(parser)
    add_device(parser)
    add_aligner_arguments(parser)
    parser.add_argument("--labels", metavar="MAP", help="what the list's labels mean, for UA and WA: angry=anger,calm= or a JSON file")
    parser.add_argument("--quiet", action="store_true", help="print no progress on standard error")


def run(args: argparse.Namespace) -> int:
    from mmer.batch.fill import run_batch
    from mmer.batch.items import list_columns, read_items
    from mmer.batch.rows import BatchRequest
    from mmer.batch.scores import score_rows
    from mmer.batch.table import describe_added, is_stream
    from mmer.datasets.reading import read_labels

    if os.path.exists(args.out) and os.path.exists(args.source) and args.out.samefile(args.source):
        raise DataError(f"{args.out} is the list itself; choose another name for the table.")
    check_outputs(args.source, (args.out,))
    labels, device = read_labels(args.labels) if args.labels else None, read_device(args)
    items = read_items(args.source)
    folder, head = locate_head(args.head or "combined", args.heads)
    check_head(folder, head, preset=args.preset, alone=args.head is not None)
    classes = read_config(folder / head).classes
    check_targets(labels or {}, classes)
    old = "" if is_stream(args.out) else describe_added(args.out, list_columns(items, classes))
    make_folder(args.json_dir)
    if old:
        tell(old, quiet=args.quiet)
    tell(f"{say_count(len(items), 'clip')}. Loading the models", quiet=args.quiet)
    from mmer.pipeline import Analyzer  # torch and transformers take seconds to import

    analyzer = Analyzer.load(
        preset=args.preset,
        heads_folder=folder,
        head=head if args.head else None,
        device=device,
        aligner_options=read_aligner_options(args),
    )
    for sentence in filter(None, (analyzer.left_out, analyzer.placement.reason)):
        tell(sentence, quiet=False)
    rows: list[Row] = []
    try:
        for progress in run_batch(analyzer, items, args.out, BatchRequest(head, args.aligner), json_dir=args.json_dir):
            rows.append(progress.row)
            tell(describe_progress(progress), quiet=args.quiet)
    except KeyboardInterrupt:
        tell(
            f"Stopped: {len(rows)} of {say_count(len(items), 'clip')} {'is' if len(rows) == 1 else 'are'} in {args.out}. The same "
            "command goes on from there.",
            quiet=False,
        )
        raise
    print_summary(summarise_batch(rows, score_rows(rows, labels, classes), args.out), (args.out,), quiet=args.quiet)
    return 1 if any(is_bug(row.get("error", "")) for row in rows) else 0


def check_targets(labels: Mapping[str, str], classes: Sequence[str]) -> None:
    """Raises DataError when a label is mapped to what the head never says: it would count for nothing."""
    wrong = {label: name for label, name in labels.items() if name and name not in classes}
    if wrong:
        label, name = next(iter(wrong.items()))
        raise DataError(
            f"Label {label!r} is mapped to {name!r}; this head says {', '.join(classes)}. Map it to one of them, or to nothing."
        )


def make_folder(folder: Path | None) -> None:
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"Can't make the folder {folder}: {error.strerror}.") from error


def describe_progress(progress: BatchProgress) -> str:
    """`[3/20] a.wav: anger 71 %, not sure; 2 min left`"""
    from mmer.explain.verdict import SEEN, brief

    row = progress.row
    said = row.get("error") or brief(
        row["state"], row["verdict"], read_share(row), seen=seen if (seen := row.get("in_training", "")) in SEEN else ""
    )
    if progress.analysis is None and not row.get("error"):
        said += " (was there)"
    return f"[{progress.done}/{progress.total}] {row['path']}: {said}{describe_time(progress.seconds_left)}"


def read_share(row: Row) -> float:
    """The probability of the verdict, by the model whose verdict it is; 0 where there is none."""
    role = next(role for role in ("combined", "late", "early") if row.get(role))
    return float(row[f"{role}_p_{row['verdict']}"]) if row["verdict"] else 0.0


def describe_time(seconds: float) -> str:
    """`; 2 min left`, or nothing when there is no pace yet or nothing left."""
    return f"; {say_time(seconds)} left" if seconds > 0 else ""


def summarise_batch(rows: list[Row], scores: tuple[BatchScore, ...], out: Path) -> str:
    from mmer.explain.verdict import HEADLINES, SEEN, STATES

    used = [row for row in rows if not row.get("error")]
    lost = len(rows) - len(used)
    new = [row for row in used if row.get("in_training") not in SEEN]  # to the head: of the others it knows the answer
    counts = Counter(row["verdict"] for row in new if row["state"] not in HEADLINES)
    states = Counter(row["state"] for row in new)
    lines = [
        f"{say_count(len(rows), 'clip')} in {'standard output' if out == OUTPUT else out}"
        + (f"; {lost} could not be used, see the column error" if lost else ""),
        "verdicts: " + (", ".join(f"{label} {count}" for label, count in counts.most_common()) or "none"),
        "how sure: " + (", ".join(f"{state} {states[state]}" for state in STATES if states[state]) or "none"),
    ]
    for score in scores:
        labelled = say_count(score.clips, "labelled clip")
        lines.append(f"{score.role:<9} UA {100 * score.ua:5.1f} %   WA {100 * score.wa:5.1f} %   of {labelled}")
    return "\n".join([*lines, *describe_seen(used)]) + "\n"


def describe_seen(rows: list[Row]) -> list[str]:
    """Which clips the head is known to have been trained on, and what that means for the scores."""
    from mmer.batch.rows import SPEAKER
    from mmer.explain.verdict import SEEN

    found = [row["path"] for row in rows if row.get("in_training") in SEEN]
    speakers = sum(row.get("in_training") == SPEAKER for row in rows)
    lines = []
    if found:
        names = ", ".join(found[:MOST_NAMED]) + (f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")
        lines.append(f"in its training or validation data, so left out of everything above: {len(found)} ({names})")
    if speakers:
        lines.append(f"other clips of speakers it was trained on, which raise the scores: {speakers}")
    return [*lines, "A training clip in another encoding is not recognised: no match proves nothing."] if lines else []
