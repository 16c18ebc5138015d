"""The page's scripts: none is forgotten, and what Gradio's events call is there. Their types and style are `npm run check`'s."""

import re
from pathlib import Path

from mmer.ui.page.style import SCRIPTS, VIEWS
from mmer.views import page as views

PACKAGE = Path(views.__file__).parents[1]


def test_every_script_has_its_place_in_the_stated_order():
    assert sorted(f"{name}.js" for name in views.SCRIPTS) == sorted(path.name for path in (PACKAGE / "views").glob("*.js"))
    ui = PACKAGE / "ui"
    assert sorted(name for name in SCRIPTS if name != VIEWS) == sorted(path.relative_to(ui).as_posix() for path in ui.rglob("*.js"))


def test_what_the_events_call_is_there():
    """`window.mmerClaim.follow()` in a module of the page names a function that a script puts there."""
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.js"))
    called = set()
    for path in (PACKAGE / "ui").rglob("*.py"):
        called |= set(re.findall(r"window\.(mmer\w*)\??\.(\w+)\(", path.read_text(encoding="utf-8")))
    assert {name for name, _ in called} >= {"mmer", "mmerClaim", "mmerKeep", "mmerLesson", "mmerTrain"}
    for name, function in called:
        assert re.search(rf"window\.{name} = \{{(?:(?!\n  \}};).)*\b{function}\b", scripts, re.DOTALL), f"window.{name}.{function}"
