"""The folders that the web app may read data sets from: what lies in them, and why a path elsewhere is refused."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.reading import MANIFESTS, is_iemocap, parse_labels
from mmer.errors import DataError

DEPTH = 4  # folders below a root that are looked into
MOST_FOLDERS = 4000  # that are looked into, so that a root of recordings doesn't hold up the page
MOST_FOUND = 200
NO_ROOTS = "No folder of data sets was named when this app was started. Start it with: python app.py --data-root FOLDER"


@dataclass(frozen=True)
class FoundData:
    """A data set that lies below a root."""

    path: Path  # of the folder; of the manifest where a folder has several
    title: str  # the path from its root on


def find_data(roots: Sequence[Path]) -> tuple[FoundData, ...]:
    """Folders with a manifest and IEMOCAP releases below the roots, by name; links are not followed, hidden folders not entered."""
    found: list[FoundData] = []
    for root in roots:
        folders = [(root, 0)]
        looked = 0
        while folders and looked < MOST_FOLDERS and len(found) < MOST_FOUND:
            folder, depth = folders.pop()
            looked += 1
            here = list_data(folder)
            found += [FoundData(path, _name_below(path, root, several=len(roots) > 1)) for path in here]
            if not here and depth < DEPTH:
                folders += [(below, depth + 1) for below in _list_folders(folder)]
    return tuple(sorted(found, key=lambda data: data.title))


def list_data(folder: Path) -> list[Path]:
    """The folder itself where it is one data set, its manifests where it has several."""
    manifests = [folder / name for name in MANIFESTS if (folder / name).is_file()]
    if len(manifests) > 1:
        return manifests
    return [folder] if manifests or is_iemocap(folder) else []


def _list_folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:  # may not be read: there is nothing in it for us
        return []
    return [folder / name for name in sorted(names, reverse=True)]


def _name_below(path: Path, root: Path, *, several: bool) -> str:
    below = path.relative_to(root).as_posix()
    if below == ".":
        return root.name or str(root)
    return f"{root.name}/{below}" if several else below


def allow_path(asked: str | Path, roots: Sequence[Path]) -> Path:
    """The real path of what a person named, which lies below a root: absolute, or as seen from a root.

    Raises DataError when nothing was named, it leads outside (by .. or through a link, whether it exists or not), or isn't there.
    """
    if not roots:
        raise DataError(NO_ROOTS)
    if not str(asked or "").strip():
        raise DataError("Choose a data set first: one of the list, or a path below an allowed folder.")
    inside = [path for root in roots if (path := _follow(root, str(asked).strip())) is not None]
    if not inside:
        named = ", ".join(str(root) for root in roots)
        raise DataError(
            f"{str(asked)[:200]!r} does not lie below a folder that this app may read ({named}). Name a path below it, or start the app "
            "with --data-root for another one."
        )
    there = next((path for path in inside if os.path.exists(path)), None)  # Path.exists raises for what is too long
    if there is None:
        raise DataError(f"There is no {str(asked)[:200]!r} below the folders that this app may read.")
    for name in MANIFESTS:  # of a folder, its manifest is read
        if not any(_follow(root, str(there / name)) for root in roots):
            raise DataError(f"{there / name} is a link that leads out of the folders that this app may read; put the file itself there.")
    return there


def _follow(root: Path, asked: str) -> Path | None:
    """root/asked with every link and .. followed; None when it is no path, or not below root then."""
    try:
        real, path = root.resolve(), (root / asked).resolve()
    except (OSError, ValueError, RuntimeError):  # too long, a zero byte, links in a circle
        return None
    return path if path.is_relative_to(real) else None


def read_pairs(text: str) -> Mapping[str, str]:
    """A label mapping typed by a visitor: `angry=anger, calm=`, never the name of a file. Raises DataError.

    Labels that are emotions already need not be named.
    """
    labels = parse_labels(text or "")
    return {emotion: emotion for emotion in EMOTIONS} | labels if labels else {}
