"""The Train tab: a data set and a model in, an experiment with all its runs out. Its parts are form, board and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from mmer.experiments.training_service import TrainingService
from mmer.ui.page.events import HIDDEN, LOOK, POLL
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.train.board import ExperimentList, build_board, wire_board
from mmer.ui.train.comparison import build_comparison, wire_comparison
from mmer.ui.train.form import Form, build_form, wire_form
from mmer.ui.train.handlers import TrainHandlers, TrainSession

TICK = 2.0  # seconds between two looks at the disk


@dataclass
class TrainTab:
    """What the rest of the page needs to wake the tab."""

    timer: gr.Timer
    session: gr.State
    handlers: TrainHandlers
    board: ExperimentList
    form: Form


def build(service: TrainingService) -> TrainTab:
    """The tab's content, inside the gr.Blocks that is open."""
    session, handlers = gr.State(TrainSession(), time_to_live=KEPT_SECONDS), TrainHandlers(service)
    with gr.Tabs(elem_id="train-tabs", selected="runs" if service.closed else "new") as tabs:
        with gr.Tab("New", id="new"):
            form = build_form(service)
        with gr.Tab("Experiments", id="runs"):
            board = build_board()
        with gr.Tab("Compare", id="compare") as compare_tab:
            comparison = build_comparison()
    timer = gr.Timer(TICK, active=False)
    wire_form(handlers, form, session)
    started = form.start.click(
        handlers.start,
        [session, form.name, *form.asked],
        [tabs, form.name],
        show_progress_on=[form.estimate],
        trigger_mode="once",
        api_name="start_experiment",
        **HIDDEN,
    )
    started.success(handlers.refresh, [session, board.drawn], board.shown, api_visibility="private", **LOOK)
    wire_board(handlers, board, session)
    wire_comparison(handlers, comparison, compare_tab)
    timer.tick(handlers.refresh, [session, board.drawn], board.shown, trigger_mode="once", api_name="refresh_experiments", **POLL)
    return TrainTab(timer, session, handlers, board, form)


def wake(train: TrainTab, tab: gr.Tab, others: Sequence[gr.Tab]) -> None:
    """The tab looks at the disk while it is open, and at no other time."""
    tab.select(lambda: gr.Timer(active=True), None, train.timer, api_visibility="private", show_progress="hidden", queue=False)
    tab.select(train.handlers.open, train.session, train.board.shown, api_name="open_experiments", **POLL)
    tab.select(train.handlers.list_data, None, train.form.fields["data"], api_name="list_data", **POLL)
    for other in others:
        other.select(lambda: gr.Timer(active=False), None, train.timer, api_visibility="private", show_progress="hidden", queue=False)
