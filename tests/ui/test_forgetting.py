"""What visitors leave in memory: kept while it is used, gone some time after."""

import time
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from mmer.ui.forgetting import CLOSED_SECONDS, forget_unused
from mmer.ui.session import KEPT_SECONDS, Session


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
