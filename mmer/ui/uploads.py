"""Clips and files come from the visitor's own machine: Gradio would also fetch any address that a program sends in a file's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr


def take_uploads_only(component: Any) -> None:
    """Makes a component refuse addresses, so that no visitor can have this server call another."""
    move_to_cache = component.async_move_resource_to_block_cache

    async def move_upload(path: str | Path | None) -> str | None:
        if path is not None and urlsplit(str(path)).scheme.lower() in ("http", "https"):
            raise gr.Error("An address can't be opened here. Send the file itself.", print_exception=False)
        return await move_to_cache(path)

    component.async_move_resource_to_block_cache = move_upload
