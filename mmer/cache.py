"""Features on disk: one file per clip or text, in half precision, memory-mapped when read.

An entry is a safetensors file (a JSON header, then plain arrays) named by its key. It is written under a temporary name and renamed,
so a half-written entry is never seen; one that is shorter than its header says counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from mmer.errors import DataError
from mmer.results import UNITS, Features, UnitStates

_DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def make_key(*, content: str, encoder: str, version: int, alignment: str = "") -> str:
    """The name of an entry: everything its numbers depend on, hashed.

    `content` is the clip's sha256 (with the recipe of an augmented copy) or a text, `encoder` the encoder's identity, `version` that of
    features.py, `alignment` who aligned which words ("" for none).
    """
    return hashlib.sha256(json.dumps([content, encoder, alignment, version]).encode()).hexdigest()


class FeatureCache:
    """A folder of entries. Safe to share between processes that write the same keys."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._headers: dict[str, tuple[dict, int]] = {}  # key -> header, first byte of the data

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def __contains__(self, key: str) -> bool:
        try:
            self._read_header(key)
        except DataError:
            return False
        return True

    def write(self, key: str, features: Features, *, units: Iterable[str] = UNITS) -> None:
        """Stores the units that `features` has (of `units`)."""
        arrays, labels = {}, {}
        for unit in (u for u in units if u in features.units):
            found = features.units[unit]
            arrays[f"{unit}.states"] = found.states.astype(np.float16)
            arrays[f"{unit}.words"] = found.words.astype(np.int64)
            labels[unit] = list(found.labels)
            if found.starts is not None and found.ends is not None:
                arrays[f"{unit}.starts"], arrays[f"{unit}.ends"] = found.starts.astype(np.float64), found.ends.astype(np.float64)
        notes = {"preset": features.preset, "labels": labels, "absent": dict(features.absent)}
        arrays["notes"] = np.frombuffer(json.dumps(notes).encode(), np.uint8)  # apart from the header, which every read parses
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
        temporary.write_bytes(save(arrays))
        temporary.replace(path)

    def read(self, key: str) -> Features:
        """The whole entry. Its states are memory-mapped float16. Raises DataError when it is missing or damaged."""
        notes = json.loads(bytes(self._map(key, "notes")))
        units = {}
        for unit, labels in notes["labels"].items():
            timed = f"{unit}.starts" in self._read_header(key)[0]
            starts, ends = (self._map(key, f"{unit}.{side}") if timed else None for side in ("starts", "ends"))
            units[unit] = UnitStates(unit, self.read_states(key, unit), tuple(labels), starts, ends, self._map(key, f"{unit}.words"))
        return Features(notes["preset"], units, notes["absent"])

    def read_states(self, key: str, unit: str) -> np.ndarray:
        """(layers, segments, dim) float16, memory-mapped. Raises DataError when the entry is missing, damaged or lacks the unit."""
        return self._map(key, f"{unit}.states")

    def list_units(self, key: str) -> tuple[str, ...]:
        header, _ = self._read_header(key)
        return tuple(u for u in UNITS if f"{u}.states" in header)

    def count_segments(self, key: str, unit: str) -> int:
        header, _ = self._read_header(key)
        return header[f"{unit}.states"]["shape"][1]

    def _map(self, key: str, name: str) -> np.ndarray:
        header, base = self._read_header(key)
        if name not in header:
            raise DataError(f"{self._path(key)}: the entry has no {name!r}.")
        entry = header[name]
        offset = base + entry["data_offsets"][0]
        return np.memmap(self._path(key), _DTYPES[entry["dtype"]], "r", offset, tuple(entry["shape"]))

    def _read_header(self, key: str) -> tuple[dict, int]:
        if key in self._headers:
            return self._headers[key]
        path = self._path(key)
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(length))
            whole = 8 + length + max(v["data_offsets"][1] for k, v in header.items() if k != "__metadata__")
        except OSError as error:
            raise DataError(f"{path}: no such entry in the feature cache; extract the features again.") from error
        except (struct.error, ValueError, MemoryError, OverflowError) as error:
            raise DataError(f"{path}: the entry is damaged; delete it and extract the features again.") from error
        if path.stat().st_size != whole:
            raise DataError(f"{path}: the entry holds {path.stat().st_size} bytes instead of {whole}; delete it and extract again.")
        self._headers[key] = header, 8 + length
        return self._headers[key]
