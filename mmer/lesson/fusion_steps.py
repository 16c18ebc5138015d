"""Steps 4 to 6: branches that add up, coattention in both directions, and what fusing them mends or spoils (Sections 2.2 to 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ..results import Coattention, Prediction
from .markup import (
    call,
    fold,
    format_number,
    frac,
    gap,
    math,
    mi,
    mo,
    row,
    subsup,
    sup,
    total,
    write_number,
    write_percent,
    write_sum,
    write_table,
)
from .material import LessonClip
from .pictures import Bar, draw_bars, draw_map
from .sound_steps import row_of
from .steps import ROLE_NAMES, Question, Step, StepNotPossible, find_additive, join_words, name_unit, number_labels, shuffle

MOST_COLUMNS = 60  # sounds in the map; a longer clip shows its first ones


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


# step 5


@dataclass(frozen=True, eq=False)
class Pair:
    """One map in both directions, in one layer and head, with names of its axes."""

    unit: str
    layer: int
    head: int
    there: np.ndarray  # (tokens, cells) text queries, speech keys; rows sum to 1
    back: np.ndarray  # (cells, tokens) speech queries, text keys; rows sum to 1
    tokens: list[str]
    sounds: list[str]


def pick_pair(clip: LessonClip) -> Pair:
    """The last layer's head whose rows are the most pointed. Raises StepNotPossible without coattention."""
    early = clip.analysis.predictions.get("early")
    if early is None or not early.coattention:
        raise StepNotPossible("no model with coattention spoke about it")
    unit = next(u for u in ("P", "S", "W", "F") if u in early.coattention)
    maps: Coattention = early.coattention[unit]
    layer = maps.text_to_speech.shape[0] - 1
    head = int(np.argmax(maps.text_to_speech[layer].max(-1).mean(-1)))
    labels = list(clip.analysis.labels[unit])[:: maps.segments_per_cell]
    there, back = maps.text_to_speech[layer, head].astype(np.float64), maps.speech_to_text[layer, head].astype(np.float64)
    return Pair(unit, layer, head, there, back, number_labels(clip.analysis.labels["T"]), number_labels(labels[: there.shape[1]]))


def teach_coattention(clip: LessonClip) -> Step:
    """Step 5: one row of the attention formula in each direction."""
    pair = pick_pair(clip)
    in_words = np.asarray(clip.analysis.words["T"]) >= 0
    token = int(np.argmax(np.where(in_words, pair.there.max(1), -1) if in_words.any() else pair.there.max(1)))
    sound = int(np.argmax(pair.there[token]))
    early = clip.analysis.predictions["early"]
    layers, heads = early.coattention[pair.unit].text_to_speech.shape[:2]
    name, units = name_unit(pair.unit).rstrip("s"), name_unit(pair.unit)
    lead = (
        "<p><b>Early fusion</b> lets voice and words look at each other before anything is decided (Figure 3). In one "
        f"branch every word piece <b>asks</b> (Q) and the {units} <b>answer</b>"
        f" (K, V); in the other the {units} ask and the word pieces answer. How much of each answer is taken is the "
        "attention: one row for each asker, and every row sums to 1."
        f" {escape(early.head)} does this in {write_number(layers, 'maps.layers', digits=0)} layers with "
        f"{write_number(heads, 'maps.heads', digits=0)} heads each; below the last layer, head "
        f"{write_number(pair.head + 1, 'maps.head', digits=0)}.</p>"
    )
    q, k, v = (sup(mi(letter, bold=True), mi("n")) for letter in "QKV")
    equation = math(
        call("Attention", q, mo(","), k, mo(","), v),
        mo("="),
        call(
            "softmax", frac(sup(mi("Q", bold=True), mi("n")) + sup(mi("K", bold=True), row(mi("n"), mi("⊤"))), f"<msqrt>{mi('d')}</msqrt>")
        ),
        sup(mi("V", bold=True), mi("n")),
    ) + math(
        sup(mi("Q", bold=True), mi("n")),
        mo("="),
        subsup(mi("W", bold=True), mi("6"), mi("i")),
        sup(mi("U", bold=True), row_of("i,", "n")),
        mo("+"),
        subsup(mi("b"), mi("6"), mi("i")),
        gap(),
        sup(mi("K", bold=True), mi("n")),
        mo("="),
        subsup(mi("W", bold=True), mi("7"), mi("j")),
        sup(mi("U", bold=True), row_of("j,", "n")),
        mo("+"),
        subsup(mi("b"), mi("7"), mi("j")),
        gap(),
        sup(mi("V", bold=True), mi("n")),
        mo("="),
        subsup(mi("W", bold=True), mi("8"), mi("j")),
        sup(mi("U", bold=True), row_of("j,", "n")),
        mo("+"),
        subsup(mi("b"), mi("8"), mi("j")),
    )
    filled = (
        f"<p>Words ask: the row of “{escape(pair.tokens[token])}” over the {len(pair.sounds)} {units}</p>"
        + write_row(pair.there[token], pair.sounds, "row.there")
        + f"<p>Sounds ask: the row of the {name} “{escape(pair.sounds[sound])}” over the {len(pair.tokens)} word pieces</p>"
        + write_row(pair.back[sound], pair.tokens, "row.back")
    )
    shown = list(range(len(pair.sounds)))[:MOST_COLUMNS]
    cut = f" The first {len(shown)} of {len(pair.sounds)} {units} are drawn." if len(shown) < len(pair.sounds) else ""
    picture = (
        f'<p class="ml-caption">Words ask, {units} answer: the darker, the larger the weight. Marked are the row of '
        f"“{escape(pair.tokens[token])}” and the column of “{escape(pair.sounds[sound])}”.{cut}</p>"
        + draw_map(
            pair.there[:, shown],
            pair.tokens,
            [pair.sounds[j] for j in shown],
            row=token,
            column=sound,
            label=f"Attention of {len(pair.tokens)} word pieces to {len(shown)} {units}",
        )
        + f'<p class="ml-caption">The other way round: {units} ask, words answer. Now each <em>column</em> sums to 1.</p>'
        + draw_map(
            pair.back.T[:, shown],
            pair.tokens,
            [pair.sounds[j] for j in shown],
            row=token,
            column=sound,
            label=f"Attention of {len(shown)} {units} to {len(pair.tokens)} word pieces",
        )
        + fold(
            "The first map in numbers",
            write_table(
                ["", *(escape(s) for s in pair.sounds)],
                [[escape(t), *(f"{w:.3f}" for w in weights)] for t, weights in zip(pair.tokens, pair.there)],
                caption="Rows sum to 1",
            ),
        )
    )
    after = (
        "<p>The two directions are two different maps: that a word looks at a sound doesn't mean that the sound looks "
        "back. Figure 3 repeats them in three layers, and the paper averages both branches in the end.</p>"
    )
    return Step(
        "coattention",
        "Coattention, in both directions",
        "Section 2.3, Figure 3",
        lead,
        equation,
        filled,
        picture,
        ask_about_column(pair, sound),
        after,
    )


def write_row(weights: np.ndarray, names: Sequence[str], key: str) -> str:
    """The largest weights of a row, what the rest has, and their sum."""
    order = np.argsort(-weights)[:4]
    terms = [(write_number(weights[j], f"{key}.{j}", sign=n > 0), f"“{escape(names[j])}”") for n, j in enumerate(order)]
    rest = float(weights.sum() - weights[order].sum())
    if len(weights) > len(order):
        terms.append((write_number(rest, f"{key}.rest", sign=True), f"{len(weights) - len(order)} others"))
    return write_sum(terms, result=write_number(weights.sum(), f"{key}.sum"), label="row sum")


def ask_about_column(pair: Pair, sound: int) -> Question:
    """Columns need not sum to 1."""
    sums = pair.there.sum(0)
    column = sound if abs(sums[sound] - 1) > 0.05 else int(np.argmax(np.abs(sums - 1)))
    name, tokens = escape(pair.sounds[column]), len(pair.tokens)
    even = tokens / len(pair.sounds)
    return Question(
        f"Now down a column: what do the weights that “{name}” gets from all {tokens} word pieces add up to?",
        shuffle(
            (
                format_number(sums[column]),
                "Right. Softmax makes rows sum to 1, since each asker shares out its own attention. Nothing holds a column to a "
                f"sum: equal shares would give {format_number(even)}.",
            ),
            (
                format_number(1),
                "Only rows do: each asker shares out 1. What one sound receives is whatever it is given, here "
                f"{format_number(sums[column])}.",
            ),
            (
                format_number(even if abs(even - sums[column]) > 5e-4 else 0),
                f"That is what equal shares would give. Attention is not shared equally here: it gets {format_number(sums[column])}.",
            ),
            place=2,
        ),
    )


# step 6


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


def teach_fusion(clip: LessonClip, shelf: Sequence[LessonClip]) -> Step:
    """Step 6: one example where fusing helped and one where it hurt, chosen by rule."""
    known = [c for c in shelf if c.emotion]
    if not known:
        raise StepNotPossible("there are no examples whose emotion is known")
    mended, spoilt = pick_mended(known), pick_spoilt(known)
    lead = (
        "<p>Does it help to ask several? Below is every shipped example: what each part of the models would say alone, "
        "and what they say together."
        " The two cases are found by rule, not picked by hand: <b>mended</b> is the example with a right verdict and the "
        "most wrong parts, <b>spoilt</b> the one with a wrong verdict and the most right parts.</p>"
    )
    y = {name: sup(mi("ŷ", bold=True), mi(name)) for name in ("late", "early", "combined")}
    equation = math(y["combined"], mo("="), frac(row(y["late"], mo("+"), y["early"]), "<mn>2</mn>"))
    filled = describe_case("Mended", mended, "right") + describe_case("Spoilt", spoilt, "wrong")
    after = (
        "<p>What an example is <em>meant</em> to be is known: sentences read aloud count as neutral, and a synthetic "
        "voice was set to a mood, which nobody felt.  A part alone is what it adds to the sum: no branch was trained to "
        f"be asked alone. {len(known)} clips show how fusion works, not how often."
        " How often, a model card says: for these heads, on held-out voices, in the folder of each head.</p>"
    )
    case = spoilt or mended or known[0]
    return Step(
        "fusion",
        "When fusion mends and when it spoils",
        "Section 2.4",
        lead,
        equation,
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
            terms.append((write_number(value, f"case.{clip.name}.{vote.name}.{emotion}", sign=bool(terms)), f"{vote.name}{half}"))
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
    parts = join_words([f"{name} {format_number(lead, digits=2, sign=True)}" for name, lead in leads])
    count = sum(v.label == said for v in votes)
    rival = f"{escape(other)} over {escape(meant)}" if said != meant else f"{escape(meant)} over {escape(other)}"
    return Question(
        f"“{escape(clip.title)}” is meant as {escape(meant)}; together the models say {escape(said)}. Why?",
        shuffle(
            (
                f"Added up, the parts’ logits put {rival}",
                f"Right: lead of {escape(other)} over {escape(meant)}, part by part: {parts}; together "
                f"{format_number(gap, digits=2, sign=True)}. How far each part leads counts, not only whom it names.",
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
