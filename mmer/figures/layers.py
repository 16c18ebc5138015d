"""The learned layer weights of Equation 1, one panel per branch."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ..results import UNIT_NAMES, Prediction
from . import style

PANEL_PIXELS = 112


def draw_layer_weights(prediction: Prediction) -> go.Figure:
    """Bars of w / sum w per layer for each unit of one model, negative ones too; a dotted line marks 1/L, where training started."""
    units = list(prediction.layer_weights)
    figure = style.new_figure(height=PANEL_PIXELS * max(1, len(units)) + 60, left=64, top=14)
    values = [w.normalised for w in prediction.layer_weights.values()]
    low = min([0.0, *(float(v.min()) for v in values)])
    high = max([0.1, *(float(v.max()) for v in values)])
    room = 0.22 * (high - low)
    for row, unit in enumerate(units):
        add_panel(figure, prediction, unit, row=row, rows=len(units), span=(low - room * (low < 0), high + room))
    return figure


def add_panel(figure: go.Figure, prediction: Prediction, unit: str, *, row: int, rows: int, span: tuple[float, float]) -> None:
    weights = prediction.layer_weights[unit]
    number = "" if row == 0 else str(row + 1)
    positions = np.arange(len(weights.normalised))
    figure.add_bar(
        x=positions,
        y=weights.normalised,
        width=0.66,
        xaxis=f"x{number}",
        yaxis=f"y{number}",
        marker={"color": [style.AGAINST if v < 0 else style.TOTAL for v in weights.normalised]},
        text=[f"{v:.2f}" for v in weights.normalised],
        textposition="outside",
        textfont={"size": 11},
        cliponaxis=False,
        hovertext=[
            f"layer {n}<br>w / sum w = {v:.4f}<br>w = {r:.4f}" for n, v, r in zip(weights.layer_names, weights.normalised, weights.raw)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    uniform = 1 / len(positions)
    line = {"dash": "dot", "width": 1.4, "color": style.FOR}
    figure.add_shape(type="line", x0=-0.5, x1=len(positions) - 0.5, y0=uniform, y1=uniform, xref=f"x{number}", yref=f"y{number}", line=line)
    top = 1 - row / rows
    figure.update_layout(
        {
            f"xaxis{number}": style.axis(
                "layer" if row == rows - 1 else "",
                tickvals=positions,
                ticktext=list(weights.layer_names),
                anchor=f"y{number}",
                showgrid=False,
                fixedrange=True,
            ),
            f"yaxis{number}": style.axis(
                f"{UNIT_NAMES[unit]}<br>w / Σw",
                domain=[top - 0.62 / rows, top],
                anchor=f"x{number}",
                range=list(span),
                nticks=3,
                fixedrange=True,
                zeroline=True,
            ),
        },
        dragmode=False,
    )
