"""Compare and keep: the visitor's list with notes and tags, two of its entries side by side, and an exported analysis read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.ui.explore.imports import MOST_NOTE, MOST_TAGS
from mmer.ui.keep.handlers import LISTED, MOST_KEPT, KeepHandlers, NoteRequest, write_pinned
from mmer.ui.page.events import IMPORT_QUEUE, POLL, QUIET
from mmer.ui.page.wiring import Wiring, name_components
from mmer.ui.texts import keep as texts

SHOW_PAIR = "window.mmer.showPair(element, props, watch);"


@dataclass
class KeepPanel:
    """The components of the panel."""

    entries: gr.Radio
    note: gr.Textbox
    tags: gr.Textbox
    open: gr.Button
    pins: dict[str, gr.Button]
    remove: gr.Button
    link: gr.Button
    linked: gr.Textbox  # query of the link to what is shown, for the browser
    pinned: gr.HTML  # what is pinned


@dataclass
class ComparisonView:
    """A and B side by side, across the whole page."""

    whole: gr.Column
    pair: gr.HTML  # its value is the two payloads of mmer.views as JSON text
    follow: gr.Button  # pressed by the browser when both views explain another emotion
    emotion: gr.Dropdown
    comparison: gr.HTML


def build_side(head_section: Callable[[str, str], None]) -> ComparisonView:
    with gr.Column(visible=False, elem_classes="mm-panel", elem_id="side-by-side") as whole:
        head_section(texts.SIDE_TITLE, texts.SIDE)
        pair = gr.HTML(
            "",
            elem_id="pair",
            html_template='<div class="mv-pair-place"></div>',
            js_on_load=SHOW_PAIR,
            apply_default_css=False,
            elem_classes="mm-views",
        )
        head_section(texts.NUMBERS_TITLE, texts.NUMBERS)
        follow = gr.Button("follow", elem_classes="mm-hidden", elem_id="keep-emotion-follow")
        emotion = gr.Dropdown([], label=texts.EMOTION, elem_id="keep-emotion", min_width=160)
        comparison = gr.HTML("", elem_id="keep-comparison")
    return ComparisonView(whole, pair, follow, emotion, comparison)


def build(head_section: Callable[[str, str], None]) -> KeepPanel:
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="mm-panel", elem_id="keep"):
        head_section(texts.TITLE, texts.say_what_is_kept(MOST_KEPT))
        parts["entries"] = gr.Radio([], label=texts.ANALYSED, elem_id="keep-list", elem_classes="mk-list")
        with gr.Row():
            parts["note"] = gr.Textbox(label=texts.NOTE, max_length=MOST_NOTE, elem_id="keep-note", min_width=220, scale=2)
            parts["tags"] = gr.Textbox(label=texts.TAGS, max_length=MOST_TAGS, elem_id="keep-tags", min_width=160)
        with gr.Row(elem_classes="mc-go"):
            parts["open"] = gr.Button(texts.OPEN, size="sm", elem_id="keep-open")
            parts["pins"] = {letter: gr.Button(texts.say_pin(letter), size="sm", elem_id=f"keep-pin-{letter}") for letter in "AB"}
            parts["remove"] = gr.Button(texts.REMOVE, size="sm", elem_id="keep-remove")
            parts["link"] = gr.Button(texts.COPY_LINK, size="sm", elem_id="keep-link")
        parts["linked"] = gr.Textbox(elem_classes="mm-hidden", label=texts.LINK, container=False)
        gr.HTML('<p class="mm-note" id="keep-link-text" aria-live="polite"></p><p class="mm-note" id="keep-link-status" role="status"></p>')
        parts["pinned"] = gr.HTML(write_pinned({}), elem_id="keep-pinned")
    return KeepPanel(**parts)


def build_follow() -> tuple[gr.Button, gr.Textbox]:
    """A hidden button that the browser presses when the page was opened by a link. It is built first, before there are any results."""
    return gr.Button(texts.FOLLOW_LINK, elem_classes="mm-hidden", elem_id="keep-follow"), gr.Textbox(
        elem_classes="mm-hidden", label=texts.QUERY, container=False
    )


def build_import() -> gr.UploadButton:
    return gr.UploadButton(texts.IMPORT, size="sm", file_types=[".json"], elem_id="import")


def wire(
    handlers: KeepHandlers,
    panel: KeepPanel,
    side: ComparisonView,
    importer: gr.UploadButton,
    session: gr.State,
    shown: gr.HTML,
    show_again: Callable[..., Any],
) -> Any:
    """`shown`: the linked views, whose change means another result. `show_again(event)` shows the session's analysis after an event.

    Returns the event of an import, whose failure the caller shows.
    """
    wiring = Wiring({**name_components(panel, side), "importer": importer}, session)
    shown.change(**wiring.connect(handlers.refresh, changes=LISTED), api_name="refresh_list", **QUIET)
    panel.entries.input(**wiring.connect(handlers.choose, asks=["entries"], changes=["note", "tags"]), api_name="choose_kept", **QUIET)
    # with every letter, since a result may come while somebody writes; and at the end: Gradio is silent at the first one after its own text
    saved = wiring.connect(handlers.save, asks=NoteRequest, changes=["entries"])
    for number, event in enumerate((panel.note.input, panel.tags.input, panel.note.blur, panel.tags.blur)):
        event(**saved, api_name=f"save_note_{number}", trigger_mode="always_last", **POLL)
    show_again(panel.open.click(**wiring.connect(handlers.open, asks=["entries"]), api_name="open_kept", **QUIET))
    for letter, button in panel.pins.items():
        pinned = wiring.connect(handlers.pinner(letter), asks=["entries", "emotion"], changes=LISTED)
        button.click(**pinned, api_name=f"pin_{letter.lower()}", **QUIET)
    removed = wiring.connect(handlers.remove, asks=["entries", "emotion"], changes=LISTED)
    panel.remove.click(**removed, api_name="remove_kept", **QUIET)
    named = panel.link.click(**wiring.connect(handlers.write_link, changes=["linked"]), api_name="write_link", **QUIET)
    named.success(fn=None, inputs=panel.linked, js="(query) => { window.mmerKeep.copyLink(query); }", api_visibility="private")
    followed = wiring.connect(handlers.follow_pair, asks=["emotion"], changes=["emotion", "comparison"])
    paired = {"js": "(...values) => window.mmerKeep.paired(...values)", "trigger_mode": "always_last", **POLL}
    side.follow.click(**followed, api_name="follow_pair", **paired)
    compared = wiring.connect(handlers.show_comparison, asks=["emotion"], changes=["comparison"])
    side.emotion.input(**compared, api_name="choose_compared_emotion", **QUIET)
    brought = wiring.connect(handlers.take_import, asks=["importer"])
    imported = importer.upload(**brought, api_name="import_analysis", **QUIET, **IMPORT_QUEUE)
    show_again(imported)
    return imported


def wire_beside(handlers: KeepHandlers, panel: KeepPanel, side: ComparisonView, button: gr.Button, session: gr.State) -> None:
    """Connects the button that shows a changed clip and its original side by side."""
    wiring = Wiring(name_components(panel, side), session)
    changed = wiring.connect(handlers.pin_changed, asks=["emotion"], changes=LISTED)
    pinned = button.click(**changed, api_name="pin_changed", **QUIET)
    pinned.success(fn=None, js="() => window.mmerKeep.reveal()", api_visibility="private")
