"""The columns of the batch table, and the rows below them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmer.choices.emotions import EMOTIONS
from mmer.choices.units import UNITS

ROLES = ("late", "early", "combined")
FIRST = ("path", "text", "label")
FACTS = (
    "file_sha256",
    "seconds",
    "head",
    "head_sha256",
    "aligner",
    "aligner_identity",
    "words",
    "words_from",
    "words_confidence",
    "verdict",
    "state",
    "in_training",
)
LAST = ("unavailable", "warnings", "error")
OF_MODELS = re.compile(rf"({'|'.join(ROLES)})(_state|_novelty|_p_.*|(_\w)?_logit_.*)?")  # columns that a model fills
Row = dict[str, str]


def is_found(column: str) -> bool:
    """Whether an analysis may fill a column of this name, whatever the head's classes are called."""
    return column in FACTS + LAST or OF_MODELS.fullmatch(column) is not None


def list_found(classes: Sequence[str] = EMOTIONS) -> tuple[str, ...]:
    """The columns that an analysis by a head of these classes fills, in their order."""
    kinds = ("", "_state", "_novelty", *(f"_p_{name}" for name in classes), *(f"_logit_{name}" for name in classes))
    branches = (f"late_{unit}_logit_{name}" for unit in UNITS for name in classes)
    return (*FACTS, *(f"{role}{kind}" for role in ROLES for kind in kinds), *branches, *LAST)
