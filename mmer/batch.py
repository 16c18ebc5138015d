"""Every clip of a folder or a list -> a table, one row per clip (docs/api.md). A clip that can't be used is a row with its error."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from mmer.datasets.clips import load_clip
from mmer.datasets.manifest import Utterance
from mmer.datasets.table import SeenFiles, decode_text, parse_table
from mmer.errors import AlignmentError, AudioError, Cancelled, DataError, HeadError, MmerError
from mmer.explain.verdict import SEEN, collect_notices
from mmer.exports.analysis_json import OUTPUT, analysis_to_json, dump_json, open_file, write_file
from mmer.exports.segment_table import guard_cell
from mmer.files.bugs import catch_bugs
from mmer.files.guarded_json import show as show_path
from mmer.files.replace import hash_file
from mmer.pipeline import Analyzer
from mmer.results import EMOTIONS, UNITS, Analysis, Prediction
from mmer.scores.metrics import measure_ua, measure_wa

SUFFIXES = (
    ".3gp", ".aac", ".aif", ".aiff", ".amr", ".au", ".flac", ".m4a", ".mkv", ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav",
    ".webm", ".wma",
)  # fmt: skip
MAX_LIST = 20_000_000  # bytes
ROLES = ("late", "early", "combined")
ROLE_COLUMNS = ("", "_state", "_novelty", *(f"_p_{e}" for e in EMOTIONS), *(f"_logit_{e}" for e in EMOTIONS))  # after the role's name
FIRST = ("path", "text", "label")
FACTS = (
    "file_sha256",
    "seconds",
    "head",
    "head_sha256",
    "aligner",
    "aligner_identity",
    "words",
    "words_from",
    "words_confidence",
    "verdict",
    "state",
    "in_training",
)
LAST = ("unavailable", "warnings", "error")
FOUND = (
    *FACTS,
    *(f"{role}{column}" for role in ROLES for column in ROLE_COLUMNS),
    *(f"late_{unit}_logit_{emotion}" for unit in UNITS for emotion in EMOTIONS),
    *LAST,
)
SPEAKER = "speaker"  # in the column in_training: another clip of a speaker it was trained on
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
Row = dict[str, str]


@dataclass(frozen=True)
class BatchItem:
    """One clip to analyse."""

    name: str  # as it is listed: its path, below the folder or as the list has it
    path: Path
    text: str = ""  # what is said; "" to have it recognised
    label: str = ""  # as listed; "" where there is none
    start: float | None = None  # seconds into the file; None: from its begin
    end: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)  # the list's other columns, carried over


@dataclass(frozen=True)
class Request:
    """What all clips of a batch are asked."""

    head: str = "combined"
    aligner: str = "sphinx"


@dataclass(frozen=True, eq=False)
class Progress:
    """One clip is done."""

    item: BatchItem
    row: Row
    done: int  # clips, those skipped included
    total: int
    seconds_left: float  # at the pace so far
    analysis: Analysis | None  # None where the row holds an error


# ---- what there is to do ----


def read_items(source: str | Path) -> list[BatchItem]:
    """The audio files below a folder, or the rows of a list (.csv, .tsv) with a column `path`, relative to the list.

    Raises DataError for a folder without audio files and for a list that can't be read, has no `path`, or holds times that are none.
    """
    source = Path(source)
    if os.path.isdir(source):
        paths = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
        visible = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(source).parts)]
        if not visible:
            raise DataError(f"{source}: there are no audio files in this folder ({', '.join(SUFFIXES)}).")
        return [BatchItem(path.relative_to(source).as_posix(), path) for path in visible]
    return read_list_file(source, folder=source.parent)


def read_list_file(path: Path, *, folder: Path) -> list[BatchItem]:
    """The rows of a list on disk, their paths below `folder`. Raises DataError."""
    try:
        if path.stat().st_size > MAX_LIST:
            raise DataError(f"{path.name} has {path.stat().st_size / 1e6:.0f} MB, too many for a list; name a folder, or a .csv or .tsv.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{show_path(path)} can't be opened: {error.strerror}. Name a folder of recordings, or a list (.csv, .tsv)."
        ) from error
    return read_list(decode_text(data, path.name), path.name, folder=folder)


def read_list(text: str, name: str, *, folder: Path) -> list[BatchItem]:
    """The rows of a list with a column `path`. `name` is for messages. Raises DataError, also for the same question twice."""
    table = parse_table(text, name)
    if "path" not in table.columns:
        raise DataError(f"{name}: there is no column 'path'; it has {', '.join(map(repr, table.columns)) or 'no header'}.")
    if not table.rows:
        raise DataError(f"{name}: there are no rows below the header.")
    items, seen = [], SeenFiles()
    for number, row in table.rows:
        item = read_item(row, f"{name}, row {number}", folder)
        seen.add(item.path, item.name, number, f"{name}, row {number}", key=(item.start or 0.0, item.end, item.text))
        items.append(item)
    return items


def read_item(row: Mapping[str, str], where: str, folder: Path) -> BatchItem:
    if not row["path"].strip() or "\0" in row["path"]:
        raise DataError(f"{where}: the path is {'empty' if not row['path'].strip() else 'none'}.")
    start, end = (read_seconds(row.get(column, ""), f"{where}, column {column!r}") for column in ("start", "end"))
    if end is not None and end <= (start or 0):
        raise DataError(f"{where}: the end, {end:g} s, is not after the start, {start or 0:g} s.")
    extra = {rename(column): cell for column, cell in row.items() if column not in FIRST}
    return BatchItem(row["path"], folder / row["path"], row.get("text", "").strip(), row.get("label", ""), start, end, extra)


def read_seconds(cell: str, where: str) -> float | None:
    try:
        seconds = float(cell) if cell.strip() else None
    except ValueError as error:
        raise DataError(f"{where}: {cell!r} is not a number of seconds.") from error
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise DataError(f"{where}: {cell!r} is not a time within the file.")
    return seconds


def rename(column: str) -> str:
    """A carried column must not take the place of one that is written."""
    return f"listed_{column}" if column in FOUND else column


def list_columns(items: Iterable[BatchItem]) -> tuple[str, ...]:
    """Of the table: the clip, the list's other columns, what was found."""
    return (*FIRST, *dict.fromkeys(column for item in items for column in item.extra), *FOUND)


# ---- one clip ----


def check_head(analyzer: Analyzer, head: str) -> None:
    """Raises HeadError before any clip is read."""
    if head not in analyzer.heads:
        raise HeadError(f"There is no head {head!r}. Choose one of: {', '.join(analyzer.heads) or 'none is installed'}.")


def analyze_item(
    analyzer: Analyzer,
    item: BatchItem,
    request: Request,
    *,
    most_seconds: float = math.inf,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Row, Analysis | None]:
    """The row of one clip, and its analysis; a clip that can't be used, or meets a bug, gives a row with the error. Raises Cancelled.

    `most_seconds`: what is left of the sound that may be analysed; a longer clip is an error.
    """
    row = {"path": item.name, "text": item.text, "label": item.label, **item.extra, "head": request.head, "aligner": request.aligner}
    row |= {"head_sha256": analyzer.heads[request.head].sha256}

    def work() -> tuple[Row, Analysis]:
        row["aligner_identity"] = analyzer.identify_aligner(request.aligner)
        row["file_sha256"] = identify_file(item.path)
        clip = load_clip(Utterance(item.path, item.text, item.label, "", start=item.start, end=item.end))
        row["seconds"] = show(clip.duration)
        if clip.duration > most_seconds:
            raise AudioError(
                f"{item.name} lasts {clip.duration:.0f} s, and {most_seconds:.0f} s are left of what is analysed at once here; "
                "send fewer recordings, or run mmer yourself."
            )
        analysis = analyzer.analyze(clip, text=item.text or None, aligner=request.aligner, head=request.head, cancelled=cancelled)
        return describe_analysis(analysis), analysis

    try:
        found, analysis = catch_bugs(work)
    except Cancelled:
        raise
    except MmerError as error:
        return row | {"error": str(error)}, None
    row |= found
    if analysis is not None and not row["in_training"] and analyzer.knows_speaker(analysis, name_speaker(item)):
        row["in_training"] = SPEAKER
    return row, analysis


def name_speaker(item: BatchItem) -> str:
    """ "corpus/speaker": the list's column `speaker` as it is, or after that of its column `corpus`."""
    corpus, speaker = item.extra.get("corpus", ""), item.extra.get("speaker", "")
    return f"{corpus}/{speaker}" if corpus and speaker else speaker


def analyze_and_keep(analyzer: Analyzer, item: BatchItem, request: Request, place: Path | None) -> tuple[Row, Analysis | None]:
    """analyze_item, with the whole analysis as JSON at `place` if there is one. Raises DataError when it can't be written."""
    row, analysis = analyze_item(analyzer, item, request)
    if place is None or analysis is None:
        return row, analysis
    try:
        text = catch_bugs(lambda: dump_json(analysis_to_json(analysis)))
    except MmerError as error:
        return row | {"error": str(error)}, None
    write_file(place, text)
    return row, analysis


def describe_analysis(analysis: Analysis) -> Row:
    """The columns of FOUND that an analysis fills."""
    row = {
        "words": analysis.transcript.text,
        "words_from": analysis.transcript.source,
        "words_confidence": show(analysis.transcript.confidence),
        "verdict": analysis.best.label,
        "state": analysis.state,
        "in_training": next((part for part in SEEN if part in analysis.seen.values()), ""),
        "unavailable": " | ".join(f"{what}: {why}" for what, why in analysis.unavailable.items()),
        "warnings": " | ".join(notice.text for notice in collect_notices(analysis) if notice.level == "warning"),
    }
    for role, prediction in analysis.predictions.items():
        row |= describe_prediction(role, prediction)
    return row


def describe_prediction(role: str, prediction: Prediction) -> Row:
    row = {role: prediction.label, f"{role}_state": prediction.verdict, f"{role}_novelty": show(prediction.novelty)}
    for k, emotion in enumerate(prediction.classes):
        row |= {f"{role}_p_{emotion}": show(prediction.probabilities[k]), f"{role}_logit_{emotion}": show(prediction.logits[k])}
        row |= {f"{role}_{branch.unit}_logit_{emotion}": show(branch.logits[k]) for branch in prediction.branches or ()}
    return row


def show(value: Any) -> str:
    """A number with seven digits; nothing for None."""
    return "" if value is None else f"{float(value):.7g}"


def identify_file(path: Path) -> str:
    """The file's sha256; "" where it can't be read, which load_clip then says in words."""
    try:
        return hash_file(path)
    except (OSError, ValueError):
        return ""


# ---- the table ----


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of an earlier run; a last row that was cut off is left out. Raises DataError for another table."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{free_cell(column): free_cell(cell) for column, cell in row.items()} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is there and can't be read as a table ({error}). Choose another --out.") from error
    if not rows and not reader.fieldnames:
        return []
    if tuple(map(free_cell, reader.fieldnames or ())) != tuple(columns):
        raise DataError(f"{path} is there and has other columns than this batch would write. Choose another --out, or delete it.")
    return [row for row in rows if None not in row and None not in row.values()]


def write_table(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """The table as CSV text, in which no spreadsheet finds a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(guard_text, columns))
    writer.writerows([guard_text(row.get(column, "")) for column in columns] for row in rows)
    return text.getvalue()


def guard_text(cell: str) -> str:
    """Numbers stay as they are, minus and all."""
    return cell if NUMBER.fullmatch(cell) else guard_cell(cell)


def free_cell(cell: Any) -> Any:
    """What guard_text was given; what csv.DictReader puts in place of missing cells stays."""
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and guard_cell(cell[1:]) == cell else cell


def identify(row: Row) -> tuple[str, ...]:
    """Which clip and question a row answers: one row of a table for each."""
    return tuple(row.get(column, "") for column in ("path", "text", "start", "end", "head", "aligner"))


def is_done(row: Row, item: BatchItem, analyzer: Analyzer, json_path: Path | None) -> bool:
    """Whether an earlier row still holds: no error, the same file, weights and aligner, and its JSON is there if it is wanted."""
    if row["error"] or row["head_sha256"] != analyzer.heads[row["head"]].sha256:
        return False
    try:
        same = row["aligner_identity"] == analyzer.identify_aligner(row["aligner"])
    except AlignmentError:
        return False  # the new row says why
    return same and row["file_sha256"] == identify_file(item.path) != "" and (json_path is None or json_path.exists())


def run_batch(
    analyzer: Analyzer, items: Sequence[BatchItem], out: Path, request: Request, *, json_dir: Path | None = None
) -> Iterator[Progress]:
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


def is_stream(out: Path) -> bool:
    """Whether the table is sent on as it grows, to standard output (-), a pipe or a device: no row of it can be found again."""
    return out == OUTPUT or (os.path.exists(out) and not os.path.isfile(out) and not os.path.isdir(out))


def fill_stream(
    analyzer: Analyzer, items: Sequence[BatchItem], out: Path, request: Request, *, json_dir: Path | None
) -> Iterator[Progress]:
    """Every clip anew, its row sent at once. Raises DataError when nobody takes it."""
    columns, begun = list_columns(items), time.monotonic()
    with open_file(out) as stream:
        stream.write(write_table([], columns).encode())
        stream.flush()
        for number, item in enumerate(items, start=1):
            row, analysis = analyze_and_keep(analyzer, item, request, None if json_dir is None else json_dir / name_json(item))
            stream.write(write_row(row, columns).encode())
            stream.flush()
            left = (time.monotonic() - begun) / number * (len(items) - number)
            yield Progress(item, row, number, len(items), left, analysis)


@contextmanager
def hold_table(out: Path) -> Iterator[None]:
    """One process fills a table. Its lock is a hidden file beside it, which stays there empty. Raises DataError."""
    if not out.parent.is_dir():  # the lock would make it
        raise DataError(f"Can't write {out}: there is no folder {out.parent}. Choose a folder that exists and can be written to.")
    lock = FileLock(out.with_name(f".{out.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(f"Another process is filling {out}. Wait until it ends, or choose another --out.") from error
    except OSError as error:
        raise DataError(f"Can't write {out}: {error.strerror}. Choose a folder that exists and can be written to.") from error
    try:
        yield
    finally:
        lock.release()


def fill_table(analyzer: Analyzer, items: Sequence[BatchItem], out: Path, request: Request, *, json_dir: Path | None) -> Iterator[Progress]:
    columns = list_columns(items)
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
        yield Progress(item, kept[key], number, len(items), left, analysis)
    write_file(out, write_table([*others.values(), *(kept[key] for key in dict.fromkeys(asked))], columns))  # in the list's order


def write_row(row: Row, columns: Sequence[str]) -> str:
    return write_table([row], columns)[len(write_table([], columns)) :]


def append_row(out: Path, row: Row, columns: Sequence[str]) -> None:
    try:
        with out.open("a", encoding="utf-8", newline="") as file:
            file.write(write_row(row, columns))
    except OSError as error:
        raise DataError(f"Can't write {out}: {error.strerror}. The rows before it are there.") from error


def name_json(item: BatchItem) -> str:
    """A file name for the clip's JSON: its path with letters that every file system takes, and a few digits that tell pieces apart."""
    stem = "".join(c if c.isalnum() or c in "-." else "_" for c in item.name)[-80:]
    digits = hashlib.sha256(repr((item.name, item.start, item.end, item.text)).encode()).hexdigest()[:8]
    return f"{stem}.{digits}.json"


# ---- how often it is right ----


@dataclass(frozen=True)
class Score:
    """One role's verdicts against the labels of the list."""

    role: str
    ua: float
    wa: float
    clips: int


def score_rows(rows: Iterable[Row], labels: Mapping[str, str] | None = None) -> tuple[Score, ...]:
    """UA and WA per role over the rows whose label is one of EMOTIONS, or is mapped to one by `labels`; none without labels.

    Clips that are known to have been in a head's training or validation data are left out: they would praise it.
    """
    used = [row for row in rows if not row.get("error") and row.get("in_training", "") not in SEEN]
    known = [(row, (labels or {}).get(row["label"], row["label"])) for row in used]
    scores = []
    for role in ROLES:
        pairs = [(EMOTIONS.index(label), EMOTIONS.index(row[role])) for row, label in known if label in EMOTIONS and row.get(role)]
        if pairs:
            right, said = (np.array(column) for column in zip(*pairs))
            scores.append(Score(role, measure_ua(right, said), measure_wa(right, said), len(pairs)))
    return tuple(scores)
