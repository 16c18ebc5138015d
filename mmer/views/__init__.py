"""Analysis -> the linked views: one payload, drawn in the browser by our own scripts, the same in the app and in the offline report."""

from mmer.views.page import read_script, read_style, render_views
from mmer.views.payload import build_payload, dump_payload

__all__ = ["build_payload", "dump_payload", "read_script", "read_style", "render_views"]
