"""Two people who coded the same utterances -> how far they agree on each tag: Cohen's kappa (Cohen 1960)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from mmer.notes.entries import DISPUTED, TAG, Entry, list_coders
from mmer.phrasing import say_count

DISPUTED_NAME = "label disputed"  # among the tags


@dataclass(frozen=True)
class CoderAgreement:
    """Of two coders, on one tag, over the utterances that both coded."""

    tag: str
    coders: tuple[str, str]
    utterances: int
    both: int  # utterances that both gave the tag
    only: tuple[int, int]  # that only the first, only the second gave it
    kappa: float | None  # None where both always, or both never gave it: there is nothing to agree on beyond chance

    @property
    def sentence(self) -> str:
        counts = f"both {self.both}, only {self.coders[0]} {self.only[0]}, only {self.coders[1]} {self.only[1]}"
        kappa = "kappa not defined: both gave it to all or to none" if self.kappa is None else f"kappa {self.kappa:.2f}"
        over = say_count(self.utterances, "utterance")
        return f"{self.tag}: {self.coders[0]} and {self.coders[1]}, {over} that both coded: {counts}; {kappa}."


def measure_kappa(both: int, only_a: int, only_b: int, neither: int) -> float | None:
    """(observed - expected) / (1 - expected) of yes or no by two people; None where they can't but agree."""
    n = both + only_a + only_b + neither
    if n == 0:
        return None
    observed = (both + neither) / n
    a, b = (both + only_a) / n, (both + only_b) / n
    expected = a * b + (1 - a) * (1 - b)
    return None if expected == 1 else (observed - expected) / (1 - expected)


def list_agreements(entries: Sequence[Entry]) -> tuple[CoderAgreement, ...]:
    """Of every two coders who coded something in common, on every tag that one of them used there, and on disputed labels.

    Who noted, tagged or disputed an utterance, or marked it as coded, has coded it: a tag that such a person did not give is a no.
    """
    held = [entry for entry in entries if entry.holds]
    coders = list_coders(held)
    coded = {coder: {entry.utterance for entry in held if entry.coder == coder} for coder in coders}
    given: dict[tuple[str, str], set[str]] = {}
    for entry in held:
        if entry.kind in (TAG, DISPUTED):
            given.setdefault((entry.coder, entry.value if entry.kind == TAG else DISPUTED_NAME), set()).add(entry.utterance)
    found = []
    for a, b in combinations(coders, 2):
        common = coded[a] & coded[b]
        for tag in sorted({tag for coder, tag in given if coder in (a, b)}):
            ours, theirs = (given.get((coder, tag), set()) & common for coder in (a, b))
            if not (common and (ours or theirs)):
                continue
            both, only = len(ours & theirs), (len(ours - theirs), len(theirs - ours))
            kappa = measure_kappa(both, *only, len(common - ours - theirs))
            found.append(CoderAgreement(tag, (a, b), len(common), both, only, kappa))
    return tuple(found)
