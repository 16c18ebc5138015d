"""A row of a batch's table -> its recording below the app's folders, and what the head that the batch used says about it, explained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmer.batch.columns import ROLES
from mmer.datasets.clips import load_clip
from mmer.error_table.data import find_recording
from mmer.error_table.opened import OpenedClip
from mmer.errors import DataError, HeadError
from mmer.files.guarded_json import show
from mmer.pipeline import Analyzer
from mmer.results import Analysis

SAME_AGAIN = 1e-3  # of a logit: what another number of threads or another machine's sums may change


def open_listed(analyzer: Analyzer, title: str, name: str, row: Mapping[str, str], roots: Sequence[Path], **options: Any) -> OpenedClip:
    """The clip of a batch's row with the head that the batch used. `options` are those of Analyzer.analyze: earlier, progress, cancelled.

    Raises DataError and HeadError where the recording or that version of the head is not here; whatever analyze raises.
    """
    if row.get("error"):
        raise DataError(f"The batch could not analyse it: {row['error'][:300]}")
    head, sha256 = row.get("head", ""), row.get("head_sha256", "")
    if head not in analyzer.heads:
        raise HeadError(f"The batch used the head {head[:80]!r}, which is not here; put its folder into that of the heads (pretrained).")
    if sha256 and analyzer.heads[head].sha256 != sha256:
        raise HeadError(f"The head {head} is another version here than the one that the batch used ({sha256[:12]}); install that one.")
    utterance = find_recording(row, roots)
    clip = load_clip(utterance)
    aligner = row.get("aligner", "") or "sphinx"
    analysis = analyzer.analyze(clip, text=utterance.text or None, aligner=aligner, head=head, **options)
    difference = compare_logits(analysis, row)
    notes = [f"Its logits are those of the batch to within {difference:.1g}."]
    if math.isnan(difference):
        notes = ["The table has no logits, so it is not known whether the batch computed the same."]
    elif difference > SAME_AGAIN:
        notes = [
            f"Careful: a logit differs by {difference:.3g} from the batch's; the encoders, the recogniser or the aligner are others now."
        ]
    return OpenedClip(title, name, row.get("label", ""), analysis, analyzer, (), None, difference, tuple(notes))


def compare_logits(analysis: Analysis, row: Mapping[str, str]) -> float:
    """The largest difference of a logit that the row has; nan where it has none."""
    found = []
    for role in (role for role in ROLES if role in analysis.predictions):
        prediction = analysis.predictions[role]
        for name, logit in zip(prediction.classes, prediction.logits):
            if cell := row.get(f"{role}_logit_{name}", "").strip():
                try:
                    found.append(abs(float(cell) - float(logit)))
                except ValueError as error:
                    raise DataError(f"The row of {show(row['path'])}: {role}_logit_{name} is {cell[:40]!r}, which is no number.") from error
    return float(np.max(found)) if found else math.nan
