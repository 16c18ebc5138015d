"""A head's config.json: read, checked, written."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, fields
from pathlib import Path

from mmer.errors import DataError, HeadError
from mmer.exports.json_values import decode, field_types
from mmer.files.guarded_json import read_json, show
from mmer.files.replace import replace_file
from mmer.heads.config import ADDED, CONFIG, FORMAT, HeadConfig

LARGEST = 16 * 2**20  # bytes of it


def list_heads(root: str | os.PathLike[str]) -> dict[str, HeadConfig]:
    """Name of the folder -> config of every head below root, in alphabetical order; no weights are read. Raises HeadError."""
    return {name: read_config(Path(root) / name) for name in list_names(root)}


def list_names(root: str | os.PathLike[str]) -> list[str]:
    """The names of the folders of heads below root, in alphabetical order. Raises HeadError where there is no such folder."""
    if not os.path.isdir(root):
        raise HeadError(f"There is no folder of heads {show(root)}. Name the one that holds them, such as pretrained, with --heads.")
    try:
        paths = sorted(Path(root).glob(f"*/{CONFIG}"))
    except OSError as error:
        raise HeadError(f"The folder of heads {root} can't be read: {error.strerror}.") from error
    return [path.parent.name for path in paths]


def check_head(root: str | os.PathLike[str], name: str, *, preset: str, alone: bool = False) -> None:
    """Before anything is loaded: raises HeadError when there is no head of this name and preset below root, or one there is damaged.

    `alone`: those beside it may be damaged.
    """
    if alone and name in list_names(root) and read_config(Path(root) / name).preset == preset:
        return
    known = [head for head, config in list_heads(root).items() if config.preset == preset]
    if name not in known:
        choice = ", ".join(known) or "none is installed"
        raise HeadError(f"There is no head {name[:100]!r} for the preset {preset!r} in {show(root)}. Choose one of: {choice}.")


def read_config(folder: str | os.PathLike[str]) -> HeadConfig:
    """The config of a head's folder. Raises HeadError naming the file and what is missing, unknown or of the wrong type."""
    path = Path(folder) / CONFIG
    try:
        data = read_json(path, error=HeadError, limit=LARGEST)
    except FileNotFoundError as error:
        raise HeadError(f"There is no head in {show(folder)}: {CONFIG} is missing.") from error
    except HeadError as error:
        raise HeadError(f"{error} Install the head again.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise HeadError(f"{path} has format {found!r:.60}; this version of mmer reads format {FORMAT}.")
    names = {f.name for f in fields(HeadConfig)}
    wrong = sorted({"name", "title", "fusion", "units", "preset"} - set(data)) or sorted(set(data) - names)
    if wrong:
        raise HeadError(f"{path} has missing or unknown fields: {', '.join(wrong)[:200]}.")
    try:
        return HeadConfig(**{name: decode(hint, data[name], name) for name, hint in field_types(HeadConfig).items() if name in data})
    except DataError as error:
        raise HeadError(f"{path}: {error} Install the head again.") from error


def hash_config(config: HeadConfig) -> str:
    """The head's identity: sha256 of its config as canonical JSON, which holds the sha256 of its weights or of its members.

    A field of ADDED at its default is left out, so that heads made before there was one keep their identity.
    """
    content = {name: value for name, value in asdict(config).items() if name not in ADDED or value}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_config(folder: Path, config: HeadConfig) -> str:
    replace_file(folder / CONFIG, (json.dumps(asdict(config), indent=2, ensure_ascii=False) + "\n").encode())
    return hash_config(read_config(folder))
