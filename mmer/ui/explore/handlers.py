"""What happens behind the Explore tab's controls: read the widgets, call the pipeline, return values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from mmer.align.textgrid_tiers import read_text
from mmer.audio.load import load_audio
from mmer.errors import MmerError, TranscriptError
from mmer.exports.formats import EXPORTS, Wishes
from mmer.interventions.curves import find_word_flips
from mmer.interventions.edited_clip import read_edited_clip
from mmer.model_queue import UNBOUNDED, QueueLimits
from mmer.pipeline import Analyzer
from mmer.results import Analysis, Clip
from mmer.ui.explore import cards
from mmer.ui.explore.example_clip import ExampleClip, Opener
from mmer.ui.explore.examples import choose_head, open_example
from mmer.ui.explore.forms import read_pronunciations
from mmer.ui.explore.session import Session, StopFlag, name_aligner, watch_stages
from mmer.ui.explore.updates import ExploreUpdate
from mmer.ui.page.downloads import name_export, new_cache_path, write_clip
from mmer.ui.page.failures import show_errors
from mmer.ui.page.visitors import name_visitor
from mmer.ui.page.wiring import BUSY, IDLE
from mmer.ui.texts import explore as texts
from mmer.ui.texts import shared
from mmer.views import build_payload, dump_payload

Work = Callable[[Callable[[float, str], None]], Analysis]  # takes what reports its progress


@dataclass(frozen=True)
class AnalysisRequest:
    """What one analysis is asked with; the fields are named as the components of `Inputs` are."""

    audio: str | None  # path of the clip
    transcript: str
    aligner: str
    head: str
    pronunciations: str
    textgrid: str | None  # path of a file


@dataclass(frozen=True)
class AlignerRequest:
    """What the clip that is shown is aligned anew with."""

    aligner: str
    head: str
    pronunciations: str


def name_idle(session: Session) -> gr.Button:
    """Analyse when nothing runs: it can be pressed where there is a clip."""
    return IDLE if session.has_clip else BUSY


@dataclass(frozen=True, eq=False)
class ExploreHandlers:
    """The handlers of one page; the analyzer is shared by all visitors and only read."""

    analyzer: Analyzer
    bounds: QueueLimits = UNBOUNDED  # of the line for the models
    open_stored: Opener = open_example  # what an example opens with

    @show_errors
    def run(self, session: Session, request: AnalysisRequest) -> Iterator[ExploreUpdate]:
        """Analyse the clip, reporting stages; the result waits in the session for `show`."""
        yield from self.follow(session, lambda stop: self.plan_analysis(session, request, stop))

    def follow(self, session: Session, plan: Callable[[StopFlag], Work]) -> Iterator[ExploreUpdate]:
        """The stages of the work that `plan` makes, and Analyse."""
        stop = session.begin()
        session.problem, session.working, session.unseen = "", True, False
        yield {"stages": cards.write_stages([]), "analyse": BUSY}
        try:
            work = plan(stop)
            for stages, analysis in self.watch(session, work, stop):
                if analysis is not None:
                    session.analysis, session.origin = session.keep_example(analysis), ""
                    session.working, session.unseen = False, True
                yield {"stages": cards.write_stages(stages), "analyse": BUSY if analysis is None else name_idle(session)}
        except MmerError as error:
            session.problem = str(error)
            raise

    def watch(self, session: Session, work: Callable[..., Any], stop: StopFlag) -> Iterator[tuple[Any, ...]]:
        """The stages of work that stands in line for the models."""
        yield from watch_stages(work, stop, line=self.analyzer.queue, visitor=name_visitor(session), bounds=self.bounds)

    def plan_analysis(self, session: Session, request: AnalysisRequest, stop: StopFlag) -> Work:
        """The analysis of what the person gave, as a function of the progress callback."""
        audio, text = request.audio, request.transcript
        session.has_clip = audio is not None
        if audio is None:
            raise MmerError(texts.NO_CLIP)
        options: dict[str, Any] = {
            "text": text if text and text.strip() else None,
            "aligner": request.aligner,
            "head": request.head,
            "pronunciations": read_pronunciations(request.pronunciations),
            "textgrid": read_text(Path(request.textgrid)) if request.textgrid else None,
            "earlier": session.earlier,
            "cancelled": stop.is_set,
        }

        def work(progress: Callable[[float, str], None]) -> Analysis:
            progress(0.0, shared.READING)
            return self.analyzer.analyze(self.read_clip(audio), progress=progress, **options)

        return work

    @show_errors
    def use_head(self, session: Session, head: str) -> Iterator[ExploreUpdate]:
        """What is shown, a changed clip too, as another head hears it; nothing before there is a first result."""
        shown = session.analysis
        if shown is None:
            yield {"analyse": name_idle(session)}
            return

        def plan(stop: StopFlag) -> Work:
            edited = read_edited_clip(shown)
            options: dict[str, Any] = {"absent": edited.absent, "head": head, "parent": shown.parent}
            options |= {"earlier": session.earlier, "cancelled": stop.is_set}
            return lambda progress: self.analyzer.analyze_parts(
                edited.clip, edited.transcript, edited.alignment, progress=progress, **options
            )

        yield from self.follow(session, plan)

    @show_errors
    def use_aligner(self, session: Session, request: AlignerRequest) -> Iterator[ExploreUpdate]:
        """The clip that is shown, aligned anew; nothing before there is a first result."""
        shown = session.analysis
        if shown is None:
            yield {"analyse": name_idle(session)}
            return

        def plan(stop: StopFlag) -> Work:
            if shown.clip.outline:
                raise MmerError(texts.WITHOUT_SOUND)
            if shown.parent is not None:
                raise MmerError(texts.CHANGED_CLIP)
            options: dict[str, Any] = {"aligner": request.aligner, "head": request.head}
            options["pronunciations"] = read_pronunciations(request.pronunciations)
            options["text"] = shown.transcript.text if shown.transcript.source in ("typed", "file") else None
            options |= {"earlier": session.earlier, "cancelled": stop.is_set}
            return lambda progress: self.analyzer.analyze(shown.clip, progress=progress, **options)

        yield from self.follow(session, plan)

    def read_clip(self, path: str) -> Clip:
        """While a file is decoded the models are others'."""
        with self.analyzer.queue.lend():
            return load_audio(path, name=Path(path).name)

    @show_errors
    def transcribe(self, session: Session, audio: str | None) -> Iterator[ExploreUpdate]:
        """The recognised words, which a later analysis does not recognise again; then the stages and Analyse."""
        stop = session.begin()
        session.problem, session.working = "", True
        try:
            if audio is None:
                raise MmerError(texts.NO_CLIP)
            options: dict[str, Any] = {"earlier": session.earlier, "cancelled": stop.is_set}
            for stages, transcript in self.watch(
                session, lambda progress: self.analyzer.transcribe(self.read_clip(audio), progress=progress, **options), stop
            ):
                if transcript is None:
                    yield {"stages": cards.write_stages(stages), "analyse": BUSY}
            if not transcript.words:
                raise TranscriptError(texts.NO_WORDS)
            if transcript.untrusted:
                raise TranscriptError(texts.say_heard(transcript.untrusted, transcript.text[:200]))
        except MmerError as error:
            session.problem, session.working = str(error), False
            raise
        session.working, session.filled_in = False, transcript.text
        yield {"transcript": transcript.text, "stages": "", "analyse": name_idle(session)}

    def cancel(self, session: Session) -> ExploreUpdate:
        """Ends the run in progress; without one, or when its result came first, nothing is said. One that waits says so when it ends."""
        was_working = session.working
        session.cancel()
        if not was_working:
            return {}
        return {"stages": cards.write_problem(shared.CANCELLED, kept=session.analysis is not None), "analyse": BUSY}

    def settle(self, session: Session) -> ExploreUpdate:
        """After Cancel, once Gradio has ended what ran: Analyse can be pressed, and a result that came before Cancel is shown."""
        return {"analyse": name_idle(session), **self.show_unseen(session)}

    def show_unseen(self, session: Session) -> ExploreUpdate:
        """A result that no event has shown yet."""
        return self.show(session) if session.unseen else {}

    def show_problem(self, session: Session) -> ExploreUpdate:
        session.working = False
        problem = cards.write_problem(session.explain_end(), kept=session.analysis is not None)
        return {"stages": problem, "analyse": name_idle(session)}

    @show_errors
    def take_file(self, other: str) -> ExploreUpdate:
        """Any file with sound in it, such as a video, as a wav for the page's recorder."""
        return {"audio": write_clip(load_audio(other, name=Path(other).name))}

    @show_errors
    def run_linked(self, session: Session, request: AnalysisRequest) -> Iterator[ExploreUpdate]:
        """What a link asks for beyond the stored result of its example."""
        wanted, session.relink = session.relink, False
        if wanted:
            yield from self.run(session, request)
        else:
            yield {"analyse": name_idle(session)}

    def show_linked(self, session: Session) -> ExploreUpdate:
        """A link's example as it was stored; nothing where the link asks for another verdict, which is then the first to be seen."""
        return {"empty": gr.HTML(visible=False)} if session.relink else self.show(session)

    def show_link_problem(self, session: Session) -> ExploreUpdate:
        """Why what a link asks for can't be had; nothing is shown then."""
        if session.shown == 0:
            session.analysis = session.example = None
        is_empty = session.analysis is None
        return {"empty": gr.HTML(visible=is_empty), "body": gr.Column(visible=not is_empty), **self.show_problem(session)}

    def take_clip(self, session: Session, audio: str | None) -> ExploreUpdate:
        """The clip has come or gone: whether what needs one can be pressed."""
        session.has_clip = audio is not None
        session.is_opening = session.is_opening and audio is None
        return {"analyse": BUSY if session.working else name_idle(session), "transcribe": name_idle(session)}

    def name_shown(self, session: Session) -> ExploreUpdate:
        """After a new clip: whose result still stands there."""
        if session.analysis is None or session.working:
            return {}
        name = escape(session.analysis.clip.name)
        return {"stages": f'<p class="mm-note">{texts.say_still_of(name)}</p>'}

    def clear_result(self, session: Session) -> ExploreUpdate:
        """The clip is gone, and with it what was said about it; the list of results is back with the next one.

        What the page opened with stays when the recorder, which holds nothing yet, is emptied or asked for the microphone.
        """
        if session.is_opening:
            return {}
        session.take_away()
        kept = "" if not session.kept else f"<p>{texts.KEPT_AWAY}</p>"
        empty = cards.write_empty(self.analyzer.read_classes(choose_head(self.analyzer)), more=kept)
        return {
            "empty": gr.update(value=empty, visible=True),
            "body": gr.Column(visible=False),
            "stages": "",
            "verdict": "",
            "notices": "",
            "views": "",
            "trace": "",
        }

    def forget_words(self, session: Session, transcript: str) -> ExploreUpdate:
        """A new clip empties the transcript box, unless the person typed what stands there."""
        return {"transcript": ""} if transcript and transcript == session.filled_in else {}  # an empty box may be typed into by now

    def fill_transcript(self, session: Session) -> ExploreUpdate:
        """Recognised words go into the box, to be read and edited, unless they are not trusted: what stands in the box is."""
        transcript = session.analysis.transcript if session.analysis else None
        if transcript is None or transcript.source == "typed" or transcript.untrusted:
            return {}
        session.filled_in = transcript.text
        return {"transcript": transcript.text}

    def opener(self, example: ExampleClip) -> Callable[..., Any]:
        """The handler of one example's button."""

        @show_errors
        def open_stored(session: Session) -> ExploreUpdate:
            session.show_example(example, session.open_example(example, self.open_stored))
            return {"audio": str(example.clip), "transcript": example.text}

        return open_stored

    def open_first(self, session: Session, example: ExampleClip) -> ExploreUpdate:
        """The example that the page opens with, whose verdict stands there already; nothing where something was shown or asked for."""
        if session.shown or session.working or session.analysis is not None:
            return {}
        session.show_example(example, self.open_stored(example))
        session.filled_in, session.is_opening = "", True  # the recorder and the words stay empty: they are the visitor's
        return self.show(session)

    def show(self, session: Session) -> ExploreUpdate:
        """Every part of the page that a new analysis changes."""
        if session.analysis is None:
            return {}
        session.unseen, session.shown = False, session.shown + 1
        analysis, example = session.analysis, session.example
        anew = " " * (session.shown % 2)  # what is equal to what is there would be no change, for those who wait for one
        return {
            "empty": gr.HTML(visible=False),
            "body": gr.Column(visible=True),
            "stages": cards.write_timings(analysis.timings, analysis.devices, origin=session.origin),
            "verdict": cards.write_verdict(analysis, example),
            "notices": cards.write_notices(analysis),
            "views": dump_payload(build_payload(analysis)) + anew,
            "trace": cards.write_trace(analysis),
        }

    def show_tested(self, session: Session) -> ExploreUpdate:
        """The verdict again, with what leaving its words out showed."""
        analysis, curve = session.analysis, session.curve
        if analysis is None or curve is None:
            return {}
        return {"verdict": cards.write_verdict(analysis, session.example, flips=find_word_flips(curve, analysis))}

    def fill_inputs(self, session: Session) -> ExploreUpdate:
        """Clip, words, head and aligner of what is shown, so that Analyse means the same again."""
        analysis, example = session.analysis, session.example
        if analysis is None:
            return {}
        text = "" if analysis.transcript.untrusted else analysis.transcript.text
        session.filled_in = text
        path = str(example.clip) if example else None if analysis.clip.outline else write_clip(analysis.clip)
        update: ExploreUpdate = {"audio": path, "transcript": text}
        if analysis.best.head in self.analyzer.heads:
            update["head"] = analysis.best.head
        if (aligner := name_aligner(analysis)) == "none" or aligner in self.analyzer.aligners:
            update["aligner"] = aligner
        return update

    def exporter(self, kind: str) -> Callable[..., Any]:
        """The handler of one export button: writes the file where Gradio deletes it with the rest."""

        @show_errors
        def write_export(session: Session, sound: bool = False) -> ExploreUpdate:
            if session.analysis is None:
                raise MmerError(session.let_go or texts.NOTHING_TO_EXPORT)
            export = EXPORTS[kind]
            if refused := export.refuse(session.analysis):
                raise MmerError(refused)
            path = new_cache_path(name_export(session.analysis, export.suffix))
            path.write_text(export.write(session.analysis, read_wishes(session, sound=sound)), encoding="utf-8")
            return {"download": str(path)}

        return write_export


def read_wishes(session: Session, *, sound: bool) -> Wishes:
    """The sound if it is wanted, and the person's own note and tags."""
    kept = next((one for one in session.kept if one.analysis is session.analysis), None)
    own = {"note": kept.note, "tags": kept.tags.split()} if kept and (kept.note or kept.tags) else {}
    return Wishes(sound, own)
