"""Notes on the Errors tab: written into the experiment's or batch's file; on a page for strangers the browser keeps its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import gradio as gr

from mmer.errors import DataError, MmerError
from mmer.files.guarded_json import parse_json
from mmer.notes.agreement import list_agreements
from mmer.notes.entries import Entry, Notes
from mmer.notes.exchange import LARGEST, read_json_notes
from mmer.notes.store import NotesFile
from mmer.ui.errors.session import ErrorsSession
from mmer.ui.texts import errors as texts

ASKED = ("ask", "action", "utterance", "coder", "kind", "value", "start", "end", "id")  # of an event
IN_FILE, IN_BROWSER = "file", "browser"  # where notes are kept


class NoteUpdate(TypedDict, total=False):
    """The answer to the page; what is not named stays as it is."""

    noted: str


def describe_notes(notes: Notes, key: str, *, is_kept: bool) -> dict[str, Any]:
    """What the page begins with; plain JSON types. `key`: under which a browser keeps notes of its own."""
    mode = IN_FILE if is_kept else IN_BROWSER
    return {"mode": mode, "key": key, "entries": list_plain(notes.current), "codebook": dict(notes.codebook)}


def list_plain(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in entries]


@dataclass(frozen=True, eq=False)
class NoteHandlers:
    """What the page writes; every event may have been sent by anybody who can open the page."""

    def note(self, session: ErrorsSession, event: gr.EventData) -> NoteUpdate:
        """One change, and what the file holds of that utterance then. `ask` tells the page which answer is which."""
        given = {
            name: getattr(event, name, None) for name in ("ask", "action", "utterance", "coder", "kind", "value", "start", "end", "id")
        }
        answer: dict[str, Any] = {"ask": given["ask"] if isinstance(given["ask"], int) else 0, "problem": ""}
        try:
            if session.table is None or session.notes is None:
                raise DataError(texts.NOTES_NOT_HERE)
            file, names = NotesFile(session.notes), set(session.table.frame["utterance"])
            if given["action"] == "add" and (not isinstance(given["utterance"], str) or given["utterance"] not in names):
                raise DataError(texts.CHOOSE_FIRST)
            answer |= find_action(given["action"])(file, given)
            notes = file.read()
            shown = notes.current if given["action"] == "import" else [e for e in notes.current if e.utterance == given["utterance"]]
            answer |= {"utterance": given["utterance"], "entries": list_plain(shown), "codebook": dict(notes.codebook)}
        except MmerError as error:
            answer["problem"] = str(error)
        return {"noted": json.dumps(answer)}


Action = Callable[[NotesFile, Mapping[str, Any]], dict[str, Any]]


def find_action(name: Any) -> Action:
    """Raises DataError for what no page of ours asks for."""
    if not isinstance(name, str) or name not in ACTIONS:
        raise DataError(texts.CHOOSE_FIRST)
    return ACTIONS[name]


def _add(file: NotesFile, given: Mapping[str, Any]) -> dict[str, Any]:
    file.add(given["utterance"], given["coder"], given["kind"], given["value"] or "", start=given["start"], end=given["end"])
    return {}


def _take_back(file: NotesFile, given: Mapping[str, Any]) -> dict[str, Any]:
    file.take_back(given["id"], given["coder"])
    return {}


def _define(file: NotesFile, given: Mapping[str, Any]) -> dict[str, Any]:
    file.define(given["kind"], given["value"] or "")
    return {}


def _import(file: NotesFile, given: Mapping[str, Any]) -> dict[str, Any]:
    text = given["value"] if isinstance(given["value"], str) else ""
    if len(text) > LARGEST:
        raise DataError(texts.NOTES_TOO_LARGE)
    brought = read_json_notes(parse_json(text, texts.THE_FILE), texts.THE_FILE)
    return {"added": file.merge(brought.entries, brought.codebook), "of": len(brought.entries)}


def _agree(file: NotesFile, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"agreements": [one.sentence for one in list_agreements(file.read().entries)]}


ACTIONS: Mapping[str, Action] = {"add": _add, "take back": _take_back, "define": _define, "import": _import, "agree": _agree}
