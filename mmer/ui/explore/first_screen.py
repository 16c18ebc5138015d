"""What the page opens with: a finished result of an example, and which examples stand as large cards beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmer.explain.verdict import read_headline
from mmer.pipeline import Analyzer
from mmer.results import Analysis
from mmer.ui.explore.example_clip import ExampleClip
from mmer.ui.explore.examples import is_made_by, open_shared
from mmer.ui.texts import explore as texts

MOST_CARDS = 4  # the opening one and three more


@dataclass(frozen=True, eq=False)
class FirstScreen:
    """What stands there before anybody pressed anything."""

    first: ExampleClip | None  # whose stored verdict is right; None where there is none of these models
    analysis: Analysis | None  # of `first`
    cards: tuple[ExampleClip, ...]  # large, in the order of the list
    others: tuple[ExampleClip, ...]  # small
    outcomes: dict[str, str]  # folder's name -> what these models said of it, in one line; "" where other models made the stored result


def read_stored(examples: Sequence[ExampleClip], analyzer: Analyzer) -> dict[str, Analysis]:
    """Folder's name -> the stored analysis, of the examples whose was made by the models of the page."""
    return {e.folder.name: found for e in examples if is_made_by(analyzer, found := open_shared(e))}


def plan_first_screen(examples: Sequence[ExampleClip], stored: Mapping[str, Analysis]) -> FirstScreen:
    """The first recorded, right and sure example opens the page; large beside it stand three that are meant otherwise, voices first.

    `stored`: as `read_stored` gives it.
    """
    right = [e for e in examples if e.folder.name in stored and is_right(stored[e.folder.name], e)]
    right.sort(key=lambda e: (e.kind != "recorded", stored[e.folder.name].state != "sure"))
    first = right[0] if right else None
    cards = choose_cards(examples, first)
    outcomes = {e.folder.name: say_outcome(stored[e.folder.name], e) if e.folder.name in stored else "" for e in examples}
    others = tuple(e for e in examples if e not in cards)
    return FirstScreen(first, stored[first.folder.name] if first else None, cards, others, outcomes)


def choose_cards(examples: Sequence[ExampleClip], first: ExampleClip | None) -> tuple[ExampleClip, ...]:
    """Recordings before synthesis, emotions that are not there yet before those that are."""
    chosen = [first] if first else []
    rest = [e for e in examples if e is not first]
    while rest and len(chosen) < MOST_CARDS:
        there = {e.emotion for e in chosen}
        chosen.append(min(rest, key=lambda e: (e.kind != "recorded", e.emotion in there)))
        rest.remove(chosen[-1])
    return tuple(e for e in examples if e in chosen)


def is_right(analysis: Analysis, example: ExampleClip) -> bool:
    """Whether an emotion is named, and is the one that is meant."""
    return read_headline(analysis).names_emotion and analysis.best.label == example.emotion


def say_outcome(analysis: Analysis, example: ExampleClip) -> str:
    """One line for a card: what is said of the example, and that it is wrong where it is."""
    said = read_headline(analysis)
    if said.share is None:
        return said.text
    return texts.say_card(said.text, said.share, example.emotion, is_right=is_right(analysis, example))
