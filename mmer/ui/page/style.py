"""Theme, style sheet and script of the page, as gr.Blocks.launch wants them. System fonts only: nothing is fetched from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from mmer.ui.page.events import MOST_THREADS
from mmer.ui.page.forgetting import forget_while_serving
from mmer.ui.page.middleware import CompressPages, GuardDisk
from mmer.views import read_script, read_style

SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
STYLES = (
    *("page/page.css", "explore/explore.css", "batch.css", "train/train.css", "lesson.css"),
    *("claim/claim.css", "keep/keep.css", "errors/errors.css"),
)
VIEWS = "views"  # the scripts of mmer/views, in their own order
SCRIPTS = (  # joined in this order, and no more
    *("texts/texts.js", "page/page.js", "explore/voice.js", VIEWS),
    *("train/train.js", "lesson.js", "claim/claim.js", "keep/keep.js"),
    *("errors/language.js", "errors/counts.js", "errors/rows.js", "errors/opened.js", "errors/notes.js", "errors/errors.js"),
)
MONO_FONTS = ["ui-monospace", "SFMono-Regular", "Consolas", "Liberation Mono", "monospace"]


def plain_fonts(names: list[str]) -> list[gr.themes.utils.fonts.Font]:
    """Fonts that the visitor's machine has; a bare string in the theme would be looked up on this server."""
    return [gr.themes.utils.fonts.Font(name) for name in names]


def build_theme() -> gr.themes.Base:
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=plain_fonts(SYSTEM_FONTS),
        font_mono=plain_fonts(MONO_FONTS),
    )
    return theme.set(
        body_background_fill="#fbfbf9",
        body_background_fill_dark="#101418",
        body_text_color_subdued="#5a6572",
        body_text_color_subdued_dark="#9aa7b6",
        link_text_color="#0b6b66",
        link_text_color_dark="#55cdc4",
        link_text_color_hover="#084b48",
        link_text_color_hover_dark="#8fe3dc",
        input_border_width="1px",
        input_border_width_dark="1px",
        input_border_color="#8b949e",
        input_border_color_dark="#6d7987",
        input_placeholder_color="#64707d",
        input_placeholder_color_dark="#8d9aa9",
        block_background_fill="white",
        block_background_fill_dark="#171c22",
        block_border_color="#e3e5e1",
        block_border_color_dark="#2a313a",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        input_background_fill="white",
        input_background_fill_dark="#12171c",
        button_primary_background_fill="#0f5f5c",
        button_primary_background_fill_hover="#0b4a48",
        button_primary_background_fill_dark="#2a8f89",
        button_primary_background_fill_hover_dark="#37a9a2",
        button_primary_text_color="white",
        button_primary_text_color_dark="#06110f",
    )


def read_asset(name: str) -> str:
    """The text of a file beside this module."""
    return files("mmer.ui").joinpath(name).read_text(encoding="utf-8")


def launch_options() -> dict[str, Any]:
    """Keyword arguments for launch(): look, script, privacy."""
    return {
        "theme": build_theme(),
        "css": "".join(read_asset(name) for name in STYLES) + read_style(),
        "head": "<script>" + "\n".join(read_script() if name == VIEWS else read_asset(name) for name in SCRIPTS) + "</script>",
        "run_history": False,
        "footer_links": ["api"],
        "enable_monitoring": False,
        "max_file_size": "200mb",
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "max_threads": MOST_THREADS,
        "app_kwargs": {"lifespan": forget_while_serving, "middleware": [Middleware(CompressPages), Middleware(GuardDisk)]},
    }
