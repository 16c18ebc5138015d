"""Two analyses -> what differs, per role, branch and class: two clips, two versions of one, or two heads (docs/api.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmer.errors import HeadError
from mmer.exports.analysis_json import analysis_to_json
from mmer.exports.json_values import encode
from mmer.interventions.differences import Difference, compare_models, compare_predictions
from mmer.results import Analysis

FORMAT = "mmer-comparison"
VERSION = 1


def compare_analyses(one: Analysis, other: Analysis) -> tuple[Difference, ...]:
    """The verdicts first (role "best", whichever models they come from), then every role and its branches that spoke on either side.

    Raises HeadError for analyses by heads of other classes.
    """
    if one.best.classes != other.best.classes:
        raise HeadError(
            f"These can't be compared: {one.best.head} tells {', '.join(one.best.classes)} apart, {other.best.head} "
            f"{', '.join(other.best.classes)}. Choose two heads of the same classes."
        )
    same = one.best.head_sha256 == other.best.head_sha256
    return (compare_models("best", one.best, other.best, same), *compare_predictions(one, other))


def comparison_to_json(one: Analysis, other: Analysis) -> dict[str, Any]:
    """Plain JSON types, format "mmer-comparison" version 1. Differences are other minus one."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "differences": [difference_to_json(difference) for difference in compare_analyses(one, other)],
        "one": analysis_to_json(one),
        "other": analysis_to_json(other),
    }


def difference_to_json(difference: Difference) -> dict[str, Any]:
    return {
        "role": difference.role,
        "unit": difference.unit,
        "classes": list(difference.classes),
        "one": encode(difference.original),
        "other": encode(difference.changed),
        "one_probabilities": encode(difference.original_probabilities),
        "other_probabilities": encode(difference.changed_probabilities),
        "logits": encode(difference.logits),
        "probabilities": encode(difference.probabilities),
        "same_head": difference.same_head,
    }


def drop_attention(analysis: Analysis) -> Analysis:
    """The analysis without its attention maps, which are most of its bytes."""
    return replace(analysis, predictions={role: replace(p, coattention={}) for role, p in analysis.predictions.items()})
