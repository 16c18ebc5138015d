"""The examples that ship, and the way they are stored and opened."""

import threading
import time
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from mmer.audio.load import load_audio
from mmer.choices.emotions import EMOTIONS
from mmer.errors import DataError
from mmer.heads.folder import load_head
from mmer.ui.explore.examples import list_examples, list_stored, open_example, open_with, read_example
from mmer.ui.explore.handlers import ExploreHandlers
from mmer.ui.explore.session import Session

ROOT = Path(__file__).parents[2]
SHIPPED = list_examples(ROOT / "assets" / "examples")


def test_real_and_synthesised_voices_ship():
    kinds = [example.kind for example in SHIPPED]
    assert kinds.count("recorded") >= 2
    assert set(kinds) == {"recorded", "synthesised"}
    made = [e for e in SHIPPED if e.kind == "synthesised"]
    assert {e.words == e.voice for e in made} == {True, False}  # tone and words agree in some, contradict in others


@pytest.mark.parametrize("example", SHIPPED, ids=lambda e: e.folder.name)
def test_every_example_says_what_it_is(example):
    assert {example.emotion, example.words, example.voice} <= set(EMOTIONS)
    assert ("synthetic" in example.title.lower()) == (example.kind == "synthesised")
    assert all([example.title, example.text, example.look, example.source, example.licence])
    assert 0.5 < load_audio(example.clip).duration < 15


@pytest.mark.parametrize("example", SHIPPED, ids=lambda e: e.folder.name)
def test_stored_results_are_of_the_heads_that_ship(example):
    analysis = open_example(example)
    assert analysis.clip.sha256 == load_audio(example.clip).sha256
    assert analysis.predictions
    for prediction in analysis.predictions.values():
        now = load_head(ROOT / "pretrained" / prediction.head)
        stale = f"Run: python -m mmer.ui assets/examples pretrained ({prediction.head} has changed)"
        assert prediction.head_sha256 == now.sha256, stale


def test_a_stored_example_opens_as_it_was_computed(examples_folder, analyzer):
    (example,) = list_stored(examples_folder)
    opened = open_example(example)
    fresh = analyzer.analyze(load_audio(example.clip), text=example.text)
    assert opened.transcript == fresh.transcript
    np.testing.assert_array_equal(opened.clip.samples, fresh.clip.samples)
    for role, prediction in fresh.predictions.items():
        np.testing.assert_allclose(opened.predictions[role].probabilities, prediction.probabilities, atol=1e-5)


def test_an_example_of_other_heads_is_heard_by_those_of_the_page(analyzer, examples_folder):
    open_one, (own,) = open_with(analyzer), list_stored(examples_folder)
    shipped = SHIPPED[0]
    analysis = open_one(shipped)
    heads = {name: head.sha256 for name, head in analyzer.heads.items()}
    assert all(heads[p.head] == p.head_sha256 for p in analysis.predictions.values())
    assert analysis.best.head == "combined" and analysis.clip.name == f"{shipped.folder.name}.wav"
    assert analysis.clip.sha256 == open_example(shipped).clip.sha256 and analysis.transcript.text == shipped.text
    assert open_one(shipped) is analysis  # made once
    assert open_one(own).created == open_example(own).created  # of this page's heads: as it was stored


def test_an_example_that_waits_for_the_models_keeps_nobody_from_the_others(analyzer):
    open_one, (ready, wanted) = open_with(analyzer), SHIPPED[:2]
    analysis = open_one(ready)
    seen = []
    with analyzer.queue.take("somebody else"):
        waiting = [threading.Thread(target=lambda: seen.append(open_one(wanted))) for _ in range(2)]
        again = threading.Thread(target=lambda: seen.append(open_one(ready)))
        for thread in (*waiting, again):
            thread.start()
        again.join(10)
        assert seen == [analysis]
    for thread in waiting:
        thread.join(120)
    assert len(seen) == 3 and seen[1] is seen[2]  # made once for both


def test_cancel_reaches_an_example_that_waits_for_the_models(analyzer):
    handlers, session, ended = ExploreHandlers(analyzer, open_stored=open_with(analyzer)), Session(), []

    def press():
        try:
            handlers.opener(SHIPPED[0])(session)
        except gr.Error as error:
            ended.append(error)

    with analyzer.queue.take("somebody else"):
        thread = threading.Thread(target=press)
        thread.start()
        while not session.working:
            assert thread.is_alive(), "it ended without a wait"
            time.sleep(0.01)
        stages = handlers.cancel(session)["stages"]
        thread.join(60)  # the models are still somebody else's
        assert not thread.is_alive() and len(ended) == 1 and not ended[0].visible
    assert "Cancelled." in stages and session.analysis is None and not session.working
    said = handlers.show_problem(session)
    assert "Cancelled" in said["stages"] and not said["analyse"].interactive  # there is no clip
    press()
    assert len(ended) == 1 and session.analysis is not None  # asked again, it opens


def test_a_broken_description_is_named(tmp_path):
    (tmp_path / "about.json").write_text('{"title": "only"}')
    with pytest.raises(DataError, match=r"about\.json"):
        read_example(tmp_path)


def test_no_folder_means_no_examples(tmp_path):
    assert list_examples(tmp_path / "none") == []
