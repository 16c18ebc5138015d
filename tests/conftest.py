"""What many tests share: the compact preset at its real weights, and real speech of Debian's `pocketsphinx-testdata`."""

import dataclasses
import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is loaded: processes that share the cores have one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from playwright.sync_api import sync_playwright

from mmer.align.sphinx import SphinxAligner
from mmer.audio.load import load_audio
from mmer.encoders.encoders import SpeechEncoder, TextEncoder
from mmer.encoders.presets import PRESETS
from mmer.heads.config import HeadConfig
from mmer.heads.folder import load_head, save_combination, save_head
from mmer.heads.head import CombinedHead, Head, build_model
from mmer.pipeline import Analyzer
from mmer.transcript.transcribe import Recogniser

SPEECH = Path("/usr/share/pocketsphinx/test/data")
LIBRIVOX = SPEECH / "librivox"
CHROMIUM = os.environ.get("MMER_CHROMIUM", "/usr/bin/chromium")


SPY = """
window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...numbers) { window.heard.push(numbers); return start.apply(this, numbers); };
"""


def pytest_configure():
    torch.set_num_threads(2)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium that may play sound."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def spy():
    """A script for a page: `window.heard` keeps what each start of a sound was given."""
    return SPY


@pytest.fixture(scope="session")
def librivox_clip():
    """A woman reading "he was not an ill disposed young man", 2.99 s."""
    return load_audio(LIBRIVOX / "sense_and_sensibility_01_austen_64kb-0880.wav")


@pytest.fixture(scope="session")
def speech_encoder():
    return SpeechEncoder.load(PRESETS["compact"])


@pytest.fixture(scope="session")
def text_encoder():
    return TextEncoder.load(PRESETS["compact"])


@pytest.fixture(scope="session")
def recogniser():
    return Recogniser.load()


@pytest.fixture(scope="session")
def sphinx():
    return SphinxAligner()


def make_head(name, fusion, units, *, seed=0):
    """A head of the compact preset's size with random weights: it knows nothing, but its arithmetic is real."""
    torch.manual_seed(seed)
    config = HeadConfig(
        name,
        name.title(),
        fusion,
        tuple(units),
        "compact",
        text_layers=tuple("123456"),
        speech_layers=tuple("1234"),
        dim=384,
        heads=4,
        feedforward=64,
        trained_on="nothing: random weights",
    )
    return Head(config, build_model(config), sha256=name)


@pytest.fixture(scope="session")
def random_heads():
    late, early = make_head("late-fs", "late", "TFS"), make_head("coattention-fp", "coattention", "TFP", seed=1)
    config = dataclasses.replace(late.config, name="combined", title="Combined", fusion="combination", units=tuple("TFPS"))
    heads = [late, early, make_head("coattention-f", "coattention", "TF", seed=2), CombinedHead(config, early=early, late=late, sha256="c")]
    return {head.config.name: head for head in heads}


@pytest.fixture(scope="session")
def heads_folder(random_heads, tmp_path_factory):
    """The random heads on disk, as `pretrained` is."""
    folder = tmp_path_factory.mktemp("heads")
    for name in ("late-fs", "coattention-fp", "coattention-f"):
        save_head(folder / name, random_heads[name].config, random_heads[name].model)
    members = {"early": load_head(folder / "coattention-fp"), "late": load_head(folder / "late-fs")}
    save_combination(folder / "combined", random_heads["combined"].config, **members)
    return folder


@pytest.fixture(scope="session")
def analyzer(recogniser, speech_encoder, text_encoder, sphinx, random_heads):
    """An analyzer whose encoders, recogniser and aligner are real and whose heads are random."""
    return Analyzer(
        preset="compact",
        recogniser=recogniser,
        speech=speech_encoder,
        text=text_encoder,
        aligners={"sphinx": sphinx},
        unavailable_aligners={"mfa": "It is not installed."},
        heads=random_heads,
    )


@pytest.fixture(scope="session")
def heard(tmp_path_factory):
    """The folder of a small experiment that was really trained on real speech."""
    from heard_experiment import train_heard_experiment  # here because few tests need the trainer

    return train_heard_experiment(tmp_path_factory.mktemp("heard"))
