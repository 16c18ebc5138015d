"""Figures inside a page of HTML that needs no network: the drawing script once, then one element per figure."""

from __future__ import annotations

import plotly.graph_objects as go


def inline_plotly() -> str:
    """A script element with the whole of plotly.js."""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def render_figure(figure: go.Figure, name: str) -> str:
    """The element that draws `figure`, as wide as its place; `name` is its id and must be unique on the page."""
    settings = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    return figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=settings)
