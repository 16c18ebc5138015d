"""The one place where an error that a person can mend becomes a message on the page."""

from __future__ import annotations

import functools
import html
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from mmer.errors import Cancelled, MmerError
from mmer.ui.texts import page as texts


def show_errors(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, raising gr.Error with the sentence of any MmerError. Other exceptions stay loud."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stepwise(*args: Any, **options: Any) -> Iterator[Any]:
            try:
                yield from handler(*args, **options)
            except MmerError as error:
                raise make_error_toast(error) from error

        return stepwise

    @functools.wraps(handler)
    def at_once(*args: Any, **options: Any) -> Any:
        try:
            return handler(*args, **options)
        except MmerError as error:
            raise make_error_toast(error) from error

    return at_once


def make_error_toast(error: MmerError) -> gr.Error:
    """The toast for an error, escaped because Gradio renders it as HTML; none for what the person stopped."""
    return gr.Error(
        html.escape(str(error), quote=False),
        title=texts.REFUSED,
        duration=12,
        visible=not isinstance(error, Cancelled),
        print_exception=False,
    )
