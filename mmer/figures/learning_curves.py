"""Rows of metrics.jsonl -> learning curves: all runs, their median, and how many got so far.

Folds and repetitions count from 0 in the data and from 1 here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmer.figures import style
from mmer.figures.style import FAINT, fade, show_legend
from mmer.phrasing import say_count

VALIDATION, TRAINING, UA = style.FOR, style.TOTAL, style.AGAINST  # colours of the curves
SPREAD = (10, 90)  # percentiles of the runs between which the band lies
LEAST_EPOCHS = 10  # room for so many from the start


def draw_learning_curves(rows: Sequence[Mapping[str, Any]], *, runs: int | None = None) -> go.Figure:
    """Losses and validation UA against the epoch: single runs faint, their median, the band that holds 8 of 10, and how many got so far.

    Works while runs are still training and where they stop at different epochs: a median is over the runs that reached its epoch, and
    dotted where fewer than half of those begun did. Dots mark each run's lowest validation loss, whose weights are kept.
    `runs` is how many the experiment has in all.
    """
    curves = gather_curves(rows)
    figure = style.new_figure(height=520, left=64)
    show_legend(figure)
    epochs = sorted({int(e) for curve in curves for e in curve["epoch"]})
    add_curves(figure, curves, "loss", "training loss", TRAINING, axis="")
    add_curves(figure, curves, "validation_loss", "validation loss", VALIDATION, axis="")
    _mark_lowest(figure, curves)
    add_curves(figure, curves, "validation_ua", "validation UA", UA, axis="2", factor=100)
    reached = [sum(e in curve["epoch"] for curve in curves) for e in epochs]
    figure.add_bar(
        x=epochs,
        y=reached,
        width=1,
        marker={"color": fade(style.TOTAL, 0.45), "line": {"width": 0}},
        yaxis="y3",
        showlegend=False,
        customdata=[say_count(int(count), "run") for count in reached],
        hovertemplate="%{customdata} reached epoch %{x}<extra></extra>",
    )
    whole = max(runs or 0, len(curves), 1)
    last = max(epochs, default=1)
    title = f"epoch · {len(curves)} of {say_count(whole, 'run')} begun"
    figure.update_layout(
        xaxis=style.axis(title, anchor="y3", range=[min(epochs, default=1) - 0.6, max(last, LEAST_EPOCHS) + 0.6], tickformat="d"),
        yaxis=style.axis("cross-entropy (nats)", domain=[0.58, 1.0], rangemode="tozero"),
        yaxis2=style.axis("validation UA (%)", domain=[0.2, 0.53]),
        yaxis3=style.axis("runs", domain=[0.0, 0.14], range=[0, whole * 1.1], tickvals=[0, whole]),
        hovermode="closest",
    )
    return figure


def gather_curves(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One dict per run, in order: fold, repetition, and arrays (epochs,) of epoch, loss, validation_loss, validation_ua (nan: none)."""
    found: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["repetition"], row["fold"]), []).append(row)
    curves = []
    for (repetition, fold), own in sorted(found.items()):
        own = sorted(own, key=lambda row: row["epoch"])
        values = {n: np.array([_number(row.get(n)) for row in own]) for n in ("loss", "validation_loss", "validation_ua")}
        curves.append({"fold": fold, "repetition": repetition, "epoch": np.array([row["epoch"] for row in own], int), **values})
    return curves


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def add_curves(
    figure: go.Figure, curves: Sequence[Mapping[str, Any]], name: str, title: str, colour: str, *, axis: str, factor: float = 1.0
) -> None:
    """One quantity of all runs on the y axis of that number: faint lines, band, median."""
    x: list[int | None] = []
    y: list[float | None] = []
    hover: list[str] = []
    for curve in curves:  # all runs in one trace, None between them
        x += [*curve["epoch"].tolist(), None]
        y += [*_plain(factor * curve[name]), None]
        hover += [f"fold {curve['fold'] + 1}, repetition {curve['repetition'] + 1}"] * (len(curve["epoch"]) + 1)
    common = {"yaxis": f"y{axis}", "legendgroup": name}
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": fade(colour, FAINT), "width": 1},
        hovertext=hover,
        hovertemplate=f"{title} %{{y:.3f}}<br>epoch %{{x}}<br>%{{hovertext}}<extra></extra>",
        showlegend=False,
        **common,
    )
    middle = summarise_curves(curves, name)
    low, median, high = (factor * middle[key] for key in ("low", "median", "high"))
    for bound, fill in ((low, None), (high, "tonexty")):
        line = {"width": 0, "color": colour}
        figure.add_scatter(
            x=middle["epoch"],
            y=bound,
            mode="lines",
            line=line,
            fill=fill,
            fillcolor=fade(colour, 0.16),
            hoverinfo="skip",
            showlegend=False,
            **common,
        )
    many = middle["runs"] * 2 >= len(curves)
    for which, dash in ((many, "solid"), (~many | np.append(~many[1:], False), "dot")):  # the dotted part starts where the solid one ends
        hovertext = [f"{title}, median of {say_count(int(n), 'run')}" for n in middle["runs"]]
        figure.add_scatter(
            x=middle["epoch"],
            y=np.where(which, median, np.nan),
            mode="lines" if len(median) > 1 else "markers",
            line={"color": colour, "width": 2.6, "dash": dash},
            hovertext=hovertext,
            hovertemplate="%{hovertext}<br>%{y:.3f} at epoch %{x}<extra></extra>",
            name=f"{title}, median",
            showlegend=dash == "solid",
            **common,
        )


def summarise_curves(curves: Sequence[Mapping[str, Any]], name: str) -> dict[str, np.ndarray]:
    """{"epoch", "runs", "median", "low", "high"}: (epochs,) each, over the runs that have a number at that epoch."""
    by_epoch: dict[int, list[float]] = {}
    for curve in curves:
        for epoch, value in zip(curve["epoch"].tolist(), curve[name].tolist()):
            if np.isfinite(value):
                by_epoch.setdefault(epoch, []).append(value)
    epochs = sorted(by_epoch)
    low, median, high = (np.array([np.percentile(by_epoch[e], q) for e in epochs]) for q in (SPREAD[0], 50, SPREAD[1]))
    return {
        "epoch": np.array(epochs, int),
        "runs": np.array([len(by_epoch[e]) for e in epochs], int),
        "median": median,
        "low": low,
        "high": high,
    }


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _mark_lowest(figure: go.Figure, curves: Sequence[Mapping[str, Any]]) -> None:
    known = [curve for curve in curves if np.isfinite(curve["validation_loss"]).any()]
    at = [int(np.nanargmin(curve["validation_loss"])) for curve in known]
    figure.add_scatter(
        x=[int(curve["epoch"][i]) for curve, i in zip(known, at)],
        y=[float(curve["validation_loss"][i]) for curve, i in zip(known, at)],
        mode="markers",
        marker={"color": VALIDATION, "size": 5, "opacity": 0.75},
        name="lowest so far, of each run",
        hovertext=[f"fold {curve['fold'] + 1}, repetition {curve['repetition'] + 1}" for curve in known],
        hovertemplate="lowest validation loss %{y:.3f}<br>epoch %{x}<br>%{hovertext}<extra></extra>",
    )
