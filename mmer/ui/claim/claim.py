"""Test the claim: change a part of the clip that is shown, ask the same models again, and leave every part out in turn.

The panel stands below the linked views; what is done is `mmer.interventions` (docs/interventions.md, docs/testing-a-claim.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.choices.units import aligned_by_name
from mmer.interventions.curves import FIRST_FILL, FIRST_MEDIUM, FIRST_TIER
from mmer.ui.claim.edits import SELECTED, STRETCH, EditRequest
from mmer.ui.claim.handlers import ClaimHandlers, CurveRequest
from mmer.ui.page.events import MODEL_QUEUE, POLL, QUIET
from mmer.ui.page.wiring import Wiring, name_components
from mmer.ui.texts import claim as texts
from mmer.ui.texts import shared

FIRST_ACTION = {"silence": "mute", "noise": "mute noise"}[FIRST_FILL]
WAITING = "() => window.mmer.wait('model')"
PICKED = f'<p class="mc-picked" id="claim-picked" aria-live="polite">{texts.NOTHING_SELECTED}</p>'
FOLLOW = "() => window.mmerClaim.follow()"
WITH_SELECTION = "(...values) => window.mmerClaim.withSelection(...values)"
PROGRESS = ("stages", "run")  # what work in progress changes
REFRESHED = (  # what another result changes
    *("origin", "back", "part", "voice", "words", "stages", "result", "after", "sound"),
    *("emotion", "role", "curve_stages", "curve"),
)


@dataclass
class ClaimPanel:
    """What the panel is made of."""

    origin: gr.HTML
    back: gr.Button
    place: gr.Textbox  # the linked views' selection as JSON, filled in by the browser
    part: gr.Dropdown
    start: gr.Number
    end: gr.Number
    action: gr.Dropdown
    medium: gr.Radio
    amount: gr.Number
    words: gr.Textbox
    voice: gr.Dropdown
    run: gr.Button
    cancel: gr.Button
    stages: gr.HTML
    result: gr.HTML
    after: gr.Column
    sound: gr.Audio
    open: gr.Button
    beside: gr.Button
    save_change: gr.Button
    save_sound: gr.Button
    save_curve: gr.Button
    saved: gr.DownloadButton
    tier: gr.Radio
    curve_medium: gr.Radio
    emotion: gr.Dropdown
    role: gr.Dropdown
    run_curve: gr.Button
    cancel_curve: gr.Button
    curve_stages: gr.HTML
    curve: gr.HTML
    follow: gr.Button  # pressed by the browser when the views explain another emotion or model


def build(head_section: Callable[[str, str], None]) -> ClaimPanel:
    """The panel, inside the column that is open."""
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="mm-panel", elem_id="claim"):
        head_section(
            texts.TITLE,
            texts.CAPTION,
        )
        parts["origin"] = gr.HTML(elem_id="claim-origin")
        parts["back"] = gr.Button(texts.BACK, size="sm", visible=False, elem_id="claim-back")
        gr.HTML(PICKED)
        parts["place"] = gr.Textbox(elem_classes="mm-hidden", label=texts.SELECTION, container=False)
        with gr.Row():
            parts["part"] = gr.Dropdown([(texts.SELECTED, SELECTED)], value=SELECTED, label=texts.PART, elem_id="claim-part", min_width=200)
            parts["start"] = gr.Number(label=texts.FROM, visible=False, minimum=0, elem_id="claim-start", min_width=110)
            parts["end"] = gr.Number(label=texts.TO, visible=False, minimum=0, elem_id="claim-end", min_width=110)
            media = [(name, medium) for medium, name in texts.MEDIA.items()]
            actions = [(name, kind) for kind, name in texts.ACTIONS.items()]
            parts["action"] = gr.Dropdown(actions, value=FIRST_ACTION, label=texts.ACTION, elem_id="claim-action", min_width=200)
            parts["medium"] = gr.Radio(media, value=FIRST_MEDIUM, label=texts.WHERE, elem_id="claim-medium", min_width=200)
            parts["amount"] = gr.Number(label=texts.AMOUNT, visible=False, elem_id="claim-amount", min_width=140)
            parts["words"] = gr.Textbox(label=texts.WORDS, visible=False, lines=2, max_length=20_000, elem_id="claim-words", min_width=220)
            parts["voice"] = gr.Dropdown([], label=texts.VOICE, visible=False, elem_id="claim-voice", min_width=200)
        with gr.Row(elem_classes="mc-go"):
            parts["run"] = gr.Button(texts.RUN, variant="primary", elem_id="claim-run", size="md")
            parts["cancel"] = gr.Button(shared.CANCEL, elem_id="claim-cancel", size="md")
        parts["stages"] = gr.HTML("", elem_id="claim-stages", elem_classes="mm-stages-block")
        parts["result"] = gr.HTML("", elem_id="claim-result")
        with gr.Column(visible=False) as parts["after"]:
            parts["sound"] = gr.Audio(label=texts.CHANGED, interactive=False, type="filepath", elem_id="claim-sound", buttons=[])
            with gr.Row(elem_classes="mc-go"):
                parts["open"] = gr.Button(texts.SHOW_CHANGED, size="sm", elem_id="claim-open")
                parts["beside"] = gr.Button(texts.BESIDE, size="sm", elem_id="claim-beside")
                parts["save_change"] = gr.Button(texts.SAVE_CHANGE, size="sm", elem_id="claim-json")
                parts["save_sound"] = gr.Button(texts.SAVE_SOUND, size="sm", elem_id="claim-wav")
        parts |= build_curve(head_section)
    return ClaimPanel(**parts)


def build_curve(head_section: Callable[[str, str], None]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    gr.HTML("", elem_id="curve-head")
    head_section(
        texts.CURVE_TITLE,
        texts.CURVE,
    )
    media = [(name, medium) for medium, name in texts.MEDIA.items()]
    with gr.Row():
        parts["tier"] = gr.Radio(list(aligned_by_name()), value=FIRST_TIER, label=texts.SEGMENTS, elem_id="curve-tier", min_width=240)
        parts["curve_medium"] = gr.Radio(
            media, value=FIRST_MEDIUM, label=texts.WHERE, info=texts.WORDS_ALONE, elem_id="curve-medium", min_width=220
        )
        parts["emotion"] = gr.Dropdown([], label=texts.EMOTION, elem_id="curve-emotion", min_width=130)
        parts["role"] = gr.Dropdown([], label=texts.MODEL, elem_id="curve-role", min_width=130)
    with gr.Row(elem_classes="mc-go"):
        parts["run_curve"] = gr.Button(texts.RUN_CURVE, variant="primary", elem_id="curve-run", size="md")
        parts["cancel_curve"] = gr.Button(shared.CANCEL, elem_id="curve-cancel", size="md")
    parts["curve_stages"] = gr.HTML("", elem_id="curve-stages", elem_classes="mm-stages-block")
    parts["curve"] = gr.HTML("", elem_id="curve-result")
    parts["save_curve"] = gr.Button(texts.SAVE_CURVE, size="sm", visible=False, elem_id="curve-json")
    parts["saved"] = gr.DownloadButton(shared.DOWNLOAD, elem_classes="mm-hidden", elem_id="claim-download")
    parts["follow"] = gr.Button("follow", elem_classes="mm-hidden", elem_id="curve-follow")
    return parts


def offer_media(tier: str) -> dict[str, Any]:
    """Where a tier's segments can be left out: the text has words alone."""
    medium, can_choose = (FIRST_MEDIUM, True) if tier == "words" else ("sound", False)
    return {"curve_medium": gr.update(value=medium, interactive=can_choose)}


def offer_stretch(part: str) -> dict[str, Any]:
    """From and to are asked for where the part is a stretch."""
    return {name: gr.update(visible=part == STRETCH) for name in ("start", "end")}


def empty_outcome() -> dict[str, Any]:
    """A new change begins: what the last one brought is gone."""
    return {"result": "", "after": gr.Column(visible=False)}


def offer_curve() -> dict[str, Any]:
    """A curve that is there can be saved."""
    return {"save_curve": gr.Button(visible=True)}


def wire(handlers: ClaimHandlers, panel: ClaimPanel, session: gr.State, shown: gr.HTML, show_again: Callable[[Any], Any]) -> Any:
    """`shown`: the linked views, whose change means another result. `show_again(event)` shows the session's analysis after an event.

    Returns the event of a curve that has come.
    """
    wiring = Wiring(name_components(panel), session)
    refreshed = shown.change(**wiring.connect(handlers.refresh, changes=REFRESHED), api_name="refresh_claim", **QUIET)
    refreshed.success(fn=None, js=FOLLOW, api_visibility="private")
    offered = wiring.connect(handlers.offer, asks=["action"], changes=["medium", "amount", "words", "voice", "part"])
    panel.action.change(**offered, api_name="offer_action", queue=False, **QUIET)
    stretch = wiring.connect(offer_stretch, asks=["part"], changes=["start", "end"])
    panel.part.change(**stretch, api_name="offer_stretch", queue=False, **QUIET)
    wire_change(handlers, panel, wiring, show_again)
    curve = wire_curve(handlers, panel, Wiring({**wiring.components, "stages": panel.curve_stages, "run": panel.run_curve}, session))
    for name, button, handler in (
        ("change", panel.save_change, handlers.export_change),
        ("sound", panel.save_sound, handlers.export_sound),
        ("curve", panel.save_curve, handlers.export_curve),
    ):
        written = button.click(**wiring.connect(handler, changes=["saved"]), api_name=f"export_{name}", **QUIET)
        written.success(fn=None, js="() => window.mmer.download('claim-download')", api_visibility="private")
    return curve


def wire_change(handlers: ClaimHandlers, panel: ClaimPanel, wiring: Wiring, show_again: Callable[[Any], Any]) -> None:
    """Run, Cancel, and what can be done with the changed clip."""
    panel.run.click(fn=None, js=WAITING, outputs=panel.stages, api_visibility="private")
    run = panel.run.click(
        **wiring.connect(handlers.run, asks=EditRequest, changes=PROGRESS),
        js=WITH_SELECTION,
        api_name="test_claim",
        trigger_mode="once",
        **QUIET,
        **MODEL_QUEUE,
    )
    run.success(**wiring.connect(handlers.show, changes=["stages", "result", "after", "sound"]), api_name="show_claim", **QUIET)
    run.failure(**wiring.connect(handlers.show_problem, changes=PROGRESS), api_name="problem_claim", **QUIET)
    panel.run.click(**wiring.connect(empty_outcome, changes=["result", "after"]), api_visibility="private", queue=False)
    cancelled = wiring.connect(handlers.cancel, changes=PROGRESS)
    panel.cancel.click(**cancelled, queue=False, cancels=[run], api_name="cancel_claim", **QUIET)
    show_again(panel.open.click(**wiring.connect(handlers.open_changed), api_name="open_changed", **QUIET))
    show_again(panel.back.click(**wiring.connect(handlers.open_parent), api_name="open_parent", **QUIET))


def wire_curve(handlers: ClaimHandlers, panel: ClaimPanel, wiring: Wiring) -> Any:
    """Leave one out: run, Cancel, another emotion or model."""
    offered = wiring.connect(offer_media, asks=["tier"], changes=["curve_medium"])
    panel.tier.input(**offered, api_name="offer_media", queue=False, **QUIET)
    panel.run_curve.click(fn=None, js=WAITING, outputs=panel.curve_stages, api_visibility="private")
    curve = panel.run_curve.click(
        **wiring.connect(handlers.run_curve, asks=["tier", "curve_medium"], changes=PROGRESS),
        api_name="leave_out",
        trigger_mode="once",
        **QUIET,
        **MODEL_QUEUE,
    )
    picture = wiring.connect(handlers.show_curve, asks=["emotion", "role"], changes=["curve_stages", "curve"])
    drawn = curve.success(**picture, api_name="show_curve", **QUIET)
    drawn.success(fn=None, js=FOLLOW, api_visibility="private")
    curve.failure(**wiring.connect(handlers.show_problem, changes=PROGRESS), api_name="problem_curve", **QUIET)
    curve.success(**wiring.connect(offer_curve, changes=["save_curve"]), api_visibility="private", show_progress="hidden")
    panel.follow.click(
        **wiring.connect(handlers.follow_views, asks=CurveRequest, changes=["emotion", "role", "curve_stages", "curve"]),
        js=WITH_SELECTION,
        api_name="follow_views",
        trigger_mode="always_last",
        **POLL,
    )
    for number, choice in enumerate((panel.emotion, panel.role)):
        choice.input(**picture, api_name=f"choose_curve_{number}", **QUIET)
    cancelled = wiring.connect(handlers.cancel, changes=PROGRESS)
    panel.cancel_curve.click(**cancelled, queue=False, cancels=[curve], api_name="cancel_curve", **QUIET)
    return curve
