"""Puts the heads into a wheel: they lie beside the package, and an installed `mmer` looks inside itself. All else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HEADS = Path(__file__).parent / "pretrained"


class BuildWithHeads(build_py):
    def run(self):
        super().run()
        if HEADS.is_dir() and not self.editable_mode:
            shutil.copytree(HEADS, Path(self.build_lib) / "mmer" / "pretrained", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithHeads})
