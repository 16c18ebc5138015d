"""Why the endpoints for programs refuse a request. What each of them is for stands in its docstring, which Gradio reads."""

from __future__ import annotations

NO_FILE = "No audio file was sent."
NOTHING_TO_COMPARE = "There is nothing to compare: send other (a second recording), other_text or other_head."
NO_EDITS = 'edits must be a list of objects such as {"kind": "mute", "target": {"tier": "word", "index": 0}}.'
NO_VOICE = "swap voice needs another recording: send it as voice."
CORRECTED_TWICE = "correct words stands in the list more than once; send the words that are really said in one edit."


def say_no_kind(kind: str, known: str) -> str:
    return f"There is no kind of file {kind[:40]!r}. Choose one of: {known}."


def say_no_text(argument: str, value: str) -> str:
    return f"{argument} must be text, not {value[:60]}."


def say_many_edits(count: int, most: int) -> str:
    return f"There are {count} edits; at most {most} are made at once."


def say_no_server(problem: str | None) -> str:
    return f"The MCP server did not start: {problem or 'it was not asked for'}."
