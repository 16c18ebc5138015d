"""Values of results -> plain JSON types and back, by the type hints of their dataclasses."""

from __future__ import annotations

import base64
import binascii
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np

from mmer.errors import DataError
from mmer.results import Clip, CoattentionWeights

ADDED = frozenset(
    ["parent", "runs", "rate", "measured_clips", "in_silence", "untrusted", "language", "seen", "speech_seconds", "devices"]
)  # keys that files of the first releases lack
LIST_LIMIT = 10_000  # arrays with more numbers are written as base64
DTYPES = ("<f2", "<f4", "<f8", "<i2", "<i4", "<i8")  # what a base64 array may hold, little endian


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
        array = np.frombuffer(content, dtype=str(kind)).reshape(typing.cast(list[int], shape))
    except (ValueError, TypeError, binascii.Error) as error:
        raise DataError(f"{where}: the base64 array does not hold {shape} numbers of type {kind}.") from error
    native = array.dtype.newbyteorder("=")
    return array.astype(np.float32 if native == np.float16 else native)


def expect(fits: bool, what: str, value: Any, where: str) -> None:
    if not fits:
        shown = json.dumps(value, default=str)
        raise DataError(f"{where or 'the analysis'}: expected {what}, found {shown[:60]}.")
