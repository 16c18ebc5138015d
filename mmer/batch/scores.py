"""The rows of labelled clips -> how often each kind of fusion was right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmer.batch.columns import ROLES, Row
from mmer.choices.emotions import EMOTIONS
from mmer.explain.verdict import SEEN
from mmer.scores.metrics import measure_ua, measure_wa


@dataclass(frozen=True)
class BatchScore:
    """One role's verdicts against the labels of the list."""

    role: str
    ua: float
    wa: float
    clips: int


def score_rows(rows: Iterable[Row], labels: Mapping[str, str] | None = None, classes: Sequence[str] = EMOTIONS) -> tuple[BatchScore, ...]:
    """UA and WA per role over the rows whose label is one of the head's `classes`, or is mapped to one by `labels`; none without labels.

    Clips that are known to have been in a head's training or validation data are left out: they would praise it.
    """
    used = [row for row in rows if not row.get("error") and row.get("in_training", "") not in SEEN]
    known = [(row, (labels or {}).get(row["label"], row["label"])) for row in used]
    scores = []
    for role in ROLES:
        pairs = [(classes.index(label), classes.index(row[role])) for row, label in known if label in classes and row.get(role)]
        if pairs:
            right, said = (np.array(column) for column in zip(*pairs))
            scores.append(BatchScore(role, measure_ua(right, said), measure_wa(right, said), len(pairs)))
    return tuple(scores)
