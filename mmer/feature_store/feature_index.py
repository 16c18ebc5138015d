"""Which entries of the feature cache belong to a data set: one JSON file beside the cache, so that keys are found without reading audio.

A key depends on the sound, which takes reading; the index knows a recording by its file's size and time of change. It is written under a
temporary name and renamed, and several processes (the shards of an extraction) add to it in turn. Lost, it is made again by `extract`,
which finds the entries by content.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from mmer.datasets.dataset import Utterance
from mmer.encoders.presets import Preset
from mmer.errors import DataError
from mmer.feature_store.cache import FEATURES_VERSION, FeatureCache
from mmer.feature_store.entry_names import list_alignment_files
from mmer.files.guarded_json import read_json
from mmer.files.replace import replace_file

INDEX_VERSION = 1
LARGEST = 2**30  # bytes of an index


@dataclass(frozen=True)
class FeatureRecord:
    """One entry of the cache, or why there is none."""

    name: str  # of the utterance, for people; the text itself for texts is not stored
    key: str | None  # None when nothing could be had
    stamp: tuple[int, int] | None  # of the entry's file: bytes, time of change in ns; None without a key
    units: tuple[str, ...]
    absent: Mapping[str, str] = field(default_factory=dict)  # unit -> why it can't be had
    aligner: str = ""  # file | identity of the aligner | none; "" when the words were not looked for
    seconds: float | None = None  # of sound; None for texts and what can't be read
    copies: tuple[str, ...] = ()  # keys of its augmented copies, where any were asked for
    sha256: str = ""  # of the clip's samples; "" for texts, what can't be read, and records of the first releases


@dataclass
class FeatureIndex:
    """Records of one data set under one preset."""

    path: Path
    identity: Mapping[str, str | int]  # of the encoders and the features: another one makes an index void
    speech: dict[str, FeatureRecord]  # by identify_speech
    texts: dict[str, FeatureRecord]  # by key
    _new: dict[str, dict[str, FeatureRecord]] = field(default_factory=lambda: {"speech": {}, "texts": {}})

    @classmethod
    def read(cls, cache: FeatureCache, dataset: str, preset: Preset) -> FeatureIndex:
        """Reads the index. It is empty when there is none, or when it is damaged or belongs to other encoders."""
        slug = re.sub(r"[^\w.-]+", "-", dataset).strip(".-") or "data"
        identity: dict[str, str | int] = {
            "index": INDEX_VERSION,
            "features": FEATURES_VERSION,
            "speech_encoder": preset.speech_identity,
            "text_encoder": preset.text_identity,
        }
        index = cls(cache.folder / "index" / preset.name / f"{slug}.json", identity, {}, {})
        index._load()
        return index

    def add(self, kind: str, name: str, record: FeatureRecord) -> None:
        """Adds a record, which stays in memory until `save`. `kind` is "speech" or "texts"."""
        getattr(self, kind)[name] = record
        self._new[kind][name] = record

    def save(self) -> None:
        """Writes what was added, together with what other processes have written meanwhile. Raises DataError."""
        if not any(self._new.values()):
            return
        try:
            self._write()
        except OSError as error:
            raise DataError(f"{self.path}: the index can't be written ({error.strerror}).") from error
        self._new = {"speech": {}, "texts": {}}

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            self._load()
            content = dict(self.identity) | {
                kind: {name: asdict(record) for name, record in getattr(self, kind).items()} for kind in ("speech", "texts")
            }
            replace_file(self.path, json.dumps(content, ensure_ascii=False).encode())

    def _load(self) -> None:
        """Reads the records of the file, and adds those that are new in this process."""
        stored = _read_json(self.path)
        if any(stored.get(name) != value for name, value in self.identity.items()):
            stored = {}
        for kind, new in self._new.items():
            setattr(self, kind, {name: _read_record(row) for name, row in stored.get(kind, {}).items()} | new)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        stored = read_json(path, limit=LARGEST)
    except (OSError, DataError):
        return {}
    return stored if isinstance(stored, dict) and all(isinstance(stored.get(kind, {}), dict) for kind in ("speech", "texts")) else {}


def _read_record(row: dict[str, Any]) -> FeatureRecord:
    stamp, copies = tuple(row["stamp"]) if row["stamp"] else None, tuple(row.get("copies", ()))
    return FeatureRecord(**row | {"units": tuple(row["units"]), "stamp": stamp, "copies": copies})


def identify_speech(utterance: Utterance) -> str | None:
    """What an utterance's speech units depend on, as far as it can be known without reading sound; None without a sound file."""
    sound = _stamp(utterance.path) if utterance.has_audio else None
    if sound is None:
        return None
    files = [] if utterance.alignment is None else [(p.suffix, _stamp(p)) for p in list_alignment_files(utterance.alignment)]
    content = [utterance.name or utterance.path.name, utterance.text, utterance.start, utterance.end, sound, files]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:32]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
