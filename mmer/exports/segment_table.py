"""Analysis -> CSV, one row per segment of every unit, from which the late logits can be added up again (docs/segment-table.md)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from mmer.choices.units import UNITS
from mmer.results import Analysis, BranchPrediction, Prediction
from mmer.views.payload import describe_unit, has_unit
from mmer.word_contributions import find_additive, find_placed, name_rest, own_segments

TRACE = ("clip", "clip_sha256", "head", "head_sha256", "preset")
SEGMENT = ("part", "unit", "segment", "label", "owner", "word", "note", "start", "end")
STRADDLES = "straddles a word's edge"
SCALES = ("raw", "centred")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones too
DIGEST_LETTERS = 12


def write_segment_table(analysis: Analysis) -> str:
    """The table as CSV text; contributions are in logits, before the temperature."""
    late = find_additive(analysis)
    columns = (*TRACE, *SEGMENT, *(f"{scale}_{name}" for scale in SCALES for name in analysis.best.classes))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    trace = trace_columns(analysis, late or analysis.best)
    for unit in (unit for unit in UNITS if has_unit(analysis, unit)):
        branch = next((b for b in (late.branches or () if late else ()) if b.unit == unit), None)
        writer.writerows([*trace, *row] for row in list_rows(analysis, unit, branch))
    return text.getvalue()


def trace_columns(analysis: Analysis, prediction: Prediction) -> list[str]:
    clip = analysis.clip
    texts = [clip.name, shorten_digest(clip.sha256), prediction.head, shorten_digest(prediction.head_sha256), analysis.preset]
    return [guard_cell(text) for text in texts]


def shorten_digest(sha256: str) -> str:
    """The first letters; what stands before them keeps a spreadsheet from reading 12e4… as a number."""
    return f"sha256:{sha256[:DIGEST_LETTERS]}"


def list_rows(analysis: Analysis, unit: str, branch: BranchPrediction | None) -> Iterator[list[Any]]:
    """The bias of a unit's branch, then its segments in order; without a branch the numbers are empty."""
    if branch is not None:
        yield ["bias", unit, *[""] * (len(SEGMENT) - 2), *both_scales(branch.bias)]
    segments, texts = describe_unit(analysis, unit), analysis.transcript.words
    owners, divided = own_segments(analysis, unit), bool(find_placed(analysis).any())
    starts, ends = (segments.get(edge) or [""] * len(segments["labels"]) for edge in ("starts", "ends"))
    empty = [""] * (len(SCALES) * len(analysis.best.classes))
    for i, (label, owner, straddles) in enumerate(zip(segments["labels"], owners.words.tolist(), owners.straddles)):
        whose = [owner, guard_cell(texts[owner].text)] if owner >= 0 else ["", ""]
        notes = [STRADDLES] if straddles else []
        notes += [] if owner >= 0 else [name_rest(unit, divided=divided)]
        numbers = empty if branch is None else both_scales(branch.contributions[i])
        yield ["segment", unit, i, guard_cell(label), *whose, "; ".join(notes), starts[i], ends[i], *numbers]


def both_scales(values: np.ndarray) -> list[str]:
    """The raw logits of the classes, then the same centred over the classes."""
    return [f"{value:.9g}" for scaled in (values, values - np.mean(values)) for value in scaled]


def guard_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe stands before what could start one (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
