"""Analysis -> plain JSON types and back, format "mmer-analysis" version 1 (docs/analysis-json.md).

The dataclasses of `results.py` are the schema: every field is written under its own name, and reading follows the same type hints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmer.errors import DataError
from mmer.explain.because import explain_verdict
from mmer.exports.json_values import decode, decode_array, decode_scalar, encode, encode_base64, expect, field_types, need
from mmer.files.guarded_json import read_json, show
from mmer.results import Analysis, Clip, Prediction
from mmer.word_contributions import word_contributions, word_contributions_to_json

FORMAT = "mmer-analysis"
VERSION = 1
ENVELOPE_POINTS = 2000  # columns of the waveform's outline, at most
FULL_SCALE = 32767  # of the 16-bit samples
LARGEST = 512 * 2**20  # bytes of a file that is read


def analysis_to_json(analysis: Analysis, *, include_samples: bool = False) -> dict[str, Any]:
    """The whole analysis as dicts, lists, strings, numbers and None; `include_samples` adds the sound as 16-bit PCM."""
    data = encode(analysis)
    data["clip"] = encode_clip(analysis.clip, include_samples=include_samples)
    data["best"] = analysis.best.role if analysis.predictions else None
    data["state"] = analysis.state if analysis.predictions else None
    data["because"] = explain_verdict(analysis) if analysis.predictions else ""
    for role, prediction in analysis.predictions.items():
        data["predictions"][role] |= {"label": prediction.label, "verdict": prediction.verdict}
    found = word_contributions(analysis)
    data["word_contributions"] = None if found is None else word_contributions_to_json(found)
    return {"format": FORMAT, "version": VERSION, "mmer_version": data.pop("version"), **data}


def analysis_from_json(data: Mapping[str, Any], *, clip_samples: np.ndarray | None = None) -> Analysis:
    """The analysis that was written.

    `clip_samples`, (samples,) float32, is the sound if the caller still has it; else the file's own samples are used, else an outline of
    the right length that can be drawn but not played (`Clip.outline`).

    Raises DataError naming the key for another format or version, a missing key, a value of the wrong type, arrays that don't fit.
    """
    check_format(data)
    rest = {key: value for key, value in data.items() if key not in ("format", "version", "mmer_version", "clip")}
    rest["version"] = data.get("mmer_version", "")
    rest["clip"] = decode_clip(need(data, "clip", "the analysis"), clip_samples)
    analysis: Analysis = decode(Analysis, rest, "")
    check_shapes(analysis)
    return analysis


def dump_json(data: Mapping[str, Any]) -> str:
    """Compact JSON text; a NaN that slipped through is our mistake and raises ValueError."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def read_analysis(path: Path | str, *, clip_samples: np.ndarray | None = None) -> Analysis:
    """The analysis stored in a file. Raises DataError naming the file."""
    try:
        data = read_json(path, limit=LARGEST)
    except OSError as error:
        raise DataError(f"Can't read {show(path)}: {error.strerror}.") from error
    except DataError as error:
        raise DataError(f"{show(path)} is not a JSON file that can be read: {error} Export the analysis again.") from error
    try:
        return analysis_from_json(data, clip_samples=clip_samples)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


# writing


def encode_clip(clip: Clip, *, include_samples: bool) -> dict[str, Any]:
    data: dict[str, Any] = encode(clip) | {
        "duration": clip.duration,
        "sample_count": len(clip.samples),
        "envelope": encode_envelope(clip.samples),
    }
    if include_samples and not clip.outline:
        pcm = np.round(np.clip(clip.samples, -1, 1) * FULL_SCALE).astype(np.int16)
        data["samples"] = encode_base64(pcm)
    del data["outline"]
    return data


def encode_envelope(samples: np.ndarray) -> dict[str, list[float]]:
    """Lowest and highest sample of each of at most ENVELOPE_POINTS equal stretches."""
    edges = np.linspace(0, len(samples), min(len(samples), ENVELOPE_POINTS) + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    return {"minimum": np.round(low.astype(float), 4).tolist(), "maximum": np.round(high.astype(float), 4).tolist()}


# reading


def check_format(data: Any) -> None:
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
        raise DataError(f'Not an analysis: "format" is {found!r}, expected {FORMAT!r}. Use a file written by `mmer analyze --json`.')
    if data.get("version") != VERSION:
        raise DataError(f'"version" is {data.get("version")!r}; this mmer reads version {VERSION}. Analyse the clip again.')


def decode_clip(data: Any, clip_samples: np.ndarray | None) -> Clip:
    expect(isinstance(data, Mapping), "an object", data, "clip")
    count = decode_scalar(int, need(data, "sample_count", "clip"), "clip.sample_count")
    samples, outline = restore_samples(data, count, clip_samples)
    expect(len(samples) == count, f"{count} samples", len(samples), "clip.samples")
    hints = {name: hint for name, hint in field_types(Clip).items() if name not in ("samples", "outline")}
    rest = {name: decode(hint, need(data, name, "clip"), f"clip.{name}") for name, hint in hints.items()}
    return Clip(samples=samples, outline=outline, **rest)


def restore_samples(data: Mapping[str, Any], count: int, clip_samples: np.ndarray | None) -> tuple[np.ndarray, bool]:
    """The samples, and whether they are only an outline of the sound."""
    if clip_samples is not None:
        return np.asarray(clip_samples, dtype=np.float32), False
    if data.get("samples") is not None:
        return decode_array(data["samples"], "clip.samples").astype(np.float32) / FULL_SCALE, False
    return trace_envelope(need(data, "envelope", "clip"), count), True


def trace_envelope(envelope: Any, count: int) -> np.ndarray:
    """(count,) float32 that swings between the outline's lowest and highest values at every sample, so any binning shows its peaks."""
    expect(isinstance(envelope, Mapping), "an object", envelope, "clip.envelope")
    low, high = (decode_array(need(envelope, key, "clip.envelope"), f"clip.envelope.{key}") for key in ("minimum", "maximum"))
    expect(low.ndim == high.ndim == 1 and 0 < len(low) == len(high), "two lists of equal length", None, "clip.envelope")
    column = np.minimum(np.arange(count) * len(low) // max(count, 1), len(low) - 1)
    return np.where(np.arange(count) % 2, low[column], high[column]).astype(np.float32)


# what the figures rely on


def check_shapes(analysis: Analysis) -> None:
    """Arrays must fit the labels of their axes, or the figures would draw nonsense. Raises DataError."""
    for unit, labels in analysis.labels.items():
        where = f"labels.{unit}"
        expect(len(need(analysis.words, unit, "words")) == len(labels), f"{len(labels)} entries in words.{unit}", None, where)
        for name, times in (("starts", analysis.starts), ("ends", analysis.ends)):
            expect(unit == "T" or len(need(times, unit, name)) == len(labels), f"{len(labels)} entries in {name}.{unit}", None, where)
    for role, prediction in analysis.predictions.items():
        check_prediction(prediction, analysis, f"predictions.{role}")


def check_prediction(prediction: Prediction, analysis: Analysis, where: str) -> None:
    classes = len(prediction.classes)
    expect(prediction.logits.shape == prediction.probabilities.shape == (classes,), f"{classes} logits and probabilities", None, where)
    for branch in prediction.branches or ():
        shape = (len(need(analysis.labels, branch.unit, "labels")), classes)
        found = list(branch.contributions.shape)
        expect(branch.contributions.shape == shape, f"contributions of shape {list(shape)}", found, f"{where}.branches.{branch.unit}")
    for unit, weights in prediction.layer_weights.items():
        fits = weights.runs is None or (weights.runs.ndim == 2 and weights.runs.shape[1:] == weights.normalised.shape)
        expect(fits, f"{len(weights.layer_names)} weights a run", None, f"{where}.layer_weights.{unit}.runs")
    for unit, maps in prediction.coattention.items():
        heads = maps.text_to_speech.shape
        tokens_first = len(heads) == 4 and maps.speech_to_text.shape == (*heads[:2], heads[3], heads[2])
        expect(tokens_first, "two maps over the same tokens and segments", list(heads), f"{where}.coattention.{unit}")
        expect(heads[2] == len(analysis.labels.get("T", ())), "one row per word piece", heads[2], f"{where}.coattention.{unit}")
