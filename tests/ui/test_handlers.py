"""Handlers by themselves, without a page."""

import gradio as gr

from mmer.ui.handlers import Handlers
from mmer.ui.session import Session


def test_a_new_clip_clears_only_what_the_page_itself_wrote():
    handlers, session = Handlers(analyzer=None), Session()
    assert handlers.forget_words(session, "") == gr.skip()  # typed into by now, perhaps: it must not be overwritten
    session.filled_in = "heard before"
    assert handlers.forget_words(session, "heard before") == ""
    assert handlers.forget_words(session, "typed by hand") == gr.skip()
