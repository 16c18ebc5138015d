"""The app itself on loopback, with real encoders, recogniser and aligner, and random heads."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from by_hand import BY_HAND
from playwright.sync_api import expect

from mmer.heads.folder import load_heads
from mmer.pipeline import Analyzer
from mmer.transcript.transcribe import Recogniser
from mmer.ui import build_app, launch_options
from mmer.ui.explore.examples import list_examples, store_example

LIBRIVOX = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-{}.wav"
ROOT = Path(__file__).parents[2]
SPOKEN = "He was not an ill-disposed young man,"
PATIENCE = 180_000  # ms; a busy machine recognises speech slowly


@pytest.fixture(scope="session")
def speech_file(tmp_path_factory):
    """A copy of a real sentence under a name of its own."""
    path = tmp_path_factory.mktemp("clips") / "young man.wav"
    shutil.copy(LIBRIVOX.format("0880"), path)
    return path


@pytest.fixture(scope="session")
def analysis(analyzer, librivox_clip):
    return analyzer.analyze(librivox_clip, text=SPOKEN)


@pytest.fixture(scope="session")
def shipped_heads():
    return load_heads(ROOT / "pretrained", preset="compact")


@pytest.fixture(scope="session")
def shipped_analyzer(recogniser, speech_encoder, text_encoder, sphinx, shipped_heads):
    """The models that ship, which the shipped examples and lessons are of."""
    aligners = {"sphinx": sphinx}
    return Analyzer(
        preset="compact", recogniser=recogniser, speech=speech_encoder, text=text_encoder, aligners=aligners, heads=shipped_heads
    )


@pytest.fixture(scope="session")
def stored_analyzer(shipped_heads):
    """What opens the shipped examples and asks no model: its encoders have names alone, so it starts at once."""
    stored = json.loads((ROOT / "assets" / "examples" / "1-librivox-young-man" / "analysis.json").read_text(encoding="utf-8"))
    speech, text = (SimpleNamespace(identity=stored["encoders"][kind]) for kind in ("speech", "text"))
    return Analyzer(preset="compact", recogniser=Recogniser(None), speech=speech, text=text, aligners={"sphinx": None}, heads=shipped_heads)


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory, analyzer):
    """One stored example, analysed by the random heads."""
    root = tmp_path_factory.mktemp("examples")
    folder = root / "one"
    folder.mkdir()
    shutil.copy(LIBRIVOX.format("0930"), folder / "clip.wav")
    about = {"title": "A real voice", "kind": "recorded", "text": "He might even have been made amiable himself.", "emotion": "neutral"}
    about |= {"words": "neutral", "voice": "neutral", "look": "Listen.", "source": "LibriVox", "licence": "public domain"}
    (folder / "about.json").write_text(json.dumps(about))
    store_example(list_examples(root)[0], analyzer)
    return root


@pytest.fixture(scope="session")
def serve_app(tmp_path_factory):
    """Starts the app on a port of its own and returns its URL: serve_app(analyzer, examples=..., ...). The apps are in `serve_app.apps`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        apps = []

        def serve(analyzer, **options):
            app = build_app(analyzer, **options)
            apps.append(app)
            return app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())[1]

        serve.apps = apps
        yield serve
        for app in apps:
            app.close()


@pytest.fixture(scope="session")
def address(serve_app, analyzer, examples_folder):
    """The URL of the running app."""
    return serve_app(analyzer, examples=examples_folder)


@pytest.fixture(scope="module")
def page(browser, address, speech_file, spy):
    """The app with an analysed clip, shared by a file's tests: what they change, each sets anew. `window.heard` keeps what is played."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page.set_default_timeout(PATIENCE)
    page.add_init_script(spy)
    page.add_init_script(BY_HAND)
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(address)
    page.set_input_files("#clip input[type=file]", str(speech_file))
    expect(page.locator("#clip")).to_contain_text("0:03", timeout=PATIENCE)
    page.fill("#transcript textarea", SPOKEN)
    page.click("#analyse")
    page.wait_for_selector("#views .mv-tile")
    expect(page.locator("#keep-list label")).to_have_count(1, timeout=PATIENCE)
    yield page
    assert troubles == []
