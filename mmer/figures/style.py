"""What all figures share: colours that colour-blind people can tell apart, ink that reads on white and on near black, escaped labels.

Backgrounds are transparent. In the dark the page turns the lightness of a whole figure round (train.css); the colours and the text on
coloured tiles can be told apart on both grounds.
"""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go

INK = "#6f7885"  # mid contrast: 4.4:1 on white, 4.0:1 on #0f1318
GRID = "rgba(128,134,144,0.22)"
FOR = "#b4540a"  # speaks for the chosen emotion
AGAINST = "#2a6ebb"  # speaks against it
TOTAL = "#808691"
DIVERGING = ((0.0, "#6fa3d6"), (0.5, "#f2f0ec"), (1.0, "#e0904a"))  # of tiles: the text on them reaches 4.5:1 on every colour
SEQUENTIAL = ((0.0, "#e9edf2"), (1.0, "#6fa3d6"))
DARK_TEXT = "#000000"
FAINT = 0.22  # opacity of single runs
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


def escape_label(text: str) -> str:
    """The text as plotly shall print it: plotly reads <b>, <a> and entities in labels, so they are escaped."""
    return html.escape(text, quote=False).replace("\n", " ")


def read_channels(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" -> red, green, blue (0 to 255)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def new_figure(*, height: int, left: int = 16, right: int = 16, top: int = 16, bottom: int = 44) -> go.Figure:
    """An empty figure with our ink, transparent, `height` pixels tall and as wide as its place."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        autosize=True,
        margin={"l": left, "r": right, "t": top, "b": bottom},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 13, "color": INK},
        hoverlabel={
            "font": {"family": FONT, "size": 13, "color": DARK_TEXT},
            "bgcolor": "#ffffff",
            "bordercolor": "#c9cdd3",
            "align": "left",
        },
        showlegend=False,
        dragmode="zoom",
    )
    figure.update_xaxes(gridcolor=GRID, zerolinecolor=GRID, linecolor=GRID, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=GRID, linecolor=GRID, automargin=True)
    return figure


def axis(title: str = "", **options: Any) -> dict[str, Any]:
    """An axis with our grid; options as plotly names them."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12}},
        "gridcolor": GRID,
        "zeroline": False,
        "zerolinecolor": TOTAL,
        "linecolor": GRID,
        "automargin": True,
        **options,
    }


def fade(colour: str, opacity: float) -> str:
    return "rgba({},{},{},{})".format(*read_channels(colour), opacity)


def show_legend(figure: go.Figure, top: int = 46) -> None:
    legend = {"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top", "font": {"size": 12}, "bgcolor": "rgba(0,0,0,0)"}
    figure.update_layout(showlegend=True, legend=legend, margin={"t": top})
