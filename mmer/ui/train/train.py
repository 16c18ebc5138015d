"""The Train tab: a data set and a model in, an experiment with all its runs out. Its parts are form, board and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.experiments.training_service import TrainingService
from mmer.ui.page.events import HIDDEN, LOOK, POLL, QUIET
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.wiring import Wiring, name_components
from mmer.ui.texts import shared
from mmer.ui.texts import train as texts
from mmer.ui.train.board import ExperimentList, build_board
from mmer.ui.train.comparison import Comparison, build_comparison
from mmer.ui.train.form import Form, build_form
from mmer.ui.train.handlers import CHOICES, FIELDS, FormRequest, PromoteRequest, StartRequest, TrainHandlers, TrainSession
from mmer.ui.train.scripts import DOWNLOAD, REVEAL

TICK = 2.0  # seconds between two looks at the disk


@dataclass
class TrainTab:
    """What the rest of the page needs to wake the tab."""

    handlers: TrainHandlers
    form: Wiring
    board: Wiring


def build(service: TrainingService) -> TrainTab:
    """The tab's content, inside the gr.Blocks that is open."""
    session, handlers = gr.State(TrainSession(), time_to_live=KEPT_SECONDS), TrainHandlers(service)
    with gr.Tabs(elem_id="train-tabs", selected="runs" if service.closed else "new") as tabs:
        with gr.Tab(texts.NEW, id="new"):
            form = build_form(service)
        with gr.Tab(shared.EXPERIMENTS, id="runs"):
            board = build_board()
        with gr.Tab(texts.COMPARE, id="compare") as compare_tab:
            comparison = build_comparison()
    timer = gr.Timer(TICK, active=False)
    filling = Wiring({**form.fields, **name_components(form), "tabs": tabs}, session)
    watching = Wiring({**name_components(board), "timer": timer}, session)
    wire_form(handlers, form, filling)
    started = form.start.click(
        **filling.connect(handlers.start, asks=StartRequest, changes=["tabs", "name"]),
        show_progress_on=[form.estimate],
        trigger_mode="once",
        api_name="start_experiment",
        **HIDDEN,
    )
    refreshed = watching.connect(handlers.refresh, asks=["drawn"], changes=SHOWN)
    started.success(**refreshed, api_visibility="private", **LOOK)
    wire_board(handlers, board, watching)
    wire_comparison(handlers, comparison, compare_tab, session)
    timer.tick(**refreshed, trigger_mode="once", api_name="refresh_experiments", **POLL)
    return TrainTab(handlers, filling, watching)


def wake(train: TrainTab, tab: gr.Tab, others: Sequence[gr.Tab]) -> None:
    """The tab looks at the disk while it is open, and at no other time."""
    tab.select(**train.board.connect(start_looking, changes=["timer"]), api_visibility="private", **LOOK)
    tab.select(**train.board.connect(train.handlers.open, changes=SHOWN), api_name="open_experiments", **POLL)
    tab.select(**train.form.connect(train.handlers.list_data, changes=["data"]), api_name="list_data", **POLL)
    for other in others:
        other.select(**train.board.connect(stop_looking, changes=["timer"]), api_visibility="private", **LOOK)


def start_looking() -> dict[str, Any]:
    return {"timer": gr.Timer(active=True)}


def stop_looking() -> dict[str, Any]:
    return {"timer": gr.Timer(active=False)}


EXPECTED = ("estimate", "name", "command")  # what a change of the form changes


def wire_form(handlers: TrainHandlers, form: Form, wiring: Wiring) -> None:
    fields = form.fields
    offered = wiring.connect(handlers.change_model, asks=["fusion", "units"], changes=["unit", "units"])
    changed = fields["fusion"].input(**offered, api_name="change_model", **POLL)
    checked = form.check.click(
        **wiring.connect(handlers.check, asks=FormRequest, changes=["report", *EXPECTED, "start"]),
        show_progress_on=[form.report],
        trigger_mode="once",
        api_name="check_data",
        **HIDDEN,
    )
    checked.success(fn=None, js=REVEAL.format("data-report"), api_visibility="private")
    expected = wiring.connect(handlers.expect, asks=FormRequest, changes=EXPECTED)
    for name in FIELDS:
        event = fields[name].change if name in CHOICES else fields[name].blur
        event = changed.success if name == "fusion" else event  # not before its units are those that it can take
        event(**expected, trigger_mode="always_last", api_name=f"expect_{name}", **QUIET)


SHOWN = (  # what another experiment, or another look at it, changes
    *("runs", "head", "stop", "resume", "delete", "export", "promotion", "question", "log"),
    *("curves_panel", "curves", "scores_panel", "scores", "confusion", "group", "groups", "layers", "numbers", "facts", "drawn"),
)


def wire_board(handlers: TrainHandlers, board: ExperimentList, wiring: Wiring) -> None:
    refreshed = wiring.connect(handlers.refresh, asks=["drawn"], changes=SHOWN)
    chosen = board.runs.click(**wiring.connect(handlers.choose, asks=["drawn"], changes=SHOWN), api_name="choose_experiment", **POLL)
    chosen.success(fn=None, js=REVEAL.format("run-head"), api_visibility="private")
    on_head: dict[str, Any] = {"show_progress_on": [board.head], **HIDDEN}
    for name, button, handler in (("stop", board.stop, handlers.stop), ("resume", board.resume, handlers.resume)):
        acted = button.click(**wiring.connect(handler), trigger_mode="once", api_name=f"{name}_experiment", **on_head)
        acted.success(**refreshed, api_visibility="private", **LOOK)
    board.delete.click(**wiring.connect(handlers.ask_delete, changes=["question", "ask"]), api_name="ask_delete", **POLL)
    board.no.click(**wiring.connect(hide_question, changes=["question"]), api_visibility="private", show_progress="hidden")
    deleted = board.yes.click(**wiring.connect(handlers.delete), trigger_mode="once", api_name="delete_experiment", **QUIET)
    deleted.success(**wiring.connect(handlers.open, changes=SHOWN), api_visibility="private", **LOOK)
    exported = board.export.click(**wiring.connect(handlers.export, changes=["download"]), api_name="export_experiment", **on_head)
    exported.success(fn=None, js=DOWNLOAD, api_visibility="private")
    promoted = wiring.connect(handlers.promote, asks=PromoteRequest, changes=["promoted"])
    board.promote.click(**promoted, trigger_mode="once", api_name="promote_experiment", **HIDDEN)
    board.group.input(**wiring.connect(handlers.regroup, asks=["group"], changes=["groups"]), api_name="regroup", **QUIET)


def hide_question() -> dict[str, Any]:
    return {"question": gr.Column(visible=False)}


COMPARING = "() => window.mmer.wait('comparison')"  # both are chosen already when the tab opens, and resampling takes seconds


COMPARED = ("text", "panel", "ua", "first_confusion", "second_confusion", "difference", "layers")


def wire_comparison(handlers: TrainHandlers, comparison: Comparison, tab: gr.Tab, session: gr.State) -> None:
    wiring = Wiring(name_components(comparison), session)
    listed = tab.select(
        **wiring.connect(handlers.list_compared, asks=["first", "second"], changes=["first", "second"]), api_name="list_compared", **POLL
    )
    compared = wiring.connect(handlers.compare, asks=["first", "second"], changes=COMPARED)
    listed.success(fn=None, js=COMPARING, outputs=comparison.text, api_visibility="private")
    listed.success(**compared, api_name="compare_opened", **QUIET)
    for dropdown in (comparison.first, comparison.second):
        dropdown.input(**compared, show_progress_on=[comparison.text], api_name="compare_experiments", **HIDDEN)
