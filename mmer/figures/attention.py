"""Coattention weights as a heat map: word pieces down, speech segments along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..results import UNIT_NAMES, Analysis, Coattention
from . import style

DIRECTIONS = {"text_to_speech": "text asks, speech answers", "speech_to_text": "speech asks, text answers"}
MOST_COLUMNS, MOST_ROWS = 64, 70  # labels per axis; the rest is in the hover text
MOST_CELLS = {"columns": 360, "rows": 180}  # drawn; on longer clips neighbours share a cell, keys summed and queries averaged


def find_maps(analysis: Analysis) -> dict[str, Coattention]:
    """Speech unit -> maps, of whichever model that spoke has them."""
    return {unit: maps for p in analysis.predictions.values() for unit, maps in p.coattention.items()}


def draw_coattention(
    analysis: Analysis, *, unit: str | None = None, direction: str = "text_to_speech", layer: int | None = None, head: int | None = None
) -> go.Figure:
    """Heat map of attention weights; layer or head None means the mean over them. None where no model with maps spoke raises ValueError."""
    maps = find_maps(analysis)
    if not maps:
        raise ValueError("no model with coattention maps spoke")
    unit = unit if unit in maps else next(iter(maps))
    weights = choose_map(maps[unit], direction, layer=layer, head=head)
    columns = name_columns(analysis, unit, maps[unit].segments_per_cell)
    pieces = list(analysis.labels["T"])
    asks = direction == "text_to_speech"  # the text's rows are the queries
    weights, pieces = share_cells(weights, pieces, axis=0, most=MOST_CELLS["rows"], keys=not asks)
    weights, columns = share_cells(weights, columns, axis=1, most=MOST_CELLS["columns"], keys=asks)
    figure = style.new_figure(height=max(220, min(16, max(10, 900 // len(pieces))) * len(pieces) + 150), left=70, top=58, bottom=60)
    sums = "each row sums to 1" if direction == "text_to_speech" else "each column sums to 1"
    figure.add_heatmap(
        z=weights,
        zmin=0,
        zmax=float(weights.max()),
        colorscale=[list(stop) for stop in style.SEQUENTIAL],
        xgap=0.5 if len(columns) < 120 else 0,
        ygap=0.5,
        hovertext=describe_cells(pieces, columns, weights),
        hovertemplate="%{hovertext}<extra></extra>",
        colorbar={
            "title": {"text": f"attention weight ({sums})", "side": "top", "font": {"size": 12}},
            "orientation": "h",
            "thickness": 10,
            "len": 0.7,
            "y": 1.0,
            "yanchor": "bottom",
            "nticks": 4,
            "outlinewidth": 0,
        },
    )
    positions, labels = thin_columns(columns)
    rows, row_labels = style.thin_ticks(pieces, most=MOST_ROWS)
    title = f"{UNIT_NAMES[unit]}, in order of time" + (" (s)" if unit == "F" else "")
    figure.update_layout(
        xaxis=style.axis(
            title,
            tickvals=positions,
            ticktext=labels,
            tickangle=-90 if unit != "F" else 0,
            tickfont={"size": 11},
            showgrid=False,
            zeroline=False,
        ),
        yaxis=style.axis(
            "word pieces", tickvals=rows, ticktext=row_labels, autorange="reversed", tickfont={"size": 11}, showgrid=False, zeroline=False
        ),
    )
    return figure


def choose_map(maps: Coattention, direction: str, *, layer: int | None, head: int | None) -> np.ndarray:
    """(tokens, segments) weights of one direction, layer and head, or the mean over layers or heads."""
    weights = getattr(maps, direction)  # (layers, heads, queries, keys)
    weights = weights.mean(axis=0, keepdims=True) if layer is None else weights[layer : layer + 1]
    weights = weights.mean(axis=1) if head is None else weights[:, head]
    return weights[0] if direction == "text_to_speech" else weights[0].T


def share_cells(weights: np.ndarray, labels: list[str], *, axis: int, most: int, keys: bool) -> tuple[np.ndarray, list[str]]:
    """At most `most` cells along an axis: neighbours are summed if they are keys, averaged if they are queries. First labels stay."""
    size = -(-len(labels) // most)
    if size == 1:
        return weights, labels
    firsts = np.arange(0, len(labels), size)
    shared = np.add.reduceat(weights, firsts, axis=axis)
    if not keys:
        counts = np.diff([*firsts, len(labels)])
        shared = shared / np.expand_dims(counts, 1 - axis)
    return shared, labels[::size]


def name_columns(analysis: Analysis, unit: str, size: int) -> list[str]:
    """One label per column: segment labels, or the first of those that share a cell; times for frames."""
    if unit == "F":
        return [f"{s:.2f}" for s in np.asarray(analysis.starts["F"])[::size]]
    return list(analysis.labels[unit][::size])


def thin_columns(columns: Sequence[str]) -> tuple[list[int], list[str]]:
    return style.thin_ticks(columns, most=MOST_COLUMNS if len(columns) <= 2 * MOST_COLUMNS else 12)


def describe_cells(pieces: Sequence[str], columns: Sequence[str], weights: np.ndarray) -> list[list[str]]:
    """Hover texts, rows x columns."""
    names = [style.escape_label(c) for c in columns]
    return [
        [f"{style.escape_label(piece)} × {name}<br>weight {w:.4f}" for name, w in zip(names, row)] for piece, row in zip(pieces, weights)
    ]
