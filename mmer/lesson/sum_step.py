"""Step 4: the branches' logits, whose sum is late fusion's prediction (Sections 2.2 and 2.4)."""

from __future__ import annotations

from html import escape

import numpy as np

from ..results import Prediction
from .markup import call, fold, format_number, frac, math, mi, mo, subsup, sup, total, write_number, write_percent, write_sum, write_table
from .material import LessonClip
from .pictures import Bar, draw_bars
from .sound_steps import row_of
from .steps import Question, Step, find_additive, join_words, name_unit, shuffle


def teach_sum(clip: LessonClip) -> Step:
    """Step 4: Equations 2 and 3 with the branches' logits."""
    prediction = find_additive(clip)
    branches, chosen = prediction.branches or (), prediction.classes.index(prediction.label)
    label, key = escape(prediction.label), prediction.role
    lead = (
        "<p><b>Late fusion</b> has one small network, a branch, for each unit: "
        f"{join_words([name_unit(b.unit) for b in branches])}. A branch turns every segment into a few numbers, takes"
        " their mean, and gives each emotion a <b>logit</b>: points for or against it. The branches' logits are "
        "<b>added</b>, and softmax makes probabilities of them."
        f" Here for {label}, which late fusion says.</p>"
    )
    pooled = math(
        sup(mi("l", bold=True), row_of("i,", "n")),
        mo("="),
        frac(total(mi("k")) + subsup(mi("l", bold=True), mi("k"), row_of("i,", "n")), sup(mi("l"), row_of("i,", "n"))),
        number="2",
    )
    added = math(
        sup(mi("ỹ", bold=True), mi("n")),
        mo("="),
        call(
            "softmax",
            total(mi("i")),
            '<mo stretchy="true">(</mo>',
            subsup(mi("W", bold=True), mi("3"), mi("i")),
            sup(mi("l", bold=True), row_of("i,", "n")),
            mo("+"),
            subsup(mi("b"), mi("3"), mi("i")),
            '<mo stretchy="true">)</mo>',
        ),
        number="3",
    )
    terms = [
        (write_number(b.logits[chosen], f"branch.{b.unit}.{prediction.label}", sign=i > 0), name_unit(b.unit))
        for i, b in enumerate(branches)
    ]
    logit = sum(float(b.logits[chosen]) for b in branches)
    stored = float(prediction.logits[chosen])
    scaled = prediction.logits.astype(np.float64) / prediction.temperature
    powers = np.exp(scaled)
    filled = (
        f"<p>The sum inside Equation 3, for {label}:</p>"
        + write_sum(terms, result=write_number(logit, f"sum.{prediction.label}"), label="logit")
        + f'<p class="ml-check">✓ The stored prediction says {write_number(stored, f"{key}.logit.{prediction.label}")}: the '
        "same"
        f" (difference {write_number(abs(logit - stored), 'sum.difference', digits=6)}).</p>"
        + "<p>Softmax, after dividing by the head's temperature "
        f"{write_number(prediction.temperature, f'{key}.temperature')}: "
        f"e<sup>{format_number(scaled[chosen])}</sup> ÷ ({' + '.join(f'e<sup>{format_number(s)}</sup>' for s in scaled)}) "
        "= "
        f"{write_number(powers[chosen], 'softmax.power')} ÷ {write_number(powers.sum(), 'softmax.sum')} = "
        f"<b>{write_percent(prediction.probabilities[chosen], f'{key}.probability.{prediction.label}')}</b>.</p>"
    )
    picture = draw_branches(prediction)
    after = fold("Equation 2 inside each branch", explain_branches(prediction, chosen)) + combine_roles(clip, prediction.label)
    return Step(
        "sum", "The branches add up", "Equations 2 and 3", lead, pooled + added, filled, picture, ask_without_branch(prediction), after
    )


def draw_branches(prediction: Prediction) -> str:
    """For every emotion a bar for each branch and one for the sum."""
    branches = prediction.branches or ()
    values = [float(v) for b in branches for v in b.logits] + [float(v) for v in prediction.logits]
    low, high = min(0.0, *values), max(0.0, *values)
    charts = []
    for c, emotion in enumerate(prediction.classes):
        bars = [
            Bar(name_unit(b.unit), float(b.logits[c]), write_number(b.logits[c], f"branch.{b.unit}.{emotion}", sign=True)) for b in branches
        ]
        bars.append(
            Bar(
                "<b>sum</b>",
                float(prediction.logits[c]),
                write_number(prediction.logits[c], f"{prediction.role}.logit.{emotion}", sign=True),
                "total",
            )
        )
        winner = " ✓ the highest" if emotion == prediction.label else ""
        charts.append(f"<div><h4>{escape(emotion)}{winner}</h4>{draw_bars(bars, label=f'Logits for {emotion}', low=low, high=high)}</div>")
    return (
        '<p class="ml-caption">Logits of each branch and their sum. Orange speaks for the emotion, blue against '
        f'it.</p><div class="ml-columns ml-two">{"".join(charts)}</div>'
    )


def explain_branches(prediction: Prediction, chosen: int) -> str:
    """How each branch's logit is its bias plus its segments' mean."""
    rows = [
        [
            name_unit(b.unit),
            str(len(b.contributions)),
            write_number(b.bias[chosen], f"bias.{b.unit}"),
            write_number(b.contributions[:, chosen].sum(), f"segments.{b.unit}"),
            write_number(b.logits[chosen], f"branch.{b.unit}"),
        ]
        for b in prediction.branches or ()
    ]
    head = ["branch", "segments K", "b₃", "Σ (1/K) W₃ l<sub>k</sub>", "logit"]
    return write_table(head, rows, caption=f"Each segment adds its share; for {escape(prediction.classes[chosen])}")


def combine_roles(clip: LessonClip, emotion: str) -> str:
    """Section 2.4 in numbers, where both models spoke."""
    roles = clip.analysis.predictions
    if not {"late", "early", "combined"} <= set(roles):
        return ""
    late, early, both = (float(roles[r].logits[roles[r].classes.index(emotion)]) for r in ("late", "early", "combined"))
    return (
        "<p>Section 2.4 then <b>combines</b> late and early fusion by the mean of their logits: "
        f"({write_number(late, 'combine.late')} + {write_number(early, 'combine.early')}) ÷ 2"
        f" = {write_number((late + early) / 2, 'combine.mean')} for {escape(emotion)}; stored: "
        f"{write_number(both, f'combined.logit.{emotion}')}."
        f" The verdict of the combination is <b>{escape(roles['combined'].label)}</b>.</p>"
    )


def ask_without_branch(prediction: Prediction) -> Question:
    """What the sum would say without one branch: one that decides if there is such a one."""
    branches, classes = prediction.branches or (), prediction.classes
    rests = [(b, prediction.logits.astype(np.float64) - b.logits) for b in branches]
    branch, rest = next(((b, r) for b, r in rests if classes[int(r.argmax())] != prediction.label), rests[0])
    said = classes[int(rest.argmax())]

    def word(emotion: str) -> str:
        at = classes.index(emotion)
        return (
            f"{escape(emotion)}: {format_number(prediction.logits[at])} − ({format_number(branch.logits[at])}) = {format_number(rest[at])}"
        )

    decides = "This branch alone decides." if said != prediction.label else "It does not decide alone."
    others = [prediction.label, *[classes[int(i)] for i in np.argsort(-rest)]]
    wrong = [(escape(e), f"Not quite: {word(e)}, but {word(said)}.") for e in dict.fromkeys(others) if e != said]
    return Question(
        f"Take the branch for {name_unit(branch.unit)} out of the sum and keep the rest. What would late fusion say?",
        shuffle((escape(said), f"Right: {word(said)}, the highest of what is left. {decides}"), *wrong, place=1),
    )
