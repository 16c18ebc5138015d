"""What the page says stands in `mmer/ui/texts`, and nowhere else in its modules."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

UI = Path(__file__).parents[2] / "mmer" / "ui"
# of a sentence's or a label's kind: two words in a row, or one that begins with a capital
SAID = re.compile(r"[A-Za-z’']{2,},? +[A-Za-z’']{2,}|^ ?[A-Z][a-z]+[.:]?$")
KEYS = {"mute noise", "swap voice", "Segoe UI", "Roboto", "Noto Sans", "Consolas", "Liberation Mono"}  # values and fonts, no text
SAME_WORD = {"Run", "Model", "verdict"}  # that mean two things each, which another language may call by two names
TABS = {
    "page": ("__init__.py", *(f"page/{path.name}" for path in UI.glob("page/*.py") if path.name != "wiring.py")),
    "explore": (f"explore/{path.name}" for path in UI.glob("explore/*.py")),
    "claim": ("claim/cards.py", "claim/claim.py", "claim/edits.py", "claim/handlers.py"),
    "keep": ("keep/cards.py", "keep/handlers.py", "keep/keep.py"),
    "train": (f"train/{path.name}" for path in UI.glob("train/*.py")),
    "batch": ("batch.py",),
    "errors": ("errors/errors.py", "errors/handlers.py"),
    "learn": ("lesson.py",),
    "about": ("about.py",),
    "api": ("api.py",),
}


def list_said(path):
    """The strings of a module that a person could read: without docstrings, markup, scripts and class names of the style sheet."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    documents = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            text = re.sub(r"<[^>]*>?|^[^<>]*>", " ", node.value)
            is_style = re.fullmatch(r"[a-z-]*m[mbclk]-[a-z -]*", text)
            if SAID.search(text) and node.value not in KEYS and "window.mmer" not in node.value and not is_style:
                yield f"{path.name}:{node.lineno} {node.value!r}"


@pytest.mark.parametrize("module", [module for modules in TABS.values() for module in modules])
def test_a_module_of_the_page_says_nothing_of_its_own(module):
    assert list(list_said(UI / module)) == []


def test_a_label_that_several_tabs_share_has_one_home():
    """A sentence that stood in two modules would be mended, or translated, in one of them."""
    said = Counter(
        value.value
        for path in sorted((UI / "texts").glob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for value in (node.value.elts if isinstance(node.value, ast.Tuple) else [node.value])
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) > 1
    )
    assert {text for text, count in said.items() if count > 1} == SAME_WORD


def test_what_is_said_would_be_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text('"""A document string."""\nlabel = "Analyse"\nhtml = f"<p class=\'mm-x mm-y\'>Two words {label}</p>"\n')
    assert len(list(list_said(module))) == 2


def test_scripts_say_nothing_of_their_own():
    for path in UI.rglob("*.js"):
        code = re.sub(r"(?m)^\s*//.*$|\s//.*$", "", path.read_text(encoding="utf-8"))
        found = re.findall(r"""["`][A-Z][a-z]+[ :.][^"`]*["`]""", code)
        assert bool(found) is (path.parent.name == "texts"), (path.name, found)
