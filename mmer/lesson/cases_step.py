"""Step 6: one example that fusing both models mends and one that it spoils, chosen by rule (Section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from mmer.choices.units import name_unit
from mmer.lesson.lesson_clip import LessonClip
from mmer.lesson.markup import (
    call,
    format_number,
    frac,
    math,
    mi,
    mo,
    note_rounding,
    read_printed,
    row,
    sup,
    var,
    where,
    write_number,
    write_sum,
    write_table,
)
from mmer.lesson.steps import ROLE_NAMES, LessonStep, Question, StepNotPossible, find_additive, shuffle
from mmer.phrasing import join_words, say_count
from mmer.results import Prediction

LOGITS = {name: sup(mi("z", bold=True), row(mi(name), mo(","), mi("n"))) for name in ("late", "early")}
EQUATION = math(
    sup(mi("ŷ", bold=True), mi("n")), mo("="), call("softmax", frac(row(LOGITS["late"], mo("+"), LOGITS["early"]), "<mn>2</mn>"))
) + where(
    (var("ŷ", above="n", bold=True), f"are the predicted probabilities of the emotions for clip {var('n')}, now of both models together"),
    (var("z", above="late,n", bold=True), "the logits of late fusion, the sum inside Equation 3"),
    (var("z", above="early,n", bold=True), "those of early fusion"),
    (var("softmax"), "turns logits into probabilities"),
)


@dataclass(frozen=True, eq=False)
class Vote:
    """What one part of the models says about one example."""

    name: str  # text, frames, ..., early fusion
    logits: np.ndarray  # (classes,)
    label: str


def list_votes(clip: LessonClip) -> list[Vote]:
    """The branches of late fusion, and early fusion."""
    votes = [
        Vote(name_unit(b.unit), b.logits, find_additive(clip).classes[int(b.logits.argmax())]) for b in find_additive(clip).branches or ()
    ]
    early = clip.analysis.predictions.get("early")
    return votes + ([Vote("early fusion", early.logits, early.label)] if early else [])


def pick_mended(clips: Sequence[LessonClip]) -> LessonClip | None:
    """The example whose verdict is right though most of its parts are wrong; None where no part is wrong."""
    scored = [(sum(v.label != c.emotion for v in list_votes(c)), c) for c in clips if c.analysis.best.label == c.emotion]
    return pick_highest(scored)


def pick_spoilt(clips: Sequence[LessonClip]) -> LessonClip | None:
    """The example whose verdict is wrong though most of its parts are right; None where no part is right."""
    scored = [(sum(v.label == c.emotion for v in list_votes(c)), c) for c in clips if c.analysis.best.label != c.emotion]
    return pick_highest(scored)


def pick_highest(scored: Sequence[tuple[int, LessonClip]]) -> LessonClip | None:
    """The first of the clips with the highest score above 0."""
    able = [(score, -i) for i, (score, _) in enumerate(scored) if score]
    return scored[-max(able)[1]][1] if able else None


def teach_fusion(clip: LessonClip, examples: Sequence[LessonClip]) -> LessonStep:
    """Step 6: one example where fusing helped and one where it hurt, chosen by rule."""
    known = [c for c in examples if c.can_be_right]
    if not known:
        raise StepNotPossible("there are no examples of a class that these models tell apart")
    mended, spoilt = pick_mended(known), pick_spoilt(known)
    lead = (
        "<p>Does it help to ask several? Below is every shipped example: what each part of the models would say alone, "
        "and what they say together."
        " The two cases are found by rule, not picked by hand: <b>mended</b> is the example with a right verdict and the "
        "most wrong parts, <b>spoilt</b> the one with a wrong verdict and the most right parts.</p>"
    )
    filled = describe_case("Mended", mended, "right") + describe_case("Spoilt", spoilt, "wrong")
    after = (
        "<p>What an example is <em>meant</em> to be is known: sentences read aloud count as neutral, and a synthetic "
        "voice was set to a mood, which nobody felt. A part alone is what it adds to the sum: no branch was trained to "
        f"be asked alone. {say_count(len(known), 'clip shows', 'clips show')} how fusion works, not how often."
        " How often, a model card says: for these heads, on held-out voices, in the folder of each head.</p>"
    )
    case = spoilt or mended or known[0]
    return LessonStep(
        "fusion",
        "When fusion mends and when it spoils",
        "Section 2.4",
        lead,
        EQUATION,
        filled,
        draw_votes(known, mended, spoilt, clip),
        ask_about_case(case),
        after,
        "With the numbers of two examples",
    )


def describe_case(name: str, clip: LessonClip | None, outcome: str) -> str:
    """The mean of both models' logits for what was meant and for what was said."""
    if clip is None:
        other = "wrong" if outcome == "right" else "right"
        return f"<p><b>{name}:</b> no example shows it: there is none with a {outcome} verdict and a part that is {other}.</p>"
    votes, best = list_votes(clip), clip.analysis.best
    parts = join_words([f"{v.name} {escape(v.label)}" for v in votes])
    emotions = list(dict.fromkeys((clip.emotion, best.label if best.label != clip.emotion else find_rival(best, clip.emotion))))
    sums = "".join(f"<p>{escape(e)}:</p>{write_mean(clip, e)}" for e in emotions)
    return (
        f"<h4>{name}: “{escape(clip.title)}”, meant as {escape(clip.emotion)}</h4><p>Alone: {parts}. Together: "
        f"<b>{escape(best.label)}</b>.</p>{sums}"
    )


def find_rival(prediction: Prediction, emotion: str) -> str:
    """The strongest of the other emotions."""
    order = [prediction.classes[int(i)] for i in np.argsort(-prediction.logits)]
    return next(e for e in order if e != emotion)


def write_mean(clip: LessonClip, emotion: str) -> str:
    """The combination's logit of one emotion from its members, each late branch by itself."""
    predictions, best = clip.analysis.predictions, clip.analysis.best
    members = best.members or (best.role,)
    share = 1 / len(members)
    terms: list[tuple[str, str]] = []
    for vote in list_votes(clip):
        role = "early" if vote.name == "early fusion" else "late"
        if role in members or best.role == role:
            value = share * float(vote.logits[predictions[role].classes.index(emotion)])
            half = " ÷ 2" if share < 1 else ""
            terms.append((write_number(value, f"case.{clip.name}.{vote.name}.{emotion}"), f"{vote.name}{half}"))
    logit = float(best.logits[best.classes.index(emotion)])
    return write_sum(
        terms, result=write_number(logit, f"case.{clip.name}.{best.role}.{emotion}"), label=ROLE_NAMES.get(best.role, best.role)
    )


def draw_votes(clips: Sequence[LessonClip], mended: LessonClip | None, spoilt: LessonClip | None, current: LessonClip) -> str:
    """Examples down, parts across, each with what it says and whether that is right."""
    names = list(dict.fromkeys(v.name for c in clips for v in list_votes(c)))

    def cell(label: str, meant: str) -> str:
        mark, kind = ("✓", "right") if label == meant else ("✗", "wrong")
        return f'<span class="ml-vote ml-{kind}">{mark} {escape(label)}</span>'

    rows = []
    for c in clips:
        votes = {v.name: v.label for v in list_votes(c)}
        case = " <mark>mended</mark>" if c is mended else " <mark>spoilt</mark>" if c is spoilt else ""
        here = " <small>(on the screen)</small>" if c.name == current.name else ""
        cells = [cell(votes[n], c.emotion) if n in votes else "–" for n in names]
        rows.append([f"{escape(c.title)}{case}{here}", escape(c.emotion), *cells, f"<b>{cell(c.analysis.best.label, c.emotion)}</b>"])
    return write_table(["example", "meant", *names, "together"], rows, caption="Alone and together")


def ask_about_case(clip: LessonClip) -> Question:
    """Why the verdict is what it is: logits are added, votes are not counted."""
    best, votes = clip.analysis.best, list_votes(clip)
    meant, said = clip.emotion, best.label
    other = said if said != meant else find_rival(best, meant)
    at = (best.classes.index(meant), best.classes.index(other))
    gap = float(best.logits[at[1]] - best.logits[at[0]])
    share = 1 / len(best.members or (1,))
    leads = [(v.name, share * float(v.logits[at[1]] - v.logits[at[0]])) for v in votes]
    printed = [format_number(lead, digits=2, sign=True) for _, lead in leads]
    parts = join_words([f"{name} {lead}" for (name, _), lead in zip(leads, printed)])
    together = format_number(gap, digits=2, sign=True)
    together += note_rounding(sum(map(read_printed, printed)), together)
    count = sum(v.label == said for v in votes)
    rival = f"{escape(other)} over {escape(meant)}" if said != meant else f"{escape(meant)} over {escape(other)}"
    return Question(
        f"“{escape(clip.title)}” is meant as {escape(meant)}; together the models say {escape(said)}. Why?",
        shuffle(
            (
                f"Added up, the parts’ logits put {rival}",
                f"Right: lead of {escape(other)} over {escape(meant)}, part by part: {parts}; together "
                f"{together}. How far each part leads counts, not only whom it names.",
            ),
            (
                f"{count} of {len(votes)} parts say {escape(said)}, and most votes win",
                f"Votes are not counted. A part that is nearly undecided adds nearly nothing, a sure one much: {parts}.",
            ),
            (
                "The model trusts the part with the best record",
                "Nothing weighs the parts by how good they are: Equation 3 adds them, Section 2.4 averages both models, whatever the clip.",
            ),
            place=0,
        ),
    )
