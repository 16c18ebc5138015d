"""Test the claim: change a part of the clip that is shown, ask the same models again, and leave every part out in turn.

The panel stands below the linked views; what is done is `mmer.interventions` (docs/interventions.md, docs/testing-a-claim.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.choices.units import aligned_by_name
from mmer.errors import EditError
from mmer.interventions.leave_one_out import FIRST_FILL, FIRST_MEDIUM, FIRST_TIER
from mmer.interventions.praat import load_praat
from mmer.ui.claim.edits import SELECTED, STRETCH
from mmer.ui.claim.handlers import ClaimHandlers
from mmer.ui.page.events import HIDDEN, MODEL_QUEUE, POLL, QUIET
from mmer.ui.page.failures import show_errors

ACTIONS = {
    "mute": "Mute it with silence",
    "mute noise": "Mute it with matched noise",
    "remove": "Remove it",
    "isolate": "Keep it alone, mute the rest",
    "pitch": "Change its pitch (synthetic)",
    "tempo": "Change its tempo (synthetic)",
    "loudness": "Change its loudness (synthetic)",
    "words": "Say other words: the text alone",
    "correct": "Correct the words, align again",
    "voice": "Put another clip's voice under the words",
}
MEDIA = [("sound", "sound"), ("text", "text"), ("both", "both")]
FIRST_ACTION = {"silence": "mute", "noise": "mute noise"}[FIRST_FILL]
WAITING = '() => \'<ol class="mm-stages"><li class="mm-running">Waiting for a free model</li></ol>\''
PICKED = '<p class="mc-picked" id="claim-picked" aria-live="polite">Nothing is selected above yet.</p>'


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

    @property
    def refreshed(self) -> list[Any]:
        """What another result changes, in the order of ClaimHandlers.refresh."""
        return [
            *(self.origin, self.back, self.part, self.voice, self.words, self.stages, self.result, self.after, self.sound),
            *(self.emotion, self.role, self.curve_stages, self.curve),
        ]


def build(head_section: Callable[[str, str], None]) -> ClaimPanel:
    """The panel, inside the column that is open."""
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="mm-panel", elem_id="claim"):
        head_section(
            "Test the claim",
            "Attention is not proof. Change a part of the clip and ask the same models again: whatever changes, that part caused.",
        )
        parts["origin"] = gr.HTML(elem_id="claim-origin")
        parts["back"] = gr.Button("Back to the clip it was made from", size="sm", visible=False, elem_id="claim-back")
        gr.HTML(PICKED)
        parts["place"] = gr.Textbox(elem_classes="mm-hidden", label="Selection", container=False)
        with gr.Row():
            parts["part"] = gr.Dropdown(
                [("What is selected above", SELECTED)], value=SELECTED, label="Which part", elem_id="claim-part", min_width=200
            )
            parts["start"] = gr.Number(label="From, seconds", visible=False, minimum=0, elem_id="claim-start", min_width=110)
            parts["end"] = gr.Number(label="To, seconds", visible=False, minimum=0, elem_id="claim-end", min_width=110)
            actions = [(name, kind) for kind, name in list_actions().items()]
            parts["action"] = gr.Dropdown(actions, value=FIRST_ACTION, label="What happens", elem_id="claim-action", min_width=200)
            parts["medium"] = gr.Radio(MEDIA, value=FIRST_MEDIUM, label="Where", elem_id="claim-medium", min_width=200)
            parts["amount"] = gr.Number(label="How much", visible=False, elem_id="claim-amount", min_width=140)
            parts["words"] = gr.Textbox(label="Words", visible=False, lines=2, max_length=20_000, elem_id="claim-words", min_width=220)
            parts["voice"] = gr.Dropdown([], label="Whose voice", visible=False, elem_id="claim-voice", min_width=200)
        with gr.Row(elem_classes="mc-go"):
            parts["run"] = gr.Button("Run", variant="primary", elem_id="claim-run", size="md")
            parts["cancel"] = gr.Button("Cancel", elem_id="claim-cancel", size="md")
        parts["stages"] = gr.HTML("", elem_id="claim-stages", elem_classes="mm-stages-block")
        parts["result"] = gr.HTML("", elem_id="claim-result")
        with gr.Column(visible=False) as parts["after"]:
            parts["sound"] = gr.Audio(label="The changed clip", interactive=False, type="filepath", elem_id="claim-sound", buttons=[])
            with gr.Row(elem_classes="mc-go"):
                parts["open"] = gr.Button("Show the changed clip in all views", size="sm", elem_id="claim-open")
                parts["beside"] = gr.Button("Original and changed side by side", size="sm", elem_id="claim-beside")
                parts["save_change"] = gr.Button("JSON of the change", size="sm", elem_id="claim-json")
                parts["save_sound"] = gr.Button("WAV of the changed clip", size="sm", elem_id="claim-wav")
        parts |= build_curve(head_section)
    return ClaimPanel(**parts)


def build_curve(head_section: Callable[[str, str], None]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    gr.HTML("", elem_id="curve-head")
    head_section(
        "Leave one out",
        "Each segment is muted in turn, against silence and against matched noise, and the whole clip is encoded again. "
        "Beside the drop stand the two explanations: what late fusion adds there, and the attention it gets in early fusion.",
    )
    with gr.Row():
        parts["tier"] = gr.Radio(list(aligned_by_name()), value=FIRST_TIER, label="Segments", elem_id="curve-tier", min_width=240)
        parts["curve_medium"] = gr.Radio(
            MEDIA, value=FIRST_MEDIUM, label="Where", info="In the text only words can be left out.", elem_id="curve-medium", min_width=220
        )
        parts["emotion"] = gr.Dropdown([], label="Emotion", elem_id="curve-emotion", min_width=130)
        parts["role"] = gr.Dropdown([], label="Model", elem_id="curve-role", min_width=130)
    with gr.Row(elem_classes="mc-go"):
        parts["run_curve"] = gr.Button("Leave each out", variant="primary", elem_id="curve-run", size="md")
        parts["cancel_curve"] = gr.Button("Cancel", elem_id="curve-cancel", size="md")
    parts["curve_stages"] = gr.HTML("", elem_id="curve-stages", elem_classes="mm-stages-block")
    parts["curve"] = gr.HTML("", elem_id="curve-result")
    parts["save_curve"] = gr.Button("JSON of the curve", size="sm", visible=False, elem_id="curve-json")
    parts["saved"] = gr.DownloadButton("Download", elem_classes="mm-hidden", elem_id="claim-download")
    parts["follow"] = gr.Button("Follow", elem_classes="mm-hidden", elem_id="curve-follow")
    return parts


def offer_media(tier: str) -> Any:
    """Where a tier's segments can be left out: the text has words alone."""
    return gr.update(value=FIRST_MEDIUM, interactive=True) if tier == "words" else gr.update(value="sound", interactive=False)


def list_actions() -> dict[str, str]:
    """Without Praat's code there is no change of pitch and tempo."""
    try:
        load_praat()
    except EditError:
        return {kind: name for kind, name in ACTIONS.items() if kind not in ("pitch", "tempo")}
    return dict(ACTIONS)


def wire(handlers: ClaimHandlers, panel: ClaimPanel, session: gr.State, shown: gr.HTML, show_again: Callable[[Any], Any]) -> None:
    """`shown`: the linked views, whose change means another result. `show_again(event)` shows the session's analysis after an event."""
    shown.change(handlers.refresh, session, panel.refreshed, api_name="refresh_claim", **QUIET).success(
        fn=None, js="() => window.mmerClaim.follow()", api_visibility="private"
    )
    needs = [panel.medium, panel.amount, panel.words, panel.voice, panel.part]
    panel.action.change(handlers.offer, panel.action, needs, api_name="offer_action", queue=False, **QUIET)

    panel.part.change(
        lambda part: [gr.update(visible=part == STRETCH)] * 2,
        panel.part,
        [panel.start, panel.end],
        api_name="offer_stretch",
        queue=False,
        **QUIET,
    )
    asked = [session, panel.place, panel.part, panel.start, panel.end, panel.action, panel.medium, panel.amount, panel.words, panel.voice]
    panel.run.click(fn=None, js=WAITING, outputs=panel.stages, api_visibility="private")
    run = panel.run.click(
        handlers.run,
        asked,
        [panel.stages, panel.run],
        js="(...values) => window.mmerClaim.withSelection(...values)",
        api_name="test_claim",
        trigger_mode="once",
        show_progress="hidden",
        **HIDDEN,
        **MODEL_QUEUE,
    )
    run.success(handlers.show, session, [panel.stages, panel.result, panel.after, panel.sound], api_name="show_claim", **QUIET)
    run.failure(handlers.show_problem, session, [panel.stages, panel.run], api_name="problem_claim", **QUIET)
    panel.run.click(lambda: ("", gr.Column(visible=False)), None, [panel.result, panel.after], api_visibility="private", queue=False)
    panel.cancel.click(handlers.cancel, session, [panel.stages, panel.run], queue=False, cancels=[run], api_name="cancel_claim", **QUIET)
    show_again(panel.open.click(handlers.open_changed, session, api_name="open_changed", **QUIET))
    show_again(panel.back.click(handlers.open_parent, session, api_name="open_parent", **QUIET))

    panel.tier.input(offer_media, panel.tier, panel.curve_medium, api_name="offer_media", queue=False, **QUIET)
    panel.run_curve.click(fn=None, js=WAITING, outputs=panel.curve_stages, api_visibility="private")
    curve = panel.run_curve.click(
        handlers.run_curve,
        [session, panel.tier, panel.curve_medium],
        [panel.curve_stages, panel.run_curve],
        api_name="leave_out",
        trigger_mode="once",
        show_progress="hidden",
        **HIDDEN,
        **MODEL_QUEUE,
    )
    picture = {"inputs": [session, panel.emotion, panel.role], "outputs": [panel.curve_stages, panel.curve], **QUIET}
    curve.success(handlers.show_curve, api_name="show_curve", **picture).success(
        fn=None, js="() => window.mmerClaim.follow()", api_visibility="private"
    )
    curve.failure(handlers.show_problem, session, [panel.curve_stages, panel.run_curve], api_name="problem_curve", **QUIET)
    for name, button, handler in (
        ("change", panel.save_change, handlers.export_change),
        ("sound", panel.save_sound, handlers.export_sound),
        ("curve", panel.save_curve, handlers.export_curve),
    ):
        written = button.click(handler, session, panel.saved, api_name=f"export_{name}", **QUIET)
        written.success(fn=None, js="() => window.mmer.download('claim-download')", api_visibility="private")
    curve.success(lambda: gr.Button(visible=True), None, panel.save_curve, api_visibility="private", show_progress="hidden")
    panel.follow.click(
        show_errors(handlers.follow_views),
        [session, panel.place, panel.emotion, panel.role],
        [panel.emotion, panel.role, panel.curve_stages, panel.curve],
        js="(...values) => window.mmerClaim.withSelection(...values)",
        api_name="follow_views",
        trigger_mode="always_last",
        **POLL,
    )
    for number, choice in enumerate((panel.emotion, panel.role)):
        choice.input(handlers.show_curve, api_name=f"choose_curve_{number}", **picture)
    panel.cancel_curve.click(
        handlers.cancel, session, [panel.curve_stages, panel.run_curve], queue=False, cancels=[curve], api_name="cancel_curve", **QUIET
    )
