"""An analysed clip and a list of edits -> what the models say about the changed clip, beside what they said before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmer.errors import EditError
from mmer.exports.analysis_json import analysis_to_json
from mmer.exports.json_values import encode
from mmer.interventions.apply import EditContext, apply_edits
from mmer.interventions.differences import Intervention, compare_predictions
from mmer.interventions.edited_clip import read_edited_clip
from mmer.interventions.edits import Edit, edit_to_json
from mmer.interventions.same_models import check_analysis
from mmer.pipeline import Analyzer
from mmer.results import Analysis, Parent
from mmer.stages import Progress, StageResults

FORMAT = "mmer-intervention"
VERSION = 1


def intervene(
    analyzer: Analyzer,
    analysis: Analysis,
    edits: Sequence[Edit],
    *,
    voices: Mapping[str, Analysis] | None = None,
    head: str | None = None,
    aligner: str = "sphinx",
    earlier: StageResults | None = None,
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
    edited = apply_edits(read_edited_clip(analysis), edits, context, cancelled=cancelled or (lambda: False))
    changed = analyzer.analyze_parts(
        edited.clip,
        edited.transcript,
        edited.alignment,
        absent=edited.absent,
        head=head or analysis.best.head,
        parent=Parent(analysis.clip.sha256, analysis.clip.name, tuple(edit_to_json(edit) for edit in edits)),
        earlier=earlier,
        progress=progress,
        cancelled=cancelled,
    )
    return Intervention(analysis, changed, tuple(edits), compare_predictions(analysis, changed))


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
