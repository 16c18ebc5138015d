"""The Errors tab: an experiment or a batch's table in, its utterances out, filtered by the page itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.experiments.training_service import TrainingService
from mmer.pipeline import Analyzer
from mmer.ui.errors.handlers import ErrorsHandlers, explore_table
from mmer.ui.errors.noting import NoteHandlers
from mmer.ui.errors.opening import OpenHandlers
from mmer.ui.errors.session import ErrorsSession
from mmer.ui.explore.updates import ExploreLink
from mmer.ui.page.events import BOUNDS, IMPORT_QUEUE, MODEL_QUEUE, POLL, QUIET
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.wiring import Wiring, name_components
from mmer.ui.texts import errors as texts

SHOW = "window.mmerErrors.show(element, props, watch, trigger);"
HEAR = "window.mmerErrors.hear(props, watch);"
JUDGE = "window.mmerErrors.judge(props, watch);"
WITH_ADDRESS = "(session, source, address) => [session, source, window.mmerErrors.takeAddress()]"
SHOW_OPENED = "window.mmerOpened.show(element, props, watch, trigger);"
TAKE_FINDINGS = "window.mmerErrors.takeFindings(props, watch);"
TAKE_NOTED = "window.mmerErrors.takeNoted(props, watch);"
FOLLOW_OPENING = "window.mmerErrors.followOpening(props, watch);"
SHOWN = ("source", "other", "view", "said", "sound", "intervals", "findings")


@dataclass
class ErrorsWidgets:
    """What the tab is made of."""

    source: gr.Dropdown
    other: gr.Dropdown
    table_file: gr.File
    said: gr.HTML
    view: gr.HTML  # its value is the payload of mmer.error_table.page as JSON text
    sound: gr.HTML  # never seen: the sound that was asked for, as JSON text
    intervals: gr.HTML  # never seen: the intervals that were asked for
    findings: gr.HTML  # never seen: slices and labels worth a look
    noted: gr.HTML  # never seen: what came of a note
    opening: gr.HTML  # never seen: how far a clip is that is being opened
    follow: gr.Button  # never seen: pressed by the browser for an address that names the tab
    address: gr.Textbox  # never seen: what stands after # in the address


@dataclass(frozen=True)
class OpeningPlace:
    """Where clips are opened: the analyzer, what Explore says above one, and Explore itself."""

    analyzer: Analyzer
    opened: gr.HTML
    explore: ExploreLink


def build_opened() -> gr.HTML:
    """What Explore says of a clip that was opened from here; it is built there, and empty until then."""
    look: dict[str, Any] = {"html_template": '<div class="me-opened-place"></div>', "apply_default_css": False, "elem_classes": "mm-views"}
    return gr.HTML("", elem_id="errors-opened", js_on_load=SHOW_OPENED, **look)


def build(service: TrainingService, tab: gr.Tab, *, is_public: bool, place: OpeningPlace | None = None) -> None:
    """The tab's content, inside the gr.Blocks that is open. Without a `place` no clip is opened."""
    session, handlers = gr.State(ErrorsSession(), time_to_live=KEPT_SECONDS), ErrorsHandlers(service, is_public)
    with gr.Row(elem_classes="me-sources", equal_height=False):
        source = gr.Dropdown(handlers.list_sources(), value=None, label=texts.SOURCE, elem_id="errors-source", scale=3, min_width=220)
        other = gr.Dropdown(
            [(texts.NONE, ""), *handlers.list_sources()], value="", label=texts.OTHER, elem_id="errors-other", scale=3, min_width=220
        )
    with gr.Accordion(texts.FILE_TITLE, open=False):
        table_file = gr.File(label=texts.FILE, file_types=[".csv", ".json"], type="filepath", elem_id="errors-file", height=130)
        gr.HTML(f'<p class="mm-note">{texts.FILE_NOTE}</p>')
    hidden: dict[str, Any] = {"elem_classes": "mm-hidden", "apply_default_css": False, "html_template": "<i></i>"}
    widgets = ErrorsWidgets(
        source,
        other,
        table_file,
        gr.HTML("", elem_id="errors-said"),
        gr.HTML(
            "",
            elem_id="errors-view",
            html_template=f'<div class="me-place">{write_empty()}</div>',
            js_on_load=SHOW,
            apply_default_css=False,
            elem_classes="mm-views",
        ),
        gr.HTML("", js_on_load=HEAR, elem_id="errors-sound", **hidden),
        gr.HTML("", js_on_load=JUDGE, elem_id="errors-intervals", **hidden),
        gr.HTML("", js_on_load=TAKE_FINDINGS, elem_id="errors-findings", **hidden),
        gr.HTML("", js_on_load=TAKE_NOTED, elem_id="errors-noted", **hidden),
        gr.HTML("", js_on_load=FOLLOW_OPENING, elem_id="errors-opening", **hidden),
        gr.Button(texts.FOLLOW, elem_classes="mm-hidden", elem_id="errors-follow"),
        gr.Textbox("", label=texts.ADDRESS, elem_classes="mm-hidden", elem_id="errors-address"),
    )
    wire(handlers, widgets, tab, session)
    if place is not None:
        opening = OpenHandlers(place.analyzer, service, handlers.find_utterance, is_public, BOUNDS[is_public])
        wire_opening(opening, widgets, place, session)


def write_empty() -> str:
    """What stands there before anything is chosen."""
    items = "".join(f"<li>{sentence}</li>" for sentence in texts.EMPTY)
    return f'<section class="mm-empty"><p>{texts.EMPTY_TITLE}</p><ol>{items}</ol></section>'


def wire(handlers: ErrorsHandlers, widgets: ErrorsWidgets, tab: gr.Tab, session: gr.State) -> None:
    """What triggers what."""
    wiring = Wiring(name_components(widgets), session)
    chosen = wiring.connect(handlers.choose, asks=["source", "other"], changes=SHOWN)
    opened = wiring.connect(handlers.open, asks=["source", "address"], changes=SHOWN)
    for trigger, name in ((tab.select, "open_errors"), (widgets.follow.click, "follow_errors")):
        trigger(**opened, js=WITH_ADDRESS, api_name=name, **POLL)
    for dropdown, name in ((widgets.source, "choose_errors"), (widgets.other, "join_errors")):
        dropdown.input(**chosen, api_name=name, show_progress_on=[widgets.view], queue=False, api_visibility="undocumented")
    sent = wiring.connect(handlers.upload, asks=["table_file"], changes=SHOWN)
    widgets.table_file.upload(**sent, api_name="import_errors_table", **QUIET, **IMPORT_QUEUE)
    played = wiring.connect(handlers.play, changes=["sound"])
    widgets.view.click(**played, api_name="play_utterance", **POLL)
    measured = wiring.connect(handlers.measure, changes=["intervals"])
    widgets.view.input(**measured, api_name="measure_bars", **POLL)
    explored = wiring.connect(explore_table, changes=["findings"])
    widgets.view.expand(**explored, api_name="explore_utterances", **POLL)
    noted = wiring.connect(NoteHandlers().note, changes=["noted"])
    widgets.view.edit(**noted, api_name="note_utterance", trigger_mode="multiple", **POLL)


def wire_opening(handlers: OpenHandlers, widgets: ErrorsWidgets, place: OpeningPlace, session: gr.State) -> None:
    """A row becomes what Explore shows, from the list here, and by another run from what stands above it there."""
    named = {"opening": widgets.opening, "opened": place.opened, "explored": place.explore.session}
    wiring = Wiring(named, session)
    opened = wiring.connect(handlers.open, asks=["explored"], changes=["opening", "opened"])
    for trigger, name in ((widgets.view.submit, "explain_utterance"), (place.opened.submit, "explain_by_another_run")):
        event = trigger(**opened, api_name=name, trigger_mode="once", **QUIET, **MODEL_QUEUE)
        event.success(fn=None, js="() => window.mmerErrors.enterExplore()", api_visibility="private")
        shown = place.explore.show_again(event)
        shown.success(fn=None, js="() => window.mmerErrors.revealOpened()", api_visibility="private")
    checked = wiring.connect(handlers.check, asks=["explored"], changes=["opened"])
    place.explore.views.change(**checked, api_name="check_opened", **POLL)
