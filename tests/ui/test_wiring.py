"""Handlers and components meet by name."""

from dataclasses import dataclass

import gradio as gr
import pytest

from mmer.ui.page.wiring import Wiring, name_components


@dataclass
class Layout:
    first: gr.Textbox
    second: gr.Textbox
    title: str


@dataclass(frozen=True)
class Request:
    second: str  # in another order than the layout's
    first: str


@pytest.fixture
def wiring():
    layout = Layout(gr.Textbox(), gr.Textbox(), "no component")
    return Wiring(name_components(layout), gr.State())


def join(session, request):
    return {"first": f"{session}: {request.first}, {request.second}"}


def test_a_request_is_filled_by_name_and_an_update_leaves_the_rest(wiring):
    found = wiring.connect(join, asks=Request, changes=["second", "first"])
    first, second = wiring.components["first"], wiring.components["second"]
    assert found["inputs"] == [wiring.session, second, first] and found["outputs"] == [second, first]
    assert found["fn"]("visitor", "two", "one") == [gr.skip(), "visitor: one, two"]


def test_a_handler_may_do_without_a_session_and_may_change_one_thing_or_nothing(wiring):
    found = wiring.connect(lambda first: {"second": first.upper()}, asks=["first"], changes=["second"])
    assert found["inputs"] == [wiring.components["first"]] and found["fn"]("a") == "A"
    assert wiring.connect(lambda session: {}, changes=["first"])["fn"]("visitor") == gr.skip()
    assert wiring.connect(lambda session: None)["fn"]("visitor") is None


def test_steps_stay_steps(wiring):
    def count(session):
        yield {"first": 1}
        yield {}

    steps = wiring.connect(count, changes=["first", "second"])["fn"]
    assert list(steps("visitor")) == [[1, gr.skip()], [gr.skip(), gr.skip()]]


def test_an_event_comes_along_where_a_handler_takes_it(wiring):
    def press(session, first, event):
        return {"second": f"{first} {event}"}

    assert wiring.connect(press, asks=["first"], changes=["second"])["fn"]("pressed", "visitor", "one") == "one pressed"


def test_a_component_that_the_event_does_not_list_is_an_error(wiring):
    with pytest.raises(KeyError, match="changes first, which its event does not list"):
        wiring.connect(join, asks=Request, changes=["second"])["fn"]("visitor", "two", "one")
    with pytest.raises(KeyError):
        wiring.connect(join, asks=Request, changes=["third"])


def test_a_handler_that_does_not_take_what_is_asked_for_is_found_when_the_page_is_built(wiring):
    with pytest.raises(TypeError):
        wiring.connect(lambda session, wrong: {}, asks=["first"])
    with pytest.raises(TypeError):
        wiring.connect(join)
