"""Does every line of requirements.txt install without a compiler? Asks pip about each line for each Python version.

    python scripts/check_wheels.py [--python 3.11 3.12 3.13] [--requirements requirements.txt]

An ordinary `pip install` takes the newest version that a line allows, as source where that version has no wheel. So a line is only
good when the newest version it allows has a wheel: the same version must come out with wheels alone and with sources too. Nothing is
downloaded but lists of versions. Exit code 1 when a line would be built from source, or has no version at all.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

PYTHONS = ("3.11", "3.12", "3.13")
AT_ONCE = 4  # pip processes, which wait for the index most of the time
Versions = Callable[[str, str, bool], list[str]]  # (name, Python, wheels alone) -> versions there are, in any order


@dataclass(frozen=True)
class Answer:
    """What pip would take for one line under one Python."""

    line: str
    python: str
    newest: str | None  # that the line allows; None when there is none
    wheel: str | None  # the newest of them that has a wheel

    @property
    def good(self) -> bool:
        return self.newest is not None and self.newest == self.wheel

    def __str__(self) -> str:
        if self.newest is None:
            return f"{self.line}: there is no such version for Python {self.python}"
        if not self.good:
            return f"{self.line}: Python {self.python} would build {self.newest} from source; its newest wheel is {self.wheel or 'none'}"
        return f"{self.line}: {self.newest} is a wheel for Python {self.python}"


def read_lines(path: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]  # an option of pip's own is no package


def check_line(requirement: Requirement, python: str, versions: Versions) -> Answer:
    """An environment marker is read for that Python, not for the one that runs this."""
    newest = pick_newest(requirement, versions(requirement.name, python, False))
    wheel = pick_newest(requirement, versions(requirement.name, python, True))
    return Answer(str(requirement), python, newest, wheel)


def pick_newest(requirement: Requirement, versions: Sequence[str]) -> str | None:
    allowed = list(requirement.specifier.filter(version for version in versions if is_version(version)))
    return max(allowed, key=Version) if allowed else None


def is_version(text: str) -> bool:
    """Old packages have others, such as joblib's 0.7.0d; pip takes none of them."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def applies(requirement: Requirement, python: str) -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"})


def ask_pip(name: str, python: str, wheels: bool) -> list[str]:
    """The versions that pip finds; none when it finds none."""
    command = [sys.executable, "-m", "pip", "index", "versions", name, "--python-version", python, "--disable-pip-version-check"]
    done = subprocess.run([*command, *(["--only-binary=:all:"] if wheels else [])], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if "No matching distribution" in done.stderr:
            return []
        sys.exit(f"pip could not be asked about {name}: {done.stderr.strip()[-300:]}")
    listed = next(line for line in done.stdout.splitlines() if line.startswith("Available versions:"))
    return [version.strip() for version in listed.partition(":")[2].split(",")]


def main(arguments: Sequence[str] | None = None, versions: Versions = ask_pip) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requirements", type=Path, default=Path(__file__).parents[1] / "requirements.txt")
    parser.add_argument("--python", nargs="+", default=PYTHONS, help="versions to ask for (%(default)s)")
    options = parser.parse_args(arguments)
    lines = read_lines(options.requirements)
    wrong = 0
    questions = [(line, python) for line in lines for python in options.python if applies(line, python)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for answer in pool.map(lambda question: check_line(*question, versions), questions):
            print("ok   " if answer.good else "WRONG", answer, flush=True)
            wrong += not answer.good
    print(f"{len(lines)} lines, {len(options.python)} versions of Python: {wrong or 'none'} without a wheel")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
