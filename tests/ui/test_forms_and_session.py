"""Typed pronunciations, uploaded TextGrids, and work that reports its stages and can be stopped."""

import copy
import threading
import time

import gradio as gr
import pytest

from mmer.align.textgrid_tiers import read_text
from mmer.errors import AlignmentError, AudioError, Cancelled
from mmer.model_queue import ModelQueue
from mmer.ui.explore.forms import read_pronunciations
from mmer.ui.explore.session import Session, StopFlag, watch_stages
from mmer.ui.page.failures import show_errors


def test_pronunciations_are_read_without_stress():
    assert read_pronunciations("Zorb  Z AO1 R B\n\n") == {"zorb": ("Z", "AO", "R", "B")}
    assert read_pronunciations("") == {}


@pytest.mark.parametrize("line", ["zorb", "zorb Z AO QQ", "zorb 1"])
def test_a_wrong_pronunciation_is_named_with_its_line(line):
    with pytest.raises(AlignmentError, match=f"line 2: .{line}"):
        read_pronunciations(f"ok OW K EY\n{line}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_textgrids_are_read_as_praat_saves_them(tmp_path, encoding):
    path = tmp_path / "a.TextGrid"
    path.write_text('File type = "ooTextFile" é', encoding=encoding)
    assert read_text(path) == 'File type = "ooTextFile" é'


def test_a_binary_textgrid_is_refused(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(b"\x00\xff\x00\x80" * 10)
    with pytest.raises(AlignmentError, match=r"a\.TextGrid” can't be read: not UTF-8 text"):
        read_text(path)


def test_stages_are_timed_in_order_and_the_result_comes_last():
    def work(progress):
        progress(0.0, "one")
        time.sleep(0.05)
        progress(0.5, "two")
        return "result"

    seen = [([s.name for s in stages], result) for stages, result in watch_stages(work, StopFlag(), line=ModelQueue())]
    assert seen[-1] == (["one", "two"], "result")
    assert all(result is None for _, result in seen[:-1])


def test_a_set_flag_stops_the_waiting_page_within_a_tick():
    stop, begun = StopFlag(), time.perf_counter()
    steps = watch_stages(lambda progress: time.sleep(3), stop, line=ModelQueue(), tick=0.02)
    next(steps)
    stop.set()
    with pytest.raises(Cancelled):
        list(steps)
    assert time.perf_counter() - begun < 2


def test_leaving_the_page_stops_the_work():
    stop = StopFlag()
    steps = watch_stages(lambda progress: time.sleep(0.3), stop, line=ModelQueue(), tick=0.02)
    next(steps)
    steps.close()
    assert stop.is_set()


def test_what_was_cancelled_ends_before_the_next_begins():
    queue, running, most = ModelQueue(), [], []
    may_end = threading.Event()

    def work(progress):
        running.append(1)
        most.append(len(running))
        may_end.wait(10)
        running.pop()
        return "result"

    for _ in range(3):  # three visitors start and leave
        steps = watch_stages(work, StopFlag(), line=queue, tick=0.02)
        next(steps)
        steps.close()
    last = watch_stages(work, StopFlag(), line=queue, tick=0.02)
    next(last)
    may_end.set()
    assert [result for _, result in last][-1] == "result"
    assert max(most) == 1 and len(most) == 2  # those who left while they waited were never begun


def test_errors_of_the_work_reach_the_page():
    def work(progress):
        raise AudioError("no sound")

    with pytest.raises(AudioError, match="no sound"):
        list(watch_stages(work, StopFlag(), line=ModelQueue()))


def test_a_new_run_stops_the_one_before_and_not_itself():
    session = Session()
    first, second = session.begin(), session.begin()
    assert first.is_set()
    assert not second.is_set()


def test_sessions_can_be_copied_by_gradio_and_are_their_own():
    session = Session()
    other = copy.deepcopy(session)
    other.stop.set()
    assert not session.stop.is_set()
    assert session != other
    assert hash(session) != hash(other)


def test_errors_that_people_can_mend_become_escaped_messages():
    @show_errors
    def handler():
        raise AudioError("<b>.wav is empty")

    with pytest.raises(gr.Error) as caught:
        handler()
    assert caught.value.message == "&lt;b&gt;.wav is empty"


def test_bugs_stay_loud():
    @show_errors
    def handler():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        handler()
