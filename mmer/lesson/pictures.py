"""The lesson's pictures, as HTML and inline SVG that scale to any width. Each has its numbers as text beside it or in a table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from mmer.lesson.markup import format_number
from mmer.results import SAMPLE_RATE, Clip
from mmer.views.acoustics import trace_wave

WAVE_COLUMNS = 900
MANY = 28  # columns of a map whose names would lie on each other on a phone


@dataclass(frozen=True)
class LabelledSpan:
    """A labelled stretch of time below the wave."""

    label: str
    start: float  # seconds
    end: float
    marked: bool = False


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart."""

    label: str  # HTML
    value: float
    number: str  # HTML, what stands beside the bar
    kind: str = ""  # "" for signed bars, "total", "share"


def place(value: float, low: float, high: float) -> float:
    """Percent of the way from low to high."""
    return round(100 * (value - low) / max(high - low, 1e-12), 3)


def draw_wave(
    clip: Clip, *, start: float, end: float, tiers: Sequence[Sequence[LabelledSpan]], label: str, dots: Sequence[tuple[float, bool]] = ()
) -> str:
    """The wave from start to end, tiers of spans below it, and dots (time, marked) for frame centres."""
    first, last = max(0, round(start * SAMPLE_RATE)), min(len(clip.samples), round(end * SAMPLE_RATE))
    wave = trace_wave(clip.samples[first:last], bins=WAVE_COLUMNS)
    high_edge, low_edge = wave.high.astype(float), wave.low.astype(float)
    peak = max(1.0, float(np.abs(low_edge).max()), float(np.abs(high_edge).max()))
    columns = list(enumerate(zip(high_edge, low_edge)))
    width = 1000 * wave.step / ((last - first) / SAMPLE_RATE)
    points = [f"{(i + 0.5) * width:.1f},{50 - 46 * top / peak:.1f}" for i, (top, _) in columns]
    points += [f"{(i + 0.5) * width:.1f},{50 - 46 * bottom / peak:.1f}" for i, (_, bottom) in reversed(columns)]
    path = f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true"><polygon points="{" ".join(points)}"/></svg>'
    low, high = first / SAMPLE_RATE, last / SAMPLE_RATE
    marks = "".join(
        f'<i class="ml-dot{" ml-in" if marked else ""}" style="left:{place(time, low, high)}%"></i>'
        for time, marked in dots
        if low <= time <= high
    )
    bands = "".join(draw_band(span, low, high) for spans in tiers for span in spans if span.marked)
    rows = "".join(f'<div class="ml-tier">{"".join(draw_span(span, low, high) for span in spans)}</div>' for spans in tiers)
    scale = "".join(
        f'<span style="left:{place(time, low, high)}%">{format_number(time, digits=2)}</span>' for time in np.linspace(low, high, 5)[1:-1]
    )
    lane = f'<div class="ml-lane">{path}{bands}<div class="ml-dots">{marks}</div></div>'
    return (
        f'<figure class="ml-wave" role="img" aria-label="{escape(label)}">{lane}{rows}<div '
        f'class="ml-scale">{scale}<b>seconds</b></div></figure>'
    )


def draw_band(span: LabelledSpan, low: float, high: float) -> str:
    left, right = (min(100.0, max(0.0, place(t, low, high))) for t in (span.start, span.end))
    return f'<i class="ml-band" style="left:{left}%;width:{right - left:.3f}%"></i>'


def draw_span(span: LabelledSpan, low: float, high: float) -> str:
    if span.end <= low or span.start >= high:
        return ""
    left, right = (min(100.0, max(0.0, place(t, low, high))) for t in (span.start, span.end))
    kind = "ml-tile ml-chosen" if span.marked else "ml-tile"
    name = escape(span.label)  # lesson.css shows it where all of it fits
    return f'<span class="{kind}" style="left:{left}%;width:{right - left:.3f}%" title="{name}"><span>{name}</span></span>'


def draw_bars(bars: Sequence[Bar], *, label: str, low: float | None = None, high: float | None = None, even: float | None = None) -> str:
    """Horizontal bars from zero, each with its number; `even` is marked by a dotted line."""
    values = [bar.value for bar in bars]
    low = min(0.0, *values) if low is None else low
    high = max(0.0, *values, *([even] if even is not None else [])) if high is None else high
    line = f'<i class="ml-even" style="left:{place(even, low, high)}%"></i>' if even is not None else ""
    rows = "".join(draw_bar(bar, low, high, line) for bar in bars)
    return f'<div class="ml-bars" role="group" aria-label="{escape(label)}">{rows}</div>'


def draw_bar(bar: Bar, low: float, high: float, line: str) -> str:
    left, right = sorted((place(0, low, high), place(bar.value, low, high)))
    kind = bar.kind or ("for" if bar.value >= 0 else "against")
    track = (
        f'<span class="ml-track"><i class="ml-zero" style="left:{place(0, low, high)}%"></i>'
        f'<i class="ml-fill ml-{kind}" style="left:{left}%;width:{right - left:.3f}%"></i>{line}</span>'
    )
    return (
        f'<div class="ml-bar ml-row-{kind}"><span class="ml-name">{bar.label}</span>{track}<span class="ml-value">{bar.number}</span></div>'
    )


def draw_map(weights: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, row: int, column: int, label: str) -> str:
    """Weights (rows, columns) as shades, with one row and one column marked."""
    most = max(float(weights.max()), 1e-12)
    cells = []
    for i, name in enumerate(rows):
        kind = ' class="ml-chosen"' if i == row else ""
        cells.append(f"<b{kind}>{escape(name)}</b>")
        for j in range(len(columns)):
            kinds = [kind for kind, is_so in (("ml-in-row", i == row), ("ml-in-column", j == column)) if is_so]
            kind = f' class="{" ".join(kinds)}"' if kinds else ""
            share = round(100 * float(weights[i, j]) / most)
            cells.append(f'<i{kind} style="--w:{share}%"></i>')
    heads = "".join(f"<em{' class=ml-chosen' if j == column else ''}>{escape(name)}</em>" for j, name in enumerate(columns))
    return (
        f'<figure class="ml-map{" ml-many" if len(columns) > MANY else ""}" role="img" aria-label="{escape(label)}" '
        f'style="--columns:{len(columns)}">{"".join(cells)}<b></b>{heads}</figure>'
    )


def draw_strip(value: float, limit: float, *, signed: bool) -> str:
    """A thin bar in a table's cell, at most as long as its half (signed, from the middle) or all of it."""
    if not signed:
        return f'<span class="ml-strip"><i class="ml-inline ml-share" style="left:0%;width:{100 * min(value / limit, 1):.2f}%"></i></span>'
    width = 50 * min(abs(value) / limit, 1)
    left, kind = (50.0, "for") if value >= 0 else (50 - width, "against")
    bar = f'<i class="ml-inline ml-{kind}" style="left:{left:.2f}%;width:{width:.2f}%"></i>'
    return f'<span class="ml-strip ml-signed">{bar}</span>'


def round_ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Round numbers between two values, at most that many, in steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10((high - low) / most))
    step = next(s for s in (power * factor for factor in (1, 2, 5, 10, 20)) if np.floor(high / s) - np.ceil(low / s) < most)
    return [float(k * step) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def draw_dots(
    groups: Sequence[tuple[str, Sequence[tuple[str, float]]]], lines: Sequence[tuple[str, float]], *, unit: str, label: str
) -> str:
    """Groups of named values on one axis with round ticks, and upright lines at named values."""
    values = [v for _, points in groups for _, v in points] + [v for _, v in lines]
    margin = 0.12 * (max(values) - min(values))
    low, high = min(values) - margin, max(values) + margin
    marks = "".join(f'<i class="ml-upright" style="left:{place(v, low, high)}%"></i>' for _, v in lines)
    rows = []
    for name, points in groups:
        top = max(v for _, v in points)
        dots = "".join(
            f'<i class="ml-point{" ml-best" if v == top else ""}" style="left:{place(v, low, high)}%" title="{escape(p)} {v:.2f}"></i>'
            for p, v in points
        )
        rows.append(f'<div class="ml-bar"><span class="ml-name">{escape(name)}</span><span class="ml-track">{marks}{dots}</span></div>')
    ticks = round_ticks(low, high)
    digits = 0 if all(tick == round(tick) for tick in ticks) else 1
    scale = "".join(f'<span style="left:{place(v, low, high)}%">{format_number(v, digits=digits)}</span>' for v in ticks)
    rows.append(f'<div class="ml-bar ml-axis"><span class="ml-name">{escape(unit)}</span><span class="ml-scale">{scale}</span></div>')
    return f'<div class="ml-bars ml-dotplot" role="img" aria-label="{escape(label)}">{"".join(rows)}</div>'
