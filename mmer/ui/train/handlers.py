"""What happens behind the Train tab's controls: read the widgets, ask the service, return values. Experiments stay on disk alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import gradio as gr

from mmer.choices.fusion_models import FUSION_MODELS
from mmer.choices.units import UNITS
from mmer.errors import DataError, MmerError
from mmer.experiments.report.run_view import RunView
from mmer.experiments.settings import PROTOCOL, SETTINGS, write_command
from mmer.experiments.training_service import TrainingService, is_recorded
from mmer.figures import learning_curves
from mmer.figures import runs as figures
from mmer.scores import pairs
from mmer.ui.explore.handlers import new_cache_path
from mmer.ui.page.failures import show_errors
from mmer.ui.train import cards as train_cards
from mmer.ui.train import run_cards
from mmer.ui.train.plots import to_plot

CHOICES = ("data", "labels", "fusion", "unit", "units", "preset", "aligner", "by", "validation", "device")
FIELDS = (*CHOICES, *(setting.name for setting in (*PROTOCOL, *SETTINGS)))  # of the form, in the order that handlers take them
STATE, LEARNED = 8, 10  # how many components show_state and show_learned fill
AGAIN = ("stopped", "failed", "lost", "waiting")  # states from which an experiment goes on
CHECK_FIRST = '<p class="mm-note">Check the data set to see how long it will take.</p>'


@dataclass(eq=False)
class TrainSession:
    """One visitor's page; lives in gr.State. The experiments themselves are on disk and shared."""

    chosen: str | None = None  # key of the experiment that is shown
    checked: tuple | None = None  # what the report on the page is of


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

    def change_model(self, fusion: str, units: Sequence[str]) -> tuple:
        """Shows the choice of units that the model can take."""
        model = FUSION_MODELS[fusion]
        single, choices = model.reads_one_unit, model.offer_units(UNITS)
        label = "Speech units, beside text (T)" if model.needs_text else "Units"
        kept = [unit for unit in units if unit in choices]
        return gr.Radio(visible=single), gr.CheckboxGroup(name_units(choices), value=kept, label=label, visible=not single)

    def list_data(self) -> Any:
        """The data sets below the roots, looked for anew."""
        return gr.Dropdown([(data.title, str(data.path)) for data in self.service.list_data()])

    @show_errors
    def check(self, session: TrainSession, *values: Any) -> tuple:
        """Report, estimate, name and Start."""
        session.checked = None
        report = self.service.check(read_form(values))
        session.checked = report.key
        return train_cards.write_report(report), *self.expect(session, *values), gr.Button(interactive=True)

    def expect(self, session: TrainSession, *values: Any) -> tuple:
        """Estimate, suggested name, command; what is wrong with the form stands in the estimate's place."""
        form = read_form(values)
        try:
            command = train_cards.write_code(write_command(self.service.describe_form(form)))
            if self.service.closed or session.checked is None:
                return CHECK_FIRST, gr.skip(), command
            busy = [summary.name for _, summary in self.service.list() if summary.status.active]
            estimate = train_cards.write_estimate(self.service.estimate(form), active=busy)
            return estimate, gr.Textbox(placeholder=self.service.suggest(form)), command
        except MmerError as error:
            return train_cards.write_problem(str(error)), gr.skip(), gr.skip()

    @show_errors
    def start(self, session: TrainSession, name: str, *values: Any) -> tuple:
        """A new experiment in a process of its own; the page goes to it."""
        session.chosen = self.service.start(read_form(values), name or "", checked=session.checked)
        return gr.Tabs(selected="runs"), ""

    # experiments

    def open(self, session: TrainSession) -> tuple:
        """The list and the chosen experiment, all drawn anew: a page that was just opened, or comes back to this tab."""
        if session.chosen is None:
            session.chosen = choose_first(self.service)
        return self.refresh(session, "")

    def refresh(self, session: TrainSession, drawn: str) -> tuple:
        """What the page lacks, and the signature of what it holds then; called every two seconds.

        `drawn` is the signature that came with the last answer which reached the page. Two answers may arrive in the wrong order: the page
        then holds the older one together with its signature, so that the next look draws it anew.
        """
        known, runs = Signature.read(drawn), self.service.list()
        listed = run_cards.write_runs(runs, session.chosen, closed=self.service.closed)
        state, learned = self.sign(session)
        now = Signature(digest(listed), digest(session.chosen), state, learned)
        return gr.skip() if now.listed == known.listed else listed, *self.look(session, known, now), now.write()

    def sign(self, session: TrainSession) -> tuple[str, str]:
        if session.chosen is None:
            return "", ""
        try:
            state, learned = self.service.sign(session.chosen)
        except DataError as error:  # deleted by somebody else
            return digest(str(error)), ""
        return digest(state), digest(learned)

    def look(self, session: TrainSession, known: Signature, now: Signature) -> tuple:
        """The components of the chosen experiment; those that the page has already are skipped."""
        fresh = known.chosen != now.chosen
        if not fresh and known == replace(now, listed=known.listed):
            return (gr.skip(),) * (STATE + LEARNED)
        if session.chosen is None:
            return (run_cards.NOTHING_CHOSEN, *show_nothing())
        try:
            view = self.service.view(session.chosen)
        except DataError as error:
            session.chosen = None
            return (train_cards.write_problem(str(error)), *show_nothing())
        learned = (gr.skip(),) * LEARNED if not fresh and known.learned == now.learned else show_learned(view)
        return *show_state(view, closed=bool(self.service.closed), fresh=fresh), *learned

    def choose(self, session: TrainSession, drawn: str, event: gr.EventData) -> tuple:
        """An experiment of the list was pressed."""
        key = getattr(event, "run", None)
        if not isinstance(key, str) or key == session.chosen:
            return (gr.skip(),) * (1 + STATE + LEARNED + 1)
        session.chosen = key
        return self.refresh(session, drawn)

    # What acts shows nothing itself: its answer waits in Gradio's queue, and may reach the page after that of a later look.

    @show_errors
    def stop(self, session: TrainSession) -> None:
        self.service.stop(session.chosen or "")

    @show_errors
    def resume(self, session: TrainSession) -> None:
        self.service.resume(session.chosen or "")

    def ask_delete(self, session: TrainSession) -> tuple:
        name = (session.chosen or "/").partition("/")[2]
        return gr.Column(visible=True), train_cards.write_question(f"Delete {name} with its heads and predictions for good?")

    @show_errors
    def delete(self, session: TrainSession) -> None:
        self.service.delete(session.chosen or "")
        session.chosen = None

    @show_errors
    def export(self, session: TrainSession) -> str:
        """The zip, written where Gradio deletes it with the rest."""
        name = self.service.find(session.chosen).name
        return str(self.service.export(session.chosen or "", new_cache_path(f"{name}.zip")))

    @show_errors
    def promote(self, session: TrainSession, name: str, licence: str, by: str) -> str:
        place = self.service.promote(session.chosen or "", name=name or "", licence=licence or "", by=by or "median")
        return train_cards.write_note(f"The head {place.name} was written to {place.parent}. It speaks when the app is started anew.")

    def regroup(self, session: TrainSession, of: str) -> Any:
        """The scores of each fold, speaker ..."""
        try:
            return draw_groups(self.service.view(session.chosen or ""), of)
        except DataError:
            return gr.skip()

    # comparison

    def list_compared(self, first: str | None, second: str | None) -> tuple:
        """What can be compared, for both choices; what was chosen stays if it is there still."""
        named = [(name_key(key), key) for key, summary in self.service.list() if summary.ua is not None]
        keys = [key for _, key in named]
        kept = [key if key in keys else None for key in (first, second)]
        chosen = kept if any(kept) else [*keys[:2], None, None][:2]
        return tuple(gr.Dropdown(named, value=key) for key in chosen)

    @show_errors
    def compare(self, first: str | None, second: str | None) -> tuple:
        if not first or not second or first == second:
            return run_cards.CHOOSE_TWO, gr.Column(visible=False), *(gr.skip(),) * 5
        views = (self.service.view(first), self.service.view(second))
        found, problem = self.pair(first, second)
        return run_cards.write_comparison(*views, found, problem), *draw_comparison(*views)

    def pair(self, first: str, second: str) -> tuple[Mapping[str, Any] | None, str]:
        """What pairs.compare found, or why it can't be."""
        folders = (self.service.find(first), self.service.find(second))
        try:
            found = pairs.compare(*(f.read_predictions() for f in folders), names=(folders[0].name, folders[1].name))
        except DataError as error:
            return None, str(error)
        return found, ""


def read_form(values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(FIELDS, values, strict=True))


def name_units(units: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{unit} {UNITS[unit].name}", unit) for unit in units]


def name_key(key: str) -> str:
    return key.partition("/")[2] + (" (recorded)" if is_recorded(key) else "")


def choose_first(service: TrainingService) -> str | None:
    """The one that is training, else the newest."""
    runs = service.list()
    return next((key for key, summary in runs if summary.status.active), runs[0][0] if runs else None)


# What the components of one experiment become, in the order of ExperimentList.shown


def show_nothing() -> tuple:
    hidden = gr.Button(visible=False)
    buttons = (hidden, hidden, hidden, hidden, gr.Column(visible=False), gr.Column(visible=False), "")
    return (*buttons, gr.Column(visible=False), None, gr.Column(visible=False), "", None, gr.skip(), None, None, "", "")


def show_state(view: RunView, *, closed: bool, fresh: bool) -> tuple:
    """Head, Stop, Resume, Delete, Export, promotion, the question, log. Drawn with every sign of life."""
    own, state = not (closed or view.recorded), view.status.state
    active = view.status.active
    ready = own and state == "finished" and view.has_heads
    return (
        run_cards.write_run(view),
        gr.Button(visible=own and active),
        gr.Button(visible=own and state in AGAIN and not view.summary.problem),
        gr.Button(visible=own and not active),
        gr.Button(visible=view.experiment is not None),
        gr.Column(visible=ready) if fresh or not ready else gr.skip(),
        gr.Column(visible=False) if fresh or active else gr.skip(),
        run_cards.write_log(view),
    )


def show_learned(view: RunView) -> tuple:
    """Curves, scores, confusion, groups, layers, numbers, facts. Drawn when a run or an epoch is done."""
    s, groups = view.scores, list_groups(view)
    curves = to_plot(learning_curves.draw_learning_curves(view.rows, runs=view.runs), same=view.name) if view.rows else None
    weighted = [run for run in view.results if run.get("layer_weights")]
    return (
        gr.Column(visible=bool(view.rows)),
        curves,
        gr.Column(visible=s is not None),
        run_cards.write_scores(view),
        to_plot(figures.draw_confusion(s["confusion"])) if s else None,
        gr.Radio(groups, value=groups[0]) if groups else gr.skip(),
        draw_groups(view, groups[0]) if groups else None,
        to_plot(figures.draw_run_layer_weights({name_weights(view.name, view): weighted})) if weighted else None,
        run_cards.write_fold_scores(view),
        run_cards.write_facts(view),
    )


def name_weights(name: str, view: RunView) -> str:
    """An experiment's name above its layer weights, with how fast they learned where that is not the paper's way."""
    rate = view.experiment.layer_rate if view.experiment else 1
    return name if rate == 1 else f"{name}: layer weights learned {rate:g} × as fast as the rest"


def list_groups(view: RunView) -> list[str]:
    """By what the scores of an experiment can be shown."""
    s = view.scores
    if s is None:
        return []
    found = [of for of in ("fold", "session", "speaker") if s.get(f"per_{of}")]
    return [*found, *(of for of, rows in s.get("slices", {}).items() if rows and of not in found)]


def draw_groups(view: RunView, of: str) -> Any:
    if view.scores is None:
        return None
    rows = view.scores.get(f"per_{of}") or view.scores.get("slices", {}).get(of) or []
    return to_plot(figures.draw_group_scores(rows, of=of, overall=view.scores["pooled_ua"])) if rows else None


def draw_comparison(a: RunView, b: RunView) -> tuple:
    """The figures' column, and scores, two confusions, their difference, layer weights."""
    if a.scores is None or b.scores is None:
        return gr.Column(visible=False), *(gr.skip(),) * 5
    first, second = a.scores, b.scores
    names = (a.name, b.name) if a.name != b.name else (a.name, f"{b.name} (recorded)")
    weights = {name_weights(name, view): [r for r in view.results if r.get("layer_weights")] for name, view in zip(names, (a, b))}
    return (
        gr.Column(visible=True),
        to_plot(figures.draw_comparison(dict(zip(names, (first, second))))),
        to_plot(figures.draw_confusion(first["confusion"])),
        to_plot(figures.draw_confusion(second["confusion"])),
        to_plot(figures.draw_confusion_difference(first["confusion"], second["confusion"], names=names)),
        to_plot(figures.draw_run_layer_weights({name: runs for name, runs in weights.items() if runs})) if any(weights.values()) else None,
    )
