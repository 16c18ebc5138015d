"""Two experiments beside each other."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from mmer.ui.texts import train as texts
from mmer.ui.train import run_cards


@dataclass
class Comparison:
    first: gr.Dropdown
    second: gr.Dropdown
    text: gr.HTML
    panel: gr.Column
    ua: gr.Plot
    first_confusion: gr.Plot
    second_confusion: gr.Plot
    difference: gr.Plot
    layers: gr.Plot


# Experiments


def build_comparison() -> Comparison:
    with gr.Row():
        first = gr.Dropdown([], label=texts.FIRST, elem_id="compare-first", min_width=200)
        second = gr.Dropdown([], label=texts.SECOND, elem_id="compare-second", min_width=200)
    text = gr.HTML(run_cards.CHOOSE_TWO, elem_id="comparison")
    plots: dict[str, gr.Plot] = {}
    with gr.Column(visible=False, elem_id="compare-figures") as panel:
        plots["ua"] = place_plot(texts.UA_WITH_INTERVAL, "compare-ua")
        with gr.Row():
            with gr.Column(min_width=300):
                plots["first_confusion"] = place_plot(texts.FIRST, "compare-confusion-first")
            with gr.Column(min_width=300):
                plots["second_confusion"] = place_plot(texts.SECOND, "compare-confusion-second")
            with gr.Column(min_width=300):
                plots["difference"] = place_plot(texts.FIRST_MINUS_SECOND, "compare-confusion-difference")
                gr.HTML(f'<p class="mm-note">{texts.DIFFERENCE}</p>')
        plots["layers"] = place_plot(texts.BOTH_LAYERS, "compare-layers")
    return Comparison(first, second, text, panel, **plots)


def place_plot(title: str, name: str) -> gr.Plot:
    gr.HTML(f'<p class="mm-half">{title}</p>')
    return gr.Plot(show_label=False, container=False, elem_id=name, elem_classes="mm-figure")
