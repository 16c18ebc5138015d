"""The Train tab: a data set and a model in, an experiment with all its runs out. Its parts are form, board and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.experiments.training_service import TrainingService
from mmer.ui.page.events import HIDDEN, LOOK, POLL
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.wiring import Wiring, name_components
from mmer.ui.texts import train as texts
from mmer.ui.train.board import SHOWN, build_board, wire_board
from mmer.ui.train.comparison import build_comparison, wire_comparison
from mmer.ui.train.form import build_form, wire_form
from mmer.ui.train.handlers import StartRequest, TrainHandlers, TrainSession

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
        with gr.Tab(texts.EXPERIMENTS, id="runs"):
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
