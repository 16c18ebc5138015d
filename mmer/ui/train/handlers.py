"""What happens behind the Train tab's controls: read the widgets, ask the service, return values. Experiments stay on disk alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, make_dataclass, replace
from typing import Any

import gradio as gr

from mmer.choices.fusion_models import FUSION_MODELS
from mmer.choices.units import UNITS
from mmer.errors import DataError, MmerError
from mmer.experiments.experiment import PROTOCOL, SETTINGS
from mmer.experiments.settings import write_command
from mmer.experiments.training_service import TrainingService, is_recorded
from mmer.scores import pairs
from mmer.ui.page.downloads import new_cache_path
from mmer.ui.page.failures import show_errors
from mmer.ui.texts import train as texts
from mmer.ui.train import cards as train_cards
from mmer.ui.train import run_cards
from mmer.ui.train.cards import CHECK_FIRST, name_units
from mmer.ui.train.updates import (
    BoardUpdate,
    ComparisonUpdate,
    FormUpdate,
    draw_comparison,
    draw_groups,
    show_learned,
    show_nothing,
    show_state,
)

CHOICES = ("data", "labels", "classes", "fusion", "unit", "units", "preset", "aligner", "by", "validation", "device")
FIELDS = (*CHOICES, *(setting.name for setting in (*PROTOCOL, *SETTINGS)))  # of the form, in the order that programs give them
FormRequest: Any = make_dataclass("FormRequest", FIELDS, frozen=True)  # what the form holds
StartRequest: Any = make_dataclass("StartRequest", ["name", *FIELDS], frozen=True)  # the same, and what the experiment shall be called


@dataclass(frozen=True)
class PromoteRequest:
    """Which run becomes a head, and how that is called; the fields are named as the components of `ExperimentList` are."""

    head_name: str
    licence: str
    choice: str


@dataclass(eq=False)
class TrainSession:
    """One visitor's page; lives in gr.State. The experiments themselves are on disk and shared."""

    chosen: str | None = None  # key of the experiment that is shown
    checked: tuple[Any, ...] | None = None  # what the report on the page is of


@dataclass(frozen=True)
class Signature:
    """What a page shows, in short: each part changes when what it stands for must be drawn anew."""

    listed: str = ""  # the list of experiments
    chosen: str = ""  # which of them is shown
    state: str = ""  # what changes with every sign of life
    learned: str = ""  # what changes when an epoch or a run ends

    @classmethod
    def read(cls, text: Any) -> Signature:
        """From what the page sent; anything that `write` did not make is the signature of an empty page."""
        parts = text.split(" ") if isinstance(text, str) and len(text) < 100 else []
        return cls(*parts) if len(parts) == len(fields(cls)) else cls()

    def write(self) -> str:
        return " ".join(getattr(self, part.name) for part in fields(self))


def digest(shown: Any) -> str:
    """16 digits that stand for what is shown."""
    return hashlib.blake2b(repr(shown).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, eq=False)
class TrainHandlers:
    """The handlers of one app; the service is shared by all visitors."""

    service: TrainingService

    # the form

    def change_model(self, fusion: str, units: Sequence[str]) -> FormUpdate:
        """Shows the choice of units that the model can take."""
        model = FUSION_MODELS[fusion]
        single, choices = model.reads_one_unit, model.offer_units(UNITS)
        label = texts.SPEECH_UNITS if model.needs_text else texts.UNITS
        kept = [unit for unit in units if unit in choices]
        offered = gr.CheckboxGroup(name_units(choices), value=kept, label=label, visible=not single)
        return {"unit": gr.Radio(visible=single), "units": offered}

    def list_data(self) -> FormUpdate:
        """The data sets below the roots, looked for anew."""
        return {"data": gr.Dropdown([(data.title, str(data.path)) for data in self.service.list_data()])}

    @show_errors
    def check(self, session: TrainSession, request: Any) -> FormUpdate:
        """Report, estimate, name and Start."""
        session.checked = None
        report = self.service.check(asdict(request))
        session.checked = report.key
        found: FormUpdate = {"report": train_cards.write_report(report), "start": gr.Button(interactive=True)}
        return {**found, **self.expect(session, request)}

    def expect(self, session: TrainSession, request: Any) -> FormUpdate:
        """Estimate, suggested name, command; what is wrong with the form stands in the estimate's place."""
        form = asdict(request)
        try:
            command = train_cards.write_code(write_command(self.service.describe_form(form)))
            if self.service.closed or session.checked is None:
                return {"estimate": CHECK_FIRST, "command": command}
            busy = [summary.name for _, summary in self.service.list() if summary.status.active]
            estimate = train_cards.write_estimate(self.service.estimate(form), active=busy)
            return {"estimate": estimate, "name": gr.Textbox(placeholder=self.service.suggest(form)), "command": command}
        except MmerError as error:
            return {"estimate": train_cards.write_problem(str(error))}

    @show_errors
    def start(self, session: TrainSession, request: Any) -> FormUpdate:
        """A new experiment in a process of its own; the page goes to it."""
        form = asdict(request)
        name = form.pop("name") or ""
        session.chosen = self.service.start(form, name, checked=session.checked)
        return {"tabs": gr.Tabs(selected="runs"), "name": ""}

    # experiments

    def open(self, session: TrainSession) -> BoardUpdate:
        """The list and the chosen experiment, all drawn anew: a page that was just opened, or comes back to this tab."""
        if session.chosen is None:
            session.chosen = choose_first(self.service)
        return self.refresh(session, "")

    def refresh(self, session: TrainSession, drawn: str) -> BoardUpdate:
        """What the page lacks, and the signature of what it holds then; called every two seconds.

        `drawn` is the signature that came with the last answer which reached the page. Two answers may arrive in the wrong order: the page
        then holds the older one together with its signature, so that the next look draws it anew.
        """
        known, runs = Signature.read(drawn), self.service.list()
        listed = run_cards.write_runs(runs, session.chosen, closed=self.service.closed)
        state, learned = self.sign(session)
        now = Signature(digest(listed), digest(session.chosen), state, learned)
        update = self.look(session, known, now)
        if now.listed != known.listed:
            update["runs"] = listed
        update["drawn"] = now.write()
        return update

    def sign(self, session: TrainSession) -> tuple[str, str]:
        if session.chosen is None:
            return "", ""
        try:
            state, learned = self.service.sign(session.chosen)
        except DataError as error:  # deleted by somebody else
            return digest(str(error)), ""
        return digest(state), digest(learned)

    def look(self, session: TrainSession, known: Signature, now: Signature) -> BoardUpdate:
        """The components of the chosen experiment, without those that the page has already."""
        fresh = known.chosen != now.chosen
        if not fresh and known == replace(now, listed=known.listed):
            return {}
        if session.chosen is None:
            return {"head": run_cards.NOTHING_CHOSEN, **show_nothing()}
        try:
            view = self.service.view(session.chosen)
        except DataError as error:
            session.chosen = None
            return {"head": train_cards.write_problem(str(error)), **show_nothing()}
        state = show_state(view, closed=bool(self.service.closed), fresh=fresh)
        return state if not fresh and known.learned == now.learned else {**state, **show_learned(view)}

    def choose(self, session: TrainSession, drawn: str, event: gr.EventData) -> BoardUpdate:
        """An experiment of the list was pressed."""
        key = getattr(event, "run", None)
        if not isinstance(key, str) or key == session.chosen:
            return {}
        session.chosen = key
        return self.refresh(session, drawn)

    # What acts shows nothing itself: its answer waits in Gradio's queue, and may reach the page after that of a later look.

    @show_errors
    def stop(self, session: TrainSession) -> None:
        self.service.stop(session.chosen or "")

    @show_errors
    def resume(self, session: TrainSession) -> None:
        self.service.resume(session.chosen or "")

    def ask_delete(self, session: TrainSession) -> BoardUpdate:
        name = (session.chosen or "/").partition("/")[2]
        question = train_cards.write_question(texts.ask_delete(name))
        return {"question": gr.Column(visible=True), "ask": question}

    @show_errors
    def delete(self, session: TrainSession) -> None:
        self.service.delete(session.chosen or "")
        session.chosen = None

    @show_errors
    def export(self, session: TrainSession) -> BoardUpdate:
        """The zip, written where Gradio deletes it with the rest."""
        name = self.service.find(session.chosen).name
        return {"download": str(self.service.export(session.chosen or "", new_cache_path(f"{name}.zip")))}

    @show_errors
    def promote(self, session: TrainSession, request: PromoteRequest) -> BoardUpdate:
        name, licence, by = request.head_name or "", request.licence or "", request.choice or "median"
        place = self.service.promote(session.chosen or "", name=name, licence=licence, by=by)
        note = train_cards.write_note(texts.say_promoted(place.name, str(place.parent)))
        return {"promoted": note}

    def regroup(self, session: TrainSession, group: str) -> BoardUpdate:
        """The scores of each fold, speaker ..."""
        try:
            return {"groups": draw_groups(self.service.view(session.chosen or ""), group)}
        except DataError:
            return {}

    # comparison

    def list_compared(self, first: str | None, second: str | None) -> ComparisonUpdate:
        """What can be compared, for both choices; what was chosen stays if it is there still."""
        named = [(name_key(key), key) for key, summary in self.service.list() if summary.ua is not None]
        keys = [key for _, key in named]
        kept = [key if key in keys else None for key in (first, second)]
        one, other = kept if any(kept) else [*keys[:2], None, None][:2]
        return {"first": gr.Dropdown(named, value=one), "second": gr.Dropdown(named, value=other)}

    @show_errors
    def compare(self, first: str | None, second: str | None) -> ComparisonUpdate:
        if not first or not second or first == second:
            return {"text": run_cards.CHOOSE_TWO, "panel": gr.Column(visible=False)}
        views = (self.service.view(first), self.service.view(second))
        found, problem = self.pair(first, second)
        return {"text": run_cards.write_comparison(*views, found, problem), **draw_comparison(*views)}

    def pair(self, first: str, second: str) -> tuple[Mapping[str, Any] | None, str]:
        """What pairs.compare found, or why it can't be."""
        folders = (self.service.find(first), self.service.find(second))
        try:
            found = pairs.compare(*(f.read_predictions() for f in folders), names=(folders[0].name, folders[1].name))
        except DataError as error:
            return None, str(error)
        return found, ""


def name_key(key: str) -> str:
    name = key.partition("/")[2]
    return texts.name_recorded(name) if is_recorded(key) else name


def choose_first(service: TrainingService) -> str | None:
    """The one that is training, else the newest."""
    runs = service.list()
    return next((key for key, summary in runs if summary.status.active), runs[0][0] if runs else None)
