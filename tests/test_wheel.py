"""An installed wheel: the heads are in it, and found there. The page's app.py is not, and nobody promises it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel of a copy of this tree, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("mmer", "pretrained"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def run(site, command):
    code = f"import sys; sys.path.insert(0, {str(site)!r}); {command}"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=site.parent, check=True, env={})
    return done.stdout.strip()


def test_a_wheel_brings_the_heads_and_what_the_doctor_aligns(installed):
    for path in sorted((ROOT / "pretrained").rglob("*")):
        copy = installed / "mmer" / "pretrained" / path.relative_to(ROOT / "pretrained")
        assert path.is_dir() or copy.read_bytes() == path.read_bytes()
    assert (installed / "mmer" / "align" / "young_man.flac").is_file()
    found = run(installed, "from mmer.commands.analyze import find_heads_folder; print(find_heads_folder())")
    assert found == str(installed / "mmer" / "pretrained")


def test_a_wheel_holds_every_file_of_the_package(installed):
    files = [path.relative_to(ROOT) for path in (ROOT / "mmer").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [path for path in files if not path.name.endswith(".d.ts")]  # read by a checker of scripts alone, which no wheel has
    assert {".py", ".css", ".js", ".json", ".flac"} <= {path.suffix for path in files}
    assert not [str(path) for path in files if not (installed / path).is_file()]


def test_the_doctor_promises_the_page_only_where_it_is(installed):
    assert run(installed, "from mmer.doctor import name_ways; print(name_ways())") == "`python -m mmer analyze CLIP`"


def test_what_the_doctor_asks_for_needs_no_file_that_a_wheel_lacks(installed):
    """The metadata lie beside the package, as pip leaves them."""
    assert (
        run(installed, "from mmer.doctor import name_install; print(name_install('pocketsphinx'))") == "pip install 'pocketsphinx==5.0.4'"
    )
    assert run(installed, "from mmer.doctor import name_install; print(name_install('av'))").startswith("pip install 'av<")
    install = run(installed, "from mmer.align.mfa.setup import INSTALL; print(INSTALL)")
    asked = (ROOT / "environment.yml").read_text(encoding="utf-8").split("dependencies:")[1]
    assert install.startswith("conda create ") and all(line.removeprefix("  - ") in install for line in asked.strip("\n").splitlines())
    assert not (installed / "environment.yml").exists() and ".yml" not in install


def test_a_checkout_has_its_own():
    from mmer.commands.analyze import find_heads_folder
    from mmer.doctor import name_ways

    assert find_heads_folder() == ROOT / "pretrained" and name_ways().startswith("`python app.py`")
