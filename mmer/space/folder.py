"""The project's folder and a kind of hardware -> the files of a Space, checked before any is written."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmer.errors import DataError
from mmer.files.guarded_json import read_json
from mmer.files.replace import replace_file
from mmer.space.hardware import Hardware

WHOLE = ("mmer", "assets", "docs")  # folders that are taken as they are
SINGLE = ("app.py", "packages.txt", "LICENSE", "CITATION.cff")
HEADS = "pretrained"
UNWANTED = {"__pycache__", ".gradio", ".DS_Store"}
LIST = "space.json"  # what was written, so that it can be written anew
OF_GIT = {".git", ".gitattributes", ".huggingface"}  # may be there before: a Space is a git repository
LARGE = 10 * 2**20  # bytes; git on the hub takes larger files through LFS alone
OF_LFS = " filter=lfs diff=lfs merge=lfs -text"
MOST = 2**30  # bytes of a Space's repository
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"")


@dataclass
class SpaceFiles:
    """What a Space's folder will hold. Names are relative, with forward slashes."""

    copied: dict[str, Path] = field(default_factory=dict)  # name -> where it is copied from
    written: dict[str, str] = field(default_factory=dict)  # name -> text that is made for this Space

    @property
    def names(self) -> list[str]:
        return sorted({*self.copied, *self.written})

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        copied = {name: path.stat().st_size for name, path in self.copied.items()}
        return copied | {name: len(text.encode()) for name, text in self.written.items()}


def plan_space(source: Path, hardware: Hardware, *, heads: Path | None = None) -> SpaceFiles:
    """The files of a Space for that hardware. Nothing is written. `heads`: a folder of heads in place of the one that ships.

    Raises DataError naming what is missing, leads out of the folder, or can't be served.
    """
    heads = heads or source / HEADS
    if not (source / "app.py").is_file():
        raise DataError(f"{source} holds no app.py: run `mmer space` in the project's folder (a checkout), not from an installed package.")
    if not any(heads.glob("*/config.json")):
        raise DataError(f"{heads} holds no heads, so the Space would have nothing to say; name a folder of heads with --heads.")
    files = SpaceFiles()
    for name in WHOLE:
        take_folder(files, source / name, name)
    take_folder(files, heads, HEADS)
    for name in SINGLE:
        if (source / name).is_file():
            files.copied[name] = source / name
    readme = (source / "README.md").read_text(encoding="utf-8")
    for link in find_links(readme):
        if link not in files.copied and (source / link).is_file():
            files.copied[link] = source / link
    files.written["README.md"] = write_readme(readme, hardware)
    files.written["requirements.txt"] = write_requirements((source / "requirements.txt").read_text(encoding="utf-8"), hardware)
    check_files(files)
    files.written[".gitattributes"] = write_attributes(files)
    return files


def take_folder(files: SpaceFiles, folder: Path, name: str) -> None:
    """Every file below `folder`, under `name`. Raises DataError for a link that leads out of it."""
    for path in sorted(folder.rglob("*")):
        if UNWANTED & set(path.parts) or path.suffix == ".pyc" or path.is_dir():
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{path} is a link to {path.resolve()}, which a Space would not have; put the file itself there.")
        files.copied[f"{name}/{path.relative_to(folder).as_posix()}"] = path


def find_links(text: str) -> list[str]:
    """The files beside it that a Markdown text points to."""
    found = [one or other for one, other in LINK.findall(text)]
    return [link for link in dict.fromkeys(found) if "://" not in link and not link.startswith(("/", "mailto:"))]


def write_readme(readme: str, hardware: Hardware) -> str:
    """The README with the hardware and its Python in the front matter. Raises DataError when it has none."""
    _, *parts = readme.split("---\n", 2)
    if not readme.startswith("---\n") or len(parts) != 2:
        raise DataError("README.md has no front matter, which tells Hugging Face what to start.")
    matter, text = parts
    for key, value in (("python_version", f'"{hardware.python}"'), ("suggested_hardware", hardware.key)):
        if not re.search(rf"^{key}:", matter, flags=re.MULTILINE):
            raise DataError(f"README.md's front matter does not say {key}.")
        matter = re.sub(rf"^{key}:.*$", f"{key}: {value}", matter, flags=re.MULTILINE)
    return f"---\n{matter}---\n{text}"


def write_requirements(text: str, hardware: Hardware) -> str:
    """The project's requirements with the build of torch that the hardware takes."""
    lines = text.splitlines()
    at = next((number for number, line in enumerate(lines) if re.match(r"torch\b", line)), None)
    if at is None:
        raise DataError("requirements.txt names no torch.")
    if hardware.torch:
        lines[at] = f"torch{hardware.torch}"
    index = [f"--extra-index-url {hardware.index}"] if hardware.index else []
    return "\n".join([f"# For {hardware.key}: {hardware.title}.", *index, *lines, *hardware.further]) + "\n"


def check_files(files: SpaceFiles) -> None:
    """Raises DataError for links of any document that lead nowhere and for more than a Space holds."""
    names = set(files.names)
    for name in filter(is_document, files.names):
        text = files.written.get(name) or files.copied[name].read_text(encoding="utf-8")
        places = {link: posixpath.normpath(posixpath.join(posixpath.dirname(name), link)) for link in find_links(text)}
        lost = [link for link, place in places.items() if place not in names and not is_folder(place, names)]
        if lost:
            raise DataError(f"{name} points to {', '.join(lost[:5])}, which would not be in the Space.")
    total = sum(files.sizes().values())
    if total > MOST:
        raise DataError(f"The Space would have {total / 2**20:,.0f} MB; its repository may have {MOST // 2**20:,} MB.")


def is_document(name: str) -> bool:
    return name.endswith(".md")


def is_folder(link: str, names: Iterable[str]) -> bool:
    return any(name.startswith(link.rstrip("/") + "/") for name in names)


def write_attributes(files: SpaceFiles) -> str:
    """.gitattributes: what git must not take as text (the hub refuses it otherwise), by suffix, and whatever is large, by name."""
    binary = {path.suffix for path in files.copied.values() if path.suffix and is_binary(path)}
    large = [name for name, size in files.sizes().items() if size > LARGE and Path(name).suffix not in binary]
    names = [*(f"*{suffix}" for suffix in sorted(binary)), *sorted(large)]
    return "".join(f"{name}{OF_LFS}\n" for name in names)


def measure_lfs(files: SpaceFiles) -> tuple[int, int]:
    """How many files git keeps through LFS, and their bytes together."""
    names = [line.removesuffix(OF_LFS) for line in files.written[".gitattributes"].splitlines()]
    sizes = [size for name, size in files.sizes().items() if name in names or f"*{Path(name).suffix}" in names]
    return len(sizes), sum(sizes)


def is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" in file.read(65536)


# Writing


def write_space(files: SpaceFiles, out: Path, *, hardware: Hardware) -> None:
    """The folder. A folder that `mmer space` wrote before is written anew; anything else that holds files is left alone.

    Raises DataError when `out` holds something else, or can't be written.
    """
    try:
        before = find_earlier(out)
        out.mkdir(parents=True, exist_ok=True)
        for name in before - set(files.names):
            (out / name).unlink(missing_ok=True)
        for name, path in files.copied.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / name)
        for name, text in files.written.items():
            replace_file(out / name, text.encode())
        replace_file(out / LIST, json.dumps(describe(files, out, hardware), indent=1).encode())
    except OSError as error:
        raise DataError(f"{error.filename or out} can't be written: {error.strerror}.") from error


def describe(files: SpaceFiles, out: Path, hardware: Hardware) -> Mapping[str, object]:
    return {
        "written_by": "mmer space",
        "hardware": hardware.key,
        "files": {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in files.names},
    }


def find_earlier(out: Path) -> set[str]:
    """The files that an earlier `mmer space` wrote to `out`. Raises DataError when there are others, or when one was changed since."""
    if not out.exists():
        return set()
    if not out.is_dir():
        raise DataError(f"{out} is a file; name a new folder.")
    there = {path.relative_to(out).as_posix() for path in list_files(out)} - {LIST}
    there = {name for name in there if name.split("/")[0] not in OF_GIT}
    if not there:
        return set()
    if not (out / LIST).is_file():
        raise DataError(f"{out} holds files that `mmer space` did not write, {min(there)} for one; name a new folder.")
    known = read_list(out / LIST)
    changed = sorted(name for name in there if known.get(name) != hashlib.sha256((out / name).read_bytes()).hexdigest())
    if changed:
        raise DataError(f"{out} was changed since it was written: {', '.join(changed[:5])}. Name a new folder, or take these files away.")
    return there


def list_files(folder: Path) -> list[Path]:
    return [Path(root) / name for root, _, names in os.walk(folder) for name in names if "__pycache__" not in root]


def read_list(path: Path) -> dict[str, str]:
    """Name -> sha256 of what an earlier run wrote. Raises DataError when the list is damaged."""
    written = read_json(path)
    files = written.get("files") if isinstance(written, dict) else None
    if not isinstance(files, dict):
        raise DataError(f"{path} is not the list that `mmer space` writes; name a new folder.")
    return {name: value for name, value in files.items() if isinstance(value, str)}
