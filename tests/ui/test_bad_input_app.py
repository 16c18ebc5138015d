"""The app under bad input: one sentence for the visitor, the earlier result kept, nothing of this machine opened, nothing left behind."""

import asyncio
import json
import re
import shutil
from html import unescape
from importlib import import_module
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio.processing_utils import async_move_files_to_cache
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from test_bad_input import EVIL, RECORDINGS, TEXTGRIDS, WORDS

from mmer.ui import build_app, launch_options
from mmer.ui.api import ApiHandlers
from mmer.ui.explore.handlers import AnalysisRequest, ExploreHandlers
from mmer.ui.explore.session import Session

CARD = "/usr/share/pocketsphinx/test/data/cards/001.wav"


@pytest.fixture
def handlers(analyzer):
    return ExploreHandlers(analyzer)


@pytest.fixture
def programs(analyzer):
    return ApiHandlers(analyzer)


def read_refusal(work):
    """The sentence of the gr.Error that the handler raised."""
    with pytest.raises(gr.Error) as error:
        work()
    assert "\n" not in error.value.message and len(error.value.message) < 1000
    return unescape(error.value.message)


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings_are_refused_and_the_result_stays(handlers, programs, analysis, tmp_path, kind):
    plant, said = RECORDINGS[kind]
    path = str(tmp_path / "bad clip.wav")
    plant(tmp_path / "bad clip.wav")
    session = Session()
    session.analysis = analysis
    run = lambda: list(handlers.run(session, AnalysisRequest(path, "", "sphinx", "combined", "", None)))  # noqa: E731
    doors = [run, lambda: list(handlers.transcribe(session, path)), lambda: programs.transcribe(path)]
    doors += [lambda: programs.analyze(path, "", "sphinx", "combined")]
    for door in doors:
        assert said in read_refusal(door)
    assert session.analysis is analysis
    assert said in unescape(handlers.show_problem(session)["stages"]) and "still shown" in handlers.show_problem(session)["stages"]


@pytest.mark.parametrize("kind", TEXTGRIDS)
def test_textgrids_are_refused_and_the_result_stays(handlers, analysis, tmp_path, speech_file, kind):
    text, said = TEXTGRIDS[kind]
    path = tmp_path / "bad.TextGrid"
    path.write_text(text)
    session = Session()
    session.analysis = analysis
    sentence = read_refusal(lambda: list(handlers.run(session, AnalysisRequest(str(speech_file), "", "none", "late-fs", "", str(path)))))
    assert said in sentence and session.analysis is analysis


@pytest.mark.parametrize("said", ["zorb", "zorb QQ", "<b> <i>", "x" * 5000 + " QQ", "\x00"])
def test_pronunciations_are_refused(handlers, speech_file, said):
    request = AnalysisRequest(str(speech_file), WORDS, "sphinx", "late-fs", said, None)
    sentence = read_refusal(lambda: list(handlers.run(Session(), request)))
    assert "line 1" in sentence


def test_two_thousand_words_are_refused(programs, speech_file):
    assert "2,000 words" in read_refusal(lambda: programs.analyze(str(speech_file), "word " * 2000, "sphinx", "late-fs"))


def test_a_message_is_escaped_once(programs, tmp_path):
    path = tmp_path / f"{EVIL}.wav"
    path.touch()
    with pytest.raises(gr.Error) as error:
        programs.transcribe(str(path))
    assert "<img" not in error.value.message and EVIL in unescape(error.value.message)


# ---- over the wire ----


@pytest.fixture
def visitor(address):
    return Client(address, verbose=False)


def call(address, endpoint, data):
    """What the server answers to a hand-written call: (event, data)."""
    with httpx.Client(timeout=120) as client:
        asked = client.post(f"{address}gradio_api/call/{endpoint}", json={"data": data})
        if asked.status_code != 200:
            return "refused", asked.text
        answer = client.get(f"{address}gradio_api/call/{endpoint}/{asked.json()['event_id']}").text
    events = re.findall(r"event: (\w+)\ndata: (.*)", answer)
    return events[-1]


META = {"_type": "gradio.FileData"}
REFERENCES = {
    "file of the machine": {"path": CARD, "meta": META},
    "no meta": {"path": CARD},
    "way out of the folder": {"path": "UPLOADS/../../../../../../../" + CARD, "meta": META},
    "as url": {"path": "x.wav", "url": f"file://{CARD}", "meta": META},
    "as stream": {"path": CARD, "is_stream": True, "meta": META},
    "own source": {"path": str(Path(__file__)), "meta": META},
    "text": CARD,
}


@pytest.mark.parametrize("endpoint", ["analyze", "transcribe", "fill_in_words"])
@pytest.mark.parametrize("kind", REFERENCES)
def test_no_file_outside_the_upload_folder_is_opened(address, analyzer, monkeypatch, kind, endpoint):
    opened = []
    for module in ("mmer.ui.explore.handlers", "mmer.ui.api"):
        monkeypatch.setattr(import_module(module), "load_audio", lambda path, name: opened.append(path))
    data = {"analyze": [REFERENCES[kind], "ace", "none", "late-fs", False]}.get(endpoint, [REFERENCES[kind]])
    event, text = call(address, endpoint, data)
    assert event in ("error", "refused") and not opened
    assert "ace of clubs" not in text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("endpoint", ["analyze", "transcribe", "fill_in_words"])
def test_no_address_is_fetched(address, monkeypatch, endpoint, stream):
    """The server asks nobody for a clip: an address is refused before anything is downloaded."""
    asked = []

    async def download(url, cache_dir):
        asked.append(url)
        return CARD

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", download)
    monkeypatch.setattr("gradio.processing_utils.save_url_to_cache", lambda url, cache_dir: asked.append(url))
    clip = {"path": "http://example.org/clip.wav", "url": "http://example.org/clip.wav", "is_stream": stream, "meta": META}
    event, _ = call(address, endpoint, {"analyze": [clip, "ace", "none", "late-fs", False]}.get(endpoint, [clip]))
    assert event == "error" and not asked


def test_no_component_of_the_page_fetches_an_address(analyzer, monkeypatch, tmp_path):
    """Gradio looks for files in any value, that of a text box too."""
    asked = []

    async def download(url, cache_dir):
        asked.append(url)
        return CARD

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", download)
    app = build_app(analyzer, examples=tmp_path)
    read = {block for fn in app.fns.values() for block in fn.inputs}
    assert len(read) > 60
    for block in read:
        with pytest.raises(gr.Error, match="An address can't be opened here"):
            asyncio.run(async_move_files_to_cache({"path": "http://example.org/clip.wav", "meta": META}, block))
    assert not asked


def test_empty_values_are_as_good_as_none(address, visitor, speech_file):
    clip = handle_file(str(speech_file))
    assert visitor.predict(clip, None, "none", "late-fs", api_name="/analyze")["predictions"]
    for aligner, head, said in (("sphinx", None, "no head"), ("sphinx", "<b>", "no head")):
        with pytest.raises(AppError, match=said):
            visitor.predict(clip, WORDS, aligner, head, api_name="/analyze")
    assert call(address, "transcribe", [None])[0] == "error"


@pytest.mark.parametrize("name", ["x" * 200 + ".wav", "a\"b'c.wav", "<b>bold<b>.wav", "клип 人 😀.wav", "..wav", "a;b$(c)&d.wav"])
def test_names_of_uploads(visitor, tmp_path, name):
    path = tmp_path / name
    shutil.copy(CARD, path)
    clip = visitor.predict(handle_file(str(path)), "ace of clubs", "none", "late-fs", api_name="/analyze")["clip"]
    assert "/" not in clip["name"] and len(clip["name"]) <= 80


@pytest.mark.parametrize("name", ["../../../escaped.wav", "a/b/escaped.wav", "x" * 5000 + ".wav", 'q"\n.wav', "\u202egnp.wav"])
def test_names_that_only_a_program_sends(address, tmp_path_factory, name):
    with httpx.Client(timeout=60) as client:
        answer = client.post(f"{address}gradio_api/upload", files={"files": (name, Path(CARD).read_bytes())})
    if answer.status_code == 200:
        path = Path(answer.json()[0]).resolve()
        assert path.parent.parent.name.startswith("gradio") and len(path.name) <= 255
        event, text = call(address, "analyze", [{"path": str(path), "meta": META}, "ace of clubs", "none", "late-fs", False])
        assert event == "complete"
        assert "/" not in json.loads(text)[0]["clip"]["name"]
    else:
        assert 400 <= answer.status_code < 500


def test_the_app_goes_on_serving(visitor, tmp_path, speech_file):
    for kind in ("empty", "nan", "renamed text"):
        path = tmp_path / f"{kind}.wav"
        RECORDINGS[kind][0](path)
        with pytest.raises(AppError, match=re.escape(path.name)):
            visitor.predict(handle_file(str(path)), "", "sphinx", "combined", api_name="/analyze")
    assert "young man" in visitor.predict(handle_file(str(speech_file)), api_name="/transcribe")["text"]


def test_recordings_and_exports_are_deleted(analyzer, tmp_path, tmp_path_factory, speech_file, monkeypatch):
    folder = tmp_path_factory.mktemp("gradio-deleted")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    app = build_app(analyzer, examples=tmp_path)
    assert app.delete_cache[0] <= 10 * 60 and app.delete_cache[1] <= 60 * 60, "checked often, kept less than an hour"
    _, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        visitor = Client(url, verbose=False, download_files=str(tmp_path))
        visitor.submit(handle_file(str(speech_file)), WORDS, "none", "late-fs", "", None, api_name="/run").result()
        visitor.predict(handle_file(str(speech_file)), api_name="/transcribe")
        visitor.predict(False, api_name="/export_json")
        assert len(list_files(folder)) >= 2
        delete_files_created_by_app(app, age=None)
        assert [path for path in list_files(folder) if path.stat().st_size] == []  # Gradio leaves an empty placeholder per upload
    finally:
        app.close()


def list_files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_noise_is_taken_with_a_notice(visitor, tmp_path):
    import soundfile

    path = tmp_path / "noise.wav"
    soundfile.write(path, 0.2 * np.random.default_rng(0).standard_normal(16000), 16000)
    notices = visitor.predict(handle_file(str(path)), "", "sphinx", "combined", api_name="/analyze")["notices"]
    assert any("no words" in notice["text"] for notice in notices)
