"""The columns of the batch table, and the rows below them."""

from __future__ import annotations

from mmer.choices.units import UNITS
from mmer.results import EMOTIONS

ROLES = ("late", "early", "combined")
ROLE_COLUMNS = ("", "_state", "_novelty", *(f"_p_{e}" for e in EMOTIONS), *(f"_logit_{e}" for e in EMOTIONS))  # after the role's name
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
Row = dict[str, str]


def list_found() -> tuple[str, ...]:
    """The columns that an analysis fills, in their order."""
    roles = (f"{role}{column}" for role in ROLES for column in ROLE_COLUMNS)
    branches = (f"late_{unit}_logit_{emotion}" for unit in UNITS for emotion in EMOTIONS)
    return (*FACTS, *roles, *branches, *LAST)
