"""The whole analysis on a planted card, "cpu:0": to PyTorch the CPU, to us a device that runs out of memory or breaks."""

import numpy as np
import pytest
import torch

from mmer.devices.choice import CPU, Choice, Device
from mmer.devices.placement import Placement
from mmer.encoders.encoders import SpeechEncoder, TextEncoder
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json
from mmer.exports.report import report_html
from mmer.exports.summary import summarise
from mmer.heads.folder import load_head
from mmer.pipeline import Analyzer, Variant

TEXT = "he was not an ill disposed young man"
CARD = Device("cpu:0", "Planted card")


class Faulty:
    """A speech model on a card that fails as it is told to."""

    def __init__(self, model, fail):
        self.model, self.fail, self.seen = model, fail, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def states(self, clips):
        self.seen.append(len(clips))
        self.fail(clips)
        return self.model.states(clips)


@pytest.fixture(scope="module")
def expected(analyzer, librivox_clip, heads_folder):
    return open_analyzer(analyzer, heads_folder, Placement()).analyze(librivox_clip, text=TEXT)


def open_analyzer(analyzer, heads_folder, placement, fail=lambda clips: None):
    """The encoders of the session, and heads of their own, on a placement."""
    speech, text = analyzer.speech, analyzer.text
    heads = {name: load_head(heads_folder / name) for name in ("late-fs", "coattention-fp", "coattention-f", "combined")}
    for head in heads.values():
        head.place(placement)
    made = SpeechEncoder(Faulty(speech.model, fail), identity="planted", placement=placement)
    read = TextEncoder(text.model, text.tokenizer, identity="planted", placement=placement)
    parts = {"recogniser": analyzer.recogniser, "aligners": analyzer._aligners, "heads": heads}
    return Analyzer(preset="compact", speech=made, text=read, placement=placement, **parts)


def check_same(found, expected):
    for role, prediction in expected.predictions.items():
        np.testing.assert_allclose(found.predictions[role].logits, prediction.logits, atol=1e-5)


def test_results_are_arrays_as_before_and_say_where_they_were_computed(analyzer, heads_folder, librivox_clip, expected):
    found = open_analyzer(analyzer, heads_folder, Placement(Choice(CARD))).analyze(librivox_clip, text=TEXT)
    check_same(found, expected)
    assert found.devices == dict.fromkeys(("encode speech", "encode text", "fuse"), "cpu:0 (Planted card)")
    assert set(expected.devices.values()) == {"cpu"}
    data = analysis_to_json(found)
    assert data["devices"]["fuse"] == "cpu:0 (Planted card)" and analysis_from_json(data).devices == found.devices
    del data["devices"]  # as files of the first releases
    assert analysis_from_json(data).devices == {}
    assert "on cpu:0 (Planted card); mmer" in summarise(found)
    assert "<dt>computed on</dt><dd>cpu:0 (Planted card)</dd>" in report_html(found)


def test_a_clip_that_does_not_fit_is_analysed_on_the_cpu_with_a_notice(analyzer, heads_folder, librivox_clip, expected):
    placement = Placement(Choice(CARD))

    def fail(clips):
        if not placement.device.is_cpu:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    found = open_analyzer(analyzer, heads_folder, placement, fail).analyze(librivox_clip, text=TEXT)
    check_same(found, expected)
    assert set(found.devices.values()) == {"cpu"}
    (notice,) = [n for n in found.notices if "Planted card" in n.text]
    assert notice.level == "info" and "too little memory, so the models compute on the CPU" in notice.text


def test_a_driver_that_breaks_in_use_is_one_sentence_and_the_analysis_goes_on(analyzer, heads_folder, librivox_clip, expected):
    placement = Placement(Choice(CARD))

    def fail(clips):
        if not placement.device.is_cpu:
            raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported")

    found = open_analyzer(analyzer, heads_folder, placement, fail).analyze(librivox_clip, text=TEXT)
    check_same(found, expected)
    (notice,) = [n for n in found.notices if "Planted card" in n.text]
    assert notice.text.count(". ") == 0 and notice.text.endswith("failed, so the models compute on the CPU until they are loaded anew: "
                                                                  "CUDA error: unspecified launch failure.")  # fmt: skip
    assert placement.device == CPU


def test_a_batch_of_changed_versions_is_halved_until_it_fits(analyzer, heads_folder, librivox_clip, expected):
    placement = Placement(Choice(CARD))

    def fail(clips):
        if len(clips) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    small = open_analyzer(analyzer, heads_folder, placement, fail)
    changed = [librivox_clip.samples * np.float32(factor) for factor in (0.5, 0.6, 0.7)]
    analysis = small.analyze(librivox_clip, text=TEXT)
    scores = small.score_variants(analysis, [Variant(samples=samples) for samples in changed], count=3)
    plain = open_analyzer(analyzer, heads_folder, Placement()).score_variants(analysis, [Variant(samples=s) for s in changed], count=3)
    assert small.speech.model.seen[-5:] == [3, 1, 2, 1, 1]
    for role, rows in plain.items():
        np.testing.assert_allclose(scores[role], rows, atol=1e-4)
    assert placement.device == CARD  # halves did fit


def test_heads_are_moved_as_a_whole(heads_folder):
    """On "meta" a tensor that was left behind would meet one that was moved, and PyTorch refuses."""
    head = load_head(heads_folder / "coattention-fp")
    head.place(Placement(Choice(Device("meta"))))
    rows = [{unit: np.zeros((6 if unit == "T" else 4, 5, 384), np.float32) for unit in head.config.units}]
    device = next(head.model.parameters()).device
    states = {u: torch.from_numpy(a)[None].to(device) for u, a in rows[0].items()}
    masks = {u: torch.ones(1, a.shape[1], dtype=torch.bool, device=device) for u, a in rows[0].items()}
    output = head.model(states, masks, explain=True)
    assert output.logits.is_meta and {m.text_to_speech.device.type for m in output.coattention.values()} == {"meta"}
