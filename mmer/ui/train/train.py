"""The Train tab: a data set and a model in, an experiment with all its runs out. This file lays out the tab and says what triggers what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.choices.fusion_models import FUSION_MODELS
from mmer.datasets.folds import VALIDATIONS
from mmer.encoders.presets import DEFAULT, PRESETS
from mmer.experiments.data_roots import NO_ROOTS
from mmer.experiments.experiment import ALIGNERS
from mmer.experiments.settings import PROTOCOL, SETTINGS, Setting, default_of, write_command
from mmer.experiments.training_service import TrainingService
from mmer.results import UNITS
from mmer.ui.explore.forms import ALIGNER_NAMES
from mmer.ui.page.events import HIDDEN, POLL, QUIET
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.train import cards as train_cards
from mmer.ui.train import run_cards
from mmer.ui.train.handlers import CHECK_FIRST, CHOICES, FIELDS, TrainHandlers, TrainSession, name_units

FIRST_UNITS = ["T", "F", "S"]  # of the paper's best late fusion
TICK = 2.0  # seconds between two looks at the disk
LOOK: dict[str, Any] = {"queue": False, "show_progress": "hidden"}  # after an action
VALIDATION_NAMES = {"random": "random utterances (the paper's)", "speaker": "whole speakers", "session": "whole sessions (reference [5]'s)"}
BY_NAMES = {"auto": "sessions where there are any (the paper's)", "session": "sessions", "speaker": "speakers"}
DEVICE_NAMES = {"auto": "a GPU where there is one", "cpu": "CPU", "cuda": "GPU"}
REVEAL = "() => setTimeout(() => window.mmerTrain?.reveal('#{}'), 150)"  # on a narrow page it lies below
DOWNLOAD = "() => setTimeout(() => window.mmerTrain?.download(), 200)"
CURVES = (
    "Every run faint, the median of all folds bold and dotted where most runs have already stopped, eight of ten runs within the band. "
    "Drag to zoom."
)
LAYERS = "w / Σw of Equation 1. Dot: mean over all runs, bar: plus/minus one standard deviation, faint: single runs."
DIFFERENCE = "On the diagonal plus is better for the first, elsewhere worse."
PROMOTED = (
    "One run becomes the head; the test part chooses nothing. Every fold is validated on other clips, so the lowest loss is often that of "
    "the easiest ones, and its figures flatter. The run at the median shows what the experiment gives."
)
CHOICE_NAMES = {"median": "at the median validation loss", "lowest": "with the lowest validation loss"}
# a press on an experiment of the list; whoever has the focus keeps it when the list is drawn anew
PRESS = """
let held = null;
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-run]");
  if (button) { held = button.dataset.run; trigger("click", { run: held }); }
});
element.addEventListener("focusin", (event) => { held = event.target.dataset?.run ?? null; });
watch("value", () => {
  if (held && document.activeElement === document.body) element.querySelector(`[data-run="${CSS.escape(held)}"]`)?.focus();
});
"""


@dataclass
class Form:
    """The widgets of the form that describes an experiment."""

    fields: dict[str, Any]  # components by the names of FIELDS
    check: gr.Button
    report: gr.HTML
    estimate: gr.HTML
    name: gr.Textbox
    start: gr.Button
    command: gr.HTML

    @property
    def asked(self) -> list[Any]:
        return [self.fields[name] for name in FIELDS]

    @property
    def expected(self) -> list[gr.components.Component]:
        """What a change of the form changes, in the order of TrainHandlers.expect."""
        return [self.estimate, self.name, self.command]


@dataclass
class Board:
    """The list of experiments and the chosen one."""

    runs: gr.HTML
    head: gr.HTML
    stop: gr.Button
    resume: gr.Button
    delete: gr.Button
    export: gr.Button
    promotion: gr.Column
    question: gr.Column
    log: gr.HTML
    curves_panel: gr.Column
    curves: gr.Plot
    scores_panel: gr.Column
    scores: gr.HTML
    confusion: gr.Plot
    group: gr.Radio
    groups: gr.Plot
    layers: gr.Plot
    numbers: gr.HTML
    facts: gr.HTML
    ask: gr.HTML
    yes: gr.Button
    no: gr.Button
    head_name: gr.Textbox
    licence: gr.Textbox
    choice: gr.Radio
    promote: gr.Button
    promoted: gr.HTML
    download: gr.DownloadButton
    drawn: gr.Textbox  # the signature of what the page shows; never seen by a person

    @property
    def shown(self) -> list[gr.blocks.Block]:
        """In the order of TrainHandlers.refresh."""
        return [
            self.runs, self.head, self.stop, self.resume, self.delete, self.export, self.promotion, self.question, self.log,
            self.curves_panel, self.curves, self.scores_panel, self.scores, self.confusion, self.group, self.groups, self.layers,
            self.numbers, self.facts, self.drawn,
        ]  # fmt: skip


@dataclass
class Comparison:
    first: gr.Dropdown
    second: gr.Dropdown
    text: gr.HTML
    panel: gr.Column
    plots: list[gr.Plot]


@dataclass
class TrainTab:
    """What the rest of the page needs to wake the tab."""

    timer: gr.Timer
    session: gr.State
    handlers: TrainHandlers
    board: Board
    form: Form


def build(service: TrainingService) -> TrainTab:
    """The tab's content, inside the gr.Blocks that is open."""
    session, handlers = gr.State(TrainSession(), time_to_live=KEPT_SECONDS), TrainHandlers(service)
    with gr.Tabs(elem_id="train-tabs", selected="runs" if service.closed else "new") as tabs:
        with gr.Tab("New", id="new"):
            form = build_form(service)
        with gr.Tab("Experiments", id="runs"):
            board = build_board()
        with gr.Tab("Compare", id="compare") as compare_tab:
            comparison = build_comparison()
    timer = gr.Timer(TICK, active=False)
    wire_form(handlers, form, session)
    started = form.start.click(
        handlers.start,
        [session, form.name, *form.asked],
        [tabs, form.name],
        show_progress_on=[form.estimate],
        trigger_mode="once",
        api_name="start_experiment",
        **HIDDEN,
    )
    started.success(handlers.refresh, [session, board.drawn], board.shown, api_visibility="private", **LOOK)
    wire_board(handlers, board, session)
    wire_comparison(handlers, comparison, compare_tab)
    timer.tick(handlers.refresh, [session, board.drawn], board.shown, trigger_mode="once", api_name="refresh_experiments", **POLL)
    return TrainTab(timer, session, handlers, board, form)


def wake(train: TrainTab, tab: gr.Tab, others: Sequence[gr.Tab]) -> None:
    """The tab looks at the disk while it is open, and at no other time."""
    tab.select(lambda: gr.Timer(active=True), None, train.timer, api_visibility="private", show_progress="hidden", queue=False)
    tab.select(train.handlers.open, train.session, train.board.shown, api_name="open_experiments", **POLL)
    tab.select(train.handlers.list_data, None, train.form.fields["data"], api_name="list_data", **POLL)
    for other in others:
        other.select(lambda: gr.Timer(active=False), None, train.timer, api_visibility="private", show_progress="hidden", queue=False)


# New


def build_form(service: TrainingService) -> Form:
    parts: dict[str, Any] = {"fields": {}}
    with gr.Row(elem_classes=["mm-page", "mm-train-page"], equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="mm-inputs-long"):
            gr.HTML(train_cards.write_closed(service.closed), visible=bool(service.closed))
            build_data(parts, service)
            build_model(parts)
            build_protocol(parts)
            build_settings(parts)
            build_start(parts, service)
        with gr.Column(scale=7, min_width=320, elem_classes="mm-results"):
            parts["report"] = gr.HTML(train_cards.write_empty(closed=bool(service.closed)), elem_id="data-report")
    return Form(**parts)


def build_data(parts: dict[str, Any], service: TrainingService) -> None:
    info = "A manifest, or the folder of an IEMOCAP release."
    if not service.closed:
        roots = ", ".join(str(root) for root in service.roots)
        info = f"Or type a path below {roots}." if roots else NO_ROOTS
    parts["fields"]["data"] = gr.Dropdown(
        [(data.title, str(data.path)) for data in service.list_data()],
        value=None,
        allow_custom_value=True,
        label="Data set",
        info=info,
        elem_id="data-set",
    )
    with gr.Row(elem_classes="mm-go"):
        parts["check"] = gr.Button("Check", elem_id="check-data", interactive=not service.closed, min_width=120)
    with gr.Accordion("Labels that have other names", open=False):
        parts["fields"]["labels"] = gr.Textbox(
            label="Labels",
            placeholder="angry=anger, calm=",
            info="label=emotion; nothing after the sign leaves a label out.",
            max_length=2000,
        )


def build_model(parts: dict[str, Any]) -> None:
    fields = parts["fields"]
    fields["fusion"] = gr.Radio([(model.label, key) for key, model in FUSION_MODELS.items()], value="late", label="Model")
    fields["unit"] = gr.Radio(name_units(UNITS), value="F", label="Unit", visible=False, elem_id="unit-choice")
    fields["units"] = gr.CheckboxGroup(name_units(UNITS), value=FIRST_UNITS, label="Units", elem_id="units-choice")
    fields["preset"] = gr.Radio([(f"{p.name} ({p.title})", p.name) for p in PRESETS.values()], value=DEFAULT, label="Encoders")


def build_protocol(parts: dict[str, Any]) -> None:
    with gr.Accordion("Protocol: the paper's five folds, five times", open=False, elem_id="protocol"):
        with gr.Row(elem_classes="mm-numbers"):
            parts["fields"] |= {setting.name: build_number(setting) for setting in PROTOCOL}
        parts["fields"]["by"] = gr.Radio([(name, key) for key, name in BY_NAMES.items()], value="auto", label="Folds of")
        parts["fields"]["validation"] = gr.Radio(
            [(VALIDATION_NAMES[key], key) for key in VALIDATIONS], value="random", label="Validation by"
        )


def build_settings(parts: dict[str, Any]) -> None:
    with gr.Accordion("Settings: the paper's where it names them", open=False, elem_id="train-settings"):
        with gr.Row(elem_classes="mm-numbers"):
            parts["fields"] |= {setting.name: build_number(setting) for setting in SETTINGS}
        parts["fields"]["aligner"] = gr.Radio(
            [(ALIGNER_NAMES[name], name) for name in ALIGNERS],
            value="sphinx",
            label="Aligner",
            info="Finds the words of utterances that bring no alignment file.",
        )
        parts["fields"]["device"] = gr.Radio([(name, key) for key, name in DEVICE_NAMES.items()], value="auto", label="Train on")


def build_number(setting: Setting) -> gr.Number:
    return gr.Number(
        value=default_of(setting),
        label=setting.title,
        info=setting.note,
        precision=0 if setting.whole else None,
        min_width=120,
        elem_id=f"set-{setting.name.replace('_', '-')}",
    )


def build_start(parts: dict[str, Any], service: TrainingService) -> None:
    parts["estimate"] = gr.HTML("" if service.closed else CHECK_FIRST, elem_id="estimate")
    parts["name"] = gr.Textbox(
        label="Name",
        placeholder="chosen by itself",
        info="Letters, digits and - _ .",
        max_length=80,
        elem_id="run-name",
        visible=not service.closed,
    )
    parts["start"] = gr.Button("Start", variant="primary", interactive=False, elem_id="start-run", visible=not service.closed)
    with gr.Accordion("The same from a shell", open=bool(service.closed)):
        command = write_command(service.describe_form({"units": FIRST_UNITS}))
        parts["command"] = gr.HTML(train_cards.write_code(command), elem_id="shell-command")


def wire_form(handlers: TrainHandlers, form: Form, session: gr.State) -> None:
    fields = form.fields
    changed = fields["fusion"].input(
        handlers.change_model, [fields["fusion"], fields["units"]], [fields["unit"], fields["units"]], api_name="change_model", **POLL
    )
    checked = form.check.click(
        handlers.check,
        [session, *form.asked],
        [form.report, *form.expected, form.start],
        show_progress_on=[form.report],
        trigger_mode="once",
        api_name="check_data",
        **HIDDEN,
    )
    checked.success(fn=None, js=REVEAL.format("data-report"), api_visibility="private")
    for name in FIELDS:
        event = fields[name].change if name in CHOICES else fields[name].blur
        event = changed.success if name == "fusion" else event  # not before its units are those that it can take
        event(handlers.expect, [session, *form.asked], form.expected, trigger_mode="always_last", api_name=f"expect_{name}", **QUIET)


# Experiments


def build_board() -> Board:
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes=["mm-page", "mm-train-page"], equal_height=False):
        with gr.Column(scale=4, min_width=280, elem_classes="mm-inputs"):
            parts["drawn"] = gr.Textbox("", visible=False)
            parts["runs"] = gr.HTML(elem_id="runs", js_on_load=PRESS)
        with gr.Column(scale=9, min_width=320, elem_classes="mm-results"):
            parts["head"] = gr.HTML(run_cards.NOTHING_CHOSEN, elem_id="run-head")
            build_actions(parts)
            build_curves(parts)
            build_scores(parts)
            with gr.Accordion("Log", open=False, elem_id="run-log"):
                parts["log"] = gr.HTML()
            with gr.Accordion("Data, settings, machine", open=False, elem_id="run-facts"):
                parts["facts"] = gr.HTML()
    return Board(**parts)


def build_actions(parts: dict[str, Any]) -> None:
    with gr.Row(elem_classes="mm-actions"):
        for name, title in (("stop", "Stop"), ("resume", "Resume"), ("export", "Export as zip"), ("delete", "Delete")):
            parts[name] = gr.Button(title, size="sm", visible=False, elem_id=f"run-{name}", min_width=90)
    parts["download"] = gr.DownloadButton("Download", elem_classes="mm-hidden", elem_id="run-download")
    with gr.Column(visible=False, elem_id="delete-question") as parts["question"]:
        parts["ask"] = gr.HTML()
        with gr.Row(elem_classes="mm-actions"):
            parts["yes"] = gr.Button("Delete for good", variant="stop", size="sm", elem_id="delete-yes", min_width=90)
            parts["no"] = gr.Button("Keep it", size="sm", elem_id="delete-no", min_width=90)
    with (
        gr.Column(visible=False, elem_id="promotion") as parts["promotion"],
        gr.Accordion("Make it a head of this app", open=False),
    ):
        gr.HTML(f'<p class="mm-note">{PROMOTED}</p>')
        parts["choice"] = gr.Radio(
            [(name, key) for key, name in CHOICE_NAMES.items()], value="median", label="Run", elem_id="promote-choice"
        )
        with gr.Row():
            parts["head_name"] = gr.Textbox(label="Name of the head", placeholder="the experiment's", max_length=80, min_width=150)
            parts["licence"] = gr.Textbox(
                label="Licence of the weights", placeholder="the data's, where it is known", max_length=80, min_width=150
            )
        parts["promote"] = gr.Button("Promote", size="sm", elem_id="promote")
        parts["promoted"] = gr.HTML(elem_id="promoted")


def build_curves(parts: dict[str, Any]) -> None:
    with gr.Column(visible=False, elem_classes="mm-panel") as parts["curves_panel"]:
        head_section("Learning curves", CURVES)
        parts["curves"] = gr.Plot(show_label=False, container=False, elem_id="curves", elem_classes="mm-figure")


def build_scores(parts: dict[str, Any]) -> None:
    with gr.Column(visible=False, elem_classes="mm-panel") as parts["scores_panel"]:
        head_section("Scores on the test parts", "UA is the mean recall of the four emotions, WA the share that is right.")
        parts["scores"] = gr.HTML(elem_id="scores")
        with gr.Row():
            with gr.Column(min_width=300):
                gr.HTML('<p class="mm-half">What is said of each emotion</p>')
                parts["confusion"] = gr.Plot(show_label=False, container=False, elem_id="confusion", elem_classes="mm-figure")
            with gr.Column(min_width=300):
                parts["group"] = gr.Radio(["fold"], value="fold", label="UA of each", elem_id="group")
                parts["groups"] = gr.Plot(show_label=False, container=False, elem_id="groups", elem_classes="mm-figure")
        head_section("Which layers each branch learned to read", LAYERS)
        parts["layers"] = gr.Plot(show_label=False, container=False, elem_id="run-layers", elem_classes="mm-figure")
        with gr.Accordion("Every run in numbers", open=False):
            parts["numbers"] = gr.HTML()


def head_section(title: str, caption: str) -> None:
    gr.HTML(f'<div class="mm-section"><h2>{title}</h2><p>{caption}</p></div>')


def wire_board(handlers: TrainHandlers, board: Board, session: gr.State) -> None:
    chosen = board.runs.click(handlers.choose, [session, board.drawn], board.shown, api_name="choose_experiment", **POLL)
    chosen.success(fn=None, js=REVEAL.format("run-head"), api_visibility="private")
    acting = {"stop": handlers.stop, "resume": handlers.resume}
    for name, handler in acting.items():
        button: gr.Button = getattr(board, name)
        acted = button.click(
            handler, session, None, show_progress_on=[board.head], trigger_mode="once", api_name=f"{name}_experiment", **HIDDEN
        )
        acted.success(handlers.refresh, [session, board.drawn], board.shown, api_visibility="private", **LOOK)
    board.delete.click(handlers.ask_delete, session, [board.question, board.ask], api_name="ask_delete", **POLL)
    board.no.click(lambda: gr.Column(visible=False), None, board.question, api_visibility="private", show_progress="hidden")
    deleted = board.yes.click(handlers.delete, session, None, trigger_mode="once", api_name="delete_experiment", **QUIET)
    deleted.success(handlers.open, session, board.shown, api_visibility="private", **LOOK)
    exported = board.export.click(
        handlers.export, session, board.download, show_progress_on=[board.head], api_name="export_experiment", **HIDDEN
    )
    exported.success(fn=None, js=DOWNLOAD, api_visibility="private")
    board.promote.click(
        handlers.promote,
        [session, board.head_name, board.licence, board.choice],
        board.promoted,
        trigger_mode="once",
        api_name="promote_experiment",
        **HIDDEN,
    )
    board.group.input(handlers.regroup, [session, board.group], board.groups, api_name="regroup", **QUIET)


# Compare


def build_comparison() -> Comparison:
    with gr.Row():
        first = gr.Dropdown([], label="First", elem_id="compare-first", min_width=200)
        second = gr.Dropdown([], label="Second", elem_id="compare-second", min_width=200)
    text = gr.HTML(run_cards.CHOOSE_TWO, elem_id="comparison")
    plots: list[gr.Plot] = []
    with gr.Column(visible=False, elem_id="compare-figures") as panel:
        plots.append(place_plot("UA with its interval", "compare-ua"))
        with gr.Row():
            for title, name in (("First", "first"), ("Second", "second"), ("First minus second", "difference")):
                with gr.Column(min_width=300):
                    plots.append(place_plot(title, f"compare-confusion-{name}"))
                    if name == "difference":
                        gr.HTML(f'<p class="mm-note">{DIFFERENCE}</p>')
        plots.append(place_plot("Layer weights of both", "compare-layers"))
    return Comparison(first, second, text, panel, plots)


def place_plot(title: str, name: str) -> gr.Plot:
    gr.HTML(f'<p class="mm-half">{title}</p>')
    return gr.Plot(show_label=False, container=False, elem_id=name, elem_classes="mm-figure")


def wire_comparison(handlers: TrainHandlers, comparison: Comparison, tab: gr.Tab) -> None:
    chosen = [comparison.first, comparison.second]
    shown = [comparison.text, comparison.panel, *comparison.plots]
    listed = tab.select(handlers.list_compared, chosen, chosen, api_name="list_compared", **POLL)
    listed.success(handlers.compare, chosen, shown, api_name="compare_opened", **QUIET)
    for dropdown in chosen:
        dropdown.input(handlers.compare, chosen, shown, show_progress_on=[comparison.text], api_name="compare_experiments", **HIDDEN)
