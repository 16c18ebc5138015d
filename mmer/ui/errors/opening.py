"""From a row of the Errors tab to its clip in Explore, explained by a run that tested it; what Explore says of it, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import gradio as gr

from mmer.datasets.dataset import Utterance
from mmer.error_table.opened import OpenedClip, RunVerdict, explain_shut, open_tested
from mmer.error_table.opened_batch import open_listed
from mmer.error_table.table import UtteranceTable
from mmer.errors import DataError, MmerError
from mmer.experiments.training_service import TrainingService
from mmer.model_queue import UNBOUNDED, QueueLimits
from mmer.pipeline import Analyzer
from mmer.results import Analysis
from mmer.ui.errors.session import ErrorsSession
from mmer.ui.explore.session import Session, watch_stages
from mmer.ui.page.failures import show_errors
from mmer.ui.page.visitors import name_visitor
from mmer.ui.texts import errors as texts
from mmer.views.payload import dump_payload

SIDES = ("a", "b")  # which of two joined experiments


class OpenUpdate(TypedDict, total=False):
    """New values of what Open changes; what is not named stays as it is."""

    opened: str  # in Explore: what is shown there, and the way back
    opening: str  # never seen: how far it is


@dataclass(frozen=True, eq=False)
class OpenRequest:
    """What the page asks for; made to be read from an event that anybody may have sent."""

    utterance: str
    side: int = 0  # of two joined experiments
    repetition: int | None = None  # from 0; None: the first that said what most of them said

    @classmethod
    def read(cls, event: Any) -> OpenRequest:
        """Raises DataError for what no page of ours sends."""
        name, side, repetition = (getattr(event, field, None) for field in ("utterance", "side", "repetition"))
        is_whole = isinstance(repetition, int) and not isinstance(repetition, bool) and 0 <= repetition < 1000
        if not isinstance(name, str) or side not in (None, *SIDES) or not (repetition is None or is_whole):
            raise DataError(texts.CHOOSE_FIRST)
        return cls(name, SIDES.index(side) if side else 0, repetition)


@dataclass(frozen=True, eq=False)
class OpenHandlers:
    """Opens rows; the analyzer is shared by all visitors and only read."""

    analyzer: Analyzer
    service: TrainingService
    find_utterance: Callable[[UtteranceTable, str], Utterance]  # the recording of a row, where the app may read it
    is_public: bool = False
    bounds: QueueLimits = UNBOUNDED  # of the line for the models

    @show_errors
    def open(self, session: ErrorsSession, explored: Session, event: gr.EventData) -> Iterator[OpenUpdate]:
        """The clip of a row becomes what Explore shows; the stages are reported on the way."""
        stop = explored.begin()
        try:
            request = OpenRequest.read(event)
            work = self.plan(session, explored, request)
            place: dict[str, Any] = {"line": self.analyzer.queue, "visitor": name_visitor(explored), "bounds": self.bounds}
            for stages, found in watch_stages(lambda progress: work(progress=progress, cancelled=stop.is_set), stop, **place):
                if found is None:
                    yield {"opening": dump_payload({"stage": stages[-1].name if stages else "", "utterance": request.utterance})}
                    continue
                explored.take(found.analysis)
                explored.models = found.models
                session.opened, session.opened_as = describe_opened(found, request), identify(found.analysis)
                yield {"opened": dump_payload(session.opened), "opening": dump_payload({"done": True, "utterance": request.utterance})}
        except MmerError as error:
            yield {"opening": dump_payload({"problem": str(error)})}
            raise

    def plan(self, session: ErrorsSession, explored: Session, request: OpenRequest) -> Any:
        """The work, as a function of `progress` and `cancelled`. Raises DataError with why it can't be opened."""
        table, name = session.table, request.utterance
        if table is None or name not in set(table.frame["utterance"]):
            raise DataError(texts.CHOOSE_FIRST)
        if table.listed is not None:
            if self.is_public or self.service.closed:
                raise DataError(texts.NOT_OPENED)
            row, roots = table.listed[name], self.service.roots
            return lambda **given: open_listed(self.analyzer, table.title, name, row, roots, earlier=explored.earlier, **given)
        folder = self.service.find(session.sources[min(request.side, len(session.sources) - 1)])
        if shut := explain_shut(folder, self.analyzer.preset, has_data=bool(table.utterances)):
            raise DataError(shut)
        utterance, repetition = self.find_utterance(table, name), request.repetition
        return lambda **given: open_tested(self.analyzer, folder, utterance, name, repetition=repetition, earlier=explored.earlier, **given)

    def check(self, session: ErrorsSession, explored: Session) -> OpenUpdate:
        """After another result is shown in Explore: whether what stands above it still speaks of it."""
        if session.opened is None:
            return {}
        is_shown = explored.analysis is not None and identify(explored.analysis) == session.opened_as
        if session.opened["is_shown"] == is_shown:
            return {}
        session.opened = session.opened | {"is_shown": is_shown}
        return {"opened": dump_payload(session.opened)}


def identify(analysis: Analysis) -> str:
    """Tells one analysis from any other."""
    heads = " ".join(prediction.head_sha256 for prediction in analysis.predictions.values())
    return f"{analysis.clip.sha256} {heads} {analysis.created} {analysis.parent is not None}"


def describe_opened(found: OpenedClip, request: OpenRequest) -> dict[str, Any]:
    """What Explore says above the clip; plain JSON types."""
    return {
        "source": found.source,
        "utterance": found.utterance,
        "label": found.label,
        "side": SIDES[request.side],
        "run": [found.shown.fold + 1, found.shown.repetition + 1] if found.shown else None,
        "head": found.analysis.best.head,
        "verdicts": describe_verdicts(found.verdicts, found.shown, found.label),
        "notes": list(found.notes),
        "is_shown": True,
    }


def describe_verdicts(verdicts: Sequence[RunVerdict], shown: RunVerdict | None, label: str) -> list[dict[str, Any]]:
    return [
        {
            "fold": verdict.fold + 1,
            "repetition": verdict.repetition,
            "answer": verdict.answer,
            "share": round(verdict.share, 4),
            "right": verdict.answer == label,
            "shown": verdict is shown,
        }
        for verdict in verdicts
    ]
