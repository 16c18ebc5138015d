"""Where the Montreal Forced Aligner is, and which of its models are used: program, acoustic model and dictionary, by name or path."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmer.align.mfa.messages import last_sentence
from mmer.errors import AlignmentError

SUPPORTED = 3  # major version; 4.0 changes the commands
MODEL = "english_us_arpa"
# What environment.yml holds, which no wheel brings.
INSTALL = "conda create -n aligner --override-channels -c conda-forge python=3.11 montreal-forced-aligner=3.4"
VERSION_SECONDS = 120.0
ENDINGS = {"acoustic": (".zip", ".am"), "dictionary": (".dict", ".txt")}  # those that MFA takes and the worker reads
SHOWN = 80  # characters of a name in a message


@dataclass(frozen=True)
class MfaSettings:
    """Which Montreal Forced Aligner to use. An empty field is read from the environment (`choose_settings`), else has its default."""

    command: str = ""  # the program `mfa`, by name or path; default: the one on the PATH
    model: str = ""  # acoustic model that MFA has downloaded, by name, or the path of a zip or folder; default: english_us_arpa
    dictionary: str = ""  # the same for the dictionary; default: the one named like the model


def choose_settings(settings: MfaSettings | None = None, environment: Mapping[str, str] | None = None) -> MfaSettings:
    """The settings with what they leave open taken from MMER_MFA_COMMAND, MMER_MFA_MODEL, MMER_MFA_DICTIONARY, else the defaults."""
    chosen, found = settings or MfaSettings(), os.environ if environment is None else environment
    command = chosen.command or found.get("MMER_MFA_COMMAND") or "mfa"
    model = chosen.model or found.get("MMER_MFA_MODEL") or MODEL
    dictionary = chosen.dictionary or found.get("MMER_MFA_DICTIONARY") or name_model(model)
    return MfaSettings(command, model, dictionary)


def name_model(model: str) -> str:
    """The name of a model given by name or path: MFA's dictionaries are named like the models they were made for."""
    name = os.path.basename(model.rstrip("/\\"))
    ending = next((e for kind in ENDINGS.values() for e in kind if name.endswith(e)), "")
    return name.removesuffix(ending)


@dataclass(frozen=True)
class MfaPaths:
    """What the settings name, found on this machine."""

    program: Path
    acoustic: Path
    dictionary: Path

    @property
    def title(self) -> str:
        """The models' names: one where both have the same, as the English ones do."""
        model, dictionary = name_model(str(self.acoustic)), name_model(str(self.dictionary))
        return model if model == dictionary else f"{model} with {dictionary}"


def find_paths(settings: MfaSettings, *, root: Path | None = None) -> MfaPaths:
    """Raises AlignmentError when the program or a model isn't there, naming the command that brings it."""
    root = root or find_root()
    program = find_program(settings.command)
    folder = root / "pretrained_models"
    acoustic = find_model(settings.model, folder / "acoustic", "acoustic")
    return MfaPaths(program, acoustic, find_model(settings.dictionary, folder / "dictionary", "dictionary"))


def identify(paths: MfaPaths) -> str:
    """All that an alignment depends on beside clip and words: version, acoustic model and dictionary by their content.

    Raises AlignmentError when the program doesn't answer or a file can't be read.
    """
    return f"mfa {find_version(paths.program)} {hash_path(paths.acoustic)[:16]} {hash_path(paths.dictionary)[:16]}"


def find_root() -> Path:
    """MFA's own folder, as MFA finds it."""
    return Path(os.environ.get("MFA_ROOT_DIR") or "~/Documents/MFA").expanduser()


def find_program(program: str = "mfa", *, path: str | None = None) -> Path:
    """The path of `mfa`, looked for on `path` (the PATH). Raises AlignmentError naming the command that installs it."""
    found = shutil.which(os.path.expanduser(program), path=path) if "\0" not in program else None
    if found is None:
        where = "no program “mfa” on the PATH" if program == "mfa" else f"no program “{program[:SHOWN]}”"
        raise AlignmentError(
            f"The Montreal Forced Aligner is not installed: there is {where}. "
            f"Install it with: {INSTALL}; or name its program with --mfa-command."
        )
    return Path(found)


def find_interpreter(program: Path) -> str | None:
    """The Python that the script `mfa` names in its first line; None when it names none (a compiled launcher)."""
    with program.open("rb") as file:
        head = file.read(1024).decode("utf-8", errors="replace").splitlines()
    if not head or not head[0].startswith("#!"):
        return None
    command = head[0][2:].strip()
    if command.endswith("/sh") and len(head) > 1:  # pip's and conda's way around long paths: '''exec' /path/python "$0" "$@"
        found = re.match(r"'''exec'\s+\"?([^\"]+?)\"?\s+\"\$0\"", head[1])
        return found.group(1) if found else None
    if command.startswith("/usr/bin/env "):
        return shutil.which(command.split()[-1])
    return command.split(" -")[0] if "python" in command else None


def find_model(name: str, folder: Path, kind: str) -> Path:
    """The path of a model: a name that MFA has downloaded into `folder` first, else a path (`~` too).

    Raises AlignmentError naming the command that downloads it, or what is wrong with the file.
    """
    path = Path(os.path.expanduser(name))
    downloaded = [folder / name, *(folder / f"{name}{ending}" for ending in ENDINGS[kind])] if path.name == name else []
    found = next(
        (p for p in (*downloaded, path) if os.path.exists(p)), None
    )  # unlike Path.exists it takes any name, an endless one as well
    shown = f"“{name if len(name) <= SHOWN else '…' + name[1 - SHOWN :]}”"  # a path's end tells more than its beginning
    what, flag = ("acoustic model", "--mfa-model") if kind == "acoustic" else ("dictionary", "--mfa-dictionary")
    if found is None and path.name != name:
        raise AlignmentError(f"The {what} {shown} of the Montreal Forced Aligner is not there. Check the path given with {flag}.")
    if found is None:
        raise AlignmentError(
            f"The Montreal Forced Aligner has no {what} {shown} in {folder}. Download it with: mfa model download {kind} {name[:SHOWN]}; "
            f"or name another with {flag}."
        )
    if found.suffix not in ENDINGS[kind] and not (kind == "acoustic" and found.is_dir()):
        kinds = "a .zip or an unpacked folder" if kind == "acoustic" else "one .dict or .txt file"
        raise AlignmentError(f"{shown} is no {what} of the Montreal Forced Aligner: {kinds} is.")
    return found


def find_version(program: Path) -> str:
    """`read_version`, asked once for each program as long as its file stays the same: the answer takes seconds."""
    return _version_of(program, program.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _version_of(program: Path, changed: int) -> str:
    return read_version(program)


def read_version(program: Path) -> str:
    """What `mfa version` prints, e.g. "3.4.3". Raises AlignmentError when it doesn't answer, or is of a version that isn't supported."""
    try:
        done = subprocess.run(
            [str(program), "version"], capture_output=True, encoding="utf-8", errors="replace", timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AlignmentError(f"The Montreal Forced Aligner at {program} does not answer “mfa version”.") from error
    if done.returncode != 0:
        raise AlignmentError(f"“mfa version” failed: {last_sentence(done.stderr) or done.returncode}.")
    lines = done.stdout.split()
    version = lines[-1] if lines else ""
    check_version(version)
    return version


def check_version(version: str) -> None:
    major = re.match(r"v?(\d+)\.", version)
    if major is None or int(major.group(1)) != SUPPORTED:
        raise AlignmentError(
            f"This is version {version or 'unknown'} of the Montreal Forced Aligner; versions {SUPPORTED}.x are supported."
        )


def hash_path(path: Path) -> str:
    """sha256 of a file, or of a folder's files with their names; read once as long as sizes and times stay the same.

    Raises AlignmentError when a file can't be read.
    """
    try:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        return _hash_files(path, tuple((p, p.stat().st_size, p.stat().st_mtime_ns) for p in files))
    except OSError as error:
        raise AlignmentError(f"{path} can't be read: {error.strerror}.") from error


@functools.lru_cache(maxsize=8)
def _hash_files(path: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for file, _, _ in files:
        total.update(str(file.relative_to(path)).encode(errors="surrogateescape") + b"\0")
        with file.open("rb") as content:
            total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()


def name_flags(source: str) -> list[str]:
    """The flags that name MFA's models, from an alignment's source: "mfa 3.4.3 english_mfa with english_us_mfa"; none where it names none.

    A model that was given by its path is named without its folder: a report does not tell where its maker's files are.
    """
    model, _, dictionary = source.partition(" ")[2].partition(" ")[2].partition(" with ")
    return [*(("--mfa-model", model) if model else ()), *(("--mfa-dictionary", dictionary) if dictionary else ())]
