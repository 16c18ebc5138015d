"""What the Train tab's components become: new values by the names of the components, drawn from what an experiment holds."""

from __future__ import annotations

from typing import Any, TypedDict

import gradio as gr

from mmer.experiments.report.overview import RunView
from mmer.figures import learning_curves
from mmer.figures import runs as figures
from mmer.ui.texts import train as texts
from mmer.ui.train import run_cards
from mmer.ui.train.plots import to_plot

AGAIN = ("stopped", "failed", "lost", "waiting")  # states from which an experiment goes on


class FormUpdate(TypedDict, total=False):
    """New values of components of `Form`; what is not named stays as it is."""

    data: gr.Dropdown
    unit: gr.Radio
    units: gr.CheckboxGroup
    report: str
    estimate: str
    name: Any
    command: str
    start: gr.Button
    tabs: gr.Tabs


class BoardUpdate(TypedDict, total=False):
    """New values of components of `ExperimentList`; what is not named stays as it is."""

    runs: str
    head: str
    stop: gr.Button
    resume: gr.Button
    delete: gr.Button
    export: gr.Button
    promotion: gr.Column
    question: gr.Column
    ask: str
    log: str
    curves_panel: gr.Column
    curves: Any
    scores_panel: gr.Column
    scores: str
    confusion: Any
    group: gr.Radio
    groups: Any
    layers: Any
    numbers: str
    facts: str
    promoted: str
    download: str  # path
    drawn: str


class ComparisonUpdate(TypedDict, total=False):
    """New values of components of `Comparison`; what is not named stays as it is."""

    first: gr.Dropdown
    second: gr.Dropdown
    text: str
    panel: gr.Column
    ua: Any
    first_confusion: Any
    second_confusion: Any
    difference: Any
    layers: Any


def show_nothing() -> BoardUpdate:
    hidden, gone = gr.Button(visible=False), gr.Column(visible=False)
    return {
        "stop": hidden,
        "resume": hidden,
        "delete": hidden,
        "export": hidden,
        "promotion": gone,
        "question": gone,
        "log": "",
        "curves_panel": gone,
        "curves": None,
        "scores_panel": gone,
        "scores": "",
        "confusion": None,
        "groups": None,
        "layers": None,
        "numbers": "",
        "facts": "",
    }


def show_state(view: RunView, *, closed: bool, fresh: bool) -> BoardUpdate:
    """What is drawn with every sign of life: how far the experiment is, and what can be done with it."""
    own, state = not (closed or view.recorded), view.status.state
    active = view.status.active
    ready = own and state == "finished" and view.has_heads
    update: BoardUpdate = {
        "head": run_cards.write_run(view),
        "stop": gr.Button(visible=own and active),
        "resume": gr.Button(visible=own and state in AGAIN and not view.summary.problem),
        "delete": gr.Button(visible=own and not active),
        "export": gr.Button(visible=view.experiment is not None),
        "log": run_cards.write_log(view),
    }
    if fresh or not ready:
        update["promotion"] = gr.Column(visible=ready)
    if fresh or active:
        update["question"] = gr.Column(visible=False)
    return update


def show_learned(view: RunView) -> BoardUpdate:
    """What is drawn when a run or an epoch is done: curves, scores, figures, facts."""
    s, groups = view.scores, list_groups(view)
    curves = to_plot(learning_curves.draw_learning_curves(view.rows, runs=view.runs), same=view.name) if view.rows else None
    weighted = [run for run in view.results if run.get("layer_weights")]
    layers = to_plot(figures.draw_run_layer_weights({name_weights(view.name, view): weighted})) if weighted else None
    update: BoardUpdate = {
        "curves_panel": gr.Column(visible=bool(view.rows)),
        "curves": curves,
        "scores_panel": gr.Column(visible=s is not None),
        "scores": run_cards.write_scores(view),
        "confusion": to_plot(figures.draw_confusion(s["confusion"])) if s else None,
        "groups": draw_groups(view, groups[0]) if groups else None,
        "layers": layers,
        "numbers": run_cards.write_fold_scores(view),
        "facts": run_cards.write_facts(view),
    }
    if groups:
        update["group"] = gr.Radio(groups, value=groups[0])
    return update


def name_weights(name: str, view: RunView) -> str:
    """An experiment's name above its layer weights, with how fast they learned where that is not the paper's way."""
    rate = view.experiment.layer_rate if view.experiment else 1
    return name if rate == 1 else texts.name_layer_rate(name, rate)


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


def draw_comparison(a: RunView, b: RunView) -> ComparisonUpdate:
    """The scores of both, their confusions, the difference of these, and the layer weights; nothing where one has no scores."""
    if a.scores is None or b.scores is None:
        return {"panel": gr.Column(visible=False)}
    first, second = a.scores, b.scores
    names = (a.name, b.name) if a.name != b.name else (a.name, texts.name_recorded(b.name))
    weights = {name_weights(name, view): [r for r in view.results if r.get("layer_weights")] for name, view in zip(names, (a, b))}
    weighted = {name: runs for name, runs in weights.items() if runs}
    return {
        "panel": gr.Column(visible=True),
        "ua": to_plot(figures.draw_comparison(dict(zip(names, (first, second))))),
        "first_confusion": to_plot(figures.draw_confusion(first["confusion"])),
        "second_confusion": to_plot(figures.draw_confusion(second["confusion"])),
        "difference": to_plot(figures.draw_confusion_difference(first["confusion"], second["confusion"], names=names)),
        "layers": to_plot(figures.draw_run_layer_weights(weighted)) if weighted else None,
    }
