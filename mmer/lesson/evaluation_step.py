"""Step 8: how such models are evaluated, and three ways to fool oneself (Section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

from mmer.datasets.folds import VALIDATION_SHARE
from mmer.datasets.iemocap import COUNTS
from mmer.experiments.report.tables import PAPER_COMBINATION, paper_ua
from mmer.lesson.lesson_clip import LessonClip
from mmer.lesson.markup import (
    fold,
    format_number,
    frac,
    math,
    mi,
    mo,
    mtext,
    note_rounding,
    read_printed,
    row,
    total,
    var,
    where,
    write_number,
    write_sum,
    write_table,
)
from mmer.lesson.pictures import draw_dots
from mmer.lesson.steps import LessonStep, Question, StepNotPossible, shuffle


def expect_highest(count: int) -> float:
    """Mean of the highest of `count` draws from a standard normal distribution."""
    return float(quad(lambda x: x * count * norm.pdf(x) * norm.cdf(x) ** (count - 1), -8, 8)[0])


def teach_evaluation(clip: LessonClip, examples: Sequence[LessonClip]) -> LessonStep:
    """Step 8: unweighted accuracy, folds by session, and three ways to fool oneself."""
    known = [c for c in examples if c.can_be_right]
    if not known:
        raise StepNotPossible("there are no examples of a class that these models tell apart")
    utterances = sum(COUNTS.values())
    lead = (
        "<p>The paper’s accuracies come from <b>IEMOCAP</b>: ten actors in five sessions, a woman and a man in each; "
        f"{write_number(utterances, 'iemocap.utterances', digits=0)} utterances of the four emotions."
        " Each of five runs leaves out one <b>session</b> for the test, so that nobody is heard in both training and "
        "test; all of it is done five times."
        " The measure is <b>UA</b>, unweighted accuracy: the mean over the emotions of the share that is found, so that "
        "a common emotion counts no more than a rare one.</p>"
    )
    equation = math(
        mi("UA"),
        mo("="),
        frac("<mn>1</mn>", row(mo("|"), mi("C"), mo("|"))),
        total(row(mi("c"), mo("∈"), mi("C"))),
        frac(row(mtext("correct clips of\u00a0"), mi("c")), row(mtext("clips of\u00a0"), mi("c"))),
    ) + where(
        (var("UA"), "is the unweighted accuracy"),
        (var("C"), f"the set of emotions, |{var('C')}| how many there are"),
        (var("c"), "one of them"),
    )
    filled = write_ua(known) + "<p>So few clips say nothing about a model, but the sum is the same with thousands.</p>" + write_choice()
    picture = (
        draw_sessions() + '<p class="ml-caption">Test UA of the eight settings in each column of Table 2. Orange is the highest of its '
        f"row; the dotted line, at {format_number(expect_table()[2], digits=2)} %, is where the highest late fusion would lie by chance "
        "alone, were all eight equally good.</p>" + draw_table()
    )
    question = Question(
        "Somebody trains for thirty epochs, looks at the UA on the test session after each, and reports the highest. "
        "What does that number tell?",
        shuffle(
            (
                "More than the model can do for new speakers",
                "Right: the highest of thirty noisy looks is high partly by luck, and the test session chose it. Choose the "
                "epoch on held-out training speakers, and look at the test once.",
            ),
            (
                "What the model can do for new speakers",
                "The speakers were new to the training, but not to the choice: the epoch was picked because it suits them.",
            ),
            (
                "Less than it can do, since later epochs might be better still",
                "Picking the best one seen never lowers the number. It is too high, however long the training.",
            ),
            place=2,
        ),
    )
    after = (
        "<p><b>Speaker leakage.</b> Split utterances at random and every voice stands on both sides; the model may know "
        "the speaker, even the dialogue, and the score says nothing of strangers."
        " The paper’s test sessions avoid that, but its validation part is a random "
        f"{format_number(100 * VALIDATION_SHARE, digits=0)} % of the training utterances, whose speakers are trained on: "
        "early stopping then listens to known voices."
        " <b>Acted speech.</b> Actors who are told what to feel are clearer than people who feel. In the Train tab every "
        "split is checked for shared speakers and sentences before it runs.</p>"
    )
    return LessonStep(
        "evaluation",
        "How this is evaluated, and what can go wrong",
        "Section 3, Tables 2 and 3",
        lead,
        equation,
        filled,
        picture,
        question,
        after,
        f"With the numbers of the {len(known)} examples and of Table 2",
    )


def write_ua(clips: Sequence[LessonClip]) -> str:
    """The formula with the shipped examples."""
    meant = [c.emotion for c in clips]
    present = [e for e in clips[0].analysis.best.classes if e in meant]
    right = {e: sum(c.emotion == e and c.analysis.best.label == e for c in clips) for e in present}
    terms = [(f"{right[e]}/{meant.count(e)}", e) for e in present]
    recalls = [right[e] / meant.count(e) for e in present]
    ua, wa = float(np.mean(recalls)), sum(right.values()) / len(clips)
    return (
        f"<p>The {len(clips)} shipped examples, by what the models say together:</p>"
        + write_sum(terms, result=write_number(sum(recalls), "ua.sum"), label="sum of recalls")
        + f"<p>UA = {write_number(sum(recalls), 'ua.sum')} ÷ {len(present)} = <b>{write_number(ua, 'ua')}</b>; counting "
        f"clips instead, {sum(right.values())} of {len(clips)} are correct: {write_number(wa, 'wa')}.</p>"
    )


def expect_table() -> tuple[float, float, float]:
    """Mean and standard deviation of Table 2's late fusion, and where its highest would lie by chance, in percent."""
    late = np.array(list(paper_ua("late").values()))
    mean, deviation = float(late.mean()), float(late.std(ddof=1))
    return mean, deviation, mean + expect_highest(len(late)) * deviation


def write_choice() -> str:
    """What choosing the best of Table 2 by its test score is worth, if all were equal."""
    late = list(paper_ua("late").values())
    mean, deviation, by_chance = expect_table()
    terms = [
        write_number(value, f"table2.{name}", digits=2)
        for value, name in ((mean, "mean"), (expect_highest(len(late)), "factor"), (deviation, "sd"), (by_chance, "chance"))
    ]
    center, factor, spread, _ = map(read_printed, terms)
    rounded = note_rounding(center + factor * spread, terms[-1])
    return (
        f"<p><b>Choosing on the test.</b> Table 2 gives late fusion {len(late)} test scores, and Table 3 takes the "
        f"highest, {write_number(max(late), 'table2.highest', digits=2)} %, on to the combination"
        f" ({format_number(PAPER_COMBINATION, digits=2)} %). The {len(late)} have mean "
        f"{terms[0]} and standard deviation {terms[2]}."
        f" Were all equally good and the differences luck, the highest of {len(late)} would be expected at "
        f"{terms[0]} + {terms[1]} × {terms[2]} = <b>{terms[3]} %</b>{rounded}."
        " That does not prove luck; it shows that these scores alone can’t tell it from merit.</p>"
    )


def draw_table() -> str:
    """The test scores of Table 2 on one axis."""
    groups = [
        (name, [(f"F{'+'.join(['', *units[1:]])}", v) for units, v in paper_ua(column).items()])
        for name, column in (("late fusion", "late"), ("coattention", "coattention"))
    ]
    highest, expected = max(paper_ua("late").values()), expect_table()[2]
    picture = draw_dots(
        groups,
        [("highest by chance", expected)],
        unit="UA (%)",
        label=f"Test UA of late fusion and coattention in Table 2; the highest late fusion has {highest:.2f} %, by chance "
        f"{expected:.2f} % would be expected",
    )
    rows = [[escape(units), *(f"{paper_ua(c)[units]:.2f}" for c in ("coattention", "late"))] for units in paper_ua("late")]
    return picture + fold(
        "Table 2 in numbers", write_table(["speech", "Coattention", "Late Fusion"], rows, caption="UA in percent, from the paper")
    )


def draw_sessions() -> str:
    """Five sessions of two speakers, split by session and at random."""

    def draw(name: str, says: str, kinds: Sequence[str]) -> str:
        cells = "".join(f'<span class="ml-session ml-{kind}"><b>{i + 1}</b><small>{kind}</small></span>' for i, kind in enumerate(kinds))
        return f'<div class="ml-sessions"><p><b>{name}</b> {says}</p><div>{cells}</div></div>'

    return (
        '<p class="ml-caption">The five sessions, each with two speakers of its own.</p>'
        + draw("By session.", "Test voices are strangers.", ["train", "train", "train", "train", "test"])
        + draw("At random.", "Every voice is in both parts.", ["both"] * 5)
    )
