"""Handlers by themselves, without a page."""

import gradio as gr

from mmer.ui.handlers import BUSY, IDLE, SHOWN, Handlers
from mmer.ui.session import Session


def test_a_new_clip_clears_only_what_the_page_itself_wrote():
    handlers, session = Handlers(analyzer=None), Session()
    assert handlers.forget_words(session, "") == gr.skip()  # typed into by now, perhaps: it must not be overwritten
    session.filled_in = "heard before"
    assert handlers.forget_words(session, "heard before") == ""
    assert handlers.forget_words(session, "typed by hand") == gr.skip()


def test_cancel_speaks_only_of_a_run_that_is_in_progress():
    handlers, session = Handlers(analyzer=None), Session(working=True)
    told, button = handlers.cancel(session)
    assert "Cancelled." in told and button == BUSY and session.stop.is_set()
    assert handlers.cancel(session) == (gr.skip(), gr.skip())
    assert handlers.settle(session) == (IDLE, *[gr.skip()] * SHOWN)


def test_a_result_that_came_before_cancel_is_shown(analysis):
    handlers, session = Handlers(analyzer=None), Session(analysis=analysis, unseen=True)
    assert handlers.cancel(session) == (gr.skip(), gr.skip())
    assert analysis.transcript.text in str(handlers.settle(session)[1:])
    assert not session.unseen and handlers.settle(session) == (IDLE, *[gr.skip()] * SHOWN)
