"""An analysed clip and a list of edits -> what the models say about the changed clip, beside what they said before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmer.choices.units import UNITS
from mmer.errors import EditError, HeadError
from mmer.exports.analysis_json import analysis_to_json, encode
from mmer.interventions.apply import EditContext, apply_edits
from mmer.interventions.edits import Edit, edit_to_json
from mmer.interventions.material import read_material
from mmer.pipeline import Analyzer
from mmer.results import Analysis, BranchPrediction, Parent, Prediction
from mmer.stages import Memo, Progress

FORMAT = "mmer-intervention"
VERSION = 1
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


def intervene(
    analyzer: Analyzer,
    analysis: Analysis,
    edits: Sequence[Edit],
    *,
    voices: Mapping[str, Analysis] | None = None,
    head: str | None = None,
    aligner: str = "sphinx",
    memo: Memo | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Intervention:
    """The analysis of the edited clip and all differences. The alignment is carried along, and made anew only by CorrectWords.

    `voices`: sha256 of a clip -> its analysis, for SwapVoice. `head`: of the changed analysis; by default the original's.

    Raises: EditError when an edit can't be made or there is none, HeadError when the analysis was made by other models; Cancelled.
    """
    if not edits:
        raise EditError("Nothing to change: name at least one edit.")
    check_analysis(analyzer, analysis)
    context = EditContext(analyzer, voices or {}, aligner)
    material = apply_edits(read_material(analysis), edits, context, cancelled=cancelled or (lambda: False))
    changed = analyzer.analyze_parts(
        material.clip,
        material.transcript,
        material.alignment,
        absent=material.absent,
        head=head or analysis.best.head,
        parent=Parent(analysis.clip.sha256, analysis.clip.name, tuple(edit_to_json(edit) for edit in edits)),
        memo=memo,
        progress=progress,
        cancelled=cancelled,
    )
    return Intervention(analysis, changed, tuple(edits), compare_predictions(analysis, changed))


def check_analysis(analyzer: Analyzer, analysis: Analysis) -> None:
    """Both sides of a comparison must come from the same models. Raises HeadError with what differs."""
    encoders = {"speech": analyzer.speech.identity, "text": analyzer.text.identity}
    if analysis.preset != analyzer.preset or dict(analysis.encoders) != encoders:
        raise HeadError(
            f"This analysis was made with the encoders {', '.join(analysis.encoders.values())} (preset {analysis.preset}), not with those "
            f"that are loaded (preset {analyzer.preset}); analyse the clip again."
        )
    for prediction in analysis.predictions.values():
        info = analyzer.heads.get(prediction.head)
        if info is None or info.sha256 != prediction.head_sha256:
            raise HeadError(
                f"The {prediction.role} prediction was made by a head {prediction.head!r} that is not loaded; analyse the clip again."
            )


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


def intervention_to_json(intervention: Intervention, *, include_samples: bool = False) -> dict[str, Any]:
    """Plain JSON types, format "mmer-intervention" version 1 (docs/interventions.md)."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "edits": [edit_to_json(edit) for edit in intervention.edits],
        "differences": [
            {**encode(d), "logits": encode(d.logits), "probabilities": encode(d.probabilities)} for d in intervention.differences
        ],
        "original": analysis_to_json(intervention.original, include_samples=include_samples),
        "changed": analysis_to_json(intervention.changed, include_samples=include_samples),
    }
