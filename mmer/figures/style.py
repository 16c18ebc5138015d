"""What all figures share: colours that colour-blind people can tell apart, ink that reads on white and on near black, escaped labels.

Backgrounds are transparent. Coloured tiles keep their own light middle in both themes, so that one legend fits both.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

INK = "#6f7885"  # mid contrast: 4.4:1 on white, 4.0:1 on #0f1318
GRID = "rgba(128,134,144,0.22)"
EMPTY = "rgba(128,134,144,0.12)"  # a segment without a number
FOR = "#b4540a"  # speaks for the chosen emotion
AGAINST = "#2a6ebb"  # speaks against it
TOTAL = "#808691"
DIVERGING = ((0.0, "#2a6ebb"), (0.25, "#8fb6dc"), (0.5, "#f2f0ec"), (0.75, "#eca868"), (1.0, "#b4540a"))
SEQUENTIAL = ((0.0, "#f2f0ec"), (0.25, "#b9cfe4"), (0.5, "#6f9fcb"), (0.75, "#2c6aa8"), (1.0, "#0b2f5c"))
DARK_TEXT = "#000000"  # with white the pair that reaches 4.5:1 on every colour
LIGHT_TEXT = "#ffffff"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


def escape_label(text: str) -> str:
    """The text as plotly shall print it: plotly reads <b>, <a> and entities in labels, so they are escaped."""
    return html.escape(text, quote=False).replace("\n", " ")


def interpolate(scale: Sequence[tuple[float, str]], positions: np.ndarray) -> np.ndarray:
    """(n, 3) red, green, blue (0 to 255) at n positions in [0, 1] of a colour scale."""
    stops = [position for position, _ in scale]
    channels = np.array([read_channels(colour) for _, colour in scale])
    return np.stack([np.interp(positions, stops, channels[:, c]) for c in range(3)], axis=-1).round().astype(int)


def read_channels(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" -> red, green, blue (0 to 255)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def colour_values(values: np.ndarray, limit: float) -> list[str]:
    """One colour of the diverging scale per value; +-limit are its ends."""
    positions = np.clip(0.5 + 0.5 * np.asarray(values, np.float64) / (limit or 1.0), 0, 1)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in interpolate(DIVERGING, positions).tolist()]


def text_colour(background: str) -> str:
    """Dark or light text, whichever has more contrast with a "#rrggbb" background (WCAG relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in read_channels(background))]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return DARK_TEXT if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else LIGHT_TEXT


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


def axis(title: str = "", **options) -> dict:
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


def thin_ticks(labels: Sequence[str], *, most: int) -> tuple[list[int], list[str]]:
    """Positions and texts of at most `most` labels, evenly spaced; all of them if they fit."""
    step = max(1, -(-len(labels) // most))
    positions = list(range(0, len(labels), step))
    return positions, [escape_label(labels[i]) for i in positions]
