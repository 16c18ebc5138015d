"""Features on disk: one file per clip or text, in half precision, memory-mapped when read.

An entry is a safetensors file (a JSON header, then plain arrays) named by its key. It is written under a temporary name and renamed,
so a half-written entry is never seen; one that is shorter than its header says counts as absent. Its header holds a checksum of
everything else, so that altered bytes can be found without knowing what the entry should hold.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from mmer.choices.units import UNITS
from mmer.errors import DataError
from mmer.files.guarded_json import explain_name
from mmer.files.replace import remove_parts, replace_file
from mmer.results import Features, UnitStates

FEATURES_VERSION = 2  # part of every key; raise it when entries get other numbers; 1 had long clips out of order
_DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def make_key(*, content: str, encoder: str, version: int, alignment: str = "") -> str:
    """The name of an entry: everything its numbers depend on, hashed.

    `content` is the clip's sha256 (with what was done to an augmented copy) or a text, `encoder` the encoder's identity, `version` that of
    features.py, `alignment` who aligned which words ("" for none).
    """
    return hashlib.sha256(json.dumps([content, encoder, alignment, version]).encode()).hexdigest()


class FeatureCache:
    """A folder of entries. Safe to share between processes that write the same keys.

    Raises DataError for a name that no folder can have.
    """

    def __init__(self, folder: str | Path):
        if problem := explain_name(str(folder)):
            raise DataError(f"The folder of features {str(folder)[:60]!r} can't be: {problem}.")
        self.folder = Path(folder)
        self._headers: dict[
            str, tuple[dict[str, Any], int, tuple[int, int]]
        ] = {}  # key -> header, first byte of the data, the file's stamp

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def stamp(self, key: str) -> tuple[int, int] | None:
        """(bytes, time of change in ns) of the entry's file, without reading it; None when there is none."""
        try:
            found = self._path(key).stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns

    def is_whole(self, key: str) -> bool:
        """Whether the entry is there and every byte of it is as it was written. Reads all of it.

        Of an entry without a checksum, as earlier versions wrote them, only the length is known.
        """
        try:
            header, base, _ = self._read_header(key)
        except DataError:
            return False
        stored = header.get("__metadata__", {}).get("crc32")
        with self._path(key).open("rb") as file:
            file.seek(base)
            return stored is None or stored == _check(header, file.read())

    def __contains__(self, key: str) -> bool:
        try:
            self._read_header(key)
        except DataError:
            return False
        return True

    def write(self, key: str, features: Features, *, units: Iterable[str] = UNITS) -> None:
        """Stores the units that `features` has (of `units`)."""
        arrays, labels = {}, {}
        wanted = set(units) & set(features.units)  # stored in one order, so that equal content is equal bytes
        for unit in (u for u in UNITS if u in wanted):
            found = features.units[unit]
            arrays[f"{unit}.states"] = found.states.astype(np.float16, order="C", copy=False)  # the file takes the memory as it lies
            arrays[f"{unit}.words"] = found.words.astype(np.int64)
            labels[unit] = list(found.labels)
            if found.starts is not None and found.ends is not None:
                arrays[f"{unit}.starts"], arrays[f"{unit}.ends"] = found.starts.astype(np.float64), found.ends.astype(np.float64)
        notes = {"preset": features.preset, "labels": labels, "absent": dict(features.absent)}
        arrays["notes"] = np.frombuffer(json.dumps(notes).encode(), np.uint8)  # apart from the header, which every read parses
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, _sign(save(arrays)))
        except OSError as error:
            raise DataError(f"{path}: the entry can't be written ({error.strerror}).") from error
        self._headers.pop(key, None)

    def remove_parts(self, *, seconds: float = 600.0) -> None:
        """Removes half-written files that killed processes left behind that long ago."""
        for folder in self.folder.glob("??"):
            remove_parts(folder, seconds=seconds)

    def read(self, key: str) -> Features:
        """The whole entry. Its states are memory-mapped float16. Raises DataError when it is missing or damaged."""
        notes = self._read_notes(key)
        units = {}
        for unit, labels in notes["labels"].items():
            timed = f"{unit}.starts" in self._read_header(key)[0]
            starts, ends = (self._map(key, f"{unit}.{side}") if timed else None for side in ("starts", "ends"))
            units[unit] = UnitStates(unit, self.read_states(key, unit), tuple(labels), starts, ends, self._map(key, f"{unit}.words"))
        return Features(notes["preset"], units, notes["absent"])

    def read_absent(self, key: str) -> dict[str, str]:
        """The units that the clip or text lacks, each with the reason. Raises DataError when the entry is missing or damaged."""
        return dict(self._read_notes(key)["absent"])

    def _read_notes(self, key: str) -> dict[str, Any]:
        try:
            notes = json.loads(bytes(self._map(key, "notes")))
            return {"preset": notes["preset"], "labels": dict(notes["labels"]), "absent": dict(notes["absent"])}
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{self._path(key)}: the entry is damaged; delete it and extract the features again.") from error

    def read_states(self, key: str, unit: str) -> np.ndarray:
        """(layers, segments, dim) float16, memory-mapped. Raises DataError when the entry is missing, damaged or lacks the unit."""
        return self._map(key, f"{unit}.states")

    def read_starts(self, key: str, unit: str) -> np.ndarray:
        """(segments,) seconds at which a speech unit's segments begin. Raises DataError as read_states does."""
        return self._map(key, f"{unit}.starts")

    def list_units(self, key: str) -> tuple[str, ...]:
        header = self._read_header(key)[0]
        return tuple(u for u in UNITS if f"{u}.states" in header)

    def count_segments(self, key: str, unit: str) -> int:
        header = self._read_header(key)[0]
        return int(header[f"{unit}.states"]["shape"][1])

    def _map(self, key: str, name: str) -> np.ndarray:
        header, base, _ = self._read_header(key)
        if name not in header:
            raise DataError(f"{self._path(key)}: the entry has no {name!r}.")
        entry = header[name]
        offset = base + entry["data_offsets"][0]
        return np.memmap(self._path(key), _DTYPES[entry["dtype"]], "r", offset, tuple(entry["shape"]))

    def _read_header(self, key: str) -> tuple[dict[str, Any], int, tuple[int, int]]:
        """The header, remembered until the file changes: another process may write the entry again with more units."""
        path, stamp = self._path(key), self.stamp(key)
        if stamp is None:
            raise DataError(f"{path}: no such entry in the feature cache; extract the features again.")
        known = self._headers.get(key)
        if known is not None and known[2] == stamp:
            return known
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(length))
            whole = 8 + length + max(v["data_offsets"][1] for k, v in header.items() if k != "__metadata__")
        except (OSError, struct.error, ValueError, TypeError, KeyError, AttributeError, MemoryError, OverflowError) as error:
            raise DataError(f"{path}: the entry is damaged; delete it and extract the features again.") from error
        if stamp[0] != whole:
            raise DataError(f"{path}: the entry holds {stamp[0]} bytes instead of {whole}; delete it and extract again.")
        self._headers[key] = header, 8 + length, stamp
        return self._headers[key]


def _sign(content: bytes) -> bytes:
    """The same safetensors file with a checksum of arrays and header in the header."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    text = json.dumps({"__metadata__": {"crc32": _check(header, data)}} | header).encode()
    text += b" " * (-len(text) % 8)  # the data begin at a multiple of 8, as the format has it
    return struct.pack("<Q", len(text)) + text + data


def _check(header: dict[str, Any], data: bytes) -> str:
    arrays = json.dumps({name: entry for name, entry in header.items() if name != "__metadata__"}, sort_keys=True)
    return f"{zlib.crc32(data, zlib.crc32(arrays.encode())):08x}"
