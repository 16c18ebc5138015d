"""A trained head on disk: config.json, model.safetensors or its shards, the list of training clips; written, read, checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError
from torch import nn

from mmer.choices.fusion_models import COMBINATION
from mmer.errors import HeadError
from mmer.files.replace import replace_file
from mmer.heads.checks import check_arrays
from mmer.heads.clip_list import FILE, ClipList, dump_clip_list, parse_clip_list
from mmer.heads.config import CONFIG, HeadConfig, check_encoders, read_layer_runs
from mmer.heads.config_file import hash_config, list_heads, list_names, read_config, write_config
from mmer.heads.head import AnyHead, CombinedHead, Head, build_model
from mmer.heads.normalisation import Normalisation
from mmer.heads.novelty import Novelty
from mmer.phrasing import join_words

MAX_SHARD_BYTES = 9 * 2**20  # so that no file of a head exceeds 10 MiB


def save_head(
    folder: str | os.PathLike[str],
    config: HeadConfig,
    model: nn.Module,
    *,
    normalisation: Normalisation | None = None,
    novelty: Novelty | None = None,
    clips: ClipList | None = None,
    half: bool = True,
) -> str:
    """Write config.json and model.safetensors (or its shards); with half, the model's weights as float16. Returns the head's sha256.

    Raises HeadError for weights that hold NaN, or that half precision can't hold.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kind = torch.float16 if half else torch.float32
    arrays = {f"model.{name}": value.detach().cpu().to(kind).numpy() for name, value in model.state_dict().items()}
    for prefix, part in (("normalisation", normalisation), ("novelty", novelty)):
        if part is not None:
            arrays |= {f"{prefix}.{f.name}": np.ascontiguousarray(getattr(part, f.name), dtype=np.float32) for f in fields(part)}
    broken = [name for name, value in arrays.items() if not np.isfinite(value).all()]
    if broken:
        raise HeadError(
            f"Head {config.name} can't be saved: {broken[0]} holds values that are not numbers (NaN or infinite). Train it again."
        )
    shards = split_shards(arrays)
    weights = {}
    for number, shard in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        data = safetensors.numpy.save(shard)
        replace_file(folder / name, data)
        weights[name] = hashlib.sha256(data).hexdigest()
    for old in folder.glob("model*.safetensors"):
        if old.name not in weights:
            old.unlink()
    listed = write_clips(folder, clips)
    return write_config(folder, replace(config, weights=weights, clips=listed, normalised=normalisation is not None))


def write_clips(folder: Path, clips: ClipList | None) -> dict[str, str]:
    """The list of training clips beside the weights; returns its name and sha256, {} without one."""
    if clips is None:
        (folder / FILE).unlink(missing_ok=True)
        return {}
    data = dump_clip_list(clips)
    replace_file(folder / FILE, data)
    return {FILE: hashlib.sha256(data).hexdigest()}


def save_combination(folder: str | os.PathLike[str], config: HeadConfig, *, early: Head, late: Head) -> str:
    """Write the config.json of a combination; it names its members, which must lie beside the folder, by their sha256."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    members = {head.role: {"name": head.config.name, "sha256": head.sha256} for head in (early, late)}
    return write_config(Path(folder), replace(config, fusion=COMBINATION, members=members))


def load_head(folder: str | os.PathLike[str]) -> Head | CombinedHead:
    """The head of a folder, or the combination with its members from the folders beside it.

    Raises HeadError when a file is missing or altered, or a member is not the one the combination was made of.
    """
    config = read_config(folder)
    return load_combination(folder) if config.fusion == COMBINATION else build_head(Path(folder), config)


def load_combination(folder: str | os.PathLike[str]) -> CombinedHead:
    folder = Path(folder)
    config = read_config(folder)
    if config.fusion != COMBINATION or set(config.members) != {"early", "late"}:
        raise HeadError(f"Head {config.name} is not a combination of an early and a late head.")
    members = {}
    for role, member in config.members.items():
        if not {"name", "sha256"} <= set(member):
            raise HeadError(f"Head {config.name} names its {role} member without {'name' if 'name' not in member else 'sha256'}.")
        if Path(member["name"]).name != member["name"]:
            raise HeadError(f"Head {config.name} names a member {member['name']!r}; it must be a folder beside its own.")
        members[role] = load_single(folder.parent / member["name"])
        if members[role].sha256 != member["sha256"]:
            raise HeadError(
                f"Head {config.name} was made of another version of {member['name']} ({member['sha256'][:12]}, "
                f"found {members[role].sha256[:12]}); install both from the same release."
            )
    named = go_by_folder(config, folder)
    return CombinedHead(named, early=members["early"], late=members["late"], sha256=hash_config(config))


def load_single(folder: str | os.PathLike[str]) -> Head:
    """Raises HeadError when files are missing or altered, or the folder holds a combination."""
    config = read_config(folder)
    if config.fusion == COMBINATION:
        raise HeadError(f"Head {config.name} is a combination of other heads; load it with load_head.")
    return build_head(Path(folder), config)


def build_head(folder: Path, config: HeadConfig) -> Head:
    read_layer_runs(config)
    arrays = read_weights(folder, config)
    groups: dict[str, dict[str, np.ndarray]] = {"model": {}, "normalisation": {}, "novelty": {}}
    for name, value in arrays.items():
        prefix, _, rest = name.partition(".")
        groups.setdefault(prefix, {})[rest] = value.astype(np.float32)
    check_arrays(config, groups, list_shapes(config))
    try:
        model = build_model(config)
        model.load_state_dict({name: torch.from_numpy(value) for name, value in groups["model"].items()})
        normalisation = Normalisation(**groups["normalisation"]) if config.normalised else None
        novelty = Novelty(**groups["novelty"]) if groups["novelty"] else None
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise HeadError(f"The weights of head {config.name} do not fit its {CONFIG}: {error}") from error
    clips, sha256 = read_clips(folder, config), hash_config(config)
    return Head(go_by_folder(config, folder), model, normalisation=normalisation, novelty=novelty, clips=clips, sha256=sha256)


def list_shapes(config: HeadConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every array of the config's model, without the memory for one. Raises HeadError for a model that can't be."""
    try:
        with torch.device("meta"):
            return {name: tuple(array.shape) for name, array in build_model(config).state_dict().items()}
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise HeadError(f"The weights of head {config.name} do not fit its {CONFIG}: {error}") from error


def go_by_folder(config: HeadConfig, folder: Path) -> HeadConfig:
    """The folder is what a person names, and it may have been copied or downloaded under another name; the hash stays the config's."""
    return replace(config, name=folder.resolve().name)


def read_weights(folder: Path, config: HeadConfig) -> dict[str, np.ndarray]:
    """All arrays of a head, its files checked against the config's sha256."""
    if not config.weights:
        raise HeadError(f"{folder / CONFIG} names no weight file; install the head again.")
    arrays: dict[str, np.ndarray] = {}
    for name, expected in config.weights.items():
        data = read_checked(folder, config, name, expected)
        try:
            arrays |= safetensors.numpy.load(data)
        except (SafetensorError, TypeError, ValueError, KeyError, AttributeError) as error:  # the latter for kinds that numpy lacks
            raise HeadError(f"{folder / name} is not a safetensors file that can be read ({error}); install the head again.") from error
    return arrays


def read_clips(folder: Path, config: HeadConfig) -> ClipList | None:
    """The list of the clips that it was trained on; None where the config names none."""
    if not config.clips:
        return None
    if set(config.clips) != {FILE}:
        raise HeadError(
            f"{folder / CONFIG} names {min(config.clips)[:80]!r} as its list of clips; it must be {FILE}. Install the head again."
        )
    return parse_clip_list(read_checked(folder, config, FILE, config.clips[FILE]), str(folder / FILE))


def read_checked(folder: Path, config: HeadConfig, name: str, expected: str) -> bytes:
    """A file of a head. Raises HeadError when it is missing or not the one that the config names."""
    path = folder / name
    if Path(name).name != name or not os.path.isfile(path):
        raise HeadError(f"Head {config.name} is incomplete: {path} is missing; install the head again.")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise HeadError(f"{path} was altered: its sha256 is {found[:12]}, not {expected[:12]}; install the head again.")
    return data


def split_shards(arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    shards: list[dict[str, np.ndarray]] = [{}]
    for name, value in arrays.items():
        if shards[-1] and sum(a.nbytes for a in shards[-1].values()) + value.nbytes > MAX_SHARD_BYTES:
            shards.append({})
        shards[-1][name] = value
    return shards


def load_heads(folder: Path, *, preset: str) -> dict[str, AnyHead]:
    """Every head below `folder` that was made for the preset, by name. Raises: HeadError for a damaged one, or one of other sizes."""
    chosen = {name: config for name, config in list_heads(folder).items() if config.preset == preset}
    for config in chosen.values():
        check_encoders(config)
    return {name: load_head(folder / name) for name in chosen}


def load_heads_beside(folder: Path, asked: str | None, *, preset: str) -> tuple[dict[str, AnyHead], str]:
    """The same for one head that is asked for: damaged ones beside it are left out, and named in a sentence ("" where none is).

    Raises: HeadError where the one that is asked for is damaged, or any where none is named.
    """
    heads: dict[str, AnyHead] = {}
    damaged: dict[str, str] = {}
    for name in list_names(folder):
        try:
            config = read_config(folder / name)
            if config.preset == preset:
                check_encoders(config)
                heads[name] = load_head(folder / name)
        except HeadError as error:
            if asked in (None, name):
                raise
            damaged[name] = str(error)
    if not damaged:
        return heads, ""
    which = join_words([repr(name)[:60] for name in damaged][:5]) + (" and others" if len(damaged) > 5 else "")
    many = "s" * (len(damaged) > 1)
    return heads, f"The damaged head{many} {which} beside {asked!r} {'are' if many else 'is'} left out: {next(iter(damaged.values()))}"
