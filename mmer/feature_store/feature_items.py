"""The utterances of a data set that training may read, each with its cache keys, and why the others can't be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmer.choices.units import UNITS
from mmer.datasets.dataset import Dataset


@dataclass(frozen=True)
class FeatureItem:
    """One utterance that training may read."""

    name: str
    label: int  # index into its data set's classes
    speaker: str
    session: str
    gender: str  # "" when it is not known
    speech: str | None  # cache key of F, P, S, W; None when it has none of them
    text: str | None  # cache key of T
    units: tuple[str, ...]  # those of T, F, P, S, W that it has, in the order of UNITS; at least one
    index: int  # in Dataset.utterances
    seconds: float | None  # of sound; None where none was read
    absent: tuple[tuple[str, str], ...] = ()  # (unit, why it has none)
    copies: tuple[str, ...] = ()  # cache keys of augmented copies of its sound, where they were asked for
    corpus: str = ""  # the data set's name, where several are trained on together
    sha256: str = ""  # of the clip's samples; "" where no sound was read

    def describe_gaps(self, units: Iterable[str] = UNITS) -> str:
        """ "name: P S W: The words and ...; T: There are no words."; "" when it has all of `units`."""
        reasons: dict[str, list[str]] = {}
        for unit, why in self.absent:
            if unit in units:
                reasons.setdefault(why, []).append(unit)
        return f"{self.name}: " + "; ".join(f"{' '.join(named)}: {why}" for why, named in reasons.items()) if reasons else ""


@dataclass(frozen=True)
class FeatureSet:
    dataset: Dataset
    preset: str
    items: tuple[FeatureItem, ...]  # in the data set's order; those with at least one unit
    left_out: tuple[str, ...]  # "name: reason" for utterances without any unit
    partial: tuple[str, ...]  # "name: P S W: reason" for items that lack units
    dropped: tuple[FeatureItem, ...] = ()  # those of left_out, to ask for what a model would have read of them

    def choose(self, units: Iterable[str]) -> tuple[tuple[FeatureItem, ...], tuple[str, ...]]:
        """The items that have all of `units`, and "name: reason" for every other utterance."""
        wanted = set(units)
        chosen = tuple(item for item in self.items if wanted <= set(item.units))
        return chosen, list_gaps((*self.dropped, *self.items), wanted)


def list_gaps(items: Iterable[FeatureItem], units: Iterable[str]) -> tuple[str, ...]:
    """ "name: P: reason" of those that lack some of `units`; nothing is said of other units, which nobody reads."""
    wanted = set(units)
    return tuple(gaps for item in items if (gaps := item.describe_gaps(wanted)))


def choose_items(features: FeatureSet, units: Sequence[str]) -> tuple[tuple[FeatureItem, ...], tuple[str, ...]]:
    """Items with at least one of the units, and "name: reason" for the others. One that lacks some is read by the branches it has."""
    items = tuple(item for item in features.items if set(units) & set(item.units))
    without = (*features.dropped, *(item for item in features.items if not set(units) & set(item.units)))
    return items, list_gaps(without, units)
