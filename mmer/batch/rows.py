"""One clip of a batch -> its row of the table. A clip that can't be used is a row with its error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer.batch.columns import Row
from mmer.batch.items import BatchItem
from mmer.datasets.clips import load_clip
from mmer.datasets.dataset import Utterance
from mmer.errors import AudioError, Cancelled, HeadError, MmerError
from mmer.explain.verdict import NO_SPEECH, SEEN, collect_notices, read_headline
from mmer.exports.analysis_json import analysis_to_json, dump_json
from mmer.files.bugs import catch_bugs
from mmer.files.output import write_file
from mmer.files.replace import hash_file
from mmer.pipeline import Analyzer
from mmer.results import Analysis, Prediction

SPEAKER = "speaker"  # in the column in_training: another clip of a speaker it was trained on


@dataclass(frozen=True)
class BatchRequest:
    """What all clips of a batch are asked."""

    head: str = "combined"
    aligner: str = "sphinx"


def check_head(analyzer: Analyzer, head: str) -> None:
    """Raises HeadError before any clip is read."""
    if head not in analyzer.heads:
        raise HeadError(f"There is no head {head!r}. Choose one of: {', '.join(analyzer.heads) or 'none is installed'}.")


def analyze_item(
    analyzer: Analyzer,
    item: BatchItem,
    request: BatchRequest,
    *,
    most_seconds: float = math.inf,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Row, Analysis | None]:
    """The row of one clip, and its analysis; a clip that can't be used, or meets a bug, gives a row with the error. Raises Cancelled.

    `most_seconds`: what is left of the sound that may be analysed; a longer clip is an error.
    """
    row = {"path": item.name, "text": item.text, "label": item.label, **item.extra, "head": request.head, "aligner": request.aligner}
    row |= {"head_sha256": analyzer.heads[request.head].sha256}

    def work() -> tuple[Row, Analysis]:
        row["aligner_identity"] = analyzer.identify_aligner(request.aligner)
        row["file_sha256"] = identify_file(item.path)
        clip = load_clip(Utterance(item.path, item.text, item.label, "", start=item.start, end=item.end))
        row["seconds"] = show(clip.duration)
        if clip.duration > most_seconds:
            raise AudioError(
                f"{item.name} lasts {clip.duration:.0f} s, and {most_seconds:.0f} s are left of what is analysed at once here; "
                "send fewer recordings, or run mmer yourself."
            )
        analysis = analyzer.analyze(clip, text=item.text or None, aligner=request.aligner, head=request.head, cancelled=cancelled)
        return describe_analysis(analysis), analysis

    try:
        found, analysis = catch_bugs(work)
    except Cancelled:
        raise
    except MmerError as error:
        return row | {"error": str(error)}, None
    row |= found
    if analysis is not None and not row["in_training"] and analyzer.knows_speaker(analysis, name_speaker(item)):
        row["in_training"] = SPEAKER
    return row, analysis


def name_speaker(item: BatchItem) -> str:
    """ "corpus/speaker": the list's column `speaker` as it is, or after that of its column `corpus`."""
    corpus, speaker = item.extra.get("corpus", ""), item.extra.get("speaker", "")
    return f"{corpus}/{speaker}" if corpus and speaker else speaker


def analyze_and_keep(analyzer: Analyzer, item: BatchItem, request: BatchRequest, place: Path | None) -> tuple[Row, Analysis | None]:
    """analyze_item, with the whole analysis as JSON at `place` if there is one. Raises DataError when it can't be written."""
    row, analysis = analyze_item(analyzer, item, request)
    if place is None or analysis is None:
        return row, analysis
    try:
        text = catch_bugs(lambda: dump_json(analysis_to_json(analysis)))
    except MmerError as error:
        return row | {"error": str(error)}, None
    write_file(place, text)
    return row, analysis


def describe_analysis(analysis: Analysis) -> Row:
    """The columns of list_found that an analysis fills."""
    row = {
        "words": analysis.transcript.text,
        "words_from": analysis.transcript.source,
        "words_confidence": show(analysis.transcript.confidence),
        "verdict": analysis.best.label if read_headline(analysis).names_emotion else "",
        "state": analysis.state,
        "in_training": next((part for part in SEEN if part in analysis.seen.values()), ""),
        "unavailable": " | ".join(f"{what}: {why}" for what, why in analysis.unavailable.items()),
        "warnings": " | ".join(notice.text for notice in collect_notices(analysis) if notice.level == "warning"),
    }
    for role, prediction in analysis.predictions.items():
        row |= describe_prediction(role, prediction)
        if analysis.state == NO_SPEECH:
            row[f"{role}_state"] = NO_SPEECH
    return row


def describe_prediction(role: str, prediction: Prediction) -> Row:
    row = {role: prediction.label, f"{role}_state": prediction.verdict, f"{role}_novelty": show(prediction.novelty)}
    for k, emotion in enumerate(prediction.classes):
        row |= {f"{role}_p_{emotion}": show(prediction.probabilities[k]), f"{role}_logit_{emotion}": show(prediction.logits[k])}
        row |= {f"{role}_{branch.unit}_logit_{emotion}": show(branch.logits[k]) for branch in prediction.branches or ()}
    return row


def show(value: Any) -> str:
    """A number with seven digits; nothing for None."""
    return "" if value is None else f"{float(value):.7g}"


def identify_file(path: Path) -> str:
    """The file's sha256; "" where it can't be read, which load_clip then says in words."""
    try:
        return hash_file(path)
    except (OSError, ValueError):
        return ""
