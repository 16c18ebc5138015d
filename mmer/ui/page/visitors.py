"""Who asks: one Gradio session, however many share an address (a class does)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from gradio.context import LocalContext


def name_visitor(session: Any = None) -> Hashable:
    """The Gradio session of the handler that runs now; without one, as in a test, the visitor's own `session` object."""
    request = LocalContext.request.get(None)
    return getattr(request, "session_hash", None) or (None if session is None else id(session))
