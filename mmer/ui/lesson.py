"""The Learn tab: a clip is chosen, or brought along, and eight steps explain what the models made of it. Pages turn in the browser."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from mmer.audio.load import load_audio
from mmer.errors import DataError, MmerError
from mmer.exports.analysis_json import dump_json, write_file
from mmer.files.guarded_json import read_json
from mmer.lesson import LessonClip, lesson_from_json, lesson_to_json, render_lesson
from mmer.lesson.store import encode_frames, measure_words
from mmer.model_queue import UNBOUNDED, QueueLimits
from mmer.pipeline import Analyzer
from mmer.results import Analysis
from mmer.ui.explore import cards
from mmer.ui.explore.examples import ExampleClip, Opener, choose_head, open_example
from mmer.ui.explore.session import StopFlag, watch_stages
from mmer.ui.page.events import BOUNDS, HIDDEN, MODEL_QUEUE, MOST_SECONDS, POLL, QUIET
from mmer.ui.page.failures import show_errors
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.visitors import name_visitor

STORED = "lesson.json"
LINK = re.compile(r"#learn-\d+-(.+)")  # of a step and an example; lesson.js writes and reads it
OWN = "Your own clip"
INTRO = (
    '<div class="ml-intro"><h2>Learn how the verdict comes about</h2><p>Eight short steps through the paper’s '
    "method, each with its equation, the numbers of the clip"
    " on the screen, a picture and a question. The examples need no model; a clip of your own is analysed "
    "live.</p></div>"
)
NO_EXAMPLES = '<p class="ml-instead">There are no stored examples. Bring a clip of your own below to begin.</p>'
CANCELLED = "Cancelled."
WAITING = '() => \'<ol class="mm-stages"><li class="mm-running">Waiting for a free model</li></ol>\''
FOLLOW = "(session, link) => [session, window.mmerLesson.takeLink()]"
TURN_PAGES = """
const place = element.querySelector(".ml-place");
const show = () => window.mmerLesson.show(place, props.value ?? "");
watch("value", show);
show();
"""


Work = Callable[[Callable[[float, str], None]], LessonClip]  # takes `progress`


@dataclass(eq=False)
class LessonSession:
    """One visitor's lesson; lives in gr.State. Compared by identity, as gr.State needs."""

    clip: LessonClip | None = None  # None before the tab was opened
    stop: StopFlag = field(default_factory=StopFlag)  # of the run in progress
    problem: str = ""  # why the last run brought nothing, until it was said
    unseen: bool = False  # whether the last run's clip is still to be shown
    let_go: str = ""  # why a clip is gone that was here

    def let_results_go(self, reason: str) -> None:
        self.clip, self.let_go = None, reason

    def begin(self) -> StopFlag:
        self.stop.set()
        self.stop = StopFlag()
        return self.stop


def build(analyzer: Analyzer, tab: gr.Tab, *, examples: Sequence[ExampleClip], open_stored: Opener, is_public: bool) -> None:
    """The tab's content, inside the gr.Tab that is open; its lesson is made when somebody looks at it."""
    session = gr.State(LessonSession(), time_to_live=KEPT_SECONDS)
    handlers = LessonHandlers(analyzer, examples, most_seconds=MOST_SECONDS[is_public], bounds=BOUNDS[is_public], open_stored=open_stored)
    with gr.Column(elem_classes="ml-tab"):
        gr.HTML(INTRO)
        with gr.Row(elem_classes="ml-choose"):
            choices = [(example.title, example.folder.name) for example in examples]
            chosen = gr.Dropdown(choices, value=choices[0][1] if choices else None, label="Clip of the lesson", elem_id="lesson-clip")
        with gr.Accordion("Use a clip of your own", open=False, elem_id="lesson-own"):
            gr.HTML(
                '<p class="mm-note">It is analysed by the models of this page, kept for your session alone and deleted within the hour.</p>'
            )
            with gr.Row():
                audio = gr.Audio(sources=["upload", "microphone"], type="filepath", label="Your clip", elem_id="lesson-audio", buttons=[])
                words = gr.Textbox(label="What is said", lines=3, placeholder="Leave empty to have it recognised.", max_length=20_000)
            analyse = gr.Button("Analyse and explain", variant="primary", elem_id="lesson-analyse", interactive=False)
            audio.change(offer_analysis, audio, analyse, api_name="lesson_offer", **POLL)
        with gr.Row(elem_classes="ml-run", equal_height=False):
            status = gr.HTML("", elem_id="lesson-status", elem_classes="mm-stages-block")
            cancel = gr.Button("Cancel", elem_id="lesson-cancel", scale=0, min_width=96)  # lesson.css shows it while something runs
        pages = gr.HTML(
            "",
            elem_id="lesson",
            html_template='<div class="ml-place"></div>',
            js_on_load=TURN_PAGES,
            apply_default_css=False,
            elem_classes="mm-views",
        )
        link = gr.Textbox(visible=False)
        measure = gr.Button("Measure", elem_id="lesson-measure", elem_classes="mm-hidden")
        follow = gr.Button("Follow", elem_id="lesson-follow", elem_classes="mm-hidden")
    for trigger, name in ((tab.select, "lesson_open"), (follow.click, "lesson_follow")):
        opened = trigger(handlers.open, [session, link], [chosen, pages], js=FOLLOW, api_name=name, **QUIET)
        opened.then(fn=None, js="() => window.mmerLesson.write()", api_visibility="private")
    chosen.input(handlers.choose, [session, chosen], [pages, status], api_name="lesson_choose", **QUIET)
    runs: list[dict[str, Any]] = [
        wire_run(handlers, button, work, inputs, status, [chosen, pages], name)
        for button, work, inputs, name in (
            (analyse, handlers.teach, [session, audio, words], "lesson_own_clip"),
            (measure, handlers.measure, [session], "lesson_measure"),
        )
    ]
    cancel.click(handlers.cancel, [session, status], [status, chosen, pages], queue=False, cancels=runs, api_name="lesson_cancel", **QUIET)


def offer_analysis(audio: str | None) -> gr.Button:
    """Only where there is a clip."""
    return gr.Button(interactive=audio is not None)


def wire_run(
    handlers: LessonHandlers, button: gr.Button, work: Callable, inputs: list[Any], status: gr.HTML, shown: list[Any], name: str
) -> dict[str, Any]:
    """A button that asks the models: its stages, then the lesson or the sentence why there is none. `inputs`: the session first."""
    button.click(fn=None, js=WAITING, outputs=status, api_visibility="private")
    options: dict[str, Any] = {"show_progress": "full", "show_progress_on": [status], "trigger_mode": "once", **HIDDEN, **MODEL_QUEUE}
    run = button.click(work, inputs, status, api_name=name, **options)
    run.success(handlers.show_run, inputs[0], shown, api_name=False, show_progress="hidden")
    run.failure(handlers.show_problem, inputs[0], status, api_name=f"problem_{name}", **QUIET)
    return run


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
        raise DataError(f"There is no example {name!r} on this page; choose one of: {', '.join(self.examples) or 'none is stored'}.")

    @show_errors
    def open(self, session: LessonSession, link: str | None) -> tuple:
        """The lesson when the tab is opened: the example of a link that was just followed, else what was there, else the first example."""
        named = LINK.fullmatch(link or "")
        name = named[1] if named and named[1] in self.examples else None
        if session.clip is not None and (name is None or name == session.clip.name):
            return gr.skip(), gr.skip()
        if not self.lessons:
            return gr.skip(), NO_EXAMPLES
        session.begin()
        session.clip = self.find(name) if name else self.lessons[0]
        return session.clip.name, self.show(session)

    @show_errors
    def choose(self, session: LessonSession, name: str) -> tuple[str, str]:
        session.begin()
        session.clip = self.find(name)
        return self.show(session), ""

    def show(self, session: LessonSession) -> str:
        return render_lesson(session.clip, self.lessons) if session.clip else NO_EXAMPLES

    def show_run(self, session: LessonSession) -> tuple[Any, str]:
        """The clip that a run brought; no example is chosen while a visitor's own is shown."""
        session.unseen = False
        return gr.Dropdown(value=session.clip.name or None if session.clip else None), self.show(session)

    @show_errors
    def teach(self, session: LessonSession, audio: str | None, words: str) -> Iterator[str]:
        """The lesson about a visitor's clip: analysed and framed; its words are left out later, when that is asked for."""

        def prepare(stop: StopFlag) -> Work:
            if audio is None:
                raise MmerError("There is no clip yet. Upload or record one, then press Analyse and explain.")
            text = words if words.strip() else None

            def work(progress: Callable[[float, str], None]) -> LessonClip:
                progress(0.0, "Reading the clip")
                with self.analyzer.queue.lend():
                    clip = load_audio(audio, name=Path(audio).name)
                head = choose_head(self.analyzer)
                analysis = self.analyzer.analyze(clip, text=text, head=head, progress=progress, cancelled=stop.is_set)
                return LessonClip("", OWN, "", analysis, encode_frames(self.analyzer, analysis), None)

            return work

        yield from self.run(session, prepare)

    @show_errors
    def measure(self, session: LessonSession) -> Iterator[str]:
        """Leave-one-out over the words of the clip on the screen, now."""

        def prepare(stop: StopFlag) -> Work:
            clip = session.clip
            if clip is None:
                raise MmerError(session.let_go or "There is no clip yet. Choose an example or bring your own.")
            options: dict[str, Any] = {"most_seconds": self.most_seconds, "cancelled": stop.is_set}
            return lambda progress: measure_words(self.analyzer, clip, progress=progress, **options)

        yield from self.run(session, prepare)

    def run(self, session: LessonSession, prepare: Callable[[StopFlag], Work]) -> Iterator[str]:
        """The stages while the work that `prepare` gives runs; its clip is then the lesson's."""
        session.problem, session.unseen, stop = "Something went wrong.", False, session.begin()
        place: dict[str, Any] = {"line": self.analyzer.queue, "visitor": name_visitor(session), "bounds": self.bounds}
        try:
            for stages, clip in watch_stages(prepare(stop), stop, **place):
                if clip is not None and not stop.is_set():
                    session.clip, session.problem, session.unseen = clip, "", True
                yield cards.write_stages(stages)
        except MmerError as error:
            session.problem = str(error)
            raise

    def cancel(self, session: LessonSession, status: str | None) -> tuple:
        """Ends the run whose stages stand in the status, also one that still waits for its turn; a clip that came first is shown."""
        if "mm-running" not in (status or ""):
            return gr.skip(), gr.skip(), gr.skip()
        if session.unseen:
            return "", *self.show_run(session)
        session.stop.set()
        session.problem = CANCELLED
        return cards.write_problem(CANCELLED, kept=False), gr.skip(), gr.skip()

    def show_problem(self, session: LessonSession) -> str:
        """Why a run brought nothing; one that never began had been cancelled."""
        problem, session.problem = session.problem or CANCELLED, ""
        return cards.write_problem(problem, kept=False)


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
