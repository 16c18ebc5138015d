"""What the models said before and after a change, model by model and branch by branch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmer.choices.units import UNITS
from mmer.errors import EditError
from mmer.interventions.edits import Edit
from mmer.results import Analysis, BranchPrediction, Prediction

ROLES = ("late", "early", "combined")


@dataclass(frozen=True, eq=False)
class Difference:
    """One model, or one branch of it, before and after. Early fusion has no branches."""

    role: str  # late | early | combined
    unit: str  # of a branch; "" for the whole model
    classes: tuple[str, ...]
    original: np.ndarray | None  # (classes,) logits before the temperature; None where it could not speak
    changed: np.ndarray | None  # (classes,)
    original_probabilities: np.ndarray | None  # (classes,) of a whole model; None for a branch, or where it could not speak
    changed_probabilities: np.ndarray | None  # (classes,)
    same_head: bool = True  # False where another head spoke for the role, so that the difference is also one of heads

    @property
    def logits(self) -> np.ndarray | None:
        """(classes,) changed minus original; None where one is missing."""
        return subtract(self.changed, self.original)

    @property
    def probabilities(self) -> np.ndarray | None:
        """(classes,) changed minus original; None where one is missing."""
        return subtract(self.changed_probabilities, self.original_probabilities)


@dataclass(frozen=True, eq=False)
class Intervention:
    """What was done to a clip, and what the models made of it."""

    original: Analysis
    changed: Analysis  # its `parent` names the original's clip and the edits
    edits: tuple[Edit, ...]
    differences: tuple[Difference, ...]  # late and its branches, early, combined: those that spoke before or after

    def difference(self, role: str, unit: str = "") -> Difference:
        """Raises EditError when the role or branch spoke neither before nor after."""
        for found in self.differences:
            if (found.role, found.unit) == (role, unit):
                return found
        raise EditError(f"Neither analysis has {'a ' + role + ' prediction' if not unit else f'a branch {unit} of the {role} model'}.")


def compare_predictions(original: Analysis, changed: Analysis) -> tuple[Difference, ...]:
    found: list[Difference] = []
    for role in ROLES:
        before, after = original.predictions.get(role), changed.predictions.get(role)
        if before is None and after is None:
            continue
        same = before is None or after is None or before.head_sha256 == after.head_sha256
        found.append(compare_models(role, before, after, same))
        found += [compare_branches(role, unit, before, after, same) for unit in UNITS if unit in {*branches(before), *branches(after)}]
    return tuple(found)


def compare_models(role: str, before: Prediction | None, after: Prediction | None, same: bool) -> Difference:
    return Difference(
        role,
        "",
        name_classes(before, after),
        None if before is None else before.logits,
        None if after is None else after.logits,
        None if before is None else before.probabilities,
        None if after is None else after.probabilities,
        same,
    )


def compare_branches(role: str, unit: str, before: Prediction | None, after: Prediction | None, same: bool) -> Difference:
    one, other = branches(before).get(unit), branches(after).get(unit)
    classes = name_classes(before, after)
    return Difference(role, unit, classes, one.logits if one else None, other.logits if other else None, None, None, same)


def branches(prediction: Prediction | None) -> dict[str, BranchPrediction]:
    return {b.unit: b for b in (prediction.branches or ())} if prediction else {}


def name_classes(before: Prediction | None, after: Prediction | None) -> tuple[str, ...]:
    one = before or after
    assert one is not None
    return one.classes


def subtract(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    return None if one is None or other is None or one.shape != other.shape else one.astype(np.float64) - other
