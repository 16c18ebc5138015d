"""The Learn tab: a clip is chosen, or brought along, and eight steps explain what the models made of it. Pages turn in the browser."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from mmer.audio.load import load_audio
from mmer.errors import DataError, MmerError
from mmer.exports.analysis_json import dump_json
from mmer.files.guarded_json import read_json
from mmer.files.output import write_file
from mmer.lesson import LessonClip, lesson_from_json, lesson_to_json, render_lesson
from mmer.lesson.store import encode_frames, measure_words
from mmer.model_queue import UNBOUNDED, QueueLimits
from mmer.pipeline import Analyzer
from mmer.results import Analysis
from mmer.ui.explore import cards
from mmer.ui.explore.example_clip import ExampleClip, Opener
from mmer.ui.explore.examples import choose_head, open_example
from mmer.ui.explore.session import LessonSession, StopFlag, watch_stages
from mmer.ui.page.events import BOUNDS, HIDDEN, MODEL_QUEUE, MOST_SECONDS, POLL, QUIET
from mmer.ui.page.failures import show_errors
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.visitors import name_visitor
from mmer.ui.page.wiring import Wiring, name_components
from mmer.ui.texts import lesson as texts
from mmer.ui.texts import shared

STORED = "lesson.json"
LINK = re.compile(r"#learn-\d+-(.+)")  # of a step and an example; lesson.js writes and reads it
INTRO = f'<div class="ml-intro"><h2>{texts.TITLE}</h2><p>{texts.INTRO}</p></div>'
NO_EXAMPLES = f'<p class="ml-instead">{texts.NO_EXAMPLES}</p>'
WAITING = "() => window.mmer.wait('model')"
FOLLOW = "(session, link) => [session, window.mmerLesson.takeLink()]"
TURN_PAGES = "window.mmerLesson.attach(element, props, watch);"


Work = Callable[[Callable[[float, str], None]], LessonClip]  # takes `progress`


@dataclass
class LessonWidgets:
    """What the tab is made of."""

    chosen: gr.Dropdown
    audio: gr.Audio
    words: gr.Textbox
    analyse: gr.Button
    status: gr.HTML
    cancel: gr.Button
    pages: gr.HTML
    link: gr.Textbox  # the address that the page was opened by, filled in by the browser
    measure: gr.Button
    follow: gr.Button


def build(analyzer: Analyzer, tab: gr.Tab, *, examples: Sequence[ExampleClip], open_stored: Opener, is_public: bool) -> None:
    """The tab's content, inside the gr.Tab that is open; its lesson is made when somebody looks at it."""
    session = gr.State(LessonSession(), time_to_live=KEPT_SECONDS)
    handlers = LessonHandlers(analyzer, examples, most_seconds=MOST_SECONDS[is_public], bounds=BOUNDS[is_public], open_stored=open_stored)
    with gr.Column(elem_classes="ml-tab"):
        gr.HTML(INTRO)
        parts: dict[str, Any] = {}
        with gr.Row(elem_classes="ml-choose"):
            choices = [(example.title, example.folder.name) for example in examples]
            first = choices[0][1] if choices else None
            parts["chosen"] = gr.Dropdown(choices, value=first, label=texts.CLIP, elem_id="lesson-clip")
        parts |= build_own_clip()
        with gr.Row(elem_classes="ml-run", equal_height=False):
            parts["status"] = gr.HTML("", elem_id="lesson-status", elem_classes="mm-stages-block")
            # lesson.css shows it while something runs
            parts["cancel"] = gr.Button(shared.CANCEL, elem_id="lesson-cancel", scale=0, min_width=96)
        parts["pages"] = gr.HTML(
            "",
            elem_id="lesson",
            html_template='<div class="ml-place"></div>',
            js_on_load=TURN_PAGES,
            apply_default_css=False,
            elem_classes="mm-views",
        )
        parts["link"] = gr.Textbox(visible=False)
        parts["measure"] = gr.Button("measure", elem_id="lesson-measure", elem_classes="mm-hidden")
        parts["follow"] = gr.Button("follow", elem_id="lesson-follow", elem_classes="mm-hidden")
    wire(handlers, LessonWidgets(**parts), tab, session)


def build_own_clip() -> dict[str, Any]:
    """The fold for a visitor's own clip."""
    with gr.Accordion(texts.OWN_FOLD, open=False, elem_id="lesson-own"):
        gr.HTML(f'<p class="mm-note">{texts.OWN_NOTE}</p>')
        with gr.Row():
            audio = gr.Audio(sources=["upload", "microphone"], type="filepath", label=texts.OWN_AUDIO, elem_id="lesson-audio", buttons=[])
            words = gr.Textbox(label=shared.WORDS, lines=3, placeholder=texts.WORDS_HINT, max_length=20_000)
        analyse = gr.Button(texts.ANALYSE, variant="primary", elem_id="lesson-analyse", interactive=False)
    return {"audio": audio, "words": words, "analyse": analyse}


def wire(handlers: LessonHandlers, widgets: LessonWidgets, tab: gr.Tab, session: gr.State) -> None:
    """What triggers what."""
    wiring = Wiring(name_components(widgets), session)
    widgets.audio.change(**wiring.connect(offer_analysis, asks=["audio"], changes=["analyse"]), api_name="lesson_offer", **POLL)
    for trigger, name in ((tab.select, "lesson_open"), (widgets.follow.click, "lesson_follow")):
        opened = trigger(**wiring.connect(handlers.open, asks=["link"], changes=["chosen", "pages"]), js=FOLLOW, api_name=name, **QUIET)
        opened.then(fn=None, js="() => window.mmerLesson.write()", api_visibility="private")
    chosen = wiring.connect(handlers.choose, asks=["chosen"], changes=["pages", "status"])
    widgets.chosen.input(**chosen, api_name="lesson_choose", **QUIET)
    taught = wiring.connect(handlers.teach, asks=ClipRequest, changes=["status"])
    measured = wiring.connect(handlers.measure, changes=["status"])
    runs = [
        wire_run(handlers, wiring, widgets.analyse, taught, "lesson_own_clip"),
        wire_run(handlers, wiring, widgets.measure, measured, "lesson_measure"),
    ]
    cancelled = wiring.connect(handlers.cancel, asks=["status"], changes=["status", "chosen", "pages"])
    widgets.cancel.click(**cancelled, queue=False, cancels=runs, api_name="lesson_cancel", **QUIET)


def offer_analysis(audio: str | None) -> LessonUpdate:
    """Only where there is a clip."""
    return {"analyse": gr.Button(interactive=audio is not None)}


def wire_run(handlers: LessonHandlers, wiring: Wiring, button: gr.Button, work: dict[str, Any], name: str) -> dict[str, Any]:
    """A button that asks the models: the stages of the connected `work`, then the lesson or the sentence why there is none."""
    status = wiring.components["status"]
    button.click(fn=None, js=WAITING, outputs=status, api_visibility="private")
    seen: dict[str, Any] = {"show_progress": "full", "show_progress_on": [status], "trigger_mode": "once", **HIDDEN, **MODEL_QUEUE}
    run = button.click(**work, api_name=name, **seen)
    run.success(**wiring.connect(handlers.show_run, changes=["chosen", "pages"]), api_name=False, show_progress="hidden")
    run.failure(**wiring.connect(handlers.show_problem, changes=["status"]), api_name=f"problem_{name}", **QUIET)
    return run


@dataclass(frozen=True)
class ClipRequest:
    """A clip of the visitor's own; the fields are named as the components of `LessonWidgets` are."""

    audio: str | None  # path
    words: str


class LessonUpdate(TypedDict, total=False):
    """New values of components of `LessonWidgets`; what is not named stays as it is."""

    chosen: Any
    analyse: gr.Button
    status: str
    pages: str


class LessonHandlers:
    """What happens behind the tab's controls. Holds only what all visitors share and nobody changes."""

    def __init__(
        self,
        analyzer: Analyzer,
        examples: Sequence[ExampleClip],
        *,
        most_seconds: float = math.inf,
        bounds: QueueLimits = UNBOUNDED,
        open_stored: Opener = open_example,
    ):
        self.analyzer, self.most_seconds, self.bounds, self.open_stored = analyzer, most_seconds, bounds, open_stored
        self.reading = threading.Lock()
        self.examples = {example.folder.name: example for example in examples}

    @property
    def lessons(self) -> tuple[LessonClip, ...]:
        """The examples, read once, when somebody first looks: those who come meanwhile wait for it."""
        with self.reading:
            return self.read_examples

    @cached_property
    def read_examples(self) -> tuple[LessonClip, ...]:
        return tuple(open_lesson(example, self.analyzer, self.open_stored) for example in self.examples.values())

    def find(self, name: str) -> LessonClip:
        for clip in self.lessons:
            if clip.name == name:
                return clip
        raise DataError(texts.say_unknown_example(name, ", ".join(self.examples)))

    @show_errors
    def open(self, session: LessonSession, link: str | None) -> LessonUpdate:
        """The lesson when the tab is opened: the example of a link that was just followed, else what was there, else the first example."""
        named = LINK.fullmatch(link or "")
        name = named[1] if named and named[1] in self.examples else None
        if session.clip is not None and (name is None or name == session.clip.name):
            return {}
        if not self.lessons:
            return {"pages": NO_EXAMPLES}
        session.begin()
        session.clip = self.find(name) if name else self.lessons[0]
        return {"chosen": session.clip.name, "pages": self.render(session)}

    @show_errors
    def choose(self, session: LessonSession, chosen: str) -> LessonUpdate:
        session.begin()
        session.clip = self.find(chosen)
        return {"pages": self.render(session), "status": ""}

    def render(self, session: LessonSession) -> str:
        return render_lesson(session.clip, self.lessons) if session.clip else NO_EXAMPLES

    def show_run(self, session: LessonSession) -> LessonUpdate:
        """The clip that a run brought; no example is chosen while a visitor's own is shown."""
        session.unseen = False
        chosen = session.clip.name or None if session.clip else None
        return {"chosen": gr.Dropdown(value=chosen), "pages": self.render(session)}

    @show_errors
    def teach(self, session: LessonSession, request: ClipRequest) -> Iterator[LessonUpdate]:
        """The lesson about a visitor's clip: analysed and framed; its words are left out later, when that is asked for."""

        def prepare(stop: StopFlag) -> Work:
            audio = request.audio
            if audio is None:
                raise MmerError(texts.NO_CLIP)
            text = request.words if request.words.strip() else None

            def work(progress: Callable[[float, str], None]) -> LessonClip:
                progress(0.0, shared.READING)
                with self.analyzer.queue.lend():
                    clip = load_audio(audio, name=Path(audio).name)
                head = choose_head(self.analyzer)
                analysis = self.analyzer.analyze(clip, text=text, head=head, progress=progress, cancelled=stop.is_set)
                return LessonClip("", texts.OWN, "", analysis, encode_frames(self.analyzer, analysis), None)

            return work

        yield from self.run(session, prepare)

    @show_errors
    def measure(self, session: LessonSession) -> Iterator[LessonUpdate]:
        """Leave-one-out over the words of the clip on the screen, now."""

        def prepare(stop: StopFlag) -> Work:
            clip = session.clip
            if clip is None:
                raise MmerError(session.let_go or texts.NOTHING_TO_MEASURE)
            options: dict[str, Any] = {"most_seconds": self.most_seconds, "cancelled": stop.is_set}
            return lambda progress: measure_words(self.analyzer, clip, progress=progress, **options)

        yield from self.run(session, prepare)

    def run(self, session: LessonSession, prepare: Callable[[StopFlag], Work]) -> Iterator[LessonUpdate]:
        """The stages while the work that `prepare` gives runs; its clip is then the lesson's."""
        session.problem, session.unseen, stop = shared.BUG, False, session.begin()
        place: dict[str, Any] = {"line": self.analyzer.queue, "visitor": name_visitor(session), "bounds": self.bounds}
        try:
            for stages, clip in watch_stages(prepare(stop), stop, **place):
                if clip is not None and not stop.is_set():
                    session.clip, session.problem, session.unseen = clip, "", True
                yield {"status": cards.write_stages(stages)}
        except MmerError as error:
            session.problem = str(error)
            raise

    def cancel(self, session: LessonSession, status: str | None) -> LessonUpdate:
        """Ends the run whose stages stand in the status, also one that still waits for its turn; a clip that came first is shown."""
        if "mm-running" not in (status or ""):
            return {}
        if session.unseen:
            return {"status": "", **self.show_run(session)}
        session.stop.set()
        session.problem = shared.CANCELLED
        return {"status": cards.write_problem(shared.CANCELLED, kept=False)}

    def show_problem(self, session: LessonSession) -> LessonUpdate:
        """Why a run brought nothing; one that never began had been cancelled."""
        problem, session.problem = session.problem or shared.CANCELLED, ""
        return {"status": cards.write_problem(problem, kept=False)}


def open_lesson(example: ExampleClip, analyzer: Analyzer, open_stored: Opener = open_example) -> LessonClip:
    """An example for the lesson: what is stored, or where that is missing or stale the frames encoded anew and no curve."""
    analysis = open_stored(example)
    clip = describe_example(example, analysis)
    path = example.folder / STORED
    if path.is_file():
        try:
            stored = lesson_from_json(read_json(path), analysis)
        except (DataError, ValueError) as error:
            raise DataError(f"{path}: {error}") from error
        if stored is not None:
            return clip(*stored)
    with analyzer.queue.take():
        return clip(encode_frames(analyzer, analysis), None)


def describe_example(example: ExampleClip, analysis: Analysis) -> Callable[..., LessonClip]:
    """What makes the example's LessonClip of frames and curve."""
    return lambda frames, curve: LessonClip(
        example.folder.name, example.title, example.emotion, analysis, frames, curve, recorded=example.kind == "recorded"
    )


def store_lesson(example: ExampleClip, analyzer: Analyzer) -> LessonClip:
    """Measures what the lesson needs of an example and writes it beside its analysis."""
    analysis = open_example(example)
    clip = measure_words(analyzer, describe_example(example, analysis)(encode_frames(analyzer, analysis), None))
    write_file(example.folder / STORED, dump_json(lesson_to_json(clip)))
    return clip
