"""What happens behind "Test the claim": a change, a leave-one-out curve, and what can be saved of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from mmer.audio.pcm import round_samples
from mmer.errors import MmerError
from mmer.explain.verdict import ROLE_NAMES, read_headline
from mmer.exports.analysis_json import dump_json
from mmer.interventions.intervene import intervene, intervention_to_json
from mmer.interventions.leave_one_out import leave_one_out, leave_one_out_to_json
from mmer.model_queue import UNBOUNDED, QueueLimits
from mmer.pipeline import Analyzer
from mmer.results import SAMPLE_RATE, Analysis
from mmer.ui.claim import cards as claim_cards
from mmer.ui.claim.edits import AMOUNTS, IN_TEXT, SELECTED, WHOLE, EditRequest, list_parts, read_edit, read_place
from mmer.ui.explore import cards
from mmer.ui.explore.session import Session, name_clip, watch_stages
from mmer.ui.page.downloads import name_export, new_cache_path, write_clip
from mmer.ui.page.failures import show_errors
from mmer.ui.page.visitors import name_visitor
from mmer.ui.page.wiring import BUSY, IDLE
from mmer.ui.texts import claim as texts
from mmer.ui.texts import shared

NOTHING_TO_LEAVE_OUT = f'<p class="mc-picked">{texts.NOTHING_TO_LEAVE_OUT}</p>'
Task = Callable[..., Any]  # takes `progress` and `cancelled`


class ClaimUpdate(TypedDict, total=False):
    """New values of components of `ClaimPanel`; what is not named stays as it is.

    `stages` and `run` are those of the change or, where the curve's handlers are wired, those of the curve.
    """

    origin: str
    back: gr.Button
    part: gr.Dropdown
    action: gr.Dropdown
    medium: gr.Radio
    amount: gr.Number
    words: Any
    voice: gr.Dropdown
    run: gr.Button
    stages: str
    result: str
    after: gr.Column
    sound: Any  # path, or (samples per second, samples)
    emotion: Any
    role: Any
    curve_stages: str
    curve: str
    saved: str  # path


@dataclass(frozen=True)
class CurveRequest:
    """Which curve is drawn; the fields are named as the components of `ClaimPanel` are."""

    place: str  # the linked views' selection as JSON
    emotion: str
    role: str


@dataclass(frozen=True, eq=False)
class ClaimHandlers:
    """What happens behind the panel; the analyzer is shared by all visitors and only read."""

    analyzer: Analyzer
    most_seconds: float = math.inf  # of sound that one leave-one-out may encode
    bounds: QueueLimits = UNBOUNDED  # of the line for the models

    def refresh(self, session: Session) -> ClaimUpdate:
        """Another result is shown: its parts can be chosen, what was tested before is gone from the panel."""
        analysis = session.analysis
        if analysis is None:
            return {}
        session.intervention = session.curve = None
        others = [(name_clip(k), k.analysis.clip.sha256) for k in session.kept if not k.analysis.clip.outline]
        others = [(name, sha256) for name, sha256 in others if sha256 != analysis.clip.sha256]
        best = analysis.best
        return {
            "origin": claim_cards.write_parent(analysis),
            "back": gr.Button(visible=find_parent(session, analysis) is not None),
            "part": gr.Dropdown(list_parts(analysis), value=SELECTED),
            "voice": gr.Dropdown(others, value=others[-1][1] if others else None),
            "words": analysis.transcript.text,
            "stages": "",
            "result": "",
            "after": gr.Column(visible=False),
            "sound": None,
            "emotion": gr.Dropdown(list(best.classes), value=best.label),
            "role": gr.Dropdown([(ROLE_NAMES[role], role) for role in analysis.predictions], value=best.role),
            "curve_stages": "",
            "curve": "" if analysis.transcript.words or analysis.alignment else NOTHING_TO_LEAVE_OUT,
        }

    def offer(self, action: str) -> ClaimUpdate:
        """What an action needs besides the part, and the part itself."""
        label, value = texts.AMOUNTS.get(action, texts.AMOUNT), AMOUNTS.get(action)
        return {
            "medium": gr.Radio(visible=action in IN_TEXT),
            "amount": gr.Number(visible=action in AMOUNTS, label=label, value=value),
            "words": gr.Textbox(visible=action in ("words", "correct")),
            "voice": gr.Dropdown(visible=action == "voice"),
            "part": gr.Dropdown(visible=action not in WHOLE),
        }

    @show_errors
    def run(self, session: Session, request: EditRequest) -> Iterator[ClaimUpdate]:
        """Change the clip and analyse it again, reporting stages; the outcome waits in the session for `show`."""

        def prepare() -> Task:
            analysis = need_analysis(session)
            edit = read_edit(analysis, request)
            voices = {kept.analysis.clip.sha256: kept.analysis for kept in session.kept}
            return partial(intervene, find_models(session, self.analyzer), analysis, [edit], voices=voices)

        yield from self.report(session, prepare, "intervention")

    def show(self, session: Session) -> ClaimUpdate:
        """The differences and the changed clip."""
        result = session.intervention
        if result is None:
            return {"stages": "", "result": ""}
        return {
            "stages": "",
            "result": claim_cards.write_intervention(result),
            "after": gr.Column(visible=True),
            "sound": (SAMPLE_RATE, round_samples(result.changed.clip.samples)),
        }

    @show_errors
    def open_changed(self, session: Session) -> None:
        """The changed clip becomes the one that is shown; its parent stays in the list."""
        if session.intervention is None:
            raise MmerError(shared.NOTHING_CHANGED)
        session.take(session.intervention.changed, origin="list")

    @show_errors
    def open_parent(self, session: Session) -> None:
        kept = find_parent(session, need_analysis(session))
        if kept is None:
            raise MmerError(texts.NO_PARENT)
        session.take(kept.analysis, example=kept.example, origin="list")

    @show_errors
    def run_curve(self, session: Session, tier: str, curve_medium: str) -> Iterator[ClaimUpdate]:
        """Leave each segment out; the curve waits in the session for `show_curve`."""
        options: dict[str, Any] = {"tier": tier, "medium": curve_medium, "most_seconds": self.most_seconds}

        def prepare() -> Task:
            return partial(leave_one_out, find_models(session, self.analyzer), need_analysis(session), **options)

        yield from self.report(session, prepare, "curve")

    def show_curve(self, session: Session, emotion: str, role: str) -> ClaimUpdate:
        """The curve for an emotion and a model, without asking a model again."""
        curve = session.curve
        if curve is None or emotion not in curve.classes or any(role not in c.drops for c in curve.curves):
            return {"curve_stages": "", "curve": ""}
        table, shown = claim_cards.write_curve(curve, emotion, role), session.analysis
        is_named = shown is None or read_headline(shown).names_emotion
        return {"curve_stages": "", "curve": table if is_named else f'<div class="mc">{claim_cards.fold_numbers(table)}</div>'}

    @show_errors
    def export_change(self, session: Session) -> ClaimUpdate:
        if session.intervention is None:
            raise MmerError(shared.NOTHING_CHANGED)
        return {"saved": write_download(session, "change.json", dump_json(intervention_to_json(session.intervention)))}

    @show_errors
    def export_sound(self, session: Session) -> ClaimUpdate:
        if session.intervention is None:
            raise MmerError(shared.NOTHING_CHANGED)
        clip = session.intervention.changed.clip
        return {"saved": write_clip(replace(clip, name=f"{Path(clip.name).stem}-changed.wav"))}  # it has its parent's name

    @show_errors
    def export_curve(self, session: Session) -> ClaimUpdate:
        if session.curve is None:
            raise MmerError(texts.NOTHING_LEFT_OUT)
        return {"saved": write_download(session, "leave-one-out.json", dump_json(leave_one_out_to_json(session.curve)))}

    @show_errors
    def follow_views(self, session: Session, request: CurveRequest) -> ClaimUpdate:
        """The curve of the emotion and the model that the views above explain."""
        selection = read_place(request.place)
        emotion, role = (str(selection.get(name, now)) for name, now in (("emotion", request.emotion), ("role", request.role)))
        return {"emotion": emotion, "role": role, **self.show_curve(session, emotion, role)}

    def report(self, session: Session, prepare: Callable[[], Task], name: str) -> Iterator[ClaimUpdate]:
        """Runs what `prepare` gives; yields the stages and the pressed button. The result waits in the session as `name`."""
        stop, session.problem, session.working = session.begin(), "", True
        yield {"stages": cards.write_stages([]), "run": BUSY}
        place: dict[str, Any] = {"line": self.analyzer.queue, "visitor": name_visitor(session), "bounds": self.bounds}
        try:
            task = prepare()
            for stages, result in watch_stages(lambda progress: task(progress=progress, cancelled=stop.is_set), stop, **place):
                if result is not None:
                    setattr(session, name, result)
                    session.working = False
                yield {"stages": cards.write_stages(stages[-1:]), "run": IDLE if result is not None else BUSY}
        except MmerError as error:
            session.problem, session.working = str(error), False
            raise

    def cancel(self, session: Session) -> ClaimUpdate:
        was_working = session.working
        session.cancel()
        if not was_working:
            return {"run": IDLE}
        return {"stages": f'<p class="mm-problem" role="alert">{texts.CANCELLED}</p>', "run": IDLE}

    def show_problem(self, session: Session) -> ClaimUpdate:
        session.working = False
        return {"stages": f'<p class="mm-problem" role="alert">{escape(session.explain_end())}</p>', "run": IDLE}


def write_download(session: Session, suffix: str, text: str) -> str:
    """A file under the shown clip's name, which Gradio deletes with the recordings."""
    path = new_cache_path(f"{name_export(need_analysis(session), suffix)}")
    path.write_text(text, encoding="utf-8")
    return str(path)


def need_analysis(session: Session) -> Analysis:
    if session.analysis is None:
        raise MmerError(session.let_go or texts.NO_RESULT)
    return session.analysis


def find_models(session: Session, usual: Analyzer) -> Analyzer:
    """Those that analysed what is shown: `usual`, the page's own, or an experiment's."""
    models, analysis = session.models, session.analysis
    if models is None or analysis is None:
        return usual
    spoke = [(prediction.head, prediction.head_sha256) for prediction in analysis.predictions.values()]
    found: Analyzer = models if all(name in models.heads and models.heads[name].sha256 == sha256 for name, sha256 in spoke) else usual
    return found


def find_parent(session: Session, analysis: Analysis) -> Any:
    """The entry of the list that a changed clip was made from; None when there is none."""
    if analysis.parent is None:
        return None
    found = [kept for kept in session.kept if kept.analysis.clip.sha256 == analysis.parent.sha256]
    return found[-1] if found else None
