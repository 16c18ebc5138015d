"""A Space's folder: everything it points to is there, it starts from nothing but itself, and nothing of anybody's is overwritten."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmer.commands import space
from mmer.errors import DataError
from mmer.space.folder import find_links, measure_lfs, plan_space, write_requirements, write_space
from mmer.space.hardware import HARDWARE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """The smallest project that can become a Space."""
    root = tmp_path / "project"
    files = {
        "app.py": "print('hello')\n",
        "LICENSE": "text\n",
        "requirements.txt": "numpy>=2\ntorch>=2.8,<=2.13.0   # 2.13.0\n",
        "README.md": '---\ntitle: T\npython_version: "3.11"\nsuggested_hardware: x\n---\n'
        "# A [guide](docs/a.md) and ![b](assets/b.png) [c](C.md)\n",
        "C.md": "c\n",
        "docs/a.md": "a\n",
        "mmer/__init__.py": "",
        "mmer/__pycache__/x.pyc": "",
        "pretrained/one/config.json": "{}",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "assets").mkdir()
    (root / "assets" / "b.png").write_bytes(b"\x89PNG\0\0")
    return root


@pytest.mark.parametrize(("key", "python"), [("cpu-basic", "3.12"), ("zero-a10g", "3.12.12")])
def test_the_front_matter_and_torch_are_those_of_the_hardware(project, key, python):
    files = plan_space(project, HARDWARE[key])
    assert files.names == [
        ".gitattributes", "C.md", "LICENSE", "README.md", "app.py", "assets/b.png", "docs/a.md", "mmer/__init__.py",
        "pretrained/one/config.json", "requirements.txt",
    ]  # fmt: skip
    matter = files.written["README.md"].split("---\n")[1]
    assert f'python_version: "{python}"\nsuggested_hardware: {key}\n' in matter and "title: T" in matter
    lines = [line for line in files.written["requirements.txt"].splitlines() if not line.startswith("#")]
    torch = next(line for line in lines if line.startswith("torch"))
    assert ("2.11.0" in torch) == (key == "zero-a10g") == any(line.startswith("spaces") for line in lines)
    assert lines[0].startswith("--extra-index-url") == (key == "cpu-basic")
    assert files.written[".gitattributes"] == "*.png filter=lfs diff=lfs merge=lfs -text\n"


def test_what_would_not_work_is_said_before_anything_is_written(project, tmp_path):
    hardware = HARDWARE["cpu-basic"]
    with pytest.raises(DataError, match="holds no app"):
        plan_space(tmp_path, hardware)
    with pytest.raises(DataError, match="no heads"):
        plan_space(project, hardware, heads=project / "docs")
    (project / "C.md").unlink()
    with pytest.raises(DataError, match=r"points to C\.md"):
        plan_space(project, hardware)
    (project / "C.md").write_text("c [gone](docs/gone.md)")
    with pytest.raises(DataError, match=r"C\.md points to docs/gone\.md, which would not be in the Space"):
        plan_space(project, hardware)
    (project / "C.md").write_text("c [up](docs/../docs/a.md) [folder](docs/)")
    (tmp_path / "elsewhere.md").write_text("secret")
    (project / "docs" / "b.md").symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(DataError, match="is a link to"):
        plan_space(project, hardware)
    with pytest.raises(DataError, match="names no torch"):
        write_requirements("numpy\n", hardware)
    (project / "docs" / "b.md").unlink()
    (project / "README.md").write_text("# no front matter\n")
    with pytest.raises(DataError, match="no front matter"):
        plan_space(project, hardware)


def test_a_large_repository_is_refused(project):
    with (project / "assets" / "large.bin").open("wb") as file:
        file.truncate(2**30)  # takes no room on the disk
    with pytest.raises(DataError, match="its repository may have 1,024 MB"):
        plan_space(project, HARDWARE["cpu-basic"])


def test_a_large_text_goes_through_lfs_by_its_name(project):
    (project / "docs" / "long.txt").write_text("a" * (10 * 2**20 + 1))
    files = plan_space(project, HARDWARE["cpu-basic"])
    assert "docs/long.txt filter=lfs" in files.written[".gitattributes"]
    assert measure_lfs(files) == (2, 10 * 2**20 + 1 + len(b"\x89PNG\0\0"))


def test_a_folder_is_written_anew_and_nobody_s_changes_are_lost(project, tmp_path):
    hardware, out = HARDWARE["cpu-basic"], tmp_path / "out"
    (out / ".git").mkdir(parents=True)
    (out / ".git" / "config").write_text("theirs")
    write_space(plan_space(project, hardware), out, hardware=hardware)
    (project / "docs" / "a.md").write_text("new\n")
    (project / "C.md").unlink()
    (project / "README.md").write_text((project / "README.md").read_text().replace("[c](C.md)", ""))
    write_space(plan_space(project, hardware), out, hardware=hardware)
    assert (out / "docs" / "a.md").read_text() == "new\n" and not (out / "C.md").exists()
    assert (out / ".git" / "config").read_text() == "theirs"
    (out / "app.py").write_text("mine")
    with pytest.raises(DataError, match=r"was changed since it was written: app\.py"):
        write_space(plan_space(project, hardware), out, hardware=hardware)
    assert (out / "app.py").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match=r"did not write, thesis\.txt"):
        write_space(plan_space(project, hardware), other, hardware=hardware)
    (out / "space.json").write_text("[]")
    with pytest.raises(DataError, match="is not the list"):
        write_space(plan_space(project, hardware), out, hardware=hardware)


def test_links_of_a_text():
    text = '[a](x/a.md#part) ![b](b.png) <img src="c.png" width="3"> [web](https://example.org) [part](#part) [mail](mailto:a@b.c)'
    assert find_links(text) == ["x/a.md", "b.png", "c.png"]


def test_the_project_s_own_folder_serves_from_nothing_but_itself(tmp_path, capsys):
    """Written by the command, then run with the folder alone on the path: the package, the heads and an example."""
    out = tmp_path / "space"
    space.run(space_arguments(out))
    said = capsys.readouterr().out
    assert "files, " in said and "git LFS keeps " in said and "not checked" in said
    listed = json.loads((out / "space.json").read_text())["files"]
    assert {"app.py", "LICENSE", "pretrained/LICENSE", "packages.txt", "docs/space.md"} <= set(listed)
    assert not [name for name in listed if name.startswith(("tests/", ".github", "benchmarks/visitors"))]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clip = out / "assets" / "examples" / "1-librivox-young-man" / "clip.wav"
    code = (
        "import mmer, sys; from pathlib import Path; assert Path(mmer.__file__).is_relative_to(Path.cwd());"
        f"from mmer.cli import main; sys.exit(main(['analyze', {str(clip)!r}, '--heads', 'pretrained']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=out, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    help_text = subprocess.run([sys.executable, "app.py", "--help"], cwd=out, env=environment, capture_output=True, text=True, check=True)
    assert "--public" in help_text.stdout


def space_arguments(out, **changes):
    from mmer.cli import build_command_parser

    return build_command_parser("space").parse_args([str(out), "--no-wheels"])
