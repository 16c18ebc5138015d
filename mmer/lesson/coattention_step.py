"""Step 5: a row of attention weights in each direction (Section 2.3, Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from mmer.choices.units import name_unit
from mmer.explain.steps import CAPTION_MIXED
from mmer.lesson.lesson_clip import LessonClip
from mmer.lesson.markup import (
    call,
    fold,
    format_number,
    frac,
    lines,
    math,
    mi,
    mo,
    row,
    subsup,
    sup,
    var,
    where,
    write_number,
    write_sum,
    write_table,
)
from mmer.lesson.pictures import draw_map
from mmer.lesson.sound_steps import row_of
from mmer.lesson.steps import LessonStep, Question, StepNotPossible, number_labels, shuffle
from mmer.phrasing import say_count
from mmer.results import CoattentionWeights

MIXED = " Behind the first layer a row is no pure word any more, and a column no pure sound: each has taken in what it attended to before."
MOST_COLUMNS = 60  # sounds in the map; a longer clip shows its first ones


def bold(letter: str) -> str:
    """A matrix of sample n."""
    return sup(mi(letter, bold=True), mi("n"))


def project(letter: str, layer: str, unit: str) -> str:
    """ "Q = W U + b", as the paper has it."""
    weight, bias = subsup(mi("W", bold=True), mi(layer), mi(unit)), subsup(mi("b"), mi(layer), mi(unit))
    return bold(letter) + mo("=") + weight + sup(mi("U", bold=True), row_of(f"{unit},", "n")) + mo("+") + bias


SCORES = frac(bold("Q") + sup(mi("K", bold=True), row(mi("n"), mi("⊤"))), f"<msqrt>{mi('d')}</msqrt>")
ATTENTION = math(call("Attention", bold("Q"), mo(","), bold("K"), mo(","), bold("V")), mo("="), call("softmax", SCORES), bold("V")) + where(
    (var("Q", above="n", bold=True), f"holds a row for each who asks in clip {var('n')}"),
    (
        f"{var('K', above='n', bold=True)} and {var('V', above='n', bold=True)}",
        "a row for each who answers: what it is known by, and what it gives",
    ),
    (var("⊤"), "turns rows into columns"),
    (var("d"), "is how many numbers a row has"),
    (var("softmax"), "makes each row of weights sum to 1"),
    (var("Attention"), "is what the askers take away"),
)
PROJECTIONS = math(lines(project("Q", "6", "i"), project("K", "7", "j"), project("V", "8", "j"))) + where(
    (", ".join(var(letter, above="n", bold=True) for letter in "QKV"), "are those above"),
    (var("U", above="i,n", bold=True), f"holds the vectors {var('u', 'k', 'i,n', bold=True)} of Equation 1 for the asking side {var('i')}"),
    (var("U", above="j,n", bold=True), f"those for the answering side {var('j')}"),
    (
        ", ".join(var("W", layer, bold=True) for layer in "678") + " and " + ", ".join(var("b", layer) for layer in "678"),
        "learned weights and biases",
    ),
)


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
    maps: CoattentionWeights = early.coattention[unit]
    layer = maps.text_to_speech.shape[0] - 1
    head = int(np.argmax(maps.text_to_speech[layer].max(-1).mean(-1)))
    labels = list(clip.analysis.labels[unit])[:: maps.segments_per_cell]
    there, back = maps.text_to_speech[layer, head].astype(np.float64), maps.speech_to_text[layer, head].astype(np.float64)
    return Pair(unit, layer, head, there, back, number_labels(clip.analysis.labels["T"]), number_labels(labels[: there.shape[1]]))


def teach_coattention(clip: LessonClip) -> LessonStep:
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
        f"{write_number(heads, 'maps.heads', digits=0)} heads each; what is shown here is head "
        f"{write_number(pair.head + 1, 'maps.head', digits=0)} of the last layer.</p>"
    )
    filled = (
        f"<p>Words ask: the row of “{escape(pair.tokens[token])}” over the {len(pair.sounds)} {units}</p>"
        + write_row(pair.there[token], pair.sounds, "row.there")
        + f"<p>Sounds ask: the row of the {name} “{escape(pair.sounds[sound])}” over the {len(pair.tokens)} word pieces</p>"
        + write_row(pair.back[sound], pair.tokens, "row.back")
    )
    mixed = f"<p>{CAPTION_MIXED}</p>" if layers > 1 else ""
    after = mixed + (
        "<p>The two directions are two different maps: that a word looks at a sound doesn't mean that the sound looks "
        "back. Figure 3 repeats them in three layers, and the paper averages both branches in the end.</p>"
    )
    return LessonStep(
        "coattention",
        "Coattention, in both directions",
        "Section 2.3, Figure 3",
        lead,
        ATTENTION + PROJECTIONS,
        filled,
        draw_maps(pair, token, sound, is_mixed=pair.layer > 0),
        ask_about_column(pair, sound),
        after,
    )


def draw_maps(pair: Pair, token: int, sound: int, *, is_mixed: bool) -> str:
    """Both maps with the row and the column that the numbers are about, and the first map in numbers.

    `is_mixed`: they are of a layer behind the first, where a row is no pure word any more.
    """
    units = name_unit(pair.unit)
    shown = list(range(len(pair.sounds)))[:MOST_COLUMNS]
    cut = f" The first {len(shown)} of {len(pair.sounds)} {units} are drawn." if len(shown) < len(pair.sounds) else ""
    return (
        f'<p class="ml-caption">Words ask, {units} answer: the darker, the larger the weight. Marked are the row of '
        f"“{escape(pair.tokens[token])}” and the column of “{escape(pair.sounds[sound])}”.{cut}{MIXED if is_mixed else ''}</p>"
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


def write_row(weights: np.ndarray, names: Sequence[str], key: str) -> str:
    """The largest weights of a row, what the rest has, and their sum."""
    order = np.argsort(-weights)[:4]
    terms = [(write_number(weights[j], f"{key}.{j}"), f"“{escape(names[j])}”") for j in order]
    rest = float(weights.sum() - weights[order].sum())
    if len(weights) > len(order):
        terms.append((write_number(rest, f"{key}.rest"), f"{say_count(len(weights) - len(order), 'other')}"))
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
