"""What is behind the Learn tab: the shipped lessons were measured by the shipped models, stale ones are measured anew."""

import json
import shutil
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from mmer.errors import DataError
from mmer.interventions import leave_one_out, leave_one_out_to_json
from mmer.lesson import lesson_to_json
from mmer.ui.explore.examples import list_stored, open_example, open_with, read_example
from mmer.ui.explore.session import LessonSession
from mmer.ui.lesson import ClipRequest, LessonHandlers, open_lesson, store_lesson

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "assets" / "examples"
FIRST = EXAMPLES / "1-librivox-young-man"
RUNNING = '<li class="mm-running">Frames</li>'


def test_the_stored_lesson_is_what_the_shipped_models_say(shipped_analyzer):
    example = read_example(FIRST)
    analysis, lesson = open_example(example), open_lesson(example, shipped_analyzer)
    states = shipped_analyzer.speech.encode(analysis.clip.samples)
    np.testing.assert_allclose(lesson.frames.values, states.hidden[:, :, : lesson.frames.values.shape[2]], atol=1e-3)
    np.testing.assert_allclose(lesson.frames.times, states.times)
    assert (lesson.frames.dim, lesson.frames.layer_names) == (states.hidden.shape[2], states.layer_names)
    fresh = leave_one_out_to_json(leave_one_out(shipped_analyzer, analysis, tier="words", medium="both"))
    for stored, now in zip(lesson.leave_one_out["curves"], fresh["curves"], strict=True):
        assert stored["baseline"] == now["baseline"]
        for role in now["drops"]:
            np.testing.assert_allclose(stored["drops"][role], now["drops"][role], atol=1e-3)
    np.testing.assert_allclose(lesson.leave_one_out["contributions"], fresh["contributions"], atol=1e-6)


def test_an_example_without_a_lesson_is_framed_and_a_stored_one_read(analyzer, examples_folder):
    (example,) = list_stored(examples_folder)
    lesson = open_lesson(example, analyzer)
    assert lesson.leave_one_out is None and lesson.frames.values.shape[1] == len(lesson.analysis.labels["F"])
    stored = store_lesson(example, analyzer)
    try:
        again = open_lesson(example, analyzer)
        assert json.dumps(lesson_to_json(again)) == json.dumps(lesson_to_json(stored))
        assert len(again.leave_one_out["labels"]) == len(again.analysis.alignment.words)
    finally:
        (example.folder / "lesson.json").unlink()


def test_a_damaged_lesson_is_named(analyzer, tmp_path):
    folder = shutil.copytree(FIRST, tmp_path / "one")
    (folder / "lesson.json").write_text("{")
    with pytest.raises(DataError, match=r"one/lesson\.json"):
        open_lesson(read_example(folder), analyzer)


def test_under_other_heads_the_lesson_is_about_what_they_say(analyzer):
    """What ships with an example is of the heads that ship; another page's heads must not be said to have said it."""
    example = read_example(FIRST)
    lesson = open_lesson(example, analyzer, open_with(analyzer))
    late = lesson.analysis.predictions["late"]
    assert late.head_sha256 == "late-fs" and lesson.leave_one_out is None
    assert lesson.title == example.title and lesson.analysis.transcript.text == example.text


def test_visitors_share_the_examples_and_nothing_else(analyzer):
    handlers = LessonHandlers(analyzer, list_stored(EXAMPLES))
    one, other = LessonSession(), LessonSession()
    update = handlers.open(one, "#learn-4-2-librivox-cold-hearted")
    assert update["chosen"] == "2-librivox-cold-hearted" and 'data-clip="2-librivox-cold-hearted"' in update["pages"]
    assert handlers.open(other, "")["chosen"] == "1-librivox-young-man"
    assert one.clip.name == update["chosen"] != other.clip.name
    assert handlers.open(one, "") == {}  # it is there already: nothing is sent again
    assert handlers.choose(other, "3-synthetic-happy-words-bright-voice")["status"] == ""
    assert handlers.lessons is handlers.lessons


def test_cancel_speaks_only_of_what_runs_or_waits(analyzer):
    handlers, session = LessonHandlers(analyzer, list_stored(EXAMPLES)), LessonSession()
    handlers.open(session, "")
    assert handlers.cancel(session, "") == handlers.cancel(session, '<li class="mm-done">Frames</li>') == {}
    stop = session.begin()
    assert "Cancelled." in handlers.cancel(session, RUNNING)["status"] and stop.is_set()
    assert "Cancelled." in handlers.show_problem(session)["status"]
    assert "Cancelled." in handlers.show_problem(LessonSession())["status"]  # it was cancelled in the queue, before it began
    session.problem = "Something else."
    assert "Something else." in handlers.show_problem(session)["status"]


def test_a_problem_stays_on_the_page_and_the_next_run_forgets_it(analyzer):
    handlers, session = LessonHandlers(analyzer, list_stored(EXAMPLES)), LessonSession()
    with pytest.raises(gr.Error, match="There is no clip yet"):
        list(handlers.measure(session))
    assert "There is no clip yet" in handlers.show_problem(session)["status"]
    stages = handlers.teach(session, ClipRequest(str(FIRST / "clip.wav"), ""))
    next(stages)
    assert session.problem.startswith("Something went wrong.")  # unless something better is known
    *_, last = stages
    assert "mm-running" not in last["status"] and session.problem == "" and session.clip.name == ""
    update = handlers.cancel(session, RUNNING)  # too late: what came is shown
    assert update["status"] == "" and not session.unseen
    assert update["chosen"].value is None and 'data-clip=""' in update["pages"]
