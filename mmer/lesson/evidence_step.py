"""Step 7: attention and contributions against what leaving a word out shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from scipy.stats import rankdata

from mmer.choices.units import name_unit
from mmer.explain.steps import centre
from mmer.interventions.curves import FIRST_FILL, describe_flips, find_flips
from mmer.interventions.ranks import BY_CHANCE, describe_agreement, strongest_by_chance
from mmer.lesson.lesson_clip import LessonClip
from mmer.lesson.markup import (
    call,
    format_number,
    frac,
    math,
    mi,
    mo,
    mtext,
    note_rounding,
    read_printed,
    row,
    sub,
    var,
    where,
    write_number,
    write_sum,
    write_table,
)
from mmer.lesson.pictures import draw_strip
from mmer.lesson.steps import LessonStep, Question, StepNotPossible, number_labels, shuffle
from mmer.phrasing import say_count
from mmer.word_contributions import word_contributions

COLUMNS = {  # key -> whose scale it has, its head
    "drop.late": ("late", "late: logit falls by"),
    "contribution": ("late", "late: contribution"),
    "drop.early": ("early", "early: logit falls by"),
    "attention": ("attention", "early: attention"),
}
BASELINE = FIRST_FILL  # what stands in a word's place in the picture; silence is said beside it

DROP = math(
    sub(mi("Δ"), mi("k")),
    mo("="),
    sub(mi("z"), mi("c")),
    mtext("(clip)"),
    mo("−"),
    sub(mi("z"), mi("c")),
    mtext("(clip without\u00a0"),
    mi("k"),
    mtext(")"),
) + where(
    (var("Δ", "k"), f"is how far the logit falls without word {var('k')}"),
    (var("z", "c"), f"a model’s logit for emotion {var('c')}, less the mean of its logits for all emotions"),
)
RANKS = math(mi("ρ"), mo("="), frac(call("cov", mi("r"), mo(","), mi("s")), row(sub(mi("σ"), mi("r")), sub(mi("σ"), mi("s"))))) + where(
    (var("ρ"), "is Spearman’s rank correlation, from −1 to 1"),
    (var("r"), f"are the words’ ranks by the drop {var('Δ', 'k')}"),
    (var("s"), "their ranks by the explanation, a contribution or attention"),
    (var("cov"), "is the covariance of both"),
    (f"{var('σ', 'r')} and {var('σ', 's')}", "their standard deviations"),
)


def teach_evidence(clip: LessonClip) -> LessonStep:
    """Step 7: drop, contribution and attention of every word, and how far their ranks agree."""
    data = clip.leave_one_out
    if data is None:
        raise StepNotPossible("its words have not been left out yet")
    columns = read_columns(clip, data)
    names = number_labels([str(label) for label in data["labels"]])
    emotion = escape(clip.analysis.best.label)
    lead = (
        "<p>A map of attention looks like a reason. Is it one? The test: <b>take a word away</b>, from the sound (noise "
        "in its place) and from the text (masked), run everything again,"
        " and see how far the logit falls. Below that is done to each word of this clip, and set "
        "beside the two explanations: what <b>late fusion</b> adds up for the word"
        " (step 4), and how much <b>attention</b> early fusion pays to it (step 5). Each is compared with the drop of "
        "its own model.</p>"
    )
    filled = "".join(explain_rank(columns, data, clip, *pair) for pair in (("late", "contribution", False), ("early", "attention", True)))
    reached = write_number(strongest_by_chance(len(names)), "rank.chance", digits=2)
    chance = (
        f"<p>With {say_count(len(names), 'word')}, chance gives a |ρ| of {reached} or more "
        "in at least one of twenty cases. Up to there ranks that look alike, or unlike, show nothing.</p>"
    )
    filled += add_up_word(columns, data, clip, names)
    flips = read_flips(clip, data)
    picture = draw_columns(columns, names, emotion, flips)
    return LessonStep(
        "evidence",
        "Why attention is not evidence",
        "beyond the paper",
        lead,
        DROP + RANKS,
        filled + chance,
        picture,
        ask_about_drop(columns, names, clip, flips),
        (
            "<p>Contributions add up exactly, yet that too is bookkeeping: each state has already seen its neighbours. "
            "Taking something away is a real test, but of one change: noise and silence are strange to a model that never "
            "met them."
            " In Explore, under a result, you can make such tests yourself.</p>"
        ),
    )


def read_columns(clip: LessonClip, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Name -> (words,): drops of both models against the baseline, contributions (all centred over the emotions), attention."""
    at = list(data["classes"]).index(clip.analysis.best.label)
    curves = {curve["baseline"]: curve["drops"] for curve in data["curves"]}
    drops = curves.get(BASELINE) or next(iter(curves.values()))
    columns = {f"drop.{role}": centre(np.asarray(values, dtype=float))[:, at] for role, values in drops.items()}
    if data["contributions"] is not None:
        columns["contribution"] = centre(np.asarray(data["contributions"], dtype=float))[:, at]
    if data["attention"] is not None:
        columns["attention"] = np.asarray(data["attention"], dtype=float)
    return columns


def add_up_word(columns: Mapping[str, np.ndarray], data: Mapping[str, Any], clip: LessonClip, names: Sequence[str]) -> str:
    """The branches' parts of the word with the largest contribution; nothing where no model is a sum over words."""
    found = word_contributions(clip.analysis)
    if found is None or "contribution" not in columns:
        return ""
    strongest = int(np.argmax(np.abs(columns["contribution"])))
    word, at = int(data["words"][strongest]), clip.analysis.best.classes.index(clip.analysis.best.label)
    terms = [
        (write_number(centre(part[word])[at], f"word.part.{unit}"), name_unit(unit))
        for unit, part in found.parts.items()
        if found.counts[unit][word]
    ]
    whole = write_number(centre(found.words[word])[at], "word.whole")
    return f"<p>The largest contribution, that of “{escape(names[strongest])}”, is the sum of its segments in each branch:</p>" + write_sum(
        terms, result=whole, label="contribution"
    )


def read_flips(clip: LessonClip, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Role -> (words,) whether silence and noise in a word's place disagree on the sign of its drop."""
    at = list(data["classes"]).index(clip.analysis.best.label)
    roles = data["curves"][0]["drops"]
    return {role: find_flips([np.asarray(curve["drops"][role], dtype=float) for curve in data["curves"]])[:, at] for role in roles}


def explain_rank(columns: Mapping[str, np.ndarray], data: Mapping[str, Any], clip: LessonClip, role: str, what: str, by_size: bool) -> str:
    """One rank correlation with its numbers, and what it says."""
    if f"drop.{role}" not in columns or what not in columns:
        return f"<p>{role.capitalize()} fusion did not speak about this clip, so there is no {what} to test.</p>"
    x, y = columns[f"drop.{role}"], columns[what]
    ranks = rankdata(np.abs(x) if by_size else x), rankdata(y)
    covariance, sigma = float(np.cov(*ranks, bias=True)[0, 1]), [float(np.std(r)) for r in ranks]
    if not all(sigma) or len(x) < 3:
        return f"<p>{what.capitalize()}: too few different values to rank.</p>"
    value = covariance / (sigma[0] * sigma[1])
    key = f"rank.{role}.{what}"
    stored = {
        a["baseline"]: a["rho"]
        for a in data["agreements"]
        if (a["one"], a["other"], a["role"], a["emotion"]) == ("drop", what, role, clip.analysis.best.label)
    }
    silence = stored.get("silence")
    says = describe_agreement(value, len(x))
    other = ""
    if silence is not None:
        differs = "" if (agreement := describe_agreement(silence, len(x))) == says else f" ({agreement})"
        other = f"; with silence in place of noise {write_number(silence, f'{key}.silence', digits=2)}{differs}"
    unknown = ", so this clip does not show that the explanation tells what the model rests on" if says == BY_CHANCE else ""
    size = "size of the drop" if by_size else "drop"
    printed = [write_number(v, f"{key}.{name}", digits=2) for v, name in ((covariance, "cov"), (sigma[0], "sd1"), (sigma[1], "sd2"))]
    over, one, two = map(read_printed, printed)
    result = write_number(value, key, digits=2)
    return (
        f"<p><b>{role.capitalize()} fusion’s {what}</b> against the {size}: ρ = {printed[0]} ÷ ({printed[1]} × {printed[2]}) = "
        f"<b>{result}</b>{note_rounding(over / (one * two), result)}: {says}{unknown}{other}.</p>"
    )


def draw_columns(columns: Mapping[str, np.ndarray], names: Sequence[str], emotion: str, flips: Mapping[str, np.ndarray]) -> str:
    """A row for each word, a bar for each of the four values: logits from the middle, those of one model on one scale.

    `flips`: role -> (words,) whose drop gets a mark, since its sign depends on what stands in the word's place.
    """
    shown = [key for key in COLUMNS if key in columns]
    largest = {key: max(float(np.abs(columns[key]).max()), 1e-12) for key in shown}
    limits = {key: max(largest[other] for other in shown if COLUMNS[other][0] == COLUMNS[key][0]) for key in shown}
    rows = []
    for i, name in enumerate(names):
        cells = []
        for key in shown:
            value = float(columns[key][i])
            number = write_number(value, f"word.{key}.{i}", sign=key != "attention")
            most = " ml-most" if abs(value) == largest[key] else ""
            what, _, role = key.partition(".")
            number += '<span title="silence and noise disagree on the sign"> ±</span>' if what == "drop" and flips[role][i] else ""
            cells.append(f'<span class="ml-cell{most}">{number}{draw_strip(value, limits[key], signed=key != "attention")}</span>')
        rows.append([f"“{escape(name)}”", *cells])
    caption = (
        f"Each word of the clip, for {emotion}. Logits are centred over the emotions; their bars begin in the middle, to the right for "
        f"what speaks for {emotion}. One model’s logits share a scale; attention has its own and no sign. Bold: the largest of its column"
    )
    table = write_table(["word", *(COLUMNS[key][1] for key in shown)], rows, caption=caption)
    captions = [
        (role, describe_flips([name for name, flipped in zip(names, flips[role]) if flipped])) for role in flips if f"drop.{role}" in shown
    ]
    return table + "".join(f'<p class="ml-caption">{role.capitalize()} fusion: {escape(text)}</p>' for role, text in captions if text)


def ask_about_drop(columns: Mapping[str, np.ndarray], names: Sequence[str], clip: LessonClip, flips: Mapping[str, np.ndarray]) -> Question:
    """Which word matters most when it is gone; attention and arithmetic may tempt to another."""
    role = "early" if "drop.early" in columns else next(key.removeprefix("drop.") for key in columns if key.startswith("drop."))
    drops, emotion = columns[f"drop.{role}"], escape(clip.analysis.best.label)
    best = int(np.argmax(drops))
    order = [
        int(np.argsort(-columns[key])[j]) for j in (0, 1) for key in ("attention", "contribution") if key in columns and len(names) > j
    ]
    tempting = list(dict.fromkeys([*order, *map(int, np.argsort(-drops))]))

    def fall(i: int) -> str:
        return (
            f"without “{escape(names[i])}” {role} fusion’s logit for {emotion} {'falls by' if drops[i] >= 0 else 'rises by'} "
            f"{format_number(abs(drops[i]))}{' (with silence in its place the sign is the other one)' if flips[role][i] else ''}"
        )

    def why(i: int) -> str:
        reasons = [
            word
            for key, word in (("attention", "has the most attention"), ("contribution", "has the largest contribution"))
            if key in columns and i == int(np.argmax(columns[key]))
        ]
        start = f"“{escape(names[i])}” {' and '.join(reasons)}, but " if reasons else ""
        return f"{start}{fall(i)}; {fall(best)}."

    wrong = [(f"“{escape(names[i])}”", why(i)) for i in tempting if i != best]
    missing = [("None of them", f"Something changes with every word: {fall(best)}."), ("All alike", f"They differ: {fall(best)}.")]
    top = "attention" in columns and best == int(np.argmax(columns["attention"]))
    agrees = (
        "Here attention’s favourite is the same word; that alone proves little."
        if top
        else "Attention’s favourite is another word."
        if "attention" in columns
        else ""
    )
    return Question(
        f"Read the table: whose absence lowers {role} fusion’s logit for {emotion} the most?",
        shuffle((f"“{escape(names[best])}”", f"Right: {fall(best)}. {agrees}"), *wrong, *missing, place=1),
    )
