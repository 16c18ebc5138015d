"""ExploreHandlers by themselves, without a page."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import soundfile

from mmer.explain.verdict import read_headline
from mmer.results import Parent
from mmer.ui.explore.examples import list_stored, open_example
from mmer.ui.explore.handlers import AlignerRequest, ExploreHandlers
from mmer.ui.explore.session import KeptAnalysis, Session
from mmer.ui.page.wiring import BUSY, IDLE
from mmer.ui.texts import explore as texts


def test_a_new_clip_clears_only_what_the_page_itself_wrote():
    handlers, session = ExploreHandlers(analyzer=None), Session()
    assert handlers.forget_words(session, "") == {}  # typed into by now, perhaps: it must not be overwritten
    session.filled_in = "heard before"
    assert handlers.forget_words(session, "heard before") == {"transcript": ""}
    assert handlers.forget_words(session, "typed by hand") == {}


def test_cancel_speaks_only_of_a_run_that_is_in_progress():
    handlers, session = ExploreHandlers(analyzer=None), Session(working=True, has_clip=True)
    update = handlers.cancel(session)
    assert "Cancelled." in update["stages"] and update["analyse"] == BUSY and session.stop.is_set()
    assert handlers.cancel(session) == {}
    assert handlers.settle(session) == {"analyse": IDLE}


def test_a_result_that_came_before_cancel_is_shown(analysis):
    handlers, session = ExploreHandlers(analyzer=None), Session(analysis=analysis, unseen=True, has_clip=True)
    assert handlers.cancel(session) == {}
    assert analysis.transcript.text in handlers.settle(session)["views"]
    assert not session.unseen and handlers.settle(session) == {"analyse": IDLE}


def test_without_a_clip_nothing_can_be_analysed_and_nothing_is_said_of_the_one_that_went(analyzer, analysis):
    handlers, session = ExploreHandlers(analyzer), Session(analysis=analysis)
    assert handlers.take_clip(session, "clip.wav") == {"analyse": IDLE, "transcribe": IDLE}
    assert handlers.settle(session)["analyse"] == IDLE
    assert analysis.clip.name in handlers.name_shown(session)["stages"]
    assert handlers.take_clip(session, None) == {"analyse": BUSY, "transcribe": BUSY}
    session.kept = [KeptAnalysis(1, analysis, None)]
    update = handlers.clear_result(session)
    empty, body = update.pop("empty"), update.pop("body")
    assert empty["visible"] and texts.KEPT_AWAY in empty["value"] and body.visible is False
    assert update == dict.fromkeys(("stages", "verdict", "notices", "views", "trace"), "")
    assert session.analysis is None and session.kept and handlers.settle(session)["analyse"] == BUSY
    assert handlers.name_shown(session) == {} and handlers.show(session) == {}


def test_a_link_that_asks_for_another_head_shows_no_other_verdict_first(analysis):
    handlers, session = ExploreHandlers(analyzer=None), Session(analysis=analysis, relink=True)
    update = handlers.show_linked(session)
    assert list(update) == ["empty"] and update["empty"].visible is False
    update = handlers.show_link_problem(session)
    assert update["empty"].visible is True and "earlier result" not in update["stages"]
    assert update["analyse"] == BUSY and session.analysis is None
    session = Session(analysis=analysis)
    assert analysis.transcript.text in str(handlers.show_linked(session))


def test_the_verdict_says_what_leaving_words_out_showed(analysis):
    handlers, session = ExploreHandlers(analyzer=None), Session(analysis=analysis)
    assert handlers.show_tested(session) == {}
    curve = SimpleNamespace(
        parent=analysis.clip.sha256,
        classes=analysis.best.classes,
        tier="words",
        medium="both",
        words=np.arange(len(analysis.transcript.words)),
        left_out=(),
        curves=[SimpleNamespace(drops={analysis.best.role: np.zeros((len(analysis.transcript.words), len(analysis.best.classes)))})],
    )
    session.curve = curve
    named = read_headline(analysis).names_emotion
    assert ("muting any one word leaves it as it is" in handlers.show_tested(session)["verdict"]) == named


def finish(steps):
    return list(steps)[-1]


def test_another_head_speaks_of_what_is_shown_even_of_a_changed_clip(analyzer, analysis):
    handlers, changed = ExploreHandlers(analyzer), replace(analysis, parent=Parent("0" * 64, "young man.wav", ()))
    session = Session(analysis=changed)
    finish(handlers.use_head(session, "late-fs"))
    assert session.analysis.parent == changed.parent and session.analysis.clip is changed.clip
    assert set(session.analysis.predictions) == {"late"} and session.analysis.alignment is changed.alignment
    np.testing.assert_allclose(session.analysis.predictions["late"].logits, analysis.predictions["late"].logits, atol=1e-5)


def test_another_aligner_hears_the_clip_that_is_shown(analyzer, analysis):
    handlers, session = ExploreHandlers(analyzer), Session(analysis=analysis)
    finish(handlers.use_aligner(session, AlignerRequest("none", "combined", "")))
    assert session.analysis.alignment is None and session.analysis.clip is analysis.clip
    assert session.analysis.transcript.text == analysis.transcript.text
    session.analysis = replace(analysis, parent=Parent("0" * 64, "x", ()))
    with pytest.raises(gr.Error, match="Go back to the original to align it again"):
        finish(handlers.use_aligner(session, AlignerRequest("sphinx", "combined", "")))
    session.analysis = replace(analysis, clip=replace(analysis.clip, outline=True))
    with pytest.raises(gr.Error, match="came without its sound"):
        finish(handlers.use_aligner(session, AlignerRequest("sphinx", "combined", "")))


def test_an_example_heard_by_another_head_is_still_the_example(analyzer, examples_folder):
    (example,) = list_stored(examples_folder)
    handlers, session = ExploreHandlers(analyzer), Session()
    session.show_example(example, open_example(example))
    assert session.analysis.clip.name == "one.wav"
    finish(handlers.use_head(session, "late-fs"))
    assert session.example is example and session.analysis.clip.name == "one.wav" and session.origin == ""


def test_the_inputs_are_those_of_what_is_shown(analyzer, analysis):
    handlers, session = ExploreHandlers(analyzer), Session()
    session.take(analysis, origin="list")
    update = handlers.fill_inputs(session)
    assert (update["transcript"], update["head"], update["aligner"]) == (analysis.transcript.text, "combined", "sphinx")
    samples, rate = soundfile.read(update["audio"])
    assert rate == 16000 and np.abs(samples - analysis.clip.samples).max() < 1e-4
    session.take(replace(analysis, clip=replace(analysis.clip, outline=True)), origin="file")
    assert handlers.fill_inputs(session)["audio"] is None


def test_a_run_that_is_cancelled_while_it_waits_says_so(analysis):
    handlers, session = ExploreHandlers(analyzer=None), Session(analysis=analysis)
    assert handlers.cancel(session) == {}
    assert "Cancelled. The earlier result is still shown." in handlers.show_problem(session)["stages"]
    session.begin()
    assert "Something went wrong." in handlers.show_problem(session)["stages"]  # a bug stays one


def test_json_is_exported_with_sound_and_with_the_person_s_own_words(analyzer, analysis):
    handlers, session = ExploreHandlers(analyzer), Session(analysis=analysis)
    session.kept.append(KeptAnalysis(1, analysis, None, note="listen", tags="loud odd"))
    plain, full = (json.loads(Path(handlers.exporter("json")(session, sound)["download"]).read_text()) for sound in (False, True))
    assert plain["note"] == "listen" and plain["tags"] == ["loud", "odd"]
    assert "samples" not in plain["clip"] or plain["clip"]["samples"] is None
    assert full["clip"]["samples"] is not None


def test_a_result_that_is_equal_is_shown_as_a_new_one(analysis):
    handlers, session = ExploreHandlers(analyzer=None), Session(analysis=analysis)
    first, second = (handlers.show(session)["views"] for _ in range(2))
    assert first != second and json.loads(first) == json.loads(second)
