"""Step 4: the branches' logits, whose sum is late fusion's prediction (Sections 2.2 and 2.4)."""

from __future__ import annotations

from html import escape

import numpy as np

from mmer.choices.units import name_unit
from mmer.lesson.lesson_clip import LessonClip
from mmer.lesson.markup import (
    call,
    fold,
    format_number,
    frac,
    math,
    mi,
    mo,
    note_rounding,
    read_printed,
    space_sign,
    subsup,
    sup,
    total,
    var,
    where,
    write_number,
    write_percent,
    write_sum,
    write_table,
)
from mmer.lesson.pictures import Bar, draw_bars
from mmer.lesson.sound_steps import row_of
from mmer.lesson.steps import LessonStep, Question, find_additive, shuffle
from mmer.phrasing import join_words
from mmer.results import Prediction

POOLED = math(
    sup(mi("l", bold=True), row_of("i,", "n")),
    mo("="),
    frac(total(mi("k")) + subsup(mi("l", bold=True), mi("k"), row_of("i,", "n")), sup(mi("l"), row_of("i,", "n"))),
    number="2",
) + where(
    (
        var("l", "k", "i,n", bold=True),
        f"is what branch {var('i')} makes of segment {var('k')} of clip {var('n')} with its two feed-forward layers",
    ),
    (var("l", above="i,n", bold=True), "their mean"),
    (var("l", above="i,n"), "(not bold) how many segments there are"),
)
ADDED = math(
    sup(mi("ŷ", bold=True), mi("n")),
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
) + where(
    (var("ŷ", above="n", bold=True), f"are the predicted probabilities of the emotions for clip {var('n')} (the paper writes ỹ)"),
    (
        f"{var('W', '3', 'i', bold=True)} and {var('b', '3', 'i')}",
        f"the weights and the bias of the last layer of branch {var('i')}, which turn {var('l', above='i,n', bold=True)} into logits",
    ),
    (var("softmax"), "turns logits into probabilities, which sum to 1"),
)
EQUATIONS = POOLED + ADDED


def teach_sum(clip: LessonClip) -> LessonStep:
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
    terms = [(write_number(b.logits[chosen], f"branch.{b.unit}.{prediction.label}"), name_unit(b.unit)) for b in branches]
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
    return LessonStep(
        "sum", "The branches add up", "Equations 2 and 3", lead, EQUATIONS, filled, picture, ask_without_branch(prediction), after
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
    first, second, mean = (
        write_number(value, f"combine.{name}") for value, name in ((late, "late"), (early, "early"), ((late + early) / 2, "mean"))
    )
    rounded = note_rounding((read_printed(first) + read_printed(second)) / 2, mean)
    return (
        "<p>Section 2.4 then <b>combines</b> late and early fusion by the mean of their logits: "
        f"({first} {space_sign(second)}) ÷ 2 = {mean}{rounded} for {escape(emotion)}; stored: "
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
        whole, part, left = (format_number(values[at]) for values in (prediction.logits, branch.logits, rest))
        rounded = note_rounding(read_printed(whole) - read_printed(part), left)
        return f"{escape(emotion)}: {whole} − ({part}) = {left}{rounded}"

    decides = "This branch alone decides." if said != prediction.label else "It does not decide alone."
    others = [prediction.label, *[classes[int(i)] for i in np.argsort(-rest)]]
    wrong = [(escape(e), f"Not quite: {word(e)}, but {word(said)}.") for e in dict.fromkeys(others) if e != said]
    return Question(
        f"Take the branch for {name_unit(branch.unit)} out of the sum and keep the rest. What would late fusion say?",
        shuffle((escape(said), f"Right: {word(said)}, the highest of what is left. {decides}"), *wrong, place=1),
    )
