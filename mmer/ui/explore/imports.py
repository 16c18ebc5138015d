"""An exported analysis, read back without any model. The file may be damaged or made to harm: all that is drawn is checked first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mmer.audio.load import MAX_SECONDS
from mmer.choices.units import UNITS, speech_units
from mmer.datasets.classes import FEWEST, MOST, explain_name
from mmer.errors import DataError
from mmer.exports.analysis_json import analysis_from_json
from mmer.files.guarded_json import read_json
from mmer.interventions.differences import ROLES
from mmer.results import SAMPLE_RATE, Analysis, Prediction
from mmer.ui.explore import cards
from mmer.ui.texts import imports as texts
from mmer.views import build_payload, dump_payload

LARGEST = 64 * 2**20  # bytes: five minutes with sound and attention are below that
MOST_SEGMENTS = 60_000  # of one unit: five minutes of 20 ms frames are 15,000
MOST_NOTE, MOST_TAGS = 2000, 200  # characters


def read_import(path: Path | str) -> Analysis:
    """The analysis in a JSON file that a visitor brings. Raises DataError with what is wrong."""
    path = Path(path)
    size = path.stat().st_size
    if size > LARGEST:
        raise DataError(texts.say_large(size / 2**20, LARGEST // 2**20))
    data = read_content(path)
    check_size(data)
    try:
        analysis = analysis_from_json(data)
    except (RecursionError, OverflowError) as error:
        raise DataError(texts.say_beyond(path.name)) from error
    check_analysis(analysis)
    try_drawing(analysis, path.name)
    return analysis


def read_content(path: Path) -> Any:
    try:
        return read_json(path, limit=LARGEST)
    except (DataError, OSError) as error:
        raise DataError(texts.say_no_json(path.name)) from error


def read_note(path: Path | str) -> tuple[str, str]:
    """Note and tags that the person exported with an analysis; "" for what is none."""
    data = read_content(Path(path))
    note, tags = data.get("note", ""), data.get("tags", [])
    words = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return (note[:MOST_NOTE] if isinstance(note, str) else ""), " ".join(words)[:MOST_TAGS]


def check_size(data: Any) -> None:
    """Before any array is made: the length that the clip claims. Raises DataError."""
    clip = data.get("clip") if isinstance(data, dict) else None
    count = clip.get("sample_count") if isinstance(clip, dict) else None
    if isinstance(count, int) and not 0 < count <= MAX_SECONDS * SAMPLE_RATE:
        raise DataError(texts.say_samples(count, MAX_SECONDS * SAMPLE_RATE))


def check_analysis(analysis: Analysis) -> None:
    """What the page relies on beyond shapes. Raises DataError."""
    expect(bool(analysis.predictions), texts.NO_PREDICTION)
    expect(set(analysis.predictions) <= set(ROLES), texts.UNKNOWN_ROLE)
    expect(set(analysis.labels) <= set(UNITS), texts.UNKNOWN_UNIT)
    expect(bool(np.isfinite(analysis.clip.samples).all()) and float(np.abs(analysis.clip.samples).max()) <= 1.001, texts.NO_AUDIO)
    words = len(analysis.transcript.words)
    for unit, labels in analysis.labels.items():
        expect(len(labels) <= MOST_SEGMENTS, texts.say_segments(len(labels), unit))
        numbers = analysis.words[unit]
        expect(numbers.shape == (len(labels),) and in_range(numbers, -1, words), texts.say_foreign_words(unit))
        if unit in speech_units():
            check_times(analysis.starts[unit], analysis.ends[unit], analysis.clip.duration, unit)
    if analysis.alignment is not None:
        for segments in (analysis.alignment.words, analysis.alignment.syllables, analysis.alignment.phones):
            expect(all(-1 <= s.word < words for s in segments), texts.UNKNOWN_WORDS)
            expect(all(0 <= s.start < s.end <= analysis.clip.duration + 0.1 for s in segments), texts.LONG_ALIGNMENT)
    if "T" in analysis.labels:
        offsets = analysis.token_offsets
        expect(offsets.shape == (len(analysis.labels["T"]), 2), texts.NO_OFFSETS)
        expect(in_range(offsets, 0, len(analysis.transcript.text) + 1), texts.OFFSETS_OUTSIDE)
    for role, prediction in analysis.predictions.items():
        check_prediction(role, prediction, analysis)


def check_times(starts: np.ndarray, ends: np.ndarray, duration: float, unit: str) -> None:
    fits = starts.ndim == 1 and bool(np.isfinite(starts).all() and np.isfinite(ends).all())
    fits = fits and bool((starts >= -1).all() and (ends >= starts).all() and (ends <= duration + 1).all())
    expect(fits, texts.say_times(unit))


def check_prediction(role: str, prediction: Prediction, analysis: Analysis) -> None:
    expect(prediction.role == role, texts.say_other_role(role, prediction.role))
    known = FEWEST <= len(set(prediction.classes)) == len(prediction.classes) <= MOST and not any(map(explain_name, prediction.classes))
    expect(known, texts.say_no_classes(FEWEST, MOST))
    expect(prediction.classes == analysis.best.classes, texts.OTHER_CLASSES)
    chances = prediction.probabilities
    expect(bool(np.isfinite(prediction.logits).all()), texts.say_no_logits(role))
    expect(bool(((chances >= 0) & (chances <= 1.0001)).all()), texts.say_no_probabilities(role))
    expect(np.isfinite(prediction.temperature) and prediction.temperature > 0, texts.say_no_temperature(role))
    expect(set(prediction.members) <= set(analysis.predictions), texts.say_absent_models(role))
    for branch in prediction.branches or ():
        shapes = branch.bias.shape == branch.logits.shape == (len(prediction.classes),)
        numbers = shapes and bool(np.isfinite(branch.bias).all() and np.isfinite(branch.logits).all())
        expect(numbers and bool(np.isfinite(branch.contributions).all()), texts.say_no_sum(branch.unit))
    for unit, weights in prediction.layer_weights.items():
        same = weights.raw.shape == weights.normalised.shape == (len(weights.layer_names),)
        numbers = same and bool(np.isfinite(weights.normalised).all()) and (weights.runs is None or bool(np.isfinite(weights.runs).all()))
        expect(unit in UNITS and numbers, texts.say_layer_weights(unit))
    for unit, maps in prediction.coattention.items():
        segments, cells = len(analysis.labels.get(unit, ())), maps.text_to_speech.shape[3]
        fits = unit in speech_units() and maps.segments_per_cell >= 1 and cells == -(-segments // maps.segments_per_cell)
        expect(fits, texts.say_attention(unit))
        expect(bool(np.isfinite(maps.text_to_speech).all() and np.isfinite(maps.speech_to_text).all()), texts.say_attention_gaps(unit))


def in_range(numbers: np.ndarray, low: int, end: int) -> bool:
    return bool(np.isfinite(numbers).all() and (numbers >= low).all() and (numbers < max(end, low + 1)).all())


def expect(fits: Any, problem: str) -> None:
    if not fits:
        raise DataError(texts.say_not_shown(problem))


def try_drawing(analysis: Analysis, name: str) -> None:
    """Everything the page makes of it, once. Raises DataError where its values don't fit together in a way that no check above names."""
    try:
        with np.errstate(over="raise", invalid="raise"):  # numbers that the page's smaller ones can't hold
            dump_payload(build_payload(analysis))
        for write in (cards.write_notices, cards.write_trace):
            write(analysis)
        cards.write_verdict(analysis, None)
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise DataError(texts.say_unfit(name)) from error
