"""Waveform, frames, word pieces, words, syllables and phones under one time axis, coloured by their part in one emotion's logit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..results import UNIT_NAMES, Analysis
from . import style
from .choices import choose_values, find_branch, find_class

ENVELOPE_BINS = 1600
FRAME_BINS = 240
FIRST_VIEW = 15.0  # seconds shown before anybody zooms
WAVE_PIXELS, FRAME_PIXELS, TIER_PIXELS, GAP_PIXELS = 110, 84, 40, 14
LEGEND_PIXELS = 54  # from the lowest row down to the legend


@dataclass(frozen=True, eq=False)
class Tier:
    """One row of segments."""

    title: str
    labels: tuple[str, ...]  # (segments,)
    starts: np.ndarray  # (segments,) seconds
    ends: np.ndarray
    values: np.ndarray | None  # (segments,) logits; None where the head has no branch for this unit


def draw_timeline(analysis: Analysis, *, emotion: str | None = None, centred: bool = True) -> go.Figure:
    """Waveform and tiers under one time axis in seconds; colours are logits for (orange) or against (blue) the emotion."""
    chosen = find_class(analysis, emotion)
    name = analysis.best.classes[chosen]
    tiers = collect_tiers(analysis, chosen, centred=centred)
    frames = find_branch(analysis, "F")
    heights = [WAVE_PIXELS] + [FRAME_PIXELS] * bool(frames) + [TIER_PIXELS * len(tiers)] * bool(tiers)
    domains = stack_rows(heights)
    figure = style.new_figure(height=sum_heights(heights) + 12 + 108, left=84, top=12, bottom=108)
    add_waveform(figure, analysis)
    figure.update_layout(yaxis=style.axis("amplitude", domain=domains[0], nticks=3, fixedrange=True, zeroline=True))
    if frames:
        add_frames(figure, analysis, choose_values(frames.contributions, chosen, centred=centred), name)
        figure.update_layout(yaxis2=style.axis("frames<br>(logits)", domain=domains[1], anchor="x", nticks=4, fixedrange=True))
    if tiers:
        add_tiers(figure, tiers, name, below=LEGEND_PIXELS / sum_heights(heights))
        rows: dict[str, Any] = {
            "tickvals": list(range(len(tiers))),
            "ticktext": [t.title for t in tiers],
            "range": [len(tiers) - 0.5, -0.5],
        }
        figure.update_layout(yaxis3=style.axis(domain=domains[-1], anchor="x", fixedrange=True, showgrid=False, zeroline=False, **rows))
    add_joins(figure, analysis.joins)
    end = min(analysis.clip.duration, FIRST_VIEW)
    anchor = {"anchor": "y3" if tiers else "y2" if frames else "y"}
    figure.update_layout(xaxis=style.axis("time (s)", range=[0, end], minallowed=0, maxallowed=analysis.clip.duration, **anchor))
    figure.update_layout(barmode="overlay", bargap=0, uniformtext={"mode": "hide", "minsize": 9})
    return figure


def sum_heights(heights: Sequence[int]) -> int:
    """Pixels of all rows with the gaps between them."""
    return sum(heights) + GAP_PIXELS * (len(heights) - 1)


def stack_rows(heights: Sequence[int]) -> list[list[float]]:
    """[bottom, top] of each row in [0, 1], first row at the top."""
    total = sum_heights(heights)
    domains, top = [], float(total)
    for height in heights:
        domains.append([max(0.0, (top - height) / total), top / total])
        top -= height + GAP_PIXELS
    return domains


def collect_tiers(analysis: Analysis, chosen: int, *, centred: bool) -> list[Tier]:
    """The rows that this analysis can fill, top to bottom: word pieces, words, syllables, phones."""
    if analysis.alignment is None:
        return []
    tiers = []
    pieces = place_pieces(analysis, chosen, centred=centred)
    if pieces is not None:
        tiers.append(pieces)
    for unit in ("W", "S", "P"):
        segments = analysis.alignment.tier(unit)
        if not segments:
            continue
        branch = find_branch(analysis, unit)
        values = choose_values(branch.contributions, chosen, centred=centred) if branch else None
        starts, ends = np.array([s.start for s in segments]), np.array([s.end for s in segments])
        if values is not None and len(values) != len(segments):  # the branch speaks for what was pooled, not for the whole tier
            starts, ends, labels = analysis.starts[unit], analysis.ends[unit], analysis.labels[unit]
        else:
            labels = tuple(s.label for s in segments)
        tiers.append(Tier(title=UNIT_NAMES[unit], labels=tuple(labels), starts=starts, ends=ends, values=values))
    return tiers


def place_pieces(analysis: Analysis, chosen: int, *, centred: bool) -> Tier | None:
    """Word pieces under the word they belong to, which they share evenly. Pieces of no timed word (punctuation) are left out."""
    branch = find_branch(analysis, "T")
    if branch is None or analysis.alignment is None or not analysis.alignment.words:
        return None
    values = choose_values(branch.contributions, chosen, centred=centred)
    times = {s.word: (s.start, s.end) for s in analysis.alignment.words}
    owners = analysis.words["T"]
    groups: dict[int, list[int]] = {}  # written word -> its pieces
    for i, owner in enumerate(owners.tolist()):
        if owner in times:
            groups.setdefault(owner, []).append(i)
    placed = [i for pieces in groups.values() for i in pieces]
    edges = [np.linspace(*times[owner], len(pieces) + 1) for owner, pieces in groups.items()]
    starts = np.concatenate([e[:-1] for e in edges] or [np.zeros(0)])
    ends = np.concatenate([e[1:] for e in edges] or [np.zeros(0)])
    labels = tuple(analysis.labels["T"][i] for i in placed)
    return Tier(title="text", labels=labels, starts=starts, ends=ends, values=values[placed])


def trace_envelope(samples: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds, lowest and highest sample of each of at most `bins` equal stretches."""
    size = max(1, -(-len(samples) // bins))
    padded = np.pad(samples, (0, -len(samples) % size), mode="edge").reshape(-1, size)
    return np.arange(len(padded)) * size / 16000, padded.min(axis=1), padded.max(axis=1)


def add_waveform(figure: go.Figure, analysis: Analysis) -> None:
    times, low, high = trace_envelope(analysis.clip.samples, ENVELOPE_BINS)
    line = {"color": style.INK, "width": 0.8}
    figure.add_scatter(x=times, y=high, mode="lines", line=line, hoverinfo="skip")
    figure.add_scatter(x=times, y=low, mode="lines", line=line, fill="tonexty", fillcolor="rgba(128,134,144,0.55)", hoverinfo="skip")


def add_frames(figure: go.Figure, analysis: Analysis, values: np.ndarray, emotion: str) -> None:
    """The frame branch as bars of summed logits: neighbours are added so that bars stay visible."""
    size = max(1, -(-len(values) // FRAME_BINS))
    firsts = np.arange(0, len(values), size)
    sums = np.add.reduceat(values, firsts)
    starts = np.asarray(analysis.starts["F"])[firsts]
    ends = np.asarray(analysis.ends["F"])[np.minimum(firsts + size, len(values)) - 1]
    texts = [f"{s:.2f} to {e:.2f} s<br>{v:+.4f} logits for {emotion}" for s, e, v in zip(starts, ends, sums)]
    figure.add_bar(
        x=(starts + ends) / 2,
        y=sums,
        width=ends - starts,
        yaxis="y2",
        marker={"color": [style.FOR if v > 0 else style.AGAINST for v in sums], "line": {"width": 0}},
        customdata=np.stack([starts, ends], axis=1),
        hovertext=texts,
        hovertemplate="%{hovertext}<extra></extra>",
    )


def add_tiers(figure: go.Figure, tiers: Sequence[Tier], emotion: str, *, below: float) -> None:
    """One bar per segment and the legend in logits, the same scale for all tiers."""
    valued = [t.values for t in tiers if t.values is not None and len(t.values)]
    limit = float(max((np.abs(v).max() for v in valued), default=0.0))
    for row, tier in enumerate(tiers):
        fills = style.colour_values(tier.values, limit) if tier.values is not None else [style.EMPTY] * len(tier.labels)
        inks = [style.text_colour(f) for f in fills] if tier.values is not None else [style.INK] * len(tier.labels)
        figure.add_bar(
            orientation="h",
            base=tier.starts,
            x=tier.ends - tier.starts,
            y=[row] * len(tier.labels),
            width=0.86,
            yaxis="y3",
            marker={"color": fills, "line": {"color": style.INK, "width": 0.6}},
            text=[style.escape_label(label) for label in tier.labels],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": inks, "size": 12},
            customdata=np.stack([tier.starts, tier.ends], axis=1),
            hovertext=describe_segments(tier, emotion),
            hovertemplate="%{hovertext}<extra></extra>",
        )
    if limit:
        add_legend(figure, limit, emotion, below=below)


def describe_segments(tier: Tier, emotion: str) -> list[str]:
    """One hover text per segment: label, times, logits."""
    values = [f"{v:+.3f} logits for {emotion}" for v in tier.values] if tier.values is not None else []
    parts = values or [f"this head has no branch for {tier.title}"] * len(tier.labels)
    return [
        f"{style.escape_label(label)}<br>{s:.2f} to {e:.2f} s<br>{p}" for label, s, e, p in zip(tier.labels, tier.starts, tier.ends, parts)
    ]


def add_legend(figure: go.Figure, limit: float, emotion: str, *, below: float) -> None:
    """A horizontal colour bar below the time axis; `below` is in heights of the plot."""
    bar = {
        "orientation": "h",
        "thickness": 10,
        "len": 0.7,
        "x": 0.5,
        "y": -below,
        "yanchor": "top",
        "nticks": 5,
        "outlinewidth": 0,
        "title": {"text": f"logits of a segment: blue against, orange for {emotion}", "side": "top", "font": {"size": 12}},
    }
    marker = {
        "color": [0.0],
        "cmin": -limit,
        "cmax": limit,
        "colorscale": [list(stop) for stop in style.DIVERGING],
        "colorbar": bar,
        "size": 0.1,
    }
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, hoverinfo="skip")


def add_joins(figure: go.Figure, joins: Sequence[float]) -> None:
    """Dotted lines where the windows of a long clip were stitched."""
    for second in joins:
        figure.add_vline(x=second, line={"dash": "dot", "color": style.INK, "width": 1}, annotation={"text": "join", "font": {"size": 10}})
