"""Two experiments beside each other."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from mmer.ui.page.events import HIDDEN, POLL, QUIET
from mmer.ui.train import run_cards
from mmer.ui.train.handlers import TrainHandlers

DIFFERENCE = "On the diagonal plus is better for the first, elsewhere worse."


@dataclass
class Comparison:
    first: gr.Dropdown
    second: gr.Dropdown
    text: gr.HTML
    panel: gr.Column
    plots: list[gr.Plot]


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


COMPARING = "() => '<p class=\"mm-note\">Comparing the two</p>'"  # both are chosen already when the tab opens, and resampling takes seconds


def wire_comparison(handlers: TrainHandlers, comparison: Comparison, tab: gr.Tab) -> None:
    chosen = [comparison.first, comparison.second]
    shown = [comparison.text, comparison.panel, *comparison.plots]
    listed = tab.select(handlers.list_compared, chosen, chosen, api_name="list_compared", **POLL)
    listed.success(fn=None, js=COMPARING, outputs=comparison.text, api_visibility="private")
    listed.success(handlers.compare, chosen, shown, api_name="compare_opened", **QUIET)
    for dropdown in chosen:
        dropdown.input(handlers.compare, chosen, shown, show_progress_on=[comparison.text], api_name="compare_experiments", **HIDDEN)
