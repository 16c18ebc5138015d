"""What is recorded of an experiment's runs -> figures: confusions, scores with intervals, layer weights over runs.

Input is plain JSON data: what scores.summarise returns, the runs of results.json. Shares are drawn in percent.
Folds and repetitions count from 0 in the data and from 1 here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmer.choices.units import UNITS
from mmer.figures import style
from mmer.figures.style import FAINT, fade, show_legend
from mmer.phrasing import say_count

SERIES = (style.AGAINST, style.FOR)  # of two experiments
ROW_PIXELS = 26
Texts = Sequence[Sequence[str]]  # of the cells of a matrix, row by row
Scale = Sequence[tuple[float, str]]  # (share of the span, colour)
PANEL_PIXELS = 112


# confusions


def draw_confusion(confusion: Mapping[str, Any]) -> go.Figure:
    """Rows are labels, columns predictions: each row's shares in percent (mean over repetitions), with the counts of all of them."""
    shares, counts = 100 * np.array(confusion["rows"]), np.array(confusion["counts"])
    texts = [[f"<b>{s:.1f}</b><br>{n:,}" if sum(row[1]) else "–" for s, n in zip(*row)] for row in zip(shares, counts)]
    hover = [
        [f"{s:.1f} % of the row<br>{say_count(n, 'answer')}" if sum(row[1]) else "no utterance" for s, n in zip(*row)]
        for row in zip(shares, counts)
    ]
    title = "predicted<br>% of the row, number of answers"
    return _draw_matrix(shares, confusion["classes"], texts, hover, scale=style.SEQUENTIAL, span=(0, 100), title=title)


def draw_confusion_difference(a: Mapping[str, Any], b: Mapping[str, Any], *, names: tuple[str, str] = ("first", "second")) -> go.Figure:
    """The row shares of `a` minus those of `b`, in points: on the diagonal more is better, elsewhere less is."""
    shares_a, shares_b = 100 * np.array(a["rows"]), 100 * np.array(b["rows"])
    shares = shares_a - shares_b
    limit = max(1.0, float(np.abs(shares).max()))
    first, second = map(style.escape_label, names)
    texts = [[f"<b>{s:+.1f}</b>".replace("-", "−") for s in row] for row in shares]
    hover = [[f"{x:.1f} % in {first}<br>{y:.1f} % in {second}" for x, y in zip(*row)] for row in zip(shares_a, shares_b)]
    title = "predicted<br>points, first minus second"
    return _draw_matrix(shares, a["classes"], texts, hover, scale=style.DIVERGING, span=(-limit, limit), title=title)


def _draw_matrix(
    values: np.ndarray, classes: Sequence[str], texts: Texts, hover: Texts, *, scale: Scale, span: tuple[float, float], title: str
) -> go.Figure:
    figure = style.new_figure(height=400, left=92, right=12, bottom=66)
    figure.add_heatmap(
        z=values,
        x=list(classes),
        y=list(classes),
        zmin=span[0],
        zmax=span[1],
        colorscale=[list(stop) for stop in scale],
        xgap=2,
        ygap=2,
        showscale=False,
        hovertext=hover,
        hovertemplate="%{y}, predicted %{x}:<br>%{hovertext}<extra></extra>",
    )
    for name, row in zip(classes, texts):
        for said, text in zip(classes, row):
            figure.add_annotation(x=said, y=name, text=text, showarrow=False, font={"size": 13, "color": style.DARK_TEXT})
    figure.update_layout(
        xaxis=style.axis(title, showgrid=False, fixedrange=True, tickangle=0, tickfont={"size": 11}),
        yaxis=style.axis("label", autorange="reversed", showgrid=False, fixedrange=True),
        dragmode=False,
    )
    return figure


# scores with intervals


def draw_group_scores(rows: Sequence[Mapping[str, Any]], *, of: str, overall: float | None = None) -> go.Figure:
    """UA of each fold, session, speaker, gender ... with its interval; a dotted line at `overall`.

    rows: summarise's per_fold, per_session, per_speaker or a slice; `of` names what their values are ("fold").
    """
    labels = [
        f"{of} {row['value'] + 1}" if of == "fold" else f"{of} {row['value']}" if of == "session" else str(row["value"]) for row in rows
    ]
    hover = [
        f"{say_count(row['utterances'], 'utterance')}, {say_count(row['speakers'], 'speaker')}<br>"
        f"WA {100 * row['wa']:.1f} %, macro F1 {100 * row['macro_f1']:.1f} %{_tell_interval(row['interval'])}"
        for row in rows
    ]
    figure = style.new_figure(height=86 + ROW_PIXELS * max(1, len(rows)), left=110, top=28, bottom=54)
    add_intervals(figure, labels, [row["ua"] for row in rows], [row["interval"] for row in rows], hover, colour=style.AGAINST)
    resampled = {row["interval"]["of"] for row in rows if row["interval"]}
    level = next((f"{100 * row['interval']['level']:g}" for row in rows if row["interval"]), "")
    title = f"UA (%), {level} % interval,<br>{' or '.join(sorted(resampled))} resampled" if resampled else "UA (%)"
    finish_forest(figure, labels, title, overall=overall)
    return figure


def draw_comparison(experiments: Mapping[str, Mapping[str, Any]], *, paper: Mapping[str, float] | None = None) -> go.Figure:
    """Several experiments: pooled UA with its interval, the mean over runs, and the paper's UA (percent) where there is one.

    experiments: title -> summarise's answer.
    """
    paper = paper or {}
    labels = list(experiments)
    hover = [
        f"{say_count(s['runs'], 'run')}, {say_count(s['speakers'], 'speaker')}, {say_count(s['utterances'], 'utterance')}<br>"
        f"WA {100 * s['wa']:.1f} %, macro F1 {100 * s['macro_f1']:.1f} %{_tell_interval(s['interval'])}"
        for s in experiments.values()
    ]
    figure = style.new_figure(height=104 + (ROW_PIXELS + 4) * max(1, len(labels)), left=150, bottom=54)
    show_legend(figure)
    summaries = list(experiments.values())
    pooled = [s["pooled_ua"] for s in summaries]
    add_intervals(
        figure,
        labels,
        pooled,
        [s["interval"] for s in summaries],
        hover,
        colour=style.AGAINST,
        name="pooled over folds, 95 % interval",
    )
    marks = [("mean over runs", "diamond-open", style.FOR, {name: 100 * s["ua"] for name, s in experiments.items()})]
    marks += [("the paper, IEMOCAP", "x-thin-open", style.INK, {name: paper[name] for name in labels if name in paper})]
    for title, symbol, colour, values in marks:
        if values:
            figure.add_scatter(
                x=list(values.values()),
                y=[labels.index(name) for name in values],
                mode="markers",
                marker={"symbol": symbol, "size": 12, "color": colour, "line": {"width": 2, "color": colour}},
                name=title,
                hovertemplate=f"{title}: %{{x:.2f}} %<extra></extra>",
            )
    finish_forest(figure, labels, "UA (%)")
    return figure


def add_intervals(
    figure: go.Figure,
    labels: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[Mapping[str, Any] | None],
    hover: Sequence[str],
    *,
    colour: str,
    name: str = "",
) -> None:
    """A dot per row at 100 * value, a bar from the interval's low to its high; None has no bar."""
    percent = 100 * np.array(values, float)
    low = [p - 100 * i["low"] if i else 0.0 for p, i in zip(percent, intervals)]
    high = [100 * i["high"] - p if i else 0.0 for p, i in zip(percent, intervals)]
    figure.add_scatter(
        x=percent,
        y=list(range(len(labels))),
        mode="markers",
        marker={"color": colour, "size": 9},
        error_x={"type": "data", "symmetric": False, "array": high, "arrayminus": low, "color": colour, "thickness": 1.6, "width": 4},
        name=name,
        customdata=hover,
        text=[style.escape_label(label) for label in labels],
        hovertemplate="<b>%{text}</b>: UA %{x:.2f} %<br>%{customdata}<extra></extra>",
    )


def finish_forest(figure: go.Figure, labels: Sequence[str], title: str, *, overall: float | None = None) -> None:
    figure.update_layout(
        xaxis=style.axis(title, ticksuffix=""),
        yaxis=style.axis(
            "",
            tickvals=list(range(len(labels))),
            ticktext=[style.escape_label(label) for label in labels],
            range=[max(1, len(labels)) - 0.4, -0.6],
            showgrid=False,
            fixedrange=True,
        ),
        dragmode=False,
    )
    if overall is not None:
        line = {"dash": "dot", "width": 1.4, "color": style.FOR}
        figure.add_shape(type="line", x0=100 * overall, x1=100 * overall, y0=0, y1=1, yref="paper", line=line)
        label = {"text": f"all: {100 * overall:.1f}", "font": {"color": style.FOR, "size": 12}, "yanchor": "bottom", "showarrow": False}
        figure.add_annotation(x=100 * overall, y=1, yref="paper", **label)


def _tell_interval(interval: Mapping[str, Any] | None) -> str:
    if not interval:
        return ""
    level = f"<br>{100 * interval['level']:g} % interval"
    return f"{level} {100 * interval['low']:.1f} to {100 * interval['high']:.1f} %, {interval['of']} resampled"


# layer weights


def draw_run_layer_weights(
    experiments: Mapping[str, Sequence[Mapping[str, Any]]], *, layer_names: Mapping[str, Sequence[str]] | None = None
) -> go.Figure:
    """Equation 1's learned weights w / sum w of one or two experiments: per branch and layer the mean over runs, bars of one standard
    deviation, single runs faint; a dotted line at 1/L, where training started.

    experiments: title -> the runs of results.json. layer_names: unit -> names of its layers; 1, 2 ... where it says nothing.
    """
    weights = {title: gather_layer_weights(runs) for title, runs in experiments.items()}
    units = [u for u in UNITS if any(u in found for found in weights.values())]
    figure = style.new_figure(height=PANEL_PIXELS * max(1, len(units)) + 96, left=64)
    show_legend(figure)
    for row, unit in enumerate(units):
        number = "" if row == 0 else str(row + 1)
        layers = max(found[unit].shape[1] for found in weights.values() if unit in found)
        own = [(i, title, found[unit]) for i, (title, found) in enumerate(weights.items()) if unit in found]
        for i, title, values in own:
            offset = 0.0 if len(weights) == 1 else 0.16 * (2 * i - 1)
            first = not any(unit_before in weights[title] for unit_before in units[:row])
            _add_layer_panel(figure, title, values, SERIES[i % 2], offset=offset, number=number, legend=first)
        line = {"dash": "dot", "width": 1.4, "color": style.INK}
        figure.add_shape(
            type="line", x0=-0.5, x1=layers - 0.5, y0=1 / layers, y1=1 / layers, xref=f"x{number}", yref=f"y{number}", line=line
        )
        names = list((layer_names or {}).get(unit, [str(i + 1) for i in range(layers)]))
        top = 1 - row / len(units)
        figure.update_layout(
            {
                f"xaxis{number}": style.axis(
                    "layer · dotted: 1/L, where training started" if row == len(units) - 1 else "",
                    tickvals=list(range(layers)),
                    ticktext=names,
                    anchor=f"y{number}",
                    range=[-0.5, layers - 0.5],
                    showgrid=False,
                    fixedrange=True,
                ),
                f"yaxis{number}": style.axis(
                    f"{UNITS[unit].name}<br>w / Σw", domain=[top - 0.68 / len(units), top], anchor=f"x{number}", nticks=4, fixedrange=True
                ),
            },
            dragmode=False,
        )
    return figure


def gather_layer_weights(runs: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """unit -> (runs, layers) normalised weights."""
    units = {unit for run in runs for unit in run.get("layer_weights", {})}
    return {u: np.array([run["layer_weights"][u]["normalised"] for run in runs if u in run.get("layer_weights", {})], float) for u in units}


def _add_layer_panel(figure: go.Figure, title: str, values: np.ndarray, colour: str, *, offset: float, number: str, legend: bool) -> None:
    runs, layers = values.shape
    at = np.arange(layers) + offset
    axes = {"xaxis": f"x{number}", "yaxis": f"y{number}", "legendgroup": title}
    figure.add_scatter(
        x=np.tile(at, runs),
        y=values.ravel(),
        mode="markers",
        marker={"color": fade(colour, FAINT), "size": 4},
        hoverinfo="skip",
        showlegend=False,
        **axes,
    )
    spread = values.std(0, ddof=1) if runs > 1 else np.zeros(layers)
    figure.add_scatter(
        x=at,
        y=values.mean(0),
        mode="markers+lines",
        line={"color": fade(colour, 0.5), "width": 1},
        marker={"color": colour, "size": 8},
        error_y={"type": "data", "array": spread, "color": colour, "thickness": 1.6, "width": 4},
        name=f"{style.escape_label(title)} ({say_count(runs, 'run')})",
        showlegend=legend,
        customdata=spread,
        hovertemplate=f"{style.escape_label(title)}<br>w / Σw = %{{y:.4f}} ± %{{customdata:.4f}}<extra></extra>",
        **axes,
    )
