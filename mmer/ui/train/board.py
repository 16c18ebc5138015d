"""The list of experiments and the chosen one: what is shown of it and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.ui.texts import shared
from mmer.ui.texts import train as texts
from mmer.ui.train import run_cards
from mmer.ui.train.scripts import PRESS


@dataclass
class ExperimentList:
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


def build_board() -> ExperimentList:
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
            with gr.Accordion(shared.LOG, open=False, elem_id="run-log"):
                parts["log"] = gr.HTML()
            with gr.Accordion(texts.FACTS, open=False, elem_id="run-facts"):
                parts["facts"] = gr.HTML()
    return ExperimentList(**parts)


def build_actions(parts: dict[str, Any]) -> None:
    with gr.Row(elem_classes="mm-actions"):
        for name, title in (("stop", texts.STOP), ("resume", texts.RESUME), ("export", texts.EXPORT), ("delete", texts.DELETE)):
            parts[name] = gr.Button(title, size="sm", visible=False, elem_id=f"run-{name}", min_width=90)
    parts["download"] = gr.DownloadButton(shared.DOWNLOAD, elem_classes="mm-hidden", elem_id="run-download")
    with gr.Column(visible=False, elem_id="delete-question") as parts["question"]:
        parts["ask"] = gr.HTML()
        with gr.Row(elem_classes="mm-actions"):
            parts["yes"] = gr.Button(texts.DELETE_FOR_GOOD, variant="stop", size="sm", elem_id="delete-yes", min_width=90)
            parts["no"] = gr.Button(texts.KEEP, size="sm", elem_id="delete-no", min_width=90)
    with (
        gr.Column(visible=False, elem_id="promotion") as parts["promotion"],
        gr.Accordion(texts.PROMOTION, open=False),
    ):
        gr.HTML(f'<p class="mm-note">{texts.PROMOTED}</p>')
        parts["choice"] = gr.Radio(
            [(name, key) for key, name in texts.CHOICE_NAMES.items()], value="median", label=texts.RUN, elem_id="promote-choice"
        )
        with gr.Row():
            parts["head_name"] = gr.Textbox(label=texts.HEAD_NAME, placeholder=texts.HEAD_NAME_DEFAULT, max_length=80, min_width=150)
            parts["licence"] = gr.Textbox(label=texts.LICENCE, placeholder=texts.LICENCE_DEFAULT, max_length=80, min_width=150)
        parts["promote"] = gr.Button(texts.PROMOTE, size="sm", elem_id="promote")
        parts["promoted"] = gr.HTML(elem_id="promoted")


def build_curves(parts: dict[str, Any]) -> None:
    with gr.Column(visible=False, elem_classes="mm-panel") as parts["curves_panel"]:
        head_section(texts.CURVES_TITLE, texts.CURVES)
        parts["curves"] = gr.Plot(show_label=False, container=False, elem_id="curves", elem_classes="mm-figure")


def build_scores(parts: dict[str, Any]) -> None:
    with gr.Column(visible=False, elem_classes="mm-panel") as parts["scores_panel"]:
        head_section(texts.SCORES_TITLE, texts.SCORES)
        parts["scores"] = gr.HTML(elem_id="scores")
        with gr.Row():
            with gr.Column(min_width=300):
                gr.HTML(f'<p class="mm-half">{texts.CONFUSION}</p>')
                parts["confusion"] = gr.Plot(show_label=False, container=False, elem_id="confusion", elem_classes="mm-figure")
            with gr.Column(min_width=300):
                parts["group"] = gr.Radio(["fold"], value="fold", label=texts.UA_OF_EACH, elem_id="group")
                parts["groups"] = gr.Plot(show_label=False, container=False, elem_id="groups", elem_classes="mm-figure")
        head_section(texts.LAYERS_TITLE, texts.LAYERS)
        parts["layers"] = gr.Plot(show_label=False, container=False, elem_id="run-layers", elem_classes="mm-figure")
        with gr.Accordion(texts.EVERY_RUN, open=False):
            parts["numbers"] = gr.HTML()


def head_section(title: str, caption: str) -> None:
    gr.HTML(f'<div class="mm-section"><h2>{title}</h2><p>{caption}</p></div>')
