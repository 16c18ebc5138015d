"""What visitors leave in memory: kept while it is used, gone some time after."""

import time
from datetime import datetime, timedelta

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import expect

from mmer.errors import MmerError
from mmer.ui.explore.handlers import ExploreHandlers
from mmer.ui.explore.session import Session
from mmer.ui.keep.handlers import need_kept
from mmer.ui.page.forgetting import CLOSED_SECONDS, count_bytes, forget_unused, make_room
from mmer.ui.page.upload_folder import KEPT_SECONDS


class Visits:
    """A page's states as Gradio holds them."""

    def __init__(self, is_closed):
        self.is_closed = is_closed


@pytest.fixture
def holder():
    from gradio.state_holder import StateHolder

    return StateHolder()


@pytest.mark.parametrize(
    ("is_closed", "seconds", "stays"),
    [
        (False, KEPT_SECONDS - 1, True),
        (False, KEPT_SECONDS + 1, False),
        (True, CLOSED_SECONDS - 1, True),
        (True, CLOSED_SECONDS + 1, False),
    ],
)
def test_states_outlive_their_last_use_by_so_much(holder, is_closed, seconds, stays):
    now = datetime.now()
    holder.session_data["a"], holder.time_last_used["a"] = Visits(is_closed), now - timedelta(seconds=seconds)
    forget_unused(holder, now)
    assert ("a" in holder.session_data) is stays and ("a" in holder.time_last_used) is stays


@pytest.mark.browser
def test_a_closed_page_leaves_no_recording_behind(serve_app, analyzer, examples_folder, browser):
    page = browser.new_page()
    page.goto(serve_app(analyzer, examples=examples_folder))
    page.click("#example-one")
    expect(page.locator("#verdict")).to_be_visible(timeout=60_000)
    holder = serve_app.apps[-1].app.state_holder
    assert any(session.analysis is not None for session in list_sessions(holder))
    page.close()
    expect_closed(holder)
    forget_unused(holder, datetime.now() + timedelta(seconds=CLOSED_SECONDS + 1))
    assert list_sessions(holder) == []


def list_sessions(holder):
    return [value for state in holder.session_data.values() for value in state.state_data.values() if isinstance(value, Session)]


def expect_closed(holder, seconds=30):
    end = time.monotonic() + seconds
    while not all(state.is_closed for state in holder.session_data.values()):
        assert time.monotonic() < end
        time.sleep(0.1)


def fill(holder, name, minutes, size, *, shared=None):
    """A page that was last used so many minutes ago, whose visitor keeps an array of so many bytes."""
    session, state = Session(), Visits(is_closed=False)
    session.earlier.keep("encode speech", "key", np.zeros(size, np.uint8))
    if shared is not None:
        session.earlier.keep("pool", "key", shared)
    state.state_data = {1: session}
    holder.session_data[name], holder.time_last_used[name] = state, datetime.now() - timedelta(minutes=minutes)
    return session


def test_when_all_results_together_are_too_much_those_unused_longest_go_and_their_owner_reads_why(holder, analysis):
    old, middle, new = (fill(holder, name, minutes, 1000) for name, minutes in (("b", 9), ("c", 5), ("a", 1)))
    make_room(holder, most_bytes=3000)
    assert old.earlier.recall("encode speech", "key") is not None
    old.analysis = analysis
    make_room(holder, most_bytes=2500)
    assert old.earlier.recall("encode speech", "key") is None and old.analysis is None
    assert all(one.earlier.recall("encode speech", "key") is not None and not one.let_go for one in (middle, new))
    with pytest.raises(gr.Error, match=r"Your results were removed from memory: .* reached 3 GB"):
        ExploreHandlers(analyzer=None).exporter("json")(old)
    with pytest.raises(MmerError, match="were removed"):
        need_kept(old, 1)


def test_what_visitors_share_is_counted_once(holder):
    shared = np.zeros(1000, np.uint8)
    sessions = [fill(holder, name, 1, 10, shared=shared) for name in "abc"]
    make_room(holder, most_bytes=1100)
    assert not any(session.let_go for session in sessions)


def test_the_memory_of_an_analysis_is_that_of_its_arrays(analysis):
    counted = set()
    size = count_bytes(Session(analysis=analysis), counted)
    assert size >= analysis.clip.samples.nbytes + sum(branch.contributions.nbytes for branch in analysis.predictions["late"].branches)
    assert count_bytes(Session(analysis=analysis), counted) == 0
