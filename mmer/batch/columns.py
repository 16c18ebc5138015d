"""The columns of the batch table, and the rows below them."""

from __future__ import annotations

from mmer.results import EMOTIONS, UNITS

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
FOUND = (
    *FACTS,
    *(f"{role}{column}" for role in ROLES for column in ROLE_COLUMNS),
    *(f"late_{unit}_logit_{emotion}" for unit in UNITS for emotion in EMOTIONS),
    *LAST,
)
Row = dict[str, str]
