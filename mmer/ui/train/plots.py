"""Plotly figures on their way to gr.Plot, with settings that it has no option for."""

from __future__ import annotations

import json
from typing import Any

from gradio.components.plot import PlotData

PLOT_CONFIG = {"displaylogo": False, "displayModeBar": False, "responsive": True, "doubleClick": "reset", "showTips": False}


def to_plot(figure: Any, *, same: str = "") -> PlotData:
    """A plotly figure with our settings. While `same` stays the same, what a person zoomed into survives drawing it anew."""
    figure.update_layout(uirevision=same or None)
    return PlotData(type="plotly", plot=figure.to_json()[:-1] + ',"config":' + json.dumps(PLOT_CONFIG) + "}")
