"""Every clip of a batch analysed, its row added to the table; started again, it goes on where it stopped."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer.batch.columns import Row
from mmer.batch.items import BatchItem, list_columns
from mmer.batch.rows import BatchRequest, analyze_and_keep, check_head, identify_file
from mmer.batch.table import ADDED, UNKNOWN, append_row, hold_table, is_stream, read_table, write_row, write_table
from mmer.errors import AlignmentError
from mmer.files.output import open_file, write_file
from mmer.pipeline import Analyzer
from mmer.results import Analysis


@dataclass(frozen=True, eq=False)
class BatchProgress:
    """One clip is done."""

    item: BatchItem
    row: Row
    done: int  # clips, those skipped included
    total: int
    seconds_left: float  # at the pace so far
    analysis: Analysis | None  # None where the row holds an error


def identify(row: Row) -> tuple[str, ...]:
    """Which clip and question a row answers: one row of a table for each."""
    return tuple(row.get(column, "") for column in ("path", "text", "start", "end", "head", "aligner"))


def is_done(row: Row, item: BatchItem, analyzer: Analyzer, json_path: Path | None) -> bool:
    """Whether an earlier row still holds: no error, the same file, weights and aligner, and its JSON is there if it is wanted."""
    if row["error"] or UNKNOWN in (row[column] for column in ADDED) or row["head_sha256"] != analyzer.heads[row["head"]].sha256:
        return False
    try:
        same = row["aligner_identity"] == analyzer.identify_aligner(row["aligner"])
    except AlignmentError:
        return False  # the new row says why
    return same and row["file_sha256"] == identify_file(item.path) != "" and (json_path is None or json_path.exists())


def run_batch(
    analyzer: Analyzer, items: Sequence[BatchItem], out: Path, request: BatchRequest, *, json_dir: Path | None = None
) -> Iterator[BatchProgress]:
    """Analyses every clip and adds its row to the table `out` at once; what stands there already is skipped. Yields after each.

    Whenever it ends, the table holds every row so far; started again it goes on. `json_dir`: where each clip's whole analysis goes.
    Raises HeadError for a head that is not there, DataError for a table of other columns, one that another process fills, or a file
    that can't be written.
    """
    check_head(analyzer, request.head)
    if is_stream(out):
        yield from fill_stream(analyzer, items, out, request, json_dir=json_dir)
        return
    with hold_table(out):
        yield from fill_table(analyzer, items, out, request, json_dir=json_dir)


def fill_stream(
    analyzer: Analyzer, items: Sequence[BatchItem], out: Path, request: BatchRequest, *, json_dir: Path | None
) -> Iterator[BatchProgress]:
    """Every clip anew, its row sent at once. Raises DataError when nobody takes it."""
    columns, begun = list_columns(items, analyzer.read_classes(request.head)), time.monotonic()
    with open_file(out) as stream:
        stream.write(write_table([], columns).encode())
        stream.flush()
        for number, item in enumerate(items, start=1):
            row, analysis = analyze_and_keep(analyzer, item, request, None if json_dir is None else json_dir / name_json(item))
            stream.write(write_row(row, columns).encode())
            stream.flush()
            left = (time.monotonic() - begun) / number * (len(items) - number)
            yield BatchProgress(item, row, number, len(items), left, analysis)


def fill_table(
    analyzer: Analyzer, items: Sequence[BatchItem], out: Path, request: BatchRequest, *, json_dir: Path | None
) -> Iterator[BatchProgress]:
    columns = list_columns(items, analyzer.read_classes(request.head))
    earlier = {identify(row): row for row in read_table(out, columns)}
    asked = [identify({"path": i.name, "text": i.text, **i.extra, "head": request.head, "aligner": request.aligner}) for i in items]
    places = [None if json_dir is None else json_dir / name_json(item) for item in items]
    kept = {
        key: earlier[key]
        for key, item, place in zip(asked, items, places)
        if key in earlier and is_done(earlier[key], item, analyzer, place)
    }
    others = {key: row for key, row in earlier.items() if key not in set(asked)}
    write_file(out, write_table([*others.values(), *kept.values()], columns))
    begun, fresh, todo = time.monotonic(), 0, len(items) - sum(key in kept for key in asked)
    for number, (key, item, place) in enumerate(zip(asked, items, places), start=1):
        analysis = None
        if key not in kept:
            kept[key], analysis = analyze_and_keep(analyzer, item, request, place)
            append_row(out, kept[key], columns)
            fresh += 1
        left = (time.monotonic() - begun) / fresh * (todo - fresh) if fresh else math.nan
        yield BatchProgress(item, kept[key], number, len(items), left, analysis)
    write_file(out, write_table([*others.values(), *(kept[key] for key in dict.fromkeys(asked))], columns))  # in the list's order


def name_json(item: BatchItem) -> str:
    """A file name for the clip's JSON: its path with letters that every file system takes, and a few digits that tell pieces apart."""
    stem = "".join(c if c.isalnum() or c in "-." else "_" for c in item.name)[-80:]
    digits = hashlib.sha256(repr((item.name, item.start, item.end, item.text)).encode()).hexdigest()[:8]
    return f"{stem}.{digits}.json"
