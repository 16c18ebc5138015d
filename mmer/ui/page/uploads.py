"""Clips and files come from the visitor's own machine: Gradio would also fetch any address that a program sends in a value's place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio as gr
from gradio.utils import get_upload_folder

from mmer.ui.page.upload_folder import GONE
from mmer.ui.texts import page as texts

SERVED = "/gradio_api/file="  # before the path of an upload in its address


def take_uploads_only(app: gr.Blocks) -> None:
    """Makes every component of the page refuse addresses, so that no visitor can have this server call another.

    Text fields and JSON are no exception: Gradio looks for files in whatever value a program sends. The address that this server gave an
    upload stands for the upload, which is taken from the disk: MCP clients know files by address.
    """
    for component in app.blocks.values():
        refuse_addresses(component)


def refuse_addresses(component: Any) -> None:
    move_to_cache = component.async_move_resource_to_block_cache

    async def move_upload(path: str | Path | None) -> str | None:
        if path is not None and urlsplit(str(path)).scheme.lower() in ("http", "https"):
            path = find_upload(str(path))
            if path is None:
                raise gr.Error(texts.NO_ADDRESS, print_exception=False)
        if path is not None and is_gone(path):
            raise gr.Error(GONE, title=texts.GONE_TITLE, print_exception=False)
        found: str | None = await move_to_cache(path)
        return found

    component.async_move_resource_to_block_cache = move_upload


def is_gone(path: str | Path) -> bool:
    """Whether a path leads into the folder of uploads, and nothing is there."""
    text = str(path)
    return "\0" not in text and Path(text).is_relative_to(get_upload_folder()) and not os.path.lexists(text)


def find_upload(address: str) -> Path | None:
    """The uploaded file that an address of this server names; None for any other address."""
    _, served, name = urlsplit(address).path.partition(SERVED)
    path, folder = Path(unquote(name)), Path(get_upload_folder()).resolve()
    if not served or "\0" in str(path):
        return None
    path = path.resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None
