"""What happens behind "Test the claim": a change, a leave-one-out curve, and what can be saved of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from mmer.audio.pcm import round_samples
from mmer.errors import MmerError
from mmer.explain.verdict import read_headline
from mmer.exports.analysis_json import dump_json
from mmer.interventions import intervene, intervention_to_json, leave_one_out, leave_one_out_to_json
from mmer.model_queue import UNBOUNDED, QueueLimits
from mmer.pipeline import Analyzer
from mmer.results import SAMPLE_RATE, Analysis
from mmer.ui.claim import cards as claim_cards
from mmer.ui.claim.edits import AMOUNTS, IN_TEXT, SELECTED, WHOLE, list_parts, read_edit, read_place
from mmer.ui.explore import cards
from mmer.ui.explore.handlers import name_export, new_cache_path, write_clip
from mmer.ui.explore.session import Session, watch_stages
from mmer.ui.keep.cards import name_clip
from mmer.ui.page.failures import show_errors
from mmer.ui.page.visitors import name_visitor

NOTHING_YET = "There is no result yet to test: analyse a clip or open an example."
NOTHING_TO_LEAVE_OUT = '<p class="mc-picked">This clip has no words, syllables or phones that could be left out.</p>'
Task = Callable[..., Any]  # takes `progress` and `cancelled`


@dataclass(frozen=True, eq=False)
class ClaimHandlers:
    """What happens behind the panel; the analyzer is shared by all visitors and only read."""

    analyzer: Analyzer
    most_seconds: float = math.inf  # of sound that one leave-one-out may encode
    bounds: QueueLimits = UNBOUNDED  # of the line for the models

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
            "" if analysis.transcript.words or analysis.alignment else NOTHING_TO_LEAVE_OUT,
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

    @show_errors
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

        yield from self.report(session, prepare, "intervention")

    def show(self, session: Session) -> tuple:
        """The differences and the changed clip."""
        result = session.intervention
        if result is None:
            return "", "", gr.skip(), gr.skip()
        heard = SAMPLE_RATE, round_samples(result.changed.clip.samples)
        return "", claim_cards.write_intervention(result), gr.Column(visible=True), heard

    @show_errors
    def open_changed(self, session: Session) -> None:
        """The changed clip becomes the one that is shown; its parent stays in the list."""
        if session.intervention is None:
            raise MmerError("Nothing was changed yet.")
        session.take(session.intervention.changed, origin="list")

    @show_errors
    def open_parent(self, session: Session) -> None:
        kept = find_parent(session, need_analysis(session))
        if kept is None:
            raise MmerError("The clip that this one was made from is not in the list any more.")
        session.take(kept.analysis, example=kept.example, origin="list")

    @show_errors
    def run_curve(self, session: Session, tier: str, medium: str) -> Iterator[tuple]:
        """Leave each segment out; the curve waits in the session for `show_curve`."""
        options: dict[str, Any] = {"tier": tier, "medium": medium, "most_seconds": self.most_seconds}

        def prepare() -> Task:
            return partial(leave_one_out, self.analyzer, need_analysis(session), **options)

        yield from self.report(session, prepare, "curve")

    def show_curve(self, session: Session, emotion: str, role: str) -> tuple:
        """The curve for an emotion and a model, without asking a model again."""
        curve = session.curve
        if curve is None or emotion not in curve.classes or any(role not in c.drops for c in curve.curves):
            return "", ""
        table, shown = claim_cards.write_curve(curve, emotion, role), session.analysis
        is_named = shown is None or read_headline(shown).names_emotion
        return "", table if is_named else f'<div class="mc">{claim_cards.fold_numbers(table)}</div>'

    @show_errors
    def export_change(self, session: Session) -> str:
        if session.intervention is None:
            raise MmerError("Nothing was changed yet.")
        return write_download(session, "change.json", dump_json(intervention_to_json(session.intervention)))

    @show_errors
    def export_sound(self, session: Session) -> str:
        if session.intervention is None:
            raise MmerError("Nothing was changed yet.")
        clip = session.intervention.changed.clip
        return write_clip(replace(clip, name=f"{Path(clip.name).stem}-changed.wav"))  # it has its parent's name

    @show_errors
    def export_curve(self, session: Session) -> str:
        if session.curve is None:
            raise MmerError("Nothing was left out yet.")
        return write_download(session, "leave-one-out.json", dump_json(leave_one_out_to_json(session.curve)))

    def follow_views(self, session: Session, place: str, emotion: str, role: str) -> tuple:
        """The curve of the emotion and the model that the views above explain; (emotion, model, stages, curve)."""
        selection = read_place(place)
        wanted = [selection.get(name, now) for name, now in (("emotion", emotion), ("role", role))]
        return *wanted, *self.show_curve(session, *map(str, wanted))

    def report(self, session: Session, prepare: Callable[[], Task], name: str) -> Iterator[tuple]:
        """Runs what `prepare` gives; yields the stages and the pressed button. The result waits in the session as `name`."""
        stop, session.problem, session.working = session.begin(), "", True
        yield cards.write_stages([]), gr.Button(interactive=False)
        place: dict[str, Any] = {"line": self.analyzer.queue, "visitor": name_visitor(session), "bounds": self.bounds}
        try:
            task = prepare()
            for stages, result in watch_stages(lambda progress: task(progress=progress, cancelled=stop.is_set), stop, **place):
                if result is not None:
                    setattr(session, name, result)
                    session.working = False
                yield cards.write_stages(stages[-1:]), gr.Button(interactive=result is not None)
        except MmerError as error:
            session.problem, session.working = str(error), False
            raise

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


def need_analysis(session: Session) -> Analysis:
    if session.analysis is None:
        raise MmerError(session.let_go or NOTHING_YET)
    return session.analysis


def find_parent(session: Session, analysis: Analysis) -> Any:
    """The entry of the list that a changed clip was made from; None when there is none."""
    if analysis.parent is None:
        return None
    found = [kept for kept in session.kept if kept.analysis.clip.sha256 == analysis.parent.sha256]
    return found[-1] if found else None
