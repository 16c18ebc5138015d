"""The app itself on loopback, with real encoders, recogniser and aligner, and random heads."""

import json
import shutil

import pytest

from mmer.ui import build_app, launch_options
from mmer.ui.examples import list_examples, store_example

LIBRIVOX = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-{}.wav"
SPOKEN = "He was not an ill-disposed young man,"


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
def address(analyzer, examples_folder, tmp_path_factory):
    """The URL of the running app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        app = build_app(analyzer, examples=examples_folder)
        _, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
        yield url
        app.close()
