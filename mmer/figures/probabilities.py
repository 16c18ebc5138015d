"""The probabilities of the late, early and combined model side by side."""

from __future__ import annotations

import plotly.graph_objects as go

from ..results import Analysis
from . import style

PATTERNS = {"late": "", "early": "/", "combined": "."}  # told apart without colour


def draw_probabilities(analysis: Analysis) -> go.Figure:
    """Grouped bars in percent: emotions on the vertical axis, one bar per model."""
    roles = list(analysis.predictions)
    figure = style.new_figure(height=36 + 30 * len(analysis.best.classes) * max(1, len(roles)) // 2 + 70, left=84, top=34)
    for role, prediction in analysis.predictions.items():
        percents = 100 * prediction.probabilities
        figure.add_bar(
            orientation="h",
            name=role,
            y=list(prediction.classes),
            x=percents,
            marker={"color": style.FOR if role == analysis.best.role else style.TOTAL, "pattern": {"shape": PATTERNS.get(role, "")}},
            text=[f"{p:.0f} %" for p in percents],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"{role}: %{{x:.1f}} % %{{y}}<extra></extra>",
        )
    figure.update_layout(
        barmode="group",
        showlegend=True,
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        xaxis=style.axis("probability (%)", range=[0, 112], tickvals=[0, 25, 50, 75, 100], fixedrange=True),
        yaxis=style.axis(autorange="reversed", showgrid=False, fixedrange=True),
        dragmode=False,
    )
    return figure
