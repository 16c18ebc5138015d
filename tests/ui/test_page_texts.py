"""What the page says stands in `mmer/ui/texts`, and nowhere else in its modules."""

import ast
import re
from pathlib import Path

import pytest

UI = Path(__file__).parents[2] / "mmer" / "ui"
# of a sentence's or a label's kind: two words in a row, or one that begins with a capital
SAID = re.compile(r"[A-Za-z’']{2,},? +[A-Za-z’']{2,}|^ ?[A-Z][a-z]+[.:]?$")
KEYS = {"mute noise"}  # two words that are no text
TABS = {
    "page": ("__init__.py", *(f"page/{name}.py" for name in ("failures", "forgetting", "upload_folder", "uploads"))),
    "explore": ("explore/cards.py", "explore/explore.py", "explore/handlers.py", "explore/session.py"),
    "claim": ("claim/cards.py", "claim/claim.py", "claim/edits.py", "claim/handlers.py"),
    "keep": ("keep/cards.py", "keep/handlers.py", "keep/keep.py"),
    "train": (f"train/{name}.py" for name in ("board", "comparison", "form", "handlers", "train", "updates")),
    "batch": ("batch.py",),
    "learn": ("lesson.py",),
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


def test_what_is_said_would_be_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text('"""A document string."""\nlabel = "Analyse"\nhtml = f"<p class=\'mm-x mm-y\'>Two words {label}</p>"\n')
    assert len(list(list_said(module))) == 2


def test_scripts_say_nothing_of_their_own():
    for path in UI.rglob("*.js"):
        code = re.sub(r"(?m)^\s*//.*$|\s//.*$", "", path.read_text(encoding="utf-8"))
        found = re.findall(r"""["`][A-Z][a-z]+[ :.][^"`]*["`]""", code)
        assert bool(found) is (path.parent.name == "texts"), (path.name, found)
