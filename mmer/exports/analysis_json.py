"""Analysis -> plain JSON types and back, format "mmer-analysis" version 1 (docs/analysis-json.md).

The dataclasses of `results.py` are the schema: every field is written under its own name, and reading follows the same type hints.
"""

from __future__ import annotations

import base64
import binascii
import json
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmer.errors import DataError
from mmer.files.guarded_json import read_json, show
from mmer.files.replace import open_new
from mmer.files.streams import open_output
from mmer.results import Analysis, Clip, CoattentionWeights, Prediction
from mmer.word_contributions import word_contributions, word_contributions_to_json

FORMAT = "mmer-analysis"
VERSION = 1
ADDED = frozenset(
    ["parent", "runs", "rate", "measured_clips", "in_silence", "untrusted", "seen", "speech_seconds"]
)  # keys that files of the first releases lack
LIST_LIMIT = 10_000  # arrays with more numbers are written as base64
ENVELOPE_POINTS = 2000  # columns of the waveform's outline, at most
FULL_SCALE = 32767  # of the 16-bit samples
LARGEST = 512 * 2**20  # bytes of a file that is read
OUTPUT = Path("-")  # in place of a file's name: standard output
DTYPES = ("<f2", "<f4", "<f8", "<i2", "<i4", "<i8")  # what a base64 array may hold, little endian


def analysis_to_json(analysis: Analysis, *, include_samples: bool = False) -> dict[str, Any]:
    """The whole analysis as dicts, lists, strings, numbers and None; `include_samples` adds the sound as 16-bit PCM."""
    data = encode(analysis)
    data["clip"] = encode_clip(analysis.clip, include_samples=include_samples)
    data["best"] = analysis.best.role if analysis.predictions else None
    data["state"] = analysis.state if analysis.predictions else None
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
    analysis = decode(Analysis, rest, "")
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


def write_file(path: Path | str, content: str | bytes) -> Path:
    """A file of this content, as open_file does it. Returns its path. Raises DataError."""
    with open_file(path) as file:
        file.write(content.encode("utf-8", errors="backslashreplace") if isinstance(content, str) else content)
    return Path(path)


@contextmanager
def open_file(path: Path | str) -> Iterator[BinaryIO]:
    """Written under a temporary name, then renamed: a file of this name is never half written. `-` is standard output. Raises DataError."""
    path = Path(path)
    try:
        with open_output() if path == OUTPUT else open_new(path) as file:
            yield file
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"Can't write {path}: {reason}. Choose a folder that exists and can be written to.") from error


# writing


def encode(value: Any, *, half: bool = False) -> Any:
    """One value of a result as plain JSON types; `half` allows large arrays half precision."""
    if is_dataclass(value) and not isinstance(value, type):
        return encode_fields(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, np.ndarray):
        return encode_array(value, half=half)
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    raise TypeError(f"no JSON form for {type(value).__name__}")


def encode_fields(value: Any) -> dict[str, Any]:
    half = isinstance(value, CoattentionWeights)  # attention weights are pictures; three digits are enough
    names = [f.name for f in fields(value) if not (isinstance(value, Clip) and f.name == "samples")]
    return {name: encode(getattr(value, name), half=half) for name in names}


def encode_array(array: np.ndarray, *, half: bool = False) -> Any:
    """Nested lists, non-finite numbers as None; {"dtype", "shape", "base64"} when large, or when lists would lose the shape."""
    if array.size > LIST_LIMIT or (array.size == 0 and array.ndim > 1):
        return encode_base64(array.astype(np.float16) if half else array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        array, finite = array.astype(object), np.isfinite(array)
        array[~finite] = None
    return array.tolist()


def encode_base64(array: np.ndarray) -> dict[str, Any]:
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    kind = "<" + array.dtype.str[1:]
    assert kind in DTYPES, kind
    return {"dtype": kind, "shape": list(array.shape), "base64": base64.b64encode(array.tobytes()).decode("ascii")}


def encode_clip(clip: Clip, *, include_samples: bool) -> dict[str, Any]:
    data = encode(clip) | {"duration": clip.duration, "sample_count": len(clip.samples), "envelope": encode_envelope(clip.samples)}
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


def need(data: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in data:
        raise DataError(f"The key {key!r} is missing in {where}.")
    return data[key]


@cache
def field_types(kind: type) -> dict[str, Any]:
    """Field name -> type of a results dataclass."""
    return typing.get_type_hints(kind)


def decode(kind: Any, value: Any, where: str) -> Any:
    """`value` as type `kind`, one of those that results.py uses. `where` is the path of the key, for messages."""
    if kind is Any:  # an edit's own fields
        return value
    if is_dataclass(kind):
        return decode_fields(typing.cast(type, kind), value, where)
    if kind is np.ndarray:
        return decode_array(value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else decode(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        expect(isinstance(value, list | tuple), "a list", value, where)
        return tuple(decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is not None:  # Mapping[str, X]
        expect(isinstance(value, Mapping), "an object", value, where)
        return {key: decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return decode_scalar(kind, value, where)


def decode_fields(kind: type, value: Any, where: str) -> Any:
    if isinstance(value, kind):
        return value
    expect(isinstance(value, Mapping), "an object", value, where)
    arguments = {}
    for name, hint in field_types(kind).items():
        if name in ADDED and name not in value:
            continue
        path = f"{where}.{name}".lstrip(".")
        arguments[name] = decode(hint, need(value, name, where or "the analysis"), path)
    try:
        return kind(**arguments)
    except ValueError as error:  # the checks of results.py, such as segments out of order
        raise DataError(f"{where}: {error}.") from error


def decode_scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float:
        expect(value is None or (isinstance(value, int | float) and not isinstance(value, bool)), "a number", value, where)
        return float("nan") if value is None else float(value)
    expect(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), kind.__name__, value, where)
    return value


def decode_array(value: Any, where: str) -> np.ndarray:
    if isinstance(value, Mapping):
        return decode_base64(value, where)
    expect(isinstance(value, list), "a list of numbers", value, where)
    try:
        array = np.array(value)
        array = array.astype(float) if array.dtype == object else array  # None -> NaN
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: expected lists of numbers of equal length.") from error
    expect(array.dtype.kind in "if", "a list of numbers", value, where)
    return array


def decode_base64(value: Mapping[str, Any], where: str) -> np.ndarray:
    kind, shape = value.get("dtype"), value.get("shape")
    expect(kind in DTYPES, f"a dtype of {', '.join(DTYPES)}", kind, where)
    expect(isinstance(shape, list) and all(isinstance(n, int) and n >= 0 for n in shape), "a shape", shape, where)
    try:
        content = base64.b64decode(value.get("base64") or "", validate=True)
        array = np.frombuffer(content, dtype=str(kind)).reshape(typing.cast(list, shape))
    except (ValueError, TypeError, binascii.Error) as error:
        raise DataError(f"{where}: the base64 array does not hold {shape} numbers of type {kind}.") from error
    native = array.dtype.newbyteorder("=")
    return array.astype(np.float32 if native == np.float16 else native)


def decode_clip(data: Any, clip_samples: np.ndarray | None) -> Clip:
    expect(isinstance(data, Mapping), "an object", data, "clip")
    count = decode_scalar(int, need(data, "sample_count", "clip"), "clip.sample_count")
    samples, outline = restore_samples(data, count, clip_samples)
    expect(len(samples) == count, f"{count} samples", len(samples), "clip.samples")
    hints = {name: hint for name, hint in field_types(Clip).items() if name not in ("samples", "outline")}
    rest = {name: decode(hint, need(data, name, "clip"), f"clip.{name}") for name, hint in hints.items()}
    return Clip(samples=samples, outline=outline, **rest)


def restore_samples(data: Mapping[str, Any], count: int, clip_samples: np.ndarray | None) -> tuple[np.ndarray, bool]:
    """(samples, whether they are an outline only)."""
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


def expect(fits: bool, what: str, value: Any, where: str) -> None:
    if not fits:
        shown = json.dumps(value, default=str)
        raise DataError(f"{where or 'the analysis'}: expected {what}, found {shown[:60]}.")


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
