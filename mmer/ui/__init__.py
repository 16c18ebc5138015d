"""The web app: tabs in order, and what the whole page needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from mmer.experiments.training_service import TrainingService
from mmer.pipeline import Analyzer
from mmer.ui import about, api, batch, lesson
from mmer.ui.errors.errors import OpeningPlace, build_opened
from mmer.ui.errors.errors import build as build_errors
from mmer.ui.explore.cards import HEADER
from mmer.ui.explore.examples import list_stored, open_with
from mmer.ui.explore.explore import build as build_explore
from mmer.ui.page.events import let_looks_pass
from mmer.ui.page.style import launch_options
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.uploads import take_uploads_only
from mmer.ui.texts import page as texts
from mmer.ui.train.train import build as build_train
from mmer.ui.train.train import wake

__all__ = ["build_app", "launch_options", "serve"]

REMEMBERED_EVENTS = 200  # Gradio makes a table of all that it remembers after each event; its own 10,000 would slow everybody
CACHE_CHECK_SECONDS = 5 * 60
SHOW_ERRORS = "window.mmer.showError = (sentence) => trigger('error', sentence);"  # as Gradio's own toast; page.js calls it
VISITORS = {False: 10_000, True: 1000}  # is_public -> pages at once; what their results take together is bounded (forgetting.py)


def build_app(analyzer: Analyzer, *, examples: Path, service: TrainingService | None = None, is_public: bool = False) -> gr.Blocks:
    """The page for one analyzer and one service that all visitors share; launch it with `launch_options()`."""
    service = service or TrainingService()
    stored, open_stored = list_stored(examples), open_with(analyzer)
    app: gr.Blocks
    with gr.Blocks(
        title=texts.TITLE,
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(CACHE_CHECK_SECONDS, KEPT_SECONDS),
    ) as app:
        gr.HTML(HEADER, js_on_load=SHOW_ERRORS)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab(texts.EXPLORE, id="explore") as explore_tab:
                opened = build_opened()
                explore = build_explore(analyzer, examples=stored, open_stored=open_stored, is_public=is_public)
            with gr.Tab(texts.LEARN, id="learn") as learn_tab:
                lesson.build(analyzer, learn_tab, examples=stored, open_stored=open_stored, is_public=is_public)
            with gr.Tab(texts.BATCH, id="batch") as batch_tab:
                batch.build(analyzer, is_public=is_public)
            with gr.Tab(texts.ERRORS, id="errors") as errors_tab:
                build_errors(service, errors_tab, is_public=is_public, place=OpeningPlace(analyzer, opened, explore))
            with gr.Tab(texts.TRAIN, id="train") as train_tab:
                training = build_train(service)
            with gr.Tab(texts.ABOUT, id="about") as about_tab:
                about.build(analyzer)
        wake(training, train_tab, [explore_tab, learn_tab, batch_tab, errors_tab, about_tab])
        api.build(analyzer, is_public=is_public)
    take_uploads_only(app)
    let_looks_pass(app)
    app.queue(default_concurrency_limit=None, max_size=None)
    app._queue.ANALYTICS_MAX_EVENTS = REMEMBERED_EVENTS
    return app


def serve(app: gr.Blocks, *, mcp: bool = False, is_public: bool = False, **options: Any) -> None:
    """Launches the page and stays until it is stopped; with `mcp` its endpoints are MCP tools as well (docs/api.md)."""
    options["state_session_capacity"] = VISITORS[is_public]
    if not mcp:
        app.launch(**options, **launch_options())
        return
    app.launch(**options, **(launch_options() | {"mcp_server": True, "prevent_thread_lock": True}))
    api.adapt_mcp(app)
    app.block_thread()
