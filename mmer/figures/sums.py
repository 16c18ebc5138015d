"""How one emotion's logit comes about: branches and biases add up to late, early is one part, combined is the mean of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from ..results import UNIT_NAMES, Analysis, Prediction
from . import style
from .choices import choose_values, find_class

ROW_PIXELS = 34


@dataclass(frozen=True)
class Step:
    """One row: a part that is added, or a total (start is 0)."""

    label: str
    start: float  # logits
    end: float
    total: bool


def draw_sum(analysis: Analysis, *, emotion: str | None = None, centred: bool = True) -> go.Figure:
    """A waterfall in logits, read from the top: what each branch adds for one emotion, and what becomes of it."""
    chosen = find_class(analysis, emotion)
    steps = list_steps(analysis, chosen, centred=centred)
    figure = style.new_figure(height=ROW_PIXELS * len(steps) + 70, left=120, top=8)
    lengths = np.array([s.end - s.start for s in steps])
    colours = [style.TOTAL if s.total else style.FOR if length > 0 else style.AGAINST for s, length in zip(steps, lengths)]
    figure.add_bar(
        orientation="h",
        base=[s.start for s in steps],
        x=lengths,
        y=list(range(len(steps))),
        width=0.62,
        marker={"color": colours, "line": {"width": 0}},
        text=[f"{length:+.2f}" for length in lengths],
        textposition="outside",
        cliponaxis=False,
        hovertext=[f"{s.label}<br>{length:+.4f} logits" for s, length in zip(steps, lengths)],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    low, high = min(min(s.start, s.end) for s in steps), max(max(s.start, s.end) for s in steps)
    room = 0.3 * ((high - low) or 1.0)  # for the numbers beside the bars, on a phone too
    kind = "centred" if centred else "raw"
    name = analysis.best.classes[chosen]
    figure.update_layout(
        xaxis=style.axis(f"logit for {name} ({kind})", range=[low - room, high + room], zeroline=True, fixedrange=True),
        yaxis=style.axis(
            tickvals=list(range(len(steps))),
            ticktext=[s.label for s in steps],
            range=[len(steps) - 0.4, -0.6],
            showgrid=False,
            fixedrange=True,
        ),
        dragmode=False,
    )
    return figure


def list_steps(analysis: Analysis, chosen: int, *, centred: bool) -> list[Step]:
    """The rows of the waterfall, in the order late, early, combined, temperature."""
    steps: list[Step] = []
    for role, prediction in analysis.predictions.items():
        if prediction.branches:
            steps += list_branch_steps(prediction, chosen, centred=centred)
        value = float(choose_values(prediction.logits, chosen, centred=centred))
        steps.append(Step(label=name_total(role, prediction), start=0.0, end=value, total=True))
    best = analysis.best
    value = float(choose_values(best.logits, chosen, centred=centred)) / best.temperature
    steps.append(Step(label=f"÷ temperature {best.temperature:.2f}", start=0.0, end=value, total=True))
    return steps


def name_total(role: str, prediction: Prediction) -> str:
    if prediction.branches:
        return f"= {role}"
    return f"{role} = mean" if prediction.members else f"{role} (one part)"


def list_branch_steps(prediction: Prediction, chosen: int, *, centred: bool) -> list[Step]:
    """One row per branch without its bias, then all biases together."""
    steps, at = [], 0.0
    for branch in prediction.branches or ():
        value = float(choose_values(branch.contributions.sum(axis=0), chosen, centred=centred))
        steps.append(Step(label=f"{UNIT_NAMES[branch.unit]} {branch.unit}", start=at, end=at + value, total=False))
        at += value
    bias = float(choose_values(sum_biases(prediction), chosen, centred=centred))
    return [*steps, Step(label="biases", start=at, end=at + bias, total=False)]


def sum_biases(prediction: Prediction) -> np.ndarray:
    """(classes,) the biases b3 of all branches together."""
    return np.sum([b.bias for b in prediction.branches or ()], axis=0)


def list_logits(analysis: Analysis, *, centred: bool) -> Sequence[tuple[str, np.ndarray, bool]]:
    """Rows of the same sum for every emotion: (label, (classes,) logits, is a total)."""
    rows: list[tuple[str, np.ndarray, bool]] = []
    classes = range(len(analysis.best.classes))
    columns = [list_steps(analysis, c, centred=centred) for c in classes]
    for same in zip(*columns):
        rows.append((same[0].label, np.array([s.end - s.start for s in same]), same[0].total))
    return rows
