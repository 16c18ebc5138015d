"""The Learn tab: a clip is chosen, or brought along, and eight steps explain what the models made of it. Pages turn in the browser."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from ..audio import load_audio
from ..errors import DataError, MmerError
from ..export import dump_json, write_file
from ..lesson import LessonClip, lesson_from_json, lesson_to_json, render_lesson
from ..lesson.store import encode_frames, measure_words
from ..pipeline import Analyzer
from ..results import Analysis
from . import cards
from .events import HIDDEN, MODEL_QUEUE, MOST_SECONDS, QUIET
from .examples import Example, choose_head, open_example
from .failures import for_people
from .session import KEPT_SECONDS, StopFlag, watch_stages

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
TURN_PAGES = """
const place = element.querySelector(".ml-place");
const show = () => window.mmerLesson.show(place, props.value ?? "");
watch("value", show);
show();
"""


@dataclass(eq=False)
class LessonSession:
    """One visitor's lesson; lives in gr.State. Compared by identity, as gr.State needs."""

    clip: LessonClip | None = None  # None before the tab was opened
    stop: StopFlag = field(default_factory=StopFlag)  # of the run in progress

    def begin(self) -> StopFlag:
        self.stop.set()
        self.stop = StopFlag()
        return self.stop


def build(analyzer: Analyzer, tab: gr.Tab, *, examples: Sequence[Example], is_public: bool) -> None:
    """The tab's content, inside the gr.Tab that is open; its lesson is made when somebody looks at it."""
    session = gr.State(LessonSession(), time_to_live=KEPT_SECONDS)
    handlers = Handlers(analyzer, examples, most_seconds=MOST_SECONDS[is_public])
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
            analyse = gr.Button("Analyse and explain", variant="primary", elem_id="lesson-analyse")
        status = gr.HTML("", elem_id="lesson-status", elem_classes="mm-stages-block")
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
    tab.select(
        handlers.open, [session, link], [chosen, pages], js="(session, link) => [session, location.hash]", api_name="lesson_open", **QUIET
    )
    chosen.input(handlers.choose, [session, chosen], [pages, status], api_name="lesson_choose", **QUIET)
    live: dict[str, Any] = {"show_progress": "full", "show_progress_on": [status], "trigger_mode": "once", **HIDDEN, **MODEL_QUEUE}
    taught = analyse.click(handlers.teach, [session, audio, words], status, api_name="lesson_own_clip", **live)
    measured = measure.click(handlers.measure, session, status, api_name="lesson_measure", **live)
    for run in (taught, measured):
        run.success(handlers.show, session, pages, api_name=False, show_progress="hidden")


class Handlers:
    """What happens behind the tab's controls. Holds only what all visitors share and nobody changes."""

    def __init__(self, analyzer: Analyzer, examples: Sequence[Example], *, most_seconds: float = math.inf):
        self.analyzer, self.most_seconds = analyzer, most_seconds
        self.examples = {example.folder.name: example for example in examples}

    @cached_property
    def shelf(self) -> tuple[LessonClip, ...]:
        """The examples, read when somebody first looks."""
        return tuple(open_lesson(example, self.analyzer) for example in self.examples.values())

    def find(self, name: str) -> LessonClip:
        for clip in self.shelf:
            if clip.name == name:
                return clip
        raise DataError(f"There is no example {name!r} on this page; choose one of: {', '.join(self.examples) or 'none is stored'}.")

    @for_people
    def open(self, session: LessonSession, link: str | None) -> tuple:
        """The lesson when the tab is opened: the example of the page's address, else the first; nothing new if it is there already."""
        named = LINK.fullmatch(link or "")
        name = named[1] if named and named[1] in self.examples else None
        if session.clip is not None and (name is None or name == session.clip.name):
            return gr.skip(), gr.skip()
        if not self.shelf:
            return gr.skip(), NO_EXAMPLES
        session.clip = self.find(name) if name else self.shelf[0]
        return session.clip.name, self.show(session)

    @for_people
    def choose(self, session: LessonSession, name: str) -> tuple[str, str]:
        session.begin()
        session.clip = self.find(name)
        return self.show(session), ""

    def show(self, session: LessonSession) -> str:
        return render_lesson(session.clip, self.shelf) if session.clip else NO_EXAMPLES

    @for_people
    def teach(self, session: LessonSession, audio: str | None, words: str) -> Iterator[str]:
        """The lesson about a visitor's clip: analysed, framed, its words left out where it has any."""
        if audio is None:
            raise MmerError("There is no clip yet. Upload or record one, then press Analyse and explain.")

        def work(progress: Callable[[float, str], None]) -> LessonClip:
            progress(0.0, "Reading the clip")
            clip = load_audio(audio, name=Path(audio).name)
            text = words if words.strip() else None
            head = choose_head(self.analyzer)
            analysis = self.analyzer.analyze(clip, text=text, head=head, progress=progress, cancelled=stop.is_set)
            return LessonClip("", OWN, "", analysis, encode_frames(self.analyzer, analysis), None)

        stop = session.begin()
        yield from self.run(session, work, stop)

    @for_people
    def measure(self, session: LessonSession) -> Iterator[str]:
        """Leave-one-out over the words of the clip on the screen, now."""
        clip = session.clip
        if clip is None:
            raise MmerError("There is no clip yet. Choose an example or bring your own.")
        stop = session.begin()
        told: dict[str, Any] = {"most_seconds": self.most_seconds, "cancelled": stop.is_set}
        yield from self.run(session, lambda progress: measure_words(self.analyzer, clip, progress=progress, **told), stop)

    def run(self, session: LessonSession, work: Callable[[Callable[[float, str], None]], LessonClip], stop: StopFlag) -> Iterator[str]:
        """The stages while the work runs; its clip is then the lesson's."""
        for stages, clip in watch_stages(work, stop, turn=self.analyzer.turn):
            if clip is not None:
                session.clip = clip
            yield cards.write_stages(stages)


def open_lesson(example: Example, analyzer: Analyzer) -> LessonClip:
    """An example for the lesson: what is stored, or where that is missing or stale the frames encoded anew and no curve."""
    analysis = open_example(example)
    clip = describe_example(example, analysis)
    path = example.folder / STORED
    if path.is_file():
        try:
            stored = lesson_from_json(json.loads(path.read_text(encoding="utf-8")), analysis)
        except (DataError, ValueError) as error:
            raise DataError(f"{path}: {error}") from error
        if stored is not None:
            return clip(*stored)
    return clip(encode_frames(analyzer, analysis), None)


def describe_example(example: Example, analysis: Analysis) -> Callable[..., LessonClip]:
    """What makes the example's LessonClip of frames and curve."""
    return lambda frames, curve: LessonClip(
        example.folder.name, example.title, example.emotion, analysis, frames, curve, recorded=example.kind == "recorded"
    )


def store_lesson(example: Example, analyzer: Analyzer) -> LessonClip:
    """Measures what the lesson needs of an example and writes it beside its analysis."""
    analysis = open_example(example)
    clip = measure_words(analyzer, describe_example(example, analysis)(encode_frames(analyzer, analysis), None))
    write_file(example.folder / STORED, dump_json(lesson_to_json(clip)))
    return clip
