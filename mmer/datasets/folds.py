"""A data set -> folds and splits: one session left out in each (the paper's protocol), or speakers where there are no sessions.

Paper, Section 3.1: five folds, one session as the test set, a random 10 % of the other utterances as the validation set. Its reference [5]
holds out whole sessions for validation instead. A split depends on its arguments alone, so every model of a table sees the same one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmer.datasets.dataset import Dataset
from mmer.errors import DataError
from mmer.phrasing import say_count

VALIDATIONS = ("random", "speaker", "session")
VALIDATION_SHARE = 0.1
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Fold:
    """What one fold tests."""

    name: str  # "session 3" or "fold 3"
    test: tuple[int, ...]  # indices into Dataset.utterances, ascending


@dataclass(frozen=True, eq=False)
class Split:
    """One run's utterances."""

    fold: int  # from 0
    repetition: int  # from 0
    name: str  # of the fold
    validation_by: str  # one of VALIDATIONS
    train: np.ndarray  # (utterances,) int, indices into Dataset.utterances, ascending
    validation: np.ndarray  # (utterances,)
    test: np.ndarray  # (utterances,)

    def part(self, name: str) -> np.ndarray:
        """The indices of "train", "validation" or "test"."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


@dataclass(frozen=True)
class SplitPlan:
    """How a data set is to be split: the arguments of make_splits, to be stored with a run."""

    folds: int = 5  # by speaker; where there are sessions, each is one fold
    repetitions: int = 5
    validation: str = "random"  # the paper's; "session" is reference [5]'s
    share: float = VALIDATION_SHARE  # of the utterances that are not tested
    seed: int = 0
    by: str = "auto"  # session | speaker | auto: sessions where the data set has them
    genders: Mapping[str, str] = field(default_factory=dict)  # speaker -> gender; what is known beyond the data set's `gender` column


def make_splits(dataset: Dataset, plan: SplitPlan = SplitPlan()) -> tuple[Split, ...]:
    """Every split of `plan`, fold by fold within each repetition. Folds are the same in all repetitions; validation sets are not.

    Raises DataError when the data set can't be split so.
    """
    if plan.validation not in VALIDATIONS:
        raise DataError(f"Validation by {plan.validation!r}: choose one of {', '.join(VALIDATIONS)}.")
    if not 0 < plan.share < 1:
        raise DataError(f"A validation share of {plan.share:g}: it must lie between 0 and 1.")
    if plan.repetitions < 1:
        raise DataError(f"{say_count(plan.repetitions, 'repetition')}: at least one is needed.")
    folds = make_folds(dataset, plan)
    return tuple(_make_split(dataset, plan, folds[f], f, r) for r in range(plan.repetitions) for f in range(len(folds)))


def make_folds(dataset: Dataset, plan: SplitPlan = SplitPlan()) -> tuple[Fold, ...]:
    """One fold per session where all utterances have one (and plan.by allows it), else plan.folds folds of speakers."""
    if plan.by not in ("auto", "session", "speaker"):
        raise DataError(f"Folds by {plan.by!r}: choose auto, session or speaker.")
    if plan.by == "session" or (plan.by == "auto" and len(dataset.sessions) > 1):
        return leave_one_session_out(dataset)
    return make_speaker_folds(dataset, plan.folds, seed=plan.seed, genders=plan.genders)


def leave_one_session_out(dataset: Dataset) -> tuple[Fold, ...]:
    """One fold per session, in their order. Raises DataError when an utterance has none, or there is only one."""
    without = [u.name or u.path.name for u in dataset.utterances if not u.session]
    if without:
        raise DataError(
            f"{dataset.name}: {len(without)} of {say_count(len(dataset.utterances), 'utterance')} "
            f"{'has' if len(without) == 1 else 'have'} no session, "
            f"the first is {without[0]}."
        )
    if len(dataset.sessions) < 2:
        raise DataError(f"{dataset.name}: all utterances are of session {dataset.sessions[0]}; folds by session need two.")
    sessions = sorted(dataset.sessions, key=_natural)
    return tuple(Fold(f"session {s}", tuple(i for i, u in enumerate(dataset.utterances) if u.session == s)) for s in sessions)


def _natural(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def find_genders(dataset: Dataset, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Speaker -> gender: the `gender` column's, else `known`'s, else by RAVDESS's numbers (odd actors are male); "" where unknown."""
    genders = {u.speaker: u.extra.get("gender", "").strip().lower() for u in dataset.utterances}
    for speaker in genders:
        genders[speaker] = genders[speaker] or (known or {}).get(speaker, "")
        if not genders[speaker] and dataset.name == "ravdess" and speaker[-2:].isdecimal():
            genders[speaker] = "male" if int(speaker[-2:]) % 2 else "female"
    return genders


def make_speaker_folds(dataset: Dataset, count: int, *, seed: int = 0, genders: Mapping[str, str] | None = None) -> tuple[Fold, ...]:
    """`count` folds of whole speakers: as many of each gender in each as can be, then classes as even as can be.

    Raises DataError with fewer speakers than folds.
    """
    speakers = dataset.speakers
    if count < 2:
        raise DataError(f"{say_count(count, 'fold')}: at least two are needed.")
    if len(speakers) < count:
        named = "1 speaker" if len(speakers) == 1 else f"{len(speakers)} speakers"
        raise DataError(f"{dataset.name}: {named} can't make {count} folds; each fold tests at least one speaker.")
    gender = find_genders(dataset, genders)
    counts = _count_classes(dataset)
    fold_of = _deal_speakers(speakers, gender, counts, count, np.random.default_rng([seed, 0]))
    _even_out(fold_of, gender, counts, count)
    order = sorted(range(count), key=lambda f: min(s for s in speakers if fold_of[s] == f))
    return tuple(
        Fold(f"fold {n + 1}", tuple(i for i, u in enumerate(dataset.utterances) if fold_of[u.speaker] == f)) for n, f in enumerate(order)
    )


def _count_classes(dataset: Dataset) -> dict[str, np.ndarray]:
    """Speaker -> (classes,) utterances, each class scaled so that its whole is 1."""
    counts = {speaker: np.zeros(len(dataset.classes)) for speaker in dataset.speakers}
    for utterance, number in zip(dataset.utterances, dataset.numbers):
        counts[utterance.speaker][number] += 1
    whole = np.maximum(np.sum(list(counts.values()), axis=0), 1)
    return {speaker: count / whole for speaker, count in counts.items()}


def _deal_speakers(
    speakers: Sequence[str], gender: Mapping[str, str], counts: Mapping[str, np.ndarray], count: int, rng: np.random.Generator
) -> dict[str, int]:
    """Speaker -> fold: largest speakers first, each to the fold with fewest of its gender, then fewest speakers, then fewest utterances."""
    order = [speakers[i] for i in rng.permutation(len(speakers))]
    order.sort(key=lambda s: -counts[s].sum())
    width = len(counts[order[0]])  # classes
    fold_of: dict[str, int] = {}
    for g in sorted(set(gender.values())):
        for speaker in (s for s in order if gender[s] == g):
            same = Counter(f for s, f in fold_of.items() if gender[s] == g)
            all_of = Counter(fold_of.values())
            held = [sum((counts[s] for s, f in fold_of.items() if f == fold), np.zeros(width)).sum() for fold in range(count)]
            fold_of[speaker] = min(range(count), key=lambda f: (same[f], all_of[f], held[f], f))
    return fold_of


def _even_out(fold_of: dict[str, int], gender: Mapping[str, str], counts: Mapping[str, np.ndarray], count: int) -> None:
    """Swaps speakers of the same gender between folds as long as that makes the folds' classes more even."""
    held = np.zeros((count, len(next(iter(counts.values())))))
    for speaker, fold in fold_of.items():
        held[fold] += counts[speaker]
    speakers = sorted(fold_of)
    better = True
    while better:
        better = False
        for i, a in enumerate(speakers):
            for b in speakers[i + 1 :]:
                if gender[a] != gender[b] or fold_of[a] == fold_of[b]:
                    continue
                fa, fb, difference = fold_of[a], fold_of[b], counts[b] - counts[a]
                before = ((held[[fa, fb]] - 1 / count) ** 2).sum()
                after = ((held[[fa, fb]] + [difference, -difference] - 1 / count) ** 2).sum()
                if after < before - 1e-12:
                    held[fa] += difference
                    held[fb] -= difference
                    fold_of[a], fold_of[b] = fb, fa
                    better = True


def _make_split(dataset: Dataset, plan: SplitPlan, fold: Fold, index: int, repetition: int) -> Split:
    tested = set(fold.test)
    rest = np.array([i for i in range(len(dataset.utterances)) if i not in tested], dtype=np.int64)
    rng = np.random.default_rng([plan.seed, 1, repetition, index])
    if plan.validation == "random":
        chosen = rng.permutation(rest)[: max(1, round(plan.share * len(rest)))]
    else:
        chosen = _choose_groups(dataset, rest, plan, rng)
    validation = np.sort(chosen)
    train = np.setdiff1d(rest, validation)
    if not len(train):
        raise DataError(f"{dataset.name}, {fold.name}: nothing is left to train on beside {len(validation)} for validation.")
    return Split(index, repetition, fold.name, plan.validation, train, validation, np.array(fold.test, dtype=np.int64))


def _choose_groups(dataset: Dataset, rest: np.ndarray, plan: SplitPlan, rng: np.random.Generator) -> np.ndarray:
    """Whole speakers (genders in turn) or sessions, at least one: as many as come nearest to the share."""
    group_of = {int(i): getattr(dataset.utterances[i], plan.validation) for i in rest}
    if "" in group_of.values():
        raise DataError(f"{dataset.name}: validation by {plan.validation} needs a {plan.validation} for every utterance.")
    sizes = Counter(group_of.values())
    if len(sizes) < 2:
        raise DataError(
            f"{dataset.name}: validation by {plan.validation} needs two beside the test set; there is only {next(iter(sizes))!r}."
        )
    names = sorted(sizes)
    order = [names[i] for i in rng.permutation(len(names))]
    if plan.validation == "speaker":
        gender = find_genders(dataset, plan.genders)
        place: Counter[str] = Counter()
        turns = {}
        for name in order:
            turns[name] = place[gender[name]]
            place[gender[name]] += 1
        order.sort(key=lambda name: turns[name])  # stable: first of each gender, then the second of each ...
    wanted, held = plan.share * len(rest), 0
    chosen: set[str] = set()
    for name in order[:-1]:
        if chosen and abs(held + sizes[name] - wanted) >= abs(held - wanted):
            break
        chosen.add(name)
        held += sizes[name]
    return np.array([i for i in rest if group_of[int(i)] in chosen], dtype=np.int64)


def describe_split(dataset: Dataset, split: Split) -> dict[str, Any]:
    """JSON: the fold, and the names of the utterances of each part, so that anybody can split so again."""
    names = {part: [dataset.utterances[i].name or dataset.utterances[i].path.name for i in split.part(part)] for part in PARTS}
    return {"fold": split.fold, "repetition": split.repetition, "name": split.name, "validation_by": split.validation_by, **names}


def read_split(dataset: Dataset, stored: Mapping[str, Any]) -> Split:
    """The split that describe_split stored. Raises DataError when the data set lacks one of its utterances."""
    index = {u.name or u.path.name: i for i, u in enumerate(dataset.utterances)}
    missing = [name for part in PARTS for name in stored[part] if name not in index]
    if missing:
        raise DataError(f"{dataset.name} lacks {say_count(len(missing), 'utterance')} of the stored split, the first is {missing[0]}.")
    parts = {part: np.array([index[name] for name in stored[part]], dtype=np.int64) for part in PARTS}
    return Split(stored["fold"], stored["repetition"], stored["name"], stored["validation_by"], **parts)
