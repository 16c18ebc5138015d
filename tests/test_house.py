"""The house keeps its own rules: who imports whom, what the README promises, how large files are."""

import argparse
import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from mmer.cli import COMMANDS, build_command_parser
from mmer.space.hardware import HARDWARE

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mmer"
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = README + "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
# a part of the package (file or folder) imports only from lines above its own
LAYERS = (
    {"choices"},
    {"errors", "results", "phrasing", "building_blocks"},
    {"fusion", "stopping", "model_queue", "files", "word_contributions"},
    {"audio", "align", "figures", "stages", "devices"},
    {"encoders", "datasets"},
    {"transcript", "scores"},
    {"explain", "feature_store"},
    {"views"},
    {"exports"},
    {"heads"},
    {"pipeline", "experiments", "doctor"},
    {"batch", "interventions", "demo_heads", "cluster", "space"},
    {"notes"},
    {"lesson", "error_table"},
    {"cli", "commands", "ui"},
    {"__main__"},
)
MOST_FILES = 13  # of a folder, its __init__.py aside
MOST_LOOSE = 13  # modules that lie in no room
MOST_LINES = 400  # of a module
LONGEST_CHAIN = 13  # modules, each of which imports the next
# words that only this code base understood, as names of anything
RETIRED = {
    *("told", "Room", "Shelf", "Order", "Death", "Member", "Hold", "for_people", "Workshop", "Turns", "Specimen"),
    *("Material", "material", "Memo", "memo", "Cell", "Tile"),
}
ONLY_IN = {"gradio": {"ui", "space"}, "plotly": {"figures"}, "spaces": {"space"}}  # space/zero.py: its refusals are Gradio's errors
# the only modules that name the paper's four classes: they are the default, the paper's own figures, or the heads that ship
WITH_EMOTIONS = {
    "choices/emotions.py": "where they are defined",
    "datasets/classes.py": "the classes of labels that are all among them",
    "datasets/iemocap.py": "the classes of IEMOCAP unless others are chosen",
    "datasets/texts.py": "the labels of the text corpora of the heads that ship",
    "demo_heads/corpora.py": "the heads that ship",
    "demo_heads/recipe.py": "the heads that ship",
    "experiments/data_roots.py": "labels that a form's mapping need not name",
    "experiments/experiment.py": "an experiment that names no classes",
    "experiments/prepare.py": "an experiment that names no classes",
    "experiments/report/run_card.py": "whether a card may say four emotions",
    "experiments/report/run_report.py": "results of before classes were written",
    "heads/config.py": "a head that names no classes",
    "batch/columns.py": "a table whose head is not named",
    "batch/items.py": "a table whose head is not named",
    "batch/scores.py": "a table whose head is not named",
    "ui/batch.py": "a table whose head is not named",
}
NEVER_IN = {"torch": {"results", "align", "figures", "ui"}}
IGNORED = {".git", ".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", "__pycache__", "runs", "cache", ".gradio", "build", "dist"}


def part_of(path):
    """The part of the package that a file belongs to: "align" for align/sphinx.py."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(path):
    """Absolute names of all modules that a file imports, at its top or inside functions."""
    package = ["mmer", *path.relative_to(PACKAGE).parts[:-1]]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer_of(part):
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    part = part_of(path)
    for name in imports_of(path):
        top, *rest = name.split(".")
        if top == "mmer" and rest and rest[0] != "__version__" and rest[0] != part:
            assert layer_of(rest[0]) < layer_of(part), f"{path.relative_to(ROOT)} imports {name}"
        assert part in ONLY_IN.get(top, {part}), f"{path.relative_to(ROOT)} imports {name}"
        assert part not in NEVER_IN.get(top, set()), f"{path.relative_to(ROOT)} imports {name}"


def own_imports_of(path):
    """Names of our modules that a file imports: at its top, inside functions, and for its types alone."""
    modules = {".".join(("mmer", *p.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__") for p in MODULES}
    whole = {name if name in modules else name.rpartition(".")[0] for name in imports_of(path)}
    return {name for name in whole if name in modules}


def test_imports_run_in_no_circle_and_in_short_chains():
    """A `from mmer.room import name` counts as the room's module of that name, or else as its __init__."""
    names = {path: ".".join(("mmer", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__") for path in MODULES}
    imports = {names[path]: own_imports_of(path) for path in MODULES}
    longest: dict[str, list[str]] = {}

    def follow(name, before=()):
        assert name not in before, f"a circle: {' > '.join((*before[before.index(name) :], name))}"
        if name not in longest:
            below = [follow(other, (*before, name)) for other in sorted(imports[name])]
            longest[name] = [name, *max(below, key=len, default=[])]
        return longest[name]

    chain = max((follow(name) for name in sorted(imports)), key=len)
    assert len(chain) <= LONGEST_CHAIN, " > ".join(chain)


def test_no_other_module_names_the_paper_s_classes():
    named = {path.relative_to(PACKAGE).as_posix() for path in MODULES if re.search(r"\bEMOTIONS\b", path.read_text(encoding="utf-8"))}
    assert named == set(WITH_EMOTIONS)
    four = re.compile(r"classes\W{1,3}int = 4|np\.zeros\(\(0, 4\)")
    assert [str(path) for path in MODULES if path.name != "fusion.py" and four.search(path.read_text(encoding="utf-8"))] == []


def test_no_folder_is_a_heap():
    folders = [folder for folder in (PACKAGE, *PACKAGE.rglob("*")) if folder.is_dir() and folder.name != "__pycache__"]
    counts = {str(f.relative_to(ROOT)): len([p for p in f.glob("*.py") if p.name != "__init__.py"]) for f in folders}
    assert {name: count for name, count in counts.items() if count > (MOST_LOOSE if name == "mmer" else MOST_FILES)} == {}


def test_no_module_is_long():
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_imports_are_absolute():
    """One way to name a module, so that a name that is searched for is found."""
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def names_in(tree):
    """Every name that the code of a module gives or uses, but not the words of its strings and comments."""
    for node in ast.walk(tree):
        for field in ("id", "arg", "attr", "name", "asname"):
            if isinstance(name := getattr(node, field, None), str):
                yield name


def test_retired_words_name_nothing():
    """Words that only this code base understood; CONTRIBUTING.md lists those that took their place."""
    found = [
        (str(path.relative_to(ROOT)), name)
        for path in MODULES
        for name in names_in(ast.parse(path.read_text(encoding="utf-8")))
        if name in RETIRED
    ]
    assert found == []


def test_no_class_name_stands_twice():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
    named = Counter(node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in named.items() if count > 1] == []


def test_no_two_test_files_share_a_name():
    """The folders of tests are no packages, so that pytest refuses the second file of a name, and runs none of it."""
    counted = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name: n for name, n in counted.items() if n > 1} == {}


def test_the_walk_of_contributing_leads_to_the_layer_weights():
    """File, class, function: the class calls the function, and the function returns a quotient."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    file, class_name, function_name = re.search(r"sum of the layer weights: `(.+?)`, `(.+?)`, `(.+?)`", text).groups()
    found = {node.name: node for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body if hasattr(node, "name")}
    called = {node.func.id for node in ast.walk(found[class_name]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert function_name in called
    (answer,) = [node.value for node in ast.walk(found[function_name]) if isinstance(node, ast.Return)]
    assert isinstance(answer, ast.BinOp) and isinstance(answer.op, ast.Div)


def test_every_module_says_what_it_is_for():
    silent = [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def test_help_loads_no_heavy_library():
    heavy = {"torch", "gradio", "transformers", "plotly"}
    code = f"import sys, mmer.cli; mmer.cli.build_command_parser('analyze'); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


# README


def front_matter():
    lines = README.split("---\n")[1].splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition(": ") for line in lines) if value}


def requirements(name="requirements.txt"):
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return {r.name: r for r in (Requirement(line) for line in lines if line)}


def test_space_runs_the_pinned_gradio():
    matter = front_matter()
    assert (matter["sdk"], matter["app_file"], matter["license"]) == ("gradio", "app.py", "apache-2.0")
    assert str(requirements()["gradio"].specifier) == f"=={matter['sdk_version']}"
    assert Version(matter["python_version"]) >= Version("3.11")
    assert len(matter["short_description"]) <= 60


def test_requirements_hold_the_versions_they_were_tested_with():
    parsed = requirements()
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"([\w-]+)\S+ +# (\d[\d.]*)", line)
        if match:
            assert match[2].rstrip(".") in parsed[match[1]].specifier, line
    torch = parsed["torch"].specifier
    assert "2.8.0" in torch and "2.13.0" in torch and "2.13.1" not in torch and "2.14.0" not in torch
    assert "18.1.0" in parsed["av"].specifier and "19.0.2" not in parsed["av"].specifier  # 19 opens nothing
    zero = SpecifierSet(HARDWARE["zero-a10g"].torch)
    assert all(
        (version in zero) == (Version("2.8.0") <= Version(version) <= Version("2.11.0"))
        for version in ("2.7.1", "2.8.0", "2.11.0", "2.12.0")
    )
    assert all(version in torch for version in ("2.8.0", "2.11.0") if version in zero)


def test_requirements_are_what_the_code_uses():
    """Every third-party import is required by name, and every requirement is used: imported, or found in its wheel by name."""
    used = {name.split(".")[0] for path in MODULES for name in imports_of(path)} - set(sys.stdlib_module_names) - {"mmer"}
    required = {name.replace("-", "_") for name in requirements()}
    inside_mfa = {"kalpy", "montreal_forced_aligner", "_kalpy"}  # the worker runs in that program's own interpreter
    on_spaces = {Requirement(line.partition("#")[0]).name for row in HARDWARE.values() for line in row.further}
    assert used - required - inside_mfa - on_spaces - optional_imports() == set()
    code = "".join(path.read_text(encoding="utf-8") for path in MODULES if path.name != "doctor.py")
    through_another = {"ctranslate2"}  # faster-whisper's engine, whose file format whisper_weights.py reads: pinned with it
    assert [name for name in required - used - through_another if f'"{name}"' not in code] == []


def optional_imports():
    """What the extras of pyproject.toml bring, by the name it is imported under: only inside functions."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = {Requirement(line).name for extra, lines in extras.items() if extra not in ("test", "dev") for line in lines}
    return {name.removeprefix("praat-").replace("-", "_") for name in names}


def test_debian_packages_are_bare_names():
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line) for line in (ROOT / "packages.txt").read_text().splitlines())


def test_readme_paths_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    named = re.findall(r"`([\w./-]+\.(?:py|txt|md|toml))`", README)
    paths = [path for path in (*links, *named) if "://" not in path]
    assert len(paths) > 5
    own = {"words.txt"}  # files of the reader
    assert [path for path in paths if path not in own and not (ROOT / path).exists()] == []


def test_readme_commands_are_understood(capsys):
    commands = [line for line in re.findall(r"^\s*(python -m mmer .+)$", README, flags=re.MULTILINE) if "COMMAND" not in line]
    assert len(commands) >= 4
    for line in commands:
        _, _, _, name, *arguments = shlex.split(line)
        build_command_parser(name).parse_args(arguments)


def test_ci_runs_the_readme_s_test_command():
    block = re.search(r"<!-- test command -->\n```bash\n(.+?)```\n<!-- end -->", README, flags=re.DOTALL)
    assert "pip install -e '.[test]'" in block[1] and block[1].rstrip().endswith("pytest")
    runner = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in runner and "pytest" not in re.sub(r"#.*", "", runner)


def flags_of(parser):
    """Those of a command and of its own commands."""
    below = [own for action in parser._actions if isinstance(action, argparse._SubParsersAction) for own in action.choices.values()]
    own = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    return own + [flag for parser in below for flag in flags_of(parser)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_is_documented(name):
    flags = flags_of(build_command_parser(name))
    missing = [flag for flag in flags if flag != "--help" and not re.search(rf"`(?:[^`]* )?{flag}[` =]", DOCUMENTS)]
    assert missing == []


# sizes


def own_files():
    return [path for path in ROOT.rglob("*") if path.is_file() and not IGNORED & set(path.relative_to(ROOT).parts)]


def test_no_file_is_over_10_mib():
    assert [str(path) for path in own_files() if path.stat().st_size > 10 * 2**20] == []


def test_pretrained_heads_stay_under_60_mib():
    assert sum(path.stat().st_size for path in (ROOT / "pretrained").rglob("*") if path.is_file()) < 60 * 2**20
