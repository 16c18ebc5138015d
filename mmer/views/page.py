"""A payload -> the elements that show it: style, place, data and scripts, with nothing to load from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from mmer.views.payload import dump_payload

# in the order of their needs; together they are one function, so that nothing of theirs is global but window.mmerViews
SCRIPTS = (
    "elements", "hints", "data", "words", "selection", "sound", "axis", "transcript", "player", "attention", "evidence", "layers", "pair",
    "drawing", "svg", "pdf", "figures", "saving", "views",
)  # fmt: skip

NO_SCRIPT = "The pictures are drawn by JavaScript, which is part of this file: allow it to see them."


def read_style() -> str:
    return files(__package__).joinpath("views.css").read_text(encoding="utf-8")


def read_script() -> str:
    """The whole component as one script without imports."""
    parts = (files(__package__).joinpath(f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return "(() => {\n'use strict';\n" + "\n".join(parts) + "\n})();\n"


def render_views(payload: Mapping[str, Any]) -> str:
    """The linked views of one analysis for a page of their own, such as the report."""
    return (
        f"<style>\n{read_style()}</style>\n"
        f'<div id="views" class="mv-follow-system"><noscript><p>{NO_SCRIPT}</p></noscript></div>\n'
        f'<script type="application/json" id="views-payload">{dump_payload(payload)}</script>\n'
        f"<script>\n{read_script()}</script>\n"
        "<script>mmerViews.mount(document.getElementById('views'),"
        " JSON.parse(document.getElementById('views-payload').textContent));</script>"
    )
