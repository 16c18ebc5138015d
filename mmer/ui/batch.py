"""The Batch tab: several recordings in, a row for each out, on the page and as CSV and JSON. Nothing is kept afterwards."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr
from gradio_client.utils import strip_invalid_filename_characters

from mmer.align import title_choice
from mmer.batch.columns import Row
from mmer.batch.items import BatchItem, list_columns, read_list_file
from mmer.batch.rows import SPEAKER, BatchRequest, analyze_item, check_head
from mmer.batch.table import write_table
from mmer.choices.emotions import EMOTIONS
from mmer.errors import Busy, Cancelled, DataError, MmerError
from mmer.explain.verdict import HEADLINES, SEEN
from mmer.exports.analysis_json import analysis_to_json, dump_json
from mmer.interventions.compare import drop_attention
from mmer.model_queue import UNBOUNDED, ModelQueue, QueueLimits
from mmer.phrasing import say_time
from mmer.pipeline import Analyzer
from mmer.ui.explore.examples import choose_head
from mmer.ui.explore.forms import OTHER_FILES, name_heads
from mmer.ui.explore.session import StopFlag
from mmer.ui.page.downloads import new_cache_path
from mmer.ui.page.events import BATCH_BOUNDS, BATCH_QUEUE, POLL, QUIET
from mmer.ui.page.failures import show_errors
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.visitors import name_visitor
from mmer.ui.page.wiring import BUSY, IDLE, Wiring, name_components
from mmer.ui.texts import batch as texts
from mmer.ui.texts import shared

WAIT_SECONDS = 0.5  # between two looks at the place in the line
DRAW_SECONDS = 0.7  # between two drawings of the table
FAMILIAR = {**SEEN, SPEAKER: texts.HEARD_SPEAKER}
NOT_SENT = Path(os.devnull) / "not-uploaded"  # below which no file can be
# on a narrow page what is found lies below what is asked
WAITING = "() => { window.mmer.revealProgress('#batch-progress'); return window.mmer.wait('batch'); }"
EMPTY = f'<section class="mm-empty"><p>{texts.EMPTY}</p></section>'


@dataclass(frozen=True)
class BatchLimits:
    """What one batch may hold."""

    files: int
    seconds: float  # of sound in all


LIMITS = {False: BatchLimits(300, 7200.0), True: BatchLimits(12, 180.0)}  # is_public -> limits; more goes through the shell


@dataclass(eq=False)
class BatchSession:
    """One visitor's batch; lives in gr.State."""

    stop: StopFlag = field(default_factory=StopFlag)  # of the run that waits or is in progress
    waiting: bool = False  # for its turn
    working: bool = False
    outcome: str = ""  # how the last run ended; "" while one is on

    def wait(self) -> None:
        """A new run was asked for; an older one that is still in a stage keeps its own flag, and ends."""
        self.stop.set()
        self.stop, self.waiting = StopFlag(), True

    def begin(self) -> StopFlag:
        """Marks the session as working. A cancel requested while the run waited in line still applies."""
        if not self.waiting:
            self.wait()
        self.waiting, self.working, self.outcome = False, True, ""
        return self.stop

    def end(self) -> None:
        self.waiting = self.working = False


@dataclass(frozen=True)
class BatchForm:
    """What a batch is asked with; the fields are named as the components of `BatchWidgets` are."""

    files: list[str] | None  # paths of the recordings
    listed: str | None  # path of the list with their words
    aligner: str
    head: str


class BatchUpdate(TypedDict, total=False):
    """New values of components of `BatchWidgets`; what is not named stays as it is."""

    progress: str
    table: str
    table_file: gr.DownloadButton
    json_file: gr.DownloadButton
    analyse: gr.Button


NO_FILE = gr.DownloadButton(visible=False)
NOTHING_FOUND: BatchUpdate = {"table": "", "table_file": NO_FILE, "json_file": NO_FILE}


@dataclass(frozen=True, eq=False)
class BatchHandlers:
    """The handlers of the tab; the analyzer is shared and only read."""

    analyzer: Analyzer
    limits: BatchLimits
    bounds: QueueLimits = UNBOUNDED
    line: ModelQueue = field(default_factory=ModelQueue)  # of batches: one at a time, whose recordings stand in the models' line one by one

    def offer(self, session: BatchSession, files: list[str] | None) -> BatchUpdate:
        """Analyse can be pressed once there are recordings, unless a batch is on."""
        return {} if session.waiting or session.working else {"analyse": gr.Button(interactive=bool(files))}

    def wait(self, session: BatchSession) -> BatchUpdate:
        """Analyse was pressed: the run comes when it is its turn."""
        session.wait()
        return {"analyse": BUSY}

    @show_errors
    def run(self, session: BatchSession, request: BatchForm) -> Iterator[BatchUpdate]:
        """Analyses one recording after the other; yields the table as it grows and, at last, the files to take away."""
        session.outcome = ""
        items, settings = self.plan(request.files, request.listed), BatchRequest(request.head, request.aligner)
        check_head(self.analyzer, request.head)
        stop = session.begin()
        try:
            ticket = self.line.ask(name_visitor(session), self.bounds)
        except Busy as error:
            session.outcome = f'<p class="mb-progress" role="alert">{escape(str(error))}</p>'
            raise
        try:
            while not (self.line.try_hold(ticket) or stop.is_set()):
                yield {**NOTHING_FOUND, "progress": write_place(self.line.count_before(ticket)), "analyse": BUSY}
                time.sleep(WAIT_SECONDS)
            yield from self.work_through(session, items, settings, stop)
        finally:
            self.line.leave(ticket)

    def work_through(
        self, session: BatchSession, items: Sequence[BatchItem], settings: BatchRequest, stop: StopFlag
    ) -> Iterator[BatchUpdate]:
        """The table of the batch whose turn it is."""
        rows: list[Row] = []
        found: list[str] = []
        classes = self.analyzer.read_classes(settings.head)
        yield {**NOTHING_FOUND, "progress": write_progress(0, len(items), 0.0), "analyse": BUSY}
        begun = drawn = time.monotonic()
        try:
            left = self.limits.seconds
            for item in items:
                if stop.is_set():
                    raise Cancelled(texts.CANCELLED)
                with self.analyzer.queue.take(cancelled=stop.is_set):
                    row, analysis = analyze_item(self.analyzer, item, settings, most_seconds=left, cancelled=stop.is_set)
                rows.append(row)
                if analysis is not None:
                    left -= analysis.clip.duration
                    found.append(dump_json(analysis_to_json(drop_attention(analysis))))
                now = time.monotonic()
                if now - drawn >= DRAW_SECONDS:
                    drawn = now
                    state = write_progress(len(rows), len(items), (now - begun) / len(rows) * (len(items) - len(rows)))
                    yield {"progress": state, "table": write_rows(rows, classes)}
            outcome = texts.say_done(len(rows), say_time(time.monotonic() - begun))
        except Cancelled:
            outcome = texts.say_cancelled(len(rows), len(items))
        finally:
            if session.stop is stop:
                session.end()
        session.outcome = f'<p class="mb-progress">{outcome}</p>'
        update: BatchUpdate = {"progress": session.outcome, "table": write_rows(rows, classes), "analyse": IDLE}
        if rows:
            table, whole = write_files(rows, items, found, classes)
            update |= {"table_file": offer_file(*table), "json_file": offer_file(*whole)}
        yield update

    def plan(self, paths: list[str] | None, listed: str | None) -> list[BatchItem]:
        """The uploads; with a list its rows, in their order, then what it does not name. Raises MmerError."""
        if not paths:
            raise MmerError(texts.NO_RECORDINGS)
        sent = {strip_invalid_filename_characters(Path(path).name): Path(path) for path in paths}
        items = []
        if listed is not None:
            for item in read_list_file(Path(listed), folder=NOT_SENT):
                name = strip_invalid_filename_characters(item.name.replace("\\", "/").rsplit("/", 1)[-1])
                items.append(replace(item, path=sent.get(name, NOT_SENT / (name or "recording"))))  # nothing else may be opened
        named = {item.path for item in items}
        items += [BatchItem(path.name, path) for path in map(Path, paths) if path not in named]
        if len(items) > self.limits.files:
            raise DataError(texts.say_too_many(len(items), self.limits.files))
        return items

    def fail(self, session: BatchSession) -> BatchUpdate:
        """After a run that could not begin: what an older one found would look like its answer."""
        session.end()
        return {**NOTHING_FOUND, "progress": session.outcome, "analyse": IDLE}

    def cancel(self, session: BatchSession) -> BatchUpdate:
        """The run notices between two stages, and hands over what it has; without one nothing is said."""
        if not (session.waiting or session.working):
            return {}
        session.stop.set()
        return {"progress": f'<p class="mb-progress">{texts.STOPPING}</p>'}

    def settle(self, session: BatchSession) -> BatchUpdate:
        """After Cancel: how the run ended, where that was said before Cancel's own words came."""
        return {"progress": session.outcome} if session.outcome else {}


def write_files(
    rows: Sequence[Row], items: Sequence[BatchItem], found: Sequence[str], classes: Sequence[str]
) -> tuple[tuple[str, str], tuple[str, str]]:
    """(name, text) of the CSV and of the JSON, format "mmer-batch" version 1."""
    columns = list_columns(items, classes)
    filled = [{column: row.get(column, "") for column in columns} for row in rows]
    head = json.dumps({"format": "mmer-batch", "version": 1, "rows": filled}, ensure_ascii=False)
    return ("mmer-batch.csv", write_table(rows, columns)), ("mmer-batch.json", f'{head[:-1]}, "analyses": [{",".join(found)}]}}\n')


def offer_file(name: str, text: str) -> Any:
    """The download button with the file, which Gradio deletes with the recordings."""
    path = new_cache_path(name)
    path.write_text(text, encoding="utf-8")
    return gr.DownloadButton(value=str(path), visible=True)


# ---- what is shown ----


def write_place(before: int) -> str:
    """Where a batch stands in the line."""
    return f'<p class="mb-progress" role="status">{texts.say_place(before)}</p>'


def write_progress(done: int, total: int, seconds_left: float) -> str:
    left = say_time(seconds_left) if seconds_left >= 1 else ""
    bar = f'<progress max="{total}" value="{done}" aria-label="{texts.DONE}"></progress>'
    return f'<p class="mb-progress" role="status">{bar} {texts.say_progress(done, total, left)}</p>'


def write_rows(rows: Sequence[Row], classes: Sequence[str] = EMOTIONS) -> str:
    """The table of the page: verdict and probabilities of the model whose verdict counts, then what each model says."""
    if not rows:
        return ""
    plain = [f'<th scope="col">{name}</th>' for name in ("recording", "verdict", "late", "early", "words")]
    numbers = [f'<th scope="col" class="mb-number">{escape(name)}</th>' for name in classes]
    head = "".join([*plain[:2], *numbers, *plain[2:]])
    body = "".join(write_row(row, classes) for row in rows)
    table = f'<table class="mb-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="mm-scroll mb-scroll" tabindex="0" role="region" aria-label="{texts.RESULTS}">{table}</div>'


def write_row(row: Mapping[str, str], classes: Sequence[str]) -> str:
    name = f'<th scope="row">{escape(row["path"])}</th>'
    if row.get("error"):
        return f'<tr class="mb-error">{name}<td colspan="{len(classes) + 4}">{escape(row["error"])}</td></tr>'
    role = next(role for role in ("combined", "late", "early") if row.get(role))
    shares = "".join(write_share(row.get(f"{role}_p_{name}", ""), name == row["verdict"]) for name in classes)
    verdict = f"<b>{escape(HEADLINES.get(row['state'], row['verdict']))}</b>"
    state = "" if row["state"] in ("sure", *HEADLINES) else f' <span class="mb-state">{escape(row["state"])}</span>'
    state += f' <span class="mb-state">{FAMILIAR[seen]}</span>' if (seen := row.get("in_training", "")) in FAMILIAR else ""
    notes = " ".join(part for part in (row.get("warnings", ""), row.get("unavailable", "")) if part).replace(" | ", " ")
    said = "".join(f"<td>{escape(row.get(role, '') if row['verdict'] else '') or '–'}</td>" for role in ("late", "early"))
    more = f"<details><summary>{texts.NOTES}</summary>{escape(notes)}</details>" if notes else ""
    words, kind = escape(row.get("words", "")), ' class="mb-grey"' if row["state"] in HEADLINES else ""
    return f'<tr{kind}>{name}<td>{verdict}{state}</td>{shares}{said}<td class="mb-words">{words}{more}</td></tr>'


def write_share(value: str, top: bool) -> str:
    share = 100 * float(value)
    return f'<td class="mb-number{" mb-top" if top else ""}" style="--share: {share:.0f}%">{share:.0f} %</td>'


# ---- layout ----


@dataclass
class BatchWidgets:
    """What the tab is made of."""

    files: gr.File
    listed: gr.File
    aligner: gr.Radio
    head: gr.Dropdown
    analyse: gr.Button
    cancel: gr.Button
    progress: gr.HTML
    table: gr.HTML
    table_file: gr.DownloadButton
    json_file: gr.DownloadButton


SHOWN = ("progress", "table", "table_file", "json_file", "analyse")  # what a run changes


def build(analyzer: Analyzer, *, is_public: bool) -> None:
    """The tab's content, inside the gr.Blocks that is open."""
    limits = LIMITS[is_public]
    session, handlers = gr.State(BatchSession(), time_to_live=KEPT_SECONDS), BatchHandlers(analyzer, limits, BATCH_BOUNDS[is_public])
    with gr.Row(elem_classes="mm-page", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="mm-inputs"):
            parts = build_inputs(analyzer, limits)
        with gr.Column(scale=9, min_width=320, elem_classes="mm-results"):
            parts["progress"] = gr.HTML(EMPTY, elem_id="batch-progress")
            parts["table"] = gr.HTML("", elem_id="batch-table")
            with gr.Row():
                parts["table_file"] = gr.DownloadButton(texts.CSV, visible=False, size="sm", elem_id="batch-csv")
                parts["json_file"] = gr.DownloadButton(texts.JSON, visible=False, size="sm", elem_id="batch-json")
    wire(handlers, BatchWidgets(**parts), session)


def wire(handlers: BatchHandlers, widgets: BatchWidgets, session: gr.State) -> None:
    """What triggers what."""
    wiring = Wiring(name_components(widgets), session)
    widgets.files.change(**wiring.connect(handlers.offer, asks=["files"], changes=["analyse"]), api_name="batch_offer", **POLL)
    widgets.analyse.click(fn=None, js=WAITING, outputs=widgets.progress, api_visibility="private")
    waited = wiring.connect(handlers.wait, changes=["analyse"])
    asked = widgets.analyse.click(**waited, queue=False, show_progress="hidden", api_visibility="private")
    run = asked.then(
        **wiring.connect(handlers.run, asks=BatchForm, changes=SHOWN),
        trigger_mode="once",
        api_name="batch",
        **QUIET,
        **BATCH_QUEUE,
    )
    run.failure(**wiring.connect(handlers.fail, changes=SHOWN), queue=False, show_progress="hidden", api_visibility="private")
    cancelled = widgets.cancel.click(**wiring.connect(handlers.cancel, changes=["progress"]), api_name="batch_cancel", **POLL)
    cancelled.then(**wiring.connect(handlers.settle, changes=["progress"]), api_name="batch_settle", **POLL)


def build_inputs(analyzer: Analyzer, limits: BatchLimits) -> dict[str, Any]:
    files = gr.File(
        label=texts.RECORDINGS,
        file_count="multiple",
        file_types=["audio", "video", *OTHER_FILES],
        type="filepath",
        elem_id="batch-files",
        height=180,
    )
    gr.HTML(f'<p class="mm-note">{texts.say_limits(limits.files, limits.seconds / 60)}</p>')
    listed = gr.File(label=texts.LIST, file_types=[".csv", ".tsv"], type="filepath", elem_id="batch-list", height=170)
    gr.HTML(f'<p class="mm-note">{texts.COLUMNS}</p>')
    with gr.Row(elem_classes="mm-go"):
        analyse = gr.Button(texts.ANALYSE, variant="primary", elem_id="batch-analyse", scale=3, min_width=120, interactive=False)
        cancel = gr.Button(shared.CANCEL, elem_id="batch-cancel", scale=1, min_width=80)
    with gr.Accordion(shared.SETTINGS, open=False):
        head = gr.Dropdown(name_heads(analyzer), value=choose_head(analyzer), label=shared.HEADS, elem_id="batch-head")
        ready = [name for name, reason in analyzer.aligners.items() if reason is None]
        choices = [(title_choice(name), name) for name in [*ready, "none"]]
        aligner = gr.Radio(choices, value=(ready or ["none"])[0], label=shared.ALIGNER, elem_id="batch-aligner")
    return {"files": files, "listed": listed, "aligner": aligner, "head": head, "analyse": analyse, "cancel": cancel}
