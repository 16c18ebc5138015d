"""Test the claim: change a part of the clip that is shown, ask the same models again, and leave every part out in turn.

The panel stands below the linked views; what is done is `mmer.interventions` (docs/interventions.md, docs/testing-a-claim.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from threading import Lock
from typing import Any

import gradio as gr
import numpy as np

from ..audio import SAMPLE_RATE
from ..errors import EditError, MmerError
from ..export import dump_json
from ..interventions import (
    ChangeLoudness,
    ChangePitch,
    ChangeTempo,
    CorrectWords,
    Edit,
    Isolate,
    Mute,
    Remove,
    SwapVoice,
    SwapWords,
    Target,
    intervene,
    intervention_to_json,
    leave_one_out,
    leave_one_out_to_json,
)
from ..interventions.praat import load_praat
from ..pipeline import Analyzer
from ..results import Analysis
from . import cards, claim_cards
from .events import HIDDEN, MODEL_QUEUE, POLL, QUIET
from .failures import for_people
from .handlers import name_export, new_cache_path, write_clip
from .keep_cards import name_clip
from .session import Session, StopFlag, watch_stages

SELECTED = "selected"
STRETCH = "stretch"
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
AMOUNTS = {  # action -> label, value
    "pitch": ("Semitones, -24 to 24", 4.0),
    "tempo": ("Times as fast, 0.25 to 4", 1.5),
    "loudness": ("Decibels, -60 to 60", -12.0),
}
IN_TEXT = ("mute", "mute noise", "remove", "isolate")  # actions that know a medium
WHOLE = ("words", "correct", "voice")  # actions on the whole clip
MEDIA = [("sound", "sound"), ("text", "text"), ("both", "both")]
TIERS = [("words", "words"), ("syllables", "syllables"), ("phones", "phones")]
UNIT_TIERS = {"W": "word", "S": "syllable", "P": "phone"}
WAITING = '() => \'<ol class="mm-stages"><li class="mm-running">Waiting for a free model</li></ol>\''
NOTHING_YET = "There is no result yet to test: analyse a clip or open an example."
PICKED = '<p class="mc-picked" id="claim-picked" aria-live="polite">Nothing is selected above yet.</p>'


@dataclass
class Panel:
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


def build(head_section: Callable[[str, str], None]) -> Panel:
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
            parts["action"] = gr.Dropdown(actions, value="mute", label="What happens", elem_id="claim-action", min_width=200)
            parts["medium"] = gr.Radio(MEDIA, value="sound", label="Where", elem_id="claim-medium", min_width=200)
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
    return Panel(**parts)


def build_curve(head_section: Callable[[str, str], None]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    gr.HTML("", elem_id="curve-head")
    head_section(
        "Leave one out",
        "Each segment is muted in turn, against silence and against matched noise, and the whole clip is encoded again. "
        "Beside the drop stand the two explanations: what late fusion adds there, and the attention it gets in early fusion.",
    )
    with gr.Row():
        parts["tier"] = gr.Radio(TIERS, value="words", label="Segments", elem_id="curve-tier", min_width=240)
        parts["curve_medium"] = gr.Radio(
            MEDIA, value="sound", label="Where", info="In the text only words can be left out.", elem_id="curve-medium", min_width=220
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


def list_actions() -> dict[str, str]:
    """Without Praat's code there is no change of pitch and tempo."""
    try:
        load_praat()
    except EditError:
        return {kind: name for kind, name in ACTIONS.items() if kind not in ("pitch", "tempo")}
    return dict(ACTIONS)


@dataclass(frozen=True, eq=False)
class ClaimHandlers:
    """What happens behind the panel; the analyzer is shared by all visitors and only read."""

    analyzer: Analyzer
    most_seconds: float = math.inf  # of sound that one leave-one-out may encode

    def refresh(self, session: Session) -> tuple:
        """Another result is shown: its parts can be chosen, what was tested before is gone from the panel."""
        analysis = session.analysis
        if analysis is None:
            return tuple(gr.skip() for _ in range(13))
        session.intervention = session.curve = None
        found = find_parent(session, analysis) is not None
        others = [(name_clip(k), k.analysis.clip.sha256) for k in session.kept if not k.analysis.clip.outline]
        others = [(name, sha256) for name, sha256 in others if sha256 != analysis.clip.sha256]
        best = analysis.best
        return (
            claim_cards.write_parent(analysis),
            gr.Button(visible=found),
            gr.Dropdown(list_parts(analysis), value=SELECTED),
            gr.Dropdown(others, value=others[-1][1] if others else None),
            analysis.transcript.text,
            "",
            "",
            gr.Column(visible=False),
            None,
            gr.Dropdown(list(best.classes), value=best.label),
            gr.Dropdown([(cards.ROLE_NAMES[role], role) for role in analysis.predictions], value=best.role),
            "",
            "",
        )

    def offer(self, action: str) -> tuple:
        """What an action needs besides the part: medium, amount, words, voice; and the part itself."""
        label, value = AMOUNTS.get(action, ("How much", None))
        return (
            gr.Radio(visible=action in IN_TEXT),
            gr.Number(visible=action in AMOUNTS, label=label, value=value),
            gr.Textbox(visible=action in ("words", "correct")),
            gr.Dropdown(visible=action == "voice"),
            gr.Dropdown(visible=action not in WHOLE),
        )

    @for_people
    def run(
        self,
        session: Session,
        place: str,
        part: str,
        start: float | None,
        end: float | None,
        action: str,
        medium: str,
        amount: float | None,
        words: str,
        voice: str | None,
    ) -> Iterator[tuple]:
        """Change the clip and analyse it again, reporting stages; the outcome waits in the session for `show`."""

        def prepare() -> Task:
            analysis = need_analysis(session)
            edit = read_edit(analysis, place, part, (start, end), action, medium, amount, words, voice)
            voices = {kept.analysis.clip.sha256: kept.analysis for kept in session.kept}
            return partial(intervene, self.analyzer, analysis, [edit], voices=voices)

        yield from report(session, prepare, "intervention", turn=self.analyzer.turn)

    def show(self, session: Session) -> tuple:
        """The differences and the changed clip."""
        result = session.intervention
        if result is None:
            return "", "", gr.skip(), gr.skip()
        samples = (np.clip(result.changed.clip.samples, -1, 1) * 32767).astype(np.int16)
        return "", claim_cards.write_intervention(result), gr.Column(visible=True), (SAMPLE_RATE, samples)

    @for_people
    def open_changed(self, session: Session) -> None:
        """The changed clip becomes the one that is shown; its parent stays in the list."""
        if session.intervention is None:
            raise MmerError("Nothing was changed yet.")
        session.take(session.intervention.changed, origin="list")

    @for_people
    def open_parent(self, session: Session) -> None:
        kept = find_parent(session, need_analysis(session))
        if kept is None:
            raise MmerError("The clip that this one was made from is not in the list any more.")
        session.take(kept.analysis, example=kept.example, origin="list")

    @for_people
    def run_curve(self, session: Session, tier: str, medium: str) -> Iterator[tuple]:
        """Leave each segment out; the curve waits in the session for `show_curve`."""
        told: dict[str, Any] = {"tier": tier, "medium": medium, "most_seconds": self.most_seconds}
        prepare = lambda: partial(leave_one_out, self.analyzer, need_analysis(session), **told)  # noqa: E731
        yield from report(session, prepare, "curve", turn=self.analyzer.turn)

    def show_curve(self, session: Session, emotion: str, role: str) -> tuple:
        """The curve for an emotion and a model, without asking a model again."""
        curve = session.curve
        if curve is None or emotion not in curve.classes or any(role not in c.drops for c in curve.curves):
            return "", ""
        return "", claim_cards.write_curve(curve, emotion, role)

    @for_people
    def export_change(self, session: Session) -> str:
        if session.intervention is None:
            raise MmerError("Nothing was changed yet.")
        return write_download(session, "change.json", dump_json(intervention_to_json(session.intervention)))

    @for_people
    def export_sound(self, session: Session) -> str:
        if session.intervention is None:
            raise MmerError("Nothing was changed yet.")
        return write_clip(session.intervention.changed.clip)

    @for_people
    def export_curve(self, session: Session) -> str:
        if session.curve is None:
            raise MmerError("Nothing was left out yet.")
        return write_download(session, "leave-one-out.json", dump_json(leave_one_out_to_json(session.curve)))

    def follow_views(self, session: Session, place: str, emotion: str, role: str) -> tuple:
        """The curve of the emotion and the model that the views above explain; (emotion, model, stages, curve)."""
        selection = read_place(place)
        wanted = [selection.get(name, now) for name, now in (("emotion", emotion), ("role", role))]
        return *wanted, *self.show_curve(session, *map(str, wanted))

    def cancel(self, session: Session) -> tuple:
        was_working = session.working
        session.cancel()
        if not was_working:
            return gr.skip(), gr.Button(interactive=True)
        return '<p class="mm-problem" role="alert">Cancelled. Nothing was changed.</p>', gr.Button(interactive=True)

    def show_problem(self, session: Session) -> tuple:
        session.working = False
        return f'<p class="mm-problem" role="alert">{escape(session.explain_end())}</p>', gr.Button(interactive=True)


def write_download(session: Session, suffix: str, text: str) -> str:
    """A file under the shown clip's name, which Gradio deletes with the recordings."""
    path = new_cache_path(f"{name_export(need_analysis(session), suffix)}")
    path.write_text(text, encoding="utf-8")
    return str(path)


Task = Callable[..., Any]  # takes `progress` and `cancelled`


def report(session: Session, prepare: Callable[[], Task], name: str, *, turn: Lock) -> Iterator[tuple]:
    """Runs what `prepare` gives; yields the stages and the pressed button. The result waits in the session as `name`. Raises MmerError."""
    stop, session.problem, session.working = session.begin(), "", True
    yield cards.write_stages([]), gr.Button(interactive=False)
    try:
        task = prepare()
        for html, result in follow(lambda progress: task(progress=progress, cancelled=stop.is_set), stop, turn):
            if result is not None:
                setattr(session, name, result)
                session.working = False
            yield html, gr.Button(interactive=result is not None)
    except MmerError as error:
        session.problem, session.working = str(error), False
        raise


def follow(work: Callable[[Callable[[float, str], None]], Any], stop: StopFlag, turn: Lock) -> Iterator[tuple[str, Any | None]]:
    """(the running stage as HTML, the result at last) of work that reports its progress."""
    for stages, result in watch_stages(work, stop, turn=turn):
        yield cards.write_stages(stages[-1:]), result


def need_analysis(session: Session) -> Analysis:
    if session.analysis is None:
        raise MmerError(NOTHING_YET)
    return session.analysis


def find_parent(session: Session, analysis: Analysis) -> Any:
    """The entry of the list that a changed clip was made from; None when there is none."""
    if analysis.parent is None:
        return None
    found = [kept for kept in session.kept if kept.analysis.clip.sha256 == analysis.parent.sha256]
    return found[-1] if found else None


def list_parts(analysis: Analysis) -> list[tuple[str, str]]:
    """Everything that can be named: what is selected, then each word, syllable and phone."""
    parts = [("What is selected above", SELECTED), ("A stretch, in seconds", STRETCH)]
    parts += [(f"word {i + 1}: {word.text}", f"word:{i}") for i, word in enumerate(analysis.transcript.words)]
    for tier, segments in (("syllable", "syllables"), ("phone", "phones")):
        if analysis.alignment is not None:
            found = enumerate(getattr(analysis.alignment, segments))
            parts += [(f"{tier} {i + 1}: {s.label}, {s.start:.2f} s", f"{tier}:{i}") for i, s in found]
    return parts


def read_edit(
    analysis: Analysis,
    place: str,
    part: str,
    stretch: tuple[float | None, float | None],
    action: str,
    medium: str,
    amount: float | None,
    words: str,
    voice: str | None,
) -> Edit:
    """The edit that the widgets describe. Raises EditError for what is missing."""
    if action in WHOLE:
        return read_whole(action, words, voice)
    target = read_selection(analysis, place) if part == SELECTED else read_stretch(stretch) if part == STRETCH else read_part(part)
    if action in AMOUNTS:
        if amount is None or not math.isfinite(amount):
            raise EditError(f"Say how much: {AMOUNTS[action][0].lower()}.")
        made: Mapping[str, Callable[[Target, float], Edit]] = {"pitch": ChangePitch, "tempo": ChangeTempo, "loudness": ChangeLoudness}
        return made[action](target, float(amount))
    if action == "remove":
        return Remove(target, medium=medium)
    if action == "isolate":
        return Isolate(target, medium=medium)
    return Mute(target, medium=medium, fill="noise" if action == "mute noise" else "silence")


def read_whole(action: str, words: str, voice: str | None) -> Edit:
    if action == "voice":
        if not voice:
            raise EditError("There is no other clip yet whose voice could be used: analyse one more, it then stands in the list.")
        return SwapVoice(voice)
    if not words or not words.strip():
        raise EditError("Type the words first.")
    return SwapWords(words) if action == "words" else CorrectWords(words)


def read_stretch(stretch: tuple[float | None, float | None]) -> Target:
    start, end = stretch
    if start is None or end is None:
        raise EditError("Say from which second to which, for example from 0.5 to 1.2.")
    return Target("span", start=float(start), end=float(end))


def read_part(part: str) -> Target:
    tier, _, index = str(part).partition(":")
    return Target(tier, index=int(index) if index.isdecimal() else None)


def read_place(place: str) -> dict[str, Any]:
    """The linked views' selection. Raises EditError when it is none."""
    try:
        selection = json.loads(place or "{}")
    except ValueError as error:
        raise EditError("What is selected can't be read; choose the part from the list.") from error
    if not isinstance(selection, dict):
        raise EditError("What is selected can't be read; choose the part from the list.")
    return selection


def read_selection(analysis: Analysis, place: str) -> Target:
    """What is selected in the linked views. Raises EditError when nothing is, or when it is nothing of this clip."""
    selection = read_place(place)
    unit, segment, word, span = (selection.get(key) for key in ("unit", "segment", "word", "span"))
    if unit in ("W", "T") and isinstance(word, int) and word >= 0:
        return Target("word", index=word)
    if unit in ("S", "P") and isinstance(segment, int):
        return Target(UNIT_TIERS[unit], index=segment)
    if isinstance(span, list) and len(span) == 2 and all(isinstance(t, int | float) and math.isfinite(t) for t in span):
        start, end = max(0.0, float(span[0])), min(float(span[1]), analysis.clip.duration)
        return Target("span", start=start, end=end)
    raise EditError("Nothing is selected: press a word, syllable or phone above, or choose a part from the list.")


def wire(handlers: ClaimHandlers, panel: Panel, session: gr.State, shown: gr.HTML, show_again: Callable[[Any], Any]) -> None:
    """`shown`: the linked views, whose change means another result. `show_again(event)` shows the session's analysis after an event."""
    shown.change(handlers.refresh, session, panel.refreshed, api_name="refresh_claim", **QUIET).success(
        fn=None, js="() => window.mmerClaim.follow()", api_visibility="private"
    )
    needs = [panel.medium, panel.amount, panel.words, panel.voice, panel.part]
    panel.action.change(handlers.offer, panel.action, needs, api_name="offer_action", queue=False, **QUIET)

    shows = gr.Number(visible=True), gr.Number(visible=True)
    hides = gr.Number(visible=False), gr.Number(visible=False)
    panel.part.change(
        lambda part: shows if part == STRETCH else hides,
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
        for_people(handlers.follow_views),
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
