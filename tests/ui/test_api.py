"""The endpoints for programs, each called twice over loopback, and the same as MCP tools."""

import asyncio
import base64
import inspect
import json
import math
import shutil
from datetime import timedelta

import gradio as gr
import jsonschema
import numpy as np
import pytest
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from mmer.align.textgrid import read_textgrid
from mmer.errors import EditError, MmerError
from mmer.exports.analysis_json import analysis_from_json
from mmer.exports.formats import EXPORTS
from mmer.exports.schema import read_schema
from mmer.interventions import Mute, Target, intervene
from mmer.lesson import LessonClip
from mmer.ui import build_app, launch_options
from mmer.ui.api import adapt_mcp, check_text, read_edits
from mmer.ui.claim.handlers import ClaimHandlers
from mmer.ui.explore.session import LessonSession, Session
from mmer.ui.lesson import LessonHandlers
from mmer.ui.page.uploads import find_upload

SPOKEN = "He was not an ill-disposed young man,"
OTHER = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0930.wav"
ENDPOINTS = {"analyze", "transcribe", "align", "export", "intervene", "leave_one_out", "compare"}
MUTE = [{"kind": "mute", "target": {"tier": "word", "index": 2}}]


@pytest.fixture
def visitor(address):
    """A client with a session of its own."""
    return Client(address, verbose=False)


def check(data, kind):
    jsonschema.validate(data, read_schema(kind), cls=jsonschema.Draft202012Validator)


def test_endpoints_are_described_and_typed(visitor):
    described = visitor.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {f"/{name}" for name in ENDPOINTS}
    for name, endpoint in described.items():
        assert endpoint["description"], name
        for parameter in endpoint["parameters"]:
            assert parameter["type"] and (parameter["parameter_has_default"] or parameter["parameter_name"] in ("audio", "edits")), (
                parameter
            )
    heads = next(p for p in described["/analyze"]["parameters"] if p["parameter_name"] == "head")
    assert heads["type"]["enum"] == ["late-fs", "coattention-fp", "coattention-f", "combined"]


def test_analyze_twice_with_and_without_attention(visitor, speech_file, analysis):
    sizes = []
    for attention in (False, True):
        data = visitor.predict(handle_file(str(speech_file)), text=SPOKEN, attention=attention, api_name="/analyze")
        check(data, "analysis")
        found = analysis_from_json(data)
        np.testing.assert_allclose(found.best.probabilities, analysis.best.probabilities, atol=1e-5)
        np.testing.assert_allclose(
            found.predictions["late"].branches[0].contributions, analysis.predictions["late"].branches[0].contributions, atol=1e-4
        )
        assert bool(found.predictions["early"].coattention) == attention
        sizes.append(len(json.dumps(data)))
    assert sizes[0] < sizes[1] / 2


def test_transcribe_twice(visitor, speech_file):
    for _ in range(2):
        data = visitor.predict(handle_file(str(speech_file)), api_name="/transcribe")
        check(data, "transcript")
        assert "young man" in data["text"] and data["words"][0]["start"] is not None


def test_align_twice(visitor, speech_file, analysis):
    for _ in range(2):
        data = visitor.predict(handle_file(str(speech_file)), text=SPOKEN, api_name="/align")
        check(data, "alignment")
        assert [w["label"] for w in data["alignment"]["words"]] == [w.label for w in analysis.alignment.words]
        assert data["alignment"]["phones"][3]["start"] == analysis.alignment.phones[3].start
        assert len(read_textgrid(data["textgrid"], None, duration=data["clip"]["duration"]).phones) == len(analysis.alignment.phones)


def test_intervene_twice_is_what_the_package_says(visitor, speech_file, analyzer, analysis):
    wanted = intervene(analyzer, analysis, [Mute(Target("word", 2))]).difference("combined")
    for _ in range(2):
        data = visitor.predict(handle_file(str(speech_file)), MUTE, text=SPOKEN, api_name="/intervene")
        check(data, "intervention")
        assert data["changed"]["parent"] == {"sha256": analysis.clip.sha256, "name": "young man.wav"} | {"edits": data["edits"]}
        found = next(d for d in data["differences"] if (d["role"], d["unit"]) == ("combined", ""))
        np.testing.assert_allclose(found["logits"], wanted.logits, atol=1e-4)


def test_another_voice_is_sent_along(visitor, speech_file):
    data = visitor.predict(
        handle_file(str(speech_file)),
        [{"kind": "swap voice"}],
        text=SPOKEN,
        aligner="none",
        voice=handle_file(OTHER),
        api_name="/intervene",
    )
    check(data, "intervention")
    assert data["changed"]["transcript"]["text"] == SPOKEN and data["edits"][0]["sha256"] == data["changed"]["clip"]["sha256"]


@pytest.mark.parametrize("kind", EXPORTS)
def test_every_kind_of_file_is_exported(visitor, speech_file, kind):
    data = visitor.predict(handle_file(str(speech_file)), kind=kind, text=SPOKEN, head="late-fs", api_name="/export")
    check(data, "export")
    assert data["name"] == f"young_man.{EXPORTS[kind].suffix}" and data["media_type"] == EXPORTS[kind].media_type
    first = {"json": "{", "textgrid": 'File type = "ooTextFile"', "csv": "clip,", "html": "<!doctype html>", "vtt": "WEBVTT"}.get(kind, "")
    assert data["text"].startswith(first)


def test_leave_one_out_twice(visitor, speech_file):
    for medium, baselines in (("text", ["mask"]), ("sound", ["silence", "noise"])):
        data = visitor.predict(handle_file(str(speech_file)), medium=medium, text=SPOKEN, head="late-fs", api_name="/leave_one_out")
        check(data, "leave-one-out")
        assert [curve["baseline"] for curve in data["curves"]] == baselines
        assert data["labels"] == ["He", "was", "not", "an", "ill-disposed", "young", "man"]


def test_compare_two_heads_and_two_clips(visitor, speech_file):
    clip = handle_file(str(speech_file))
    heads = visitor.predict(clip, text=SPOKEN, head="late-fs", other_head="combined", api_name="/compare")
    check(heads, "comparison")
    verdicts, late = heads["differences"][0], next(d for d in heads["differences"] if (d["role"], d["unit"]) == ("late", ""))
    assert verdicts["role"] == "best" and not verdicts["same_head"] and max(map(abs, verdicts["logits"])) > 0
    assert late["same_head"] and max(map(abs, late["logits"])) < 1e-5, "the same late model on the same clip"
    assert next(d for d in heads["differences"] if d["role"] == "early")["one"] is None
    clips = visitor.predict(clip, handle_file(OTHER), text=SPOKEN, head="late-fs", aligner="none", api_name="/compare")
    check(clips, "comparison")
    assert clips["one"]["clip"]["sha256"] != clips["other"]["clip"]["sha256"]
    for found in clips["differences"]:
        np.testing.assert_allclose(found["logits"], np.subtract(found["other"], found["one"]), atol=1e-5)


REFUSALS = {
    "/intervene": [
        ({"edits": []}, "edits must be a list"),
        ({"edits": [{"kind": "melt"}]}, "needs a \"kind\" out of mute"),
        ({"edits": [{"kind": "swap voice"}]}, "send it as voice"),
        ({"edits": [{"kind": "mute", "target": {"tier": "word", "index": 99}}]}, "99|100"),
    ],
    "/leave_one_out": [({"tier": "letters"}, "no tier 'letters'"), ({"medium": "text", "tier": "phones"}, "The text has no phones")],
    "/compare": [({}, "nothing to compare")],
    "/export": [({"kind": "docx"}, "no kind of file 'docx'"), ({"kind": "vtt", "aligner": "none"}, "No WebVTT was written: ")],
    "/align": [({"aligner": "none"}, "switched off"), ({"aligner": "x"}, "no aligner of that name")],
    "/analyze": [({"head": "x"}, "no head 'x'"), ({"text": ["a"]}, "text must be text")],
}  # fmt: skip


@pytest.mark.parametrize("endpoint", REFUSALS)
def test_what_cant_be_done_is_one_sentence(visitor, speech_file, endpoint):
    for options, said in REFUSALS[endpoint]:
        defaults = {} if "text" in options or endpoint == "/compare" else {"text": SPOKEN}
        with pytest.raises(AppError, match=said) as error:
            visitor.predict(handle_file(str(speech_file)), **defaults, **options, api_name=endpoint)
        assert "\n" not in str(error.value)


def test_edits_are_counted_and_texts_are_texts():
    with pytest.raises(EditError, match="41 edits; at most 40"):
        read_edits(MUTE * 41, None)
    with pytest.raises(EditError, match="correct words stands in the list more than once"):
        read_edits([{"kind": "correct words", "text": "a"}] * 2, None)
    with pytest.raises(MmerError, match="head must be text, not 5"):
        check_text("head", 5)
    assert check_text("text", None) == ""


def find_owner(handler):
    """The object whose method a handler is, whatever is wrapped around it."""
    return inspect.unwrap(handler, stop=lambda f: hasattr(f, "__self__")).__self__


@pytest.mark.parametrize("is_public", [False, True])
def test_strangers_wait_for_no_endless_curve(analyzer, tmp_path, is_public):
    """Wherever a curve can be asked for: the panel, the lesson, the endpoint."""
    app = build_app(analyzer, examples=tmp_path, is_public=is_public)
    names = ("leave_out", "lesson_measure", "leave_one_out")
    asked = {fn.api_name: find_owner(getattr(fn.fn, "handler", fn.fn)) for fn in app.fns.values() if fn.api_name in names}
    most = 2000.0 if is_public else math.inf
    assert asked["leave_out"].most_seconds == asked["lesson_measure"].most_seconds == most
    assert asked["leave_one_out"].is_public is is_public


def test_a_curve_of_too_much_sound_is_refused_in_the_panel_and_the_lesson(analyzer, analysis, examples_folder):
    session, lesson = Session(analysis=analysis), LessonSession(clip=LessonClip("", "", "", analysis, None, None))
    panel = ClaimHandlers(analyzer, most_seconds=10.0)
    for ask in (
        lambda: panel.run_curve(session, "words", "sound"),
        lambda: LessonHandlers(analyzer, [], most_seconds=10.0).measure(lesson),
    ):
        with pytest.raises(gr.Error, match=r"\(10 s in all\)"):
            list(ask())


def test_an_upload_s_own_address_stands_for_it_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    clip = tmp_path / "cache" / "ab" / "my clip.wav"
    clip.parent.mkdir(parents=True)
    clip.touch()
    secret = tmp_path / "secret.wav"
    secret.touch()
    served = "http://127.0.0.1:7860/gradio_api/file="
    assert find_upload(f"{served}{tmp_path}/cache/ab/my%20clip.wav") == clip
    for address in (
        f"{served}{secret}",
        f"{served}{tmp_path}/cache/../secret.wav",
        f"{served}{tmp_path}/cache/%2e%2e/secret.wav",
        f"{served}{tmp_path}/cache/ab/none.wav",
        f"{served}{tmp_path}/cache/ab",
        served,
        f"{served}a%00b",
        "http://example.org/clip.wav",
        f"http://example.org/?gradio_api/file={clip}",
    ):
        assert find_upload(address) is None, address


# ---- MCP ----


@pytest.fixture(scope="module")
def mcp_app(analyzer, tmp_path_factory):
    """The app with its MCP server, and its upload folder."""
    pytest.importorskip("mcp", reason="the mcp package is not installed: pip install -e '.[mcp]'")
    folder = tmp_path_factory.mktemp("gradio-mcp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        import gradio.mcp

        patch.setattr(gradio.mcp, "DEFAULT_TEMP_DIR", str(folder))  # read when it was imported
        app = build_app(analyzer, examples=folder / "none")
        options = launch_options() | {"mcp_server": True}
        _, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options)
        adapt_mcp(app)
        yield app, url, folder
        app.close()


def ask_mcp(url, *calls):
    """The tools by name, and what each call (name, arguments) gave."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def talk():
        async with streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = await session.list_tools()
            answers = [await session.call_tool(name, arguments, timedelta(seconds=300)) for name, arguments in calls]
            return {tool.name: tool for tool in tools.tools}, answers

    return asyncio.run(talk())


def test_mcp_tools_say_what_they_take_and_give(mcp_app):
    tools, _ = ask_mcp(mcp_app[1])
    assert set(tools) == ENDPOINTS
    for tool in tools.values():
        jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
        assert "Returns: JSON of format" in tool.description, tool.name
        for name, schema in tool.inputSchema["properties"].items():
            assert schema["type"] and schema["description"], f"{tool.name}: {name} is not described"
    assert tools["compare"].inputSchema["required"] == ["audio"]
    assert tools["intervene"].inputSchema["required"] == ["audio", "edits"]
    assert tools["leave_one_out"].inputSchema["properties"]["tier"]["enum"] == ["words", "syllables", "phones"]


def test_mcp_analyzes_what_is_sent_and_keeps_nothing(mcp_app, tmp_path):
    app, url, folder = mcp_app
    clip = tmp_path / "card.wav"
    shutil.copy("/usr/share/pocketsphinx/test/data/cards/001.wav", clip)
    sent = "data:audio/wav;base64," + base64.b64encode(clip.read_bytes()).decode()
    upload = Client(url, verbose=False)
    path = upload.submit(handle_file(str(clip)), api_name="/transcribe").result() and next(folder.rglob("card.wav"))
    words = {"text": "ace of clubs", "aligner": "none", "head": "late-fs"}
    _, answers = ask_mcp(
        url,
        ("analyze", {"audio": sent, **words}),
        ("analyze", {"audio": f"{url}gradio_api/file={path}", **words}),
        ("analyze", {"audio": "http://example.org/clip.wav", **words}),
        ("analyze", {"audio": sent, "head": "none"}),
        ("align", {"audio": sent, "text": "ace of clubs", "aligner": "x"}),
        ("compare", {"audio": sent}),
    )  # fmt: skip
    one, two = (json.loads(answer.content[0].text) for answer in answers[:2])
    check(one, "analysis")
    assert one["best"] == "late" and one["predictions"]["late"]["logits"] == two["predictions"]["late"]["logits"]
    given = [answer.content[0].text for answer in answers[2:]]
    assert all(answer.isError for answer in answers[2:])
    for text, said in zip(given, ("An address can't be opened here", "'none' is not one of", "'x' is not one of", "nothing to compare")):
        assert said in text
    delete_files_created_by_app(app, age=None)
    assert [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size] == []


def test_without_its_server_mcp_is_refused(analyzer, tmp_path):
    with pytest.raises(MmerError, match="did not start: it was not asked for"):
        adapt_mcp(build_app(analyzer, examples=tmp_path))
