"""The page compressed on its way, streams and sound as they are, and uploads that would fill the disk."""

import asyncio
import gzip
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from mmer.ui.page.middleware import CompressPages, GuardDisk

ACCEPTED = {"Accept-Encoding": "gzip"}


def ask(app, path, *, method="GET", **options):
    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def test_the_page_and_answers_in_one_piece_are_compressed_and_nothing_else():
    async def answer(request):
        return JSONResponse(["a word"] * 5000)

    paths = ("/", "/config", "/gradio_api/run/predict", "/gradio_api/file=clip.wav", "/gradio_api/queue/join")
    app = CompressPages(Starlette(routes=[Route(path, answer) for path in paths]))
    found = {path: ask(app, path, headers=ACCEPTED).headers.get("content-encoding") for path in paths}
    assert found == dict.fromkeys(paths[:3], "gzip") | dict.fromkeys(paths[3:])
    assert ask(app, "/", headers=ACCEPTED).json() == ["a word"] * 5000
    assert "content-encoding" not in ask(app, "/", headers={"Accept-Encoding": "identity"}).headers


def test_a_stream_is_passed_on_piece_by_piece():
    sent, seen = [], []

    async def stream(request):
        async def pieces():
            for i in range(3):
                sent.append(i)
                yield f"data: {i}\n\n" * 500

        return StreamingResponse(pieces(), media_type="text/event-stream")

    app = CompressPages(Starlette(routes=[Route("/gradio_api/queue/data", stream)]))

    async def run():
        async def receive():
            await asyncio.sleep(60)

        async def send(message):
            if message.get("body"):
                seen.append(len(sent))

        scope = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "query_string": b"", "root_path": ""}
        await app(scope | {"headers": [(b"accept-encoding", b"gzip")]}, receive, send)

    asyncio.run(run())
    assert seen == [1, 2, 3]  # each piece had left before the next was made


async def read_all(request):
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    app = Starlette(routes=[Route("/gradio_api/upload", read_all, methods=["POST"])])
    return GuardDisk(app, most_upload=1000, most_bytes=2000)


def test_the_oldest_files_make_room_for_an_upload(guarded, tmp_path):
    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 600)
        time.sleep(0.02)
    assert ask(guarded, "/gradio_api/upload", method="POST", content=b"y" * 700).text == "700"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]


def test_an_upload_that_says_it_is_too_large_is_refused_and_one_that_does_not_say_is_cut_off(guarded):
    refused = ask(guarded, "/gradio_api/upload", method="POST", content=b"y" * 1001)
    assert refused.status_code == 413 and "maximum allowed size" in refused.text

    async def pieces():
        for _ in range(20):
            yield b"y" * 100

    with pytest.raises(ClientDisconnect):
        ask(guarded, "/gradio_api/upload", method="POST", content=pieces())


def test_the_running_page_is_small_and_whole(address):
    with httpx.Client(base_url=address) as client:
        plain = client.get("/", headers={"Accept-Encoding": "identity"})
        with client.stream("GET", "/", headers=ACCEPTED) as answer:
            sent = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(sent)[:2000] == plain.content[:2000]
    assert len(sent) < len(plain.content) / 3
