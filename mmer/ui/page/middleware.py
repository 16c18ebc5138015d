"""What stands before the page's own server: the page is compressed on its way, and no upload fills the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmer.ui.page.upload_folder import MOST_BYTES, sweep
from mmer.ui.texts import page as texts

COMPRESSED = ("/config", "/gradio_api/info")
COMPRESSED_BELOW = ("/gradio_api/run/", "/gradio_api/api/")  # answers that are JSON as a whole
MOST_UPLOAD = 2 * 2**30  # bytes of one upload, which may be of many files


class CompressPages:
    """The page itself and answers in one piece; never streams, which must arrive as they are sent, nor sound, of which parts are asked for.

    Gradio compresses its own files, not these.
    """

    def __init__(self, app: ASGIApp):
        self.app, self.compressing = app, GZipMiddleware(app, minimum_size=1000, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", "")).rstrip("/")
        fits = scope["type"] == "http" and (not path or path in COMPRESSED or f"{path}/".startswith(COMPRESSED_BELOW))
        await (self.compressing if fits else self.app)(scope, receive, send)


class GuardDisk:
    """Makes room for an upload before it is read, and cuts off one that is larger than any may be."""

    def __init__(self, app: ASGIApp, *, most_upload: int = MOST_UPLOAD, most_bytes: int = MOST_BYTES):
        self.app, self.most_upload, self.most_bytes = app, most_upload, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].rstrip("/").endswith("/upload"):
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        size = int(length) if length.isdigit() and len(length) < 19 else self.most_upload  # one that does not say may be as large
        if size > self.most_upload:
            refusal = PlainTextResponse(texts.say_too_large(self.most_upload // 2**20), status_code=413)
            await refusal(scope, receive, send)
            return
        await asyncio.to_thread(sweep, Path(get_upload_folder()), most_bytes=self.most_bytes - size)
        read = 0

        async def receive_some() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            return message if read <= size else {"type": "http.disconnect"}

        await self.app(scope, receive_some, send)
