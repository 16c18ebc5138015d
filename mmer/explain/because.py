"""A verdict -> one sentence that says why, made only of numbers that the page, the shell and the files show beside it.

Logits are centred over the emotions and are those of the verdict that is shown: of a combined one, each model's half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmer.choices.units import UNITS
from mmer.explain.steps import ExplanationStep, centre, decision_steps
from mmer.explain.verdict import ROLE_NAMES, read_headline
from mmer.phrasing import join_words
from mmer.results import Analysis, Prediction
from mmer.word_contributions import find_additive, word_contributions

LEAST = 0.005  # logits; what adds less is 0.00 in the sentence's digits
MOST_WORDS = 2
LONGEST_WORD = 40  # characters of a word that the sentence repeats
ADDING = ("bias", "branch", "member")  # the kinds of steps that add up to the logit


@dataclass(frozen=True)
class WordFlip:
    """A word without which the same models, asked again, named another emotion."""

    word: int  # index in Transcript.words
    label: str  # what they named instead


def explain_verdict(analysis: Analysis, *, flips: Sequence[WordFlip] | None = None) -> str:
    """The sentence; "" where no emotion is named.

    The largest part stands first, then the words that add most, what the voice and the words say each by themselves, and what became of
    the verdict without a word. `flips`: the words without which another emotion was named, strongest first; None where nobody tried.
    """
    said = read_headline(analysis)
    if not said.names_emotion:
        return ""
    parts = [s for s in decision_steps(analysis, analysis.best.label) if s.kind in ADDING]
    words = rank_words(analysis)
    largest = max(parts, key=lambda step: step.value)
    leading = [(i, value) for i, value in words if value > largest.value]
    if leading:
        clauses = [f"{quote_words(analysis, leading)} {'add' if len(leading) > 1 else 'adds'} most", say_largest(parts, first=False)]
    else:
        clauses = [say_largest(parts, first=True), say_words(analysis, parts, words)]
    clauses += [say_sides(analysis), say_flips(analysis, flips)]
    return f"{introduce(analysis)} {'; '.join(filter(None, clauses))}."


def introduce(analysis: Analysis) -> str:
    """ "Anger:", or where it is not sure "Between neutral (49 %) and sadness (38 %). For neutral,"."""
    best = analysis.best
    if analysis.state != "not sure":
        return f"{best.label[:1].upper()}{best.label[1:]}:"
    first, second = (f"{best.classes[i]} ({100 * best.probabilities[i]:.0f} %)" for i in np.argsort(-best.probabilities, kind="stable")[:2])
    return f"Between {first} and {second}. For {best.label},"


def say_largest(parts: Sequence[ExplanationStep], *, first: bool) -> str:
    """The part that adds most; before it, one that takes even more away. `first`: no word adds more."""
    if len(parts) == 1:
        return f"{name_part(parts[0])} decides alone ({show(parts[0].value)}), and its sum can't be divided"
    most, least = (pick(parts, key=lambda step: step.value) for pick in (max, min))
    against = f"{name_part(least)} counts most, against it ({show(least.value)}); " if -least.value > most.value else ""
    return f"{against}{name_part(most)} {'adds most' if first else 'follows'} ({show(most.value)})"


def name_part(step: ExplanationStep) -> str:
    if step.kind == "branch":
        return f"the {'text' if UNITS[step.unit].is_text else UNITS[step.unit].one} branch"
    if step.kind == "member":
        return ROLE_NAMES.get(step.label.split(" ", 1)[0], step.label)
    return "the bias"


def rank_words(analysis: Analysis) -> list[tuple[int, float]]:
    """(index of the written word, what it adds to the verdict) of the few that add most."""
    best = analysis.best
    found = word_contributions(analysis, best.role)
    if found is None or not found.texts:
        return []
    values = centre(found.words)[:, best.classes.index(best.label)]
    order = np.argsort(-values, kind="stable")[:MOST_WORDS]
    return [(int(i), float(values[i])) for i in order if values[i] >= LEAST]


def say_words(analysis: Analysis, parts: Sequence[ExplanationStep], words: Sequence[tuple[int, float]]) -> str:
    if not words:
        return ""
    of = "of the part that can be divided" if any(step.kind == "member" for step in parts) else "of the words"
    return f"{of}, {quote_words(analysis, words)}"


def quote_words(analysis: Analysis, words: Sequence[tuple[int, float]]) -> str:
    return join_words([f"{quote_word(analysis, i)} ({show(value)})" for i, value in words])


def quote_word(analysis: Analysis, index: int) -> str:
    """The word in quotes; which one, where the text has several of them."""
    texts = [word.text for word in analysis.transcript.words]
    text = texts[index]
    shown = text if len(text) <= LONGEST_WORD else text[: LONGEST_WORD - 1] + "…"
    number = f" no. {texts[: index + 1].count(text)}" if Counter(texts)[text] > 1 else ""
    return f"“{shown}”{number}"


def say_sides(analysis: Analysis) -> str:
    """What the branches of the voice say together, and what the text's says; "" where only one of both speaks."""
    model = find_additive(analysis)
    if model is None or model.role not in (analysis.best.role, *analysis.best.members):
        return ""
    sides = [name_winner(model, is_text=is_text) for is_text in (False, True)]
    if "" in sides:
        return ""
    voice, words = sides
    if voice == words:
        return f"voice and words, each by itself, both say {voice}"
    return f"the voice by itself says {voice}, the words {words}"


def name_winner(model: Prediction, *, is_text: bool) -> str:
    """The emotion that the branches of one kind name, their biases with them; "" where there are none."""
    logits = [b.logits.astype(np.float64) for b in model.branches or () if UNITS[b.unit].is_text == is_text]
    return model.classes[int(np.argmax(np.sum(logits, axis=0)))] if logits else ""


def say_flips(analysis: Analysis, flips: Sequence[WordFlip] | None) -> str:
    if flips is None:
        return ""
    if not flips:
        return "muting any one word leaves it as it is"
    return f"muting {quote_word(analysis, flips[0].word)} would make it {flips[0].label}"


def show(value: float) -> str:
    """ "+1.30", "−0.40"."""
    return f"{'−' if round(value, 2) < 0 else '+'}{abs(value):.2f}"
