"""Between a handler and Gradio: what a handler asks for and what it changes go by the names of the page's components, never by position.

A handler takes the visitor's session where it has a parameter of that name, then what the person gave: a frozen request, or a few
arguments that are named as their components are. It returns {name of a component: value}; what it does not name stays as it is.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

Update = Mapping[str, Any]  # name of a component -> its new value
IDLE, BUSY = gr.Button(interactive=True), gr.Button(interactive=False)  # a button that asks the models


def name_components(*layouts: Any) -> dict[str, Block]:
    """The components that are fields of the layouts, which are dataclasses, by the fields' names."""
    found: dict[str, Block] = {}
    for layout in layouts:
        for field in dataclasses.fields(layout):
            value = getattr(layout, field.name)
            if isinstance(value, Block):
                assert field.name not in found, f"two components are called {field.name}"
                found[field.name] = value
    return found


@dataclass(frozen=True, eq=False)
class Wiring:
    """The components that a group of handlers knows, and the state that holds the visitor's session."""

    components: Mapping[str, Block]
    session: gr.State

    def connect(self, handler: Callable[..., Any], *, asks: type | Sequence[str] = (), changes: Sequence[str] = ()) -> dict[str, Any]:
        """The arguments `fn`, `inputs` and `outputs` of a Gradio event.

        `asks`: the class of a frozen request, whose fields are named as components are, or such names. `changes`: names of the components
        that the handler may change, in the order that programs see. Raises TypeError where the handler does not take what is asked for.
        """
        names = [field.name for field in dataclasses.fields(asks)] if isinstance(asks, type) else list(asks)
        parameters = inspect.signature(handler).parameters
        has_session, has_event = "session" in parameters, "event" in parameters

        def read(values: Sequence[Any]) -> dict[str, Any]:
            given = dict(zip(names, values[1:] if has_session else values, strict=True))
            arguments = {"request": asks(**given)} if isinstance(asks, type) else given
            return ({"session": values[0]} if has_session else {}) | arguments

        inspect.signature(handler).bind(**read([None] * (len(names) + has_session)), **({"event": None} if has_event else {}))
        inputs = [*([self.session] if has_session else []), *(self.components[name] for name in names)]
        outputs = [self.components[name] for name in changes]
        adapted = adapt(handler, read, changes, has_event=has_event)
        adapted.handler = handler  # type: ignore[attr-defined]  # for whoever asks whose event this is
        return {"fn": adapted, "inputs": inputs, "outputs": outputs}


def adapt(
    handler: Callable[..., Any], read: Callable[[Sequence[Any]], dict[str, Any]], changes: Sequence[str], *, has_event: bool
) -> Callable[..., Any]:
    """The handler as Gradio calls it: values by position in, values by position out."""
    if inspect.isgeneratorfunction(handler) and has_event:

        def stepwise_on_event(event: gr.EventData, *values: Any) -> Iterator[Any]:
            for update in handler(**read(values), event=event):
                yield list_values(update, changes)

        return stepwise_on_event
    if inspect.isgeneratorfunction(handler):

        def stepwise(*values: Any) -> Iterator[Any]:
            for update in handler(**read(values)):
                yield list_values(update, changes)

        return stepwise
    if has_event:

        def on_event(event: gr.EventData, *values: Any) -> Any:
            return list_values(handler(**read(values), event=event), changes)

        return on_event

    def at_once(*values: Any) -> Any:
        return list_values(handler(**read(values)), changes)

    return at_once


def list_values(update: Update | None, changes: Sequence[str]) -> Any:
    """The update in the order of the event's outputs. Raises KeyError for a component that the event does not list."""
    update = update or {}
    if unknown := set(update) - set(changes):
        raise KeyError(f"A handler changes {', '.join(sorted(unknown))}, which its event does not list.")
    values = [update.get(name, gr.skip()) for name in changes]
    return values[0] if len(values) == 1 else values or None
