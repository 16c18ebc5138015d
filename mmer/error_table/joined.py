"""Two tables of the same clips -> one: what both said, who is right where the other is wrong, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, chi2

from mmer.error_table.table import RIGHT, TEXT, WRONG, Column, UtteranceTable, is_of_answers
from mmer.errors import DataError
from mmer.phrasing import say_count

SHARED = ("utterance", "label", "speaker", "session", "gender")  # columns of the clip: one for both
FLIPS = {  # (A right, B right) -> what stands in the column flip; where both are wrong it says whether they say the same
    (True, True): "both right",
    (True, False): "only A right",
    (False, True): "only B right",
}
WRONG_ALIKE, WRONG_OTHERWISE = "both wrong, the same answer", "both wrong, other answers"
EXACT_UP_TO = 1000  # utterances that only one has right; beyond, the chi-squared distribution is as good


@dataclass(frozen=True)
class McNemar:
    """Whether A and B are right equally often, from the utterances that only one of them has right."""

    only_a: int
    only_b: int
    both_right: int
    both_wrong: int
    p_value: float
    exact: bool  # the binomial test, two-sided; else chi-squared with continuity correction


def measure_mcnemar(only_a: int, only_b: int, *, both_right: int = 0, both_wrong: int = 0) -> McNemar:
    """McNemar's test; without any utterance that only one has right p is 1."""
    n = only_a + only_b
    exact = n <= EXACT_UP_TO
    if n == 0:
        p = 1.0
    elif exact:
        p = float(binomtest(only_a, n, 0.5).pvalue)
    else:
        p = float(chi2.sf(max(abs(only_a - only_b) - 1, 0) ** 2 / n, 1))
    return McNemar(only_a, only_b, both_right, both_wrong, p, exact)


def join_tables(a: UtteranceTable, b: UtteranceTable) -> UtteranceTable:
    """The utterances that both have, columns of A's and B's answers with .a and .b, and the column flip.

    Raises DataError when they tell other classes apart, have no utterance in common, or an utterance with another label.
    """
    if set(a.classes) != set(b.classes):
        raise DataError(
            f"{a.title} and {b.title} tell other classes apart ({', '.join(a.classes)}; {', '.join(b.classes)}); they can't be joined."
        )
    in_both = pd.Index(a.frame["utterance"]).intersection(pd.Index(b.frame["utterance"]), sort=False)
    if in_both.empty:
        raise DataError(f"{a.title} and {b.title} have no utterance in common; they are of other data.")
    first, second = (table.frame.set_index("utterance").loc[in_both].reset_index(names="utterance") for table in (a, b))
    check_labels(a, b, first, second)
    columns = [Column("utterance", TEXT, a.columns[0].meaning), Column("label", TEXT, "what the data set says it is")]
    columns.append(Column("flip", TEXT, "which of the two is right: A, B, both or none"))
    values = {"utterance": first["utterance"].to_numpy(), "label": first["label"].to_numpy(), "flip": name_flips(first, second)}
    for letter, table, frame in (("a", a, first), ("b", b, second)):
        for column in table.columns:
            if is_of_answers(column.name):
                columns.append(Column(f"{column.name}.{letter}", column.kind, f"{letter.upper()}: {column.meaning}", column.unit))
                values[f"{column.name}.{letter}"] = frame[column.name].to_numpy()
    known = set(SHARED[:2])
    for table, frame in ((a, first), (b, second)):
        for column in table.columns:
            if column.name not in known and not is_of_answers(column.name):
                known.add(column.name)
                columns.append(column)
                values[column.name] = frame[column.name].to_numpy()
    alone = (len(a.frame) - len(in_both), len(b.frame) - len(in_both))
    own = [note if note in a.notes and note in b.notes else f"{letter}: {note}" for letter, t in (("A", a), ("B", b)) for note in t.notes]
    notes = tuple(dict.fromkeys([f"A is {a.title}, B is {b.title}.", say_pairing(len(in_both), alone), *own]))
    frame = pd.DataFrame(values)
    answers = a.answers[a.answers["utterance"].isin(set(in_both))]
    return UtteranceTable(f"{a.title} and {b.title}", frame, tuple(columns), a.classes, answers, notes, a.utterances or b.utterances)


def check_labels(a: UtteranceTable, b: UtteranceTable, first: pd.DataFrame, second: pd.DataFrame) -> None:
    """Raises DataError that names the first utterance whose label is another in the other table."""
    other = np.flatnonzero((first["label"] != second["label"]).to_numpy())
    if len(other):
        i = int(other[0])
        raise DataError(
            f"{say_count(len(other), 'utterance')} {'has' if len(other) == 1 else 'have'} another label in {b.title} than in {a.title}, "
            f"the first is {first['utterance'][i]!r:.100}: {second['label'][i]!r:.60} instead of {first['label'][i]!r:.60}. "
            "They can't be joined."
        )


def name_flips(first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
    """(utterances,) what stands in the column flip; "" where one of them can't be judged."""
    found = []
    for a, b, said_a, said_b in zip(first["outcome"], second["outcome"], first["answer"], second["answer"]):
        if not {a, b} <= {RIGHT, WRONG}:
            found.append("")
        elif a == b == WRONG:
            found.append(WRONG_ALIKE if said_a == said_b else WRONG_OTHERWISE)
        else:
            found.append(FLIPS[a == RIGHT, b == RIGHT])
    return np.array(found, dtype=object)


def count_flips(table: UtteranceTable) -> McNemar:
    """McNemar's test over the rows of a joined table."""
    flips = table.frame["flip"]
    counts = [int((flips == FLIPS[key]).sum()) for key in ((True, False), (False, True), (True, True))]
    wrong = int(flips.isin((WRONG_ALIKE, WRONG_OTHERWISE)).sum())
    return measure_mcnemar(counts[0], counts[1], both_right=counts[2], both_wrong=wrong)


def say_pairing(both: int, alone: Sequence[int]) -> str:
    """How many utterances are joined, and how many only one of the two has."""
    left = [f"{count:,} that only {name} has" for name, count in zip("AB", alone) if count]
    return f"{say_count(both, 'utterance')} that both have; left out are {' and '.join(left) if left else 'none'}."


def say_mcnemar(found: McNemar) -> str:
    """The counts first, then the test and what it does not know."""
    how = "exact binomial test" if found.exact else "chi-squared test with continuity correction"
    return (
        f"Both right {found.both_right:,}, only A {found.only_a:,}, only B {found.only_b:,}, both wrong {found.both_wrong:,}. "
        f"McNemar: p = {found.p_value:.4g} ({how}). It takes utterances for independent, which those of one speaker and one model are not, "
        "so its p is rather too small; `mmer runs compare` swaps whole speakers."
    )
