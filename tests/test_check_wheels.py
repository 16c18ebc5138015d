"""The script that asks pip for wheels, with an index made up here: no network."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INDEX = {  # (name, Python) -> versions with a wheel; the source of every version is there for all
    "tool": {"all": ["1.0", "1.1", "2.0rc1"], "3.11": ["1.0", "1.1"], "3.12": ["1.0"], "3.13": ["1.0", "1.1", "2.0rc1"]},
    "old": {"all": ["0.7.0d", "1.5"], "3.11": ["0.7.0d", "1.5"], "3.12": ["1.5"], "3.13": ["1.5"]},  # 0.7.0d is no version of today's rules
    "plain": {"all": ["3.0"], "3.11": ["3.0"], "3.12": ["3.0"], "3.13": ["3.0"]},
    "source": {"all": ["0.1"], "3.11": [], "3.12": [], "3.13": []},
}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("check_wheels", ROOT / "scripts" / "check_wheels.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def list_versions(name, python, wheels):
    return INDEX[name][python if wheels else "all"]


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ("--extra-index-url https://example.org\nplain>=3,<4  # 3.0\n\n# a comment\n", []),
        ("tool==1.0\n", []),
        ("old\n", []),
        ("old>=0.1\n", []),
        ("tool==1.1\n", ["tool==1.1: Python 3.12 would build 1.1 from source; its newest wheel is none"]),
        ("tool>=1,<2\n", ["tool<2,>=1: Python 3.12 would build 1.1 from source; its newest wheel is 1.0"]),  # what pip does under a range
        ('tool==1.0; python_version == "3.12"\ntool==1.1; python_version != "3.12"\n', []),
        ("plain==9\n", [f"plain==9: there is no such version for Python {p}" for p in ("3.11", "3.12", "3.13")]),
        ("source\n", [f"source: Python {p} would build 0.1 from source; its newest wheel is none" for p in ("3.11", "3.12", "3.13")]),
    ],
)
def test_a_line_that_would_be_built_from_source_is_found(script, tmp_path, capsys, lines, wrong):
    path = tmp_path / "requirements.txt"
    path.write_text(lines)
    assert script.main(["--requirements", str(path)], list_versions) == (1 if wrong else 0)
    said = capsys.readouterr().out.splitlines()
    assert [line.removeprefix("WRONG ") for line in said if line.startswith("WRONG")] == wrong
    assert said[-1].endswith(f"{len(wrong) or 'none'} without a wheel")


def test_it_reads_the_project_s_own_lines(script):
    lines = script.read_lines(ROOT / "requirements.txt")
    assert {"torch", "pocketsphinx", "gradio"} <= {line.name for line in lines}
    assert all(line.marker is None for line in lines)  # pip would read a marker for the Python that runs it, not for the one asked about
