"""What one visitor's page remembers, and how long work reports its stages while it runs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any

from mmer.align import find_choice
from mmer.errors import Cancelled, MmerError
from mmer.interventions.curves import LeaveOneOut
from mmer.interventions.differences import Intervention
from mmer.lesson.lesson_clip import LessonClip
from mmer.model_queue import UNBOUNDED, ModelQueue, QueueLimits, Ticket
from mmer.results import Analysis
from mmer.stages import StageResults
from mmer.stopping import stop_when
from mmer.ui.explore.example_clip import ExampleClip, Opener
from mmer.ui.texts import explore as texts
from mmer.ui.texts import shared


class StopFlag:
    """Set by Cancel, read between stages. A plain attribute: gr.State copies what it holds, which a threading.Event does not allow."""

    def __init__(self) -> None:
        self._raised = False

    def set(self) -> None:
        self._raised = True

    def is_set(self) -> bool:
        return self._raised


@dataclass(eq=False)
class KeptAnalysis:
    """One entry of the visitor's list."""

    number: int  # from 1 on, never used again
    analysis: Analysis
    example: ExampleClip | None
    note: str = ""  # the person's own words
    tags: str = ""


@dataclass(eq=False)
class Session:
    """One visitor's memory; lives in gr.State, is never shared. Compared by identity, as gr.State needs."""

    earlier: StageResults = field(default_factory=StageResults)
    stop: StopFlag = field(default_factory=StopFlag)  # of the run in progress
    analysis: Analysis | None = None  # what the page shows; None before the first
    example: ExampleClip | None = None  # the example that the page shows; None for a visitor's own clip
    has_clip: bool = False  # whether the recorder holds a clip
    is_opening: bool = False  # whether what is shown came with the page, so that the recorder holds nothing of it
    working: bool = False  # whether a run is in progress
    cancelled: bool = False  # whether Cancel was pressed since the last run began; it may still have been waiting then
    origin: str = ""  # where the result came from if no model was asked: "example", "list" or "file"
    shown: int = 0  # how often a result was shown
    relink: bool = False  # whether a link asks for other settings than those of the stored result that it opens
    unseen: bool = False  # whether the last run's result is still to be shown
    filled_in: str = ""  # what the page itself last wrote into the transcript box
    problem: str = ""  # the last error's sentence, until the next success
    intervention: Intervention | None = None  # the last claim that was tested
    curve: LeaveOneOut | None = None  # of the analysis that is shown
    models: Any = None  # the Analyzer with the head of an experiment's run, where a clip was opened from the Errors tab
    kept: list[KeptAnalysis] = field(default_factory=list)  # what was analysed, oldest first; bounded (keep.py)
    numbered: int = 0  # entries so far
    pinned: dict[str, KeptAnalysis] = field(default_factory=dict)  # "A", "B"
    drawn: tuple[int, ...] = ()  # numbers of the two entries that stand side by side
    let_go: str = ""  # why results are gone that were here, for their owner; "" while all are there

    def begin(self) -> StopFlag:
        """A stop flag for a new run; an older run that is still in a stage keeps its own."""
        self.stop.set()
        self.stop, self.cancelled = StopFlag(), False
        return self.stop

    def cancel(self) -> None:
        """Stops the run in progress, or the one that waits for its turn."""
        self.stop.set()
        self.working, self.cancelled = False, True

    def let_results_go(self, reason: str) -> None:
        """Nothing that takes memory stays; what the page shows stays on the page."""
        self.earlier, self.analysis, self.intervention, self.curve, self.models = StageResults(), None, None, None, None
        self.kept, self.pinned, self.drawn, self.let_go = [], {}, (), reason

    def explain_end(self) -> str:
        """Why the last run brought no result."""
        return self.problem or (shared.CANCELLED if self.cancelled else shared.BUG)

    def take(self, analysis: Analysis, *, example: ExampleClip | None = None, origin: str = "") -> None:
        """The analysis that is shown from now on, without a model having been asked."""
        self.begin()
        self.working, self.problem = False, ""
        self.analysis, self.example, self.origin, self.is_opening = analysis, example, origin, False

    def take_away(self) -> None:
        """Nothing is shown any more; the list of results stays."""
        self.begin()
        self.working, self.unseen, self.relink, self.problem = False, False, False, ""
        self.analysis = self.example = self.intervention = self.curve = None

    def keep_example(self, analysis: Analysis) -> Analysis:
        """A new analysis of the example that is shown, with the same words, is still the example's, and has its name."""
        before = self.analysis
        same = before is not None and before.clip.sha256 == analysis.clip.sha256 and before.transcript.text == analysis.transcript.text
        if before is None or self.example is None or not same or analysis.parent is not None:
            self.example = None
            return analysis
        return replace(analysis, clip=replace(analysis.clip, name=before.clip.name))

    def open_example(self, example: ExampleClip, opener: Opener) -> Analysis:
        """What the example opens with; where the models must be asked for it, Cancel reaches the wait. Raises MmerError."""
        stop = self.begin()
        self.working, self.problem = True, ""
        try:
            with stop_when(stop.is_set):
                return opener(example)
        except MmerError as error:
            self.problem = str(error)
            raise
        finally:
            self.working = self.working and self.stop is not stop  # a run that began meanwhile goes on

    def show_example(self, example: ExampleClip, analysis: Analysis) -> None:
        """The stored result of an example becomes the one that is shown."""
        self.take(analysis, example=example, origin="example")
        self.filled_in = example.text


@dataclass
class Stage:
    """One named step of running work."""

    name: str
    seconds: float
    done: bool = False


def watch_stages(
    work: Callable[[Callable[[float, str], None]], Any],
    stop: StopFlag,
    *,
    line: ModelQueue,
    visitor: Hashable = None,
    bounds: QueueLimits = UNBOUNDED,
    tick: float = 0.5,
) -> Iterator[tuple[list[Stage], Any | None]]:
    """Runs `work(progress)` in a thread when its turn has come; yields the stages so far and, at last, the result.

    Until then the one stage says how many are before. Work that was cancelled, or whose page has gone, ends unseen; as it has the turn
    until then, no two run at once. Raises: Busy where the line is full, before anything begins; whatever `work` raises; Cancelled soon
    after `stop` is set. When the caller closes the iterator, `stop` is set.
    """
    ticket = line.ask(visitor, bounds)
    news: queue.Queue[Any] = queue.Queue()
    # in the caller's context, which holds Gradio's request: who lends a graphics card (mmer/space/zero.py) asks whose wish it is
    worker = threading.Thread(target=copy_context().run, args=(run_reporting, work, news, stop, line, ticket), daemon=True)
    worker.start()
    stages: list[Stage] = []
    shown_place, begun = "", time.perf_counter()
    said = begun
    try:
        while True:
            try:
                kind, value = news.get(timeout=tick)
            except queue.Empty:
                kind, value = "tick", None
            now = time.perf_counter()
            if stages and not stages[-1].done:
                stages[-1].seconds = now - begun
            if stop.is_set():
                raise Cancelled(shared.CANCELLED)
            if kind == "error":
                raise value
            if kind == "stage":
                if stages:
                    stages[-1].done = True
                stages.append(Stage(value, 0.0))
                begun = now
            if kind == "tick" and not stages:
                place = texts.say_place(line.count_before(ticket))
                if place != shown_place or now - said >= STILL_SECONDS:
                    shown_place, said = place, now
                    yield [Stage(place, now - begun)], None
                continue
            if kind == "result":
                for stage in stages:
                    stage.done = True
                yield stages, value
                return
            yield stages, None
    finally:
        stop.set()


STILL_SECONDS = 2.0  # between two words to one who waits where nothing changes: each costs the others time, and shows who has left


def run_reporting(
    work: Callable[[Callable[[float, str], None]], Any], news: queue.Queue[Any], stop: StopFlag, line: ModelQueue, ticket: Ticket
) -> None:
    """Runs the work when it has the turn, and puts ("stage", name), then ("result", value) or ("error", exception)."""
    try:
        with line.hold(ticket, stop.is_set):
            if not stop.is_set():
                news.put(("result", work(lambda share, text: news.put(("stage", text)))))
    except MmerError as error:
        news.put(("error", error))
    except BaseException as error:  # a bug: handed to the waiting page, where it stays loud
        news.put(("error", error))
        raise


def name_aligner(analysis: Analysis) -> str | None:
    """The setting that gave the alignment; None where it was a file."""
    if analysis.alignment is None:
        return "none"
    choice = find_choice(analysis.alignment.source)
    return choice.key if choice else None


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


def name_clip(kept: KeptAnalysis) -> str:
    """The example's title or the clip's name, and the head that spoke."""
    title = kept.example.title if kept.example else kept.analysis.clip.name
    changed = ", changed" if kept.analysis.parent is not None else ""
    return f"{kept.number}. {title}{changed} · {kept.analysis.best.head}"
