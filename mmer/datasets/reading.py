"""What a person names -> a data set: a manifest or the root of an IEMOCAP release, told apart by what is there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmer.datasets.classes import check_name, clean_label
from mmer.datasets.dataset import Dataset
from mmer.datasets.iemocap import read_iemocap
from mmer.datasets.manifest import read_manifest
from mmer.errors import DataError
from mmer.files.guarded_json import read_json, show

MANIFESTS = ("manifest.csv", "manifest.tsv", "manifest.jsonl")


def read_dataset(path: str | Path, *, labels: Mapping[str, str] | None = None, classes: Sequence[str] = (), audio: bool = True) -> Dataset:
    """The data set at `path`: a manifest file, a folder with one, or the folder of an IEMOCAP release.

    `labels` maps a manifest's labels to classes, "" leaves a row out. `classes` are what is told apart, in this order; without them a
    manifest's labels say, and IEMOCAP has the paper's four. With `audio` false the sound files may be missing.
    Raises DataError when it is none of these, and as read_manifest and read_iemocap do.
    """
    path = Path(path)
    if os.path.isfile(path):  # unlike path.is_file() it takes any name
        return read_manifest(path, name=path.resolve().parent.name, labels=labels, classes=classes, audio=audio)
    if not os.path.isdir(path):
        raise DataError(f"{show(path)}: there is no such file or folder. Name a manifest, or the folder of an IEMOCAP release.")
    if is_iemocap(path):
        if labels:
            raise DataError(f"{path}: IEMOCAP's labels are known; a label mapping is for manifests. Choose --classes.")
        return read_iemocap(path, classes=classes, audio=audio)
    found = [name for name in MANIFESTS if (path / name).is_file()]
    if not found:
        raise DataError(f"{path}: it holds neither a {' or '.join(MANIFESTS)} nor the folders SessionN/dialog of an IEMOCAP release.")
    return read_manifest(path / found[0], name=path.resolve().name, labels=labels, classes=classes, audio=audio)


def is_iemocap(path: Path) -> bool:
    return any(path.glob("Session[1-5]/dialog")) or any(path.glob("IEMOCAP_full_release/Session[1-5]/dialog"))


def read_labels(text: str) -> dict[str, str]:
    """A label mapping: `angry=anger,calm=` (nothing after the sign leaves a label out), or a JSON file with such an object.

    Raises DataError for what is neither, and for what no class can be called.
    """
    return parse_labels(text) if "=" in text and not os.path.isfile(text) else _check_targets(_read_file(Path(text)))


def parse_labels(text: str) -> dict[str, str]:
    """The mapping `angry=anger,calm=`, never the name of a file.

    Raises DataError for what is no pair, a label that stands twice, or what no class can be called.
    """
    labels: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        label, sign, emotion = (part.strip() for part in pair.partition("="))
        if not (label and sign):
            raise DataError(f"Label mapping: {pair[:100]!r} does not have the form label=emotion, for example angry=anger, calm=")
        if label in labels:
            both = f"as {labels[label][:40]!r} and {emotion[:40]!r}"
            raise DataError(f"Label mapping: {label[:60]!r} stands in it twice ({both}). Delete one of them.")
        labels[label] = emotion
    return _check_targets(labels)


def _check_targets(labels: dict[str, str]) -> dict[str, str]:
    """The mapping as labels are compared; "" leaves one out."""
    found: dict[str, str] = {}
    for label, name in ((clean_label(label), clean_label(name)) for label, name in labels.items()):
        if name:
            check_name(name, f"Label mapping, {label[:60]!r}")
        if found.setdefault(label, name) != name:
            raise DataError(f"Label mapping: {label[:60]!r} stands in it twice. Delete one of them.")
    return found


def _read_file(path: Path) -> dict[str, str]:
    try:
        labels = read_json(path)
    except FileNotFoundError as error:
        raise DataError(f"{show(path)}: the label mapping can't be opened ({error.strerror}). Its form is angry=anger,calm=") from error
    except DataError as error:
        raise DataError(f"Not a JSON object of labels and emotions: {error} Its form is angry=anger,calm=") from error
    if not isinstance(labels, dict) or not all(isinstance(emotion, str) for emotion in labels.values()):
        raise DataError(f'{path}: an object such as {{"angry": "anger", "calm": ""}} is expected.')
    return labels
