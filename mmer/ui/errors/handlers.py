"""What the Errors tab's events do: list sources, send a table to the page once, play a clip, measure the intervals of bars."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import parse_qs

import gradio as gr

from mmer.datasets.clips import load_clip
from mmer.datasets.dataset import Utterance
from mmer.error_table.batch_table import read_batch_table
from mmer.error_table.data import find_recording, read_table_with_data
from mmer.error_table.findings.doubted_labels import list_doubted
from mmer.error_table.findings.noted import add_notes
from mmer.error_table.findings.slices import list_slices
from mmer.error_table.joined import join_tables
from mmer.error_table.measures import add_measures
from mmer.error_table.page import PageSource, build_payload, measure_bars
from mmer.error_table.table import UtteranceTable
from mmer.errors import DataError, MmerError
from mmer.experiments.data_roots import allow_path
from mmer.experiments.training_service import TrainingService, is_recorded
from mmer.notes.entries import Notes
from mmer.notes.store import NotesFile, place_batch_notes, place_notes
from mmer.ui.errors.noting import describe_notes
from mmer.ui.errors.session import ErrorsSession
from mmer.ui.page.failures import show_errors
from mmer.ui.texts import errors as texts
from mmer.views.payload import dump_payload, encode_sound

MOST_ROWS = {False: 200_000, True: 20_000}  # is_public -> of an uploaded table
MOST_KEPT = 4  # tables of experiments that all visitors share
LONGEST_ADDRESS = 8000
UPLOADED = "uploaded"
ADDRESS = "#errors?"


class ErrorsUpdate(TypedDict, total=False):
    """New values of components of the tab; what is not named stays as it is."""

    source: Any
    other: Any
    view: str
    said: str
    sound: str
    intervals: str
    findings: str


@dataclass(eq=False)
class TableCache:
    """The tables that were looked at last, shared by all visitors: they are only read."""

    kept: OrderedDict[Any, UtteranceTable] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key: Any, read: Callable[[], UtteranceTable]) -> UtteranceTable:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        table = read()
        with self.lock:
            self.kept[key] = table
            while len(self.kept) > MOST_KEPT:
                self.kept.popitem(last=False)
        return table


@dataclass(frozen=True, eq=False)
class ErrorsHandlers:
    """The handlers of one app; strangers see recorded experiments and their own table alone."""

    service: TrainingService
    is_public: bool = False
    cache: TableCache = field(default_factory=TableCache)

    def list_sources(self) -> list[tuple[str, str]]:
        """(title, key) of every experiment that has predictions to show."""
        found = self.service.list()
        return [
            (texts.name_source(s.name, recorded=is_recorded(key), problem=s.problem, state=s.status.state), key)
            for key, s in found
            if is_recorded(key) or not self.is_public
        ]

    def open(self, session: ErrorsSession, source: str | None, address: str) -> ErrorsUpdate:
        """The tab was opened: the list anew, and what the address names, unless something is chosen already."""
        listed = self.list_sources()
        keys = [key for _, key in listed]
        wanted = read_address(address)
        chosen = source if source in keys else next((key for key in wanted[:1] if key in keys), None)
        beside = next((key for key in wanted[1:] if key in keys and chosen == wanted[0]), None)
        update: ErrorsUpdate = {"said": "" if listed else f'<p class="mm-note">{escape(texts.NO_EXPERIMENTS)}</p>'}
        if source in keys or chosen is None:
            return {**update, "source": gr.Dropdown(listed), "other": gr.Dropdown([(texts.NONE, ""), *listed])}
        named: ErrorsUpdate = {
            "source": gr.Dropdown(listed, value=chosen),
            "other": gr.Dropdown([(texts.NONE, ""), *listed], value=beside or ""),
        }
        return {**update, **self.choose(session, chosen, beside), **named}

    def choose(self, session: ErrorsSession, source: str | None, other: str | None) -> ErrorsUpdate:
        """An experiment was chosen, or a second one beside it."""
        if not source:
            return {}
        session.table, session.sources, session.notes = None, (), None
        beside = other if other and other != source else ""
        try:
            table = self.read(source)
            if beside:
                table = join_tables(table, self.read(beside))
            sources = tuple(key for key in (source, beside) if key)
            place = place_page_notes(self.service, sources, is_public=self.is_public)
            table, notes = with_notes(table, place, source)
        except MmerError as error:
            return say_problem(error)
        session.table, session.sources, session.notes = table, sources, place
        arguments = (*map(name_key, sources), *self.list_arguments(source, table))
        return show(table, PageSource(source, beside, arguments, self.can_play(table)), notes)

    def list_arguments(self, source: str, table: UtteranceTable) -> tuple[str, ...]:
        """The folders that the shell must be told of; strangers see no path."""
        roots = [argument for root in self.list_roots(recorded=is_recorded(source)) for argument in ("--data-root", str(root))]
        own = ("--runs", str(self.service.runs)) if self.service.runs not in (None, Path("runs")) else ()
        return () if self.is_public else (*(roots if table.utterances else ()), *own)

    def read(self, key: str) -> UtteranceTable:
        if self.is_public and not is_recorded(key):
            raise DataError(texts.CHOOSE_FIRST)
        folder = self.service.find(key)
        _, learned = self.service.sign(key)
        roots = self.list_roots(recorded=is_recorded(key))

        def read() -> UtteranceTable:
            return add_measures(read_table_with_data(folder, roots=roots), self.service.features, measure=False)

        return self.cache.find((key, learned), read)

    def list_roots(self, *, recorded: bool) -> tuple[Path, ...]:
        """The folders that an experiment's data set may lie in. What came with the app is for strangers too."""
        own = () if self.is_public or self.service.closed else self.service.roots
        return (*own, *([self.service.shipped] if recorded and self.service.shipped else []))

    def can_play(self, table: UtteranceTable) -> bool:
        """Of a batch each row is looked for when it is asked for."""
        if table.listed is not None:
            return bool(self.service.roots) and not self.is_public and not self.service.closed
        return bool(table.utterances) and any(u.has_audio for u in (table.utterances or {}).values())

    def upload(self, session: ErrorsSession, table_file: str | None) -> ErrorsUpdate:
        """A visitor's own batch table, seen by nobody else."""
        if not table_file:
            return {}
        path, most = Path(table_file), MOST_ROWS[self.is_public]
        try:
            table = read_batch_table(path)
            if len(table.frame) > most:
                raise DataError(texts.TOO_MANY.format(most=most))
            place = place_page_notes(self.service, (), is_public=self.is_public, batch=path)
            table, notes = with_notes(table, place, f"{UPLOADED} {table.title}")
        except MmerError as error:
            session.table, session.sources, session.notes = None, (), None
            return {"source": None, "other": "", **say_problem(error)}
        session.table, session.sources, session.notes = table, (), place
        source = PageSource(UPLOADED, arguments=(path.name,), can_play=self.can_play(table))
        return {"source": None, "other": "", **show(table, source, notes)}

    @show_errors
    def play(self, session: ErrorsSession, event: gr.EventData) -> ErrorsUpdate:
        """The sound of one row, by the name that the table has for it: never a path."""
        name = getattr(event, "utterance", None)
        if session.table is None or not isinstance(name, str):
            raise DataError(texts.CHOOSE_FIRST)
        utterance = self.find_utterance(session.table, name)
        return {"sound": dump_payload({"utterance": name, "sound": encode_sound(load_clip(utterance))})}

    def find_utterance(self, table: UtteranceTable, name: str) -> Utterance:
        """The recording of one row, below a folder that this page may read. Raises DataError where there is none."""
        if table.listed is not None:
            row = table.listed.get(name)
            if row is None or self.is_public or self.service.closed:
                raise DataError(texts.NOT_PLAYED)
            return find_recording(row, self.service.roots)
        utterance, roots = (table.utterances or {}).get(name), self.list_roots(recorded=True)
        if utterance is None or not roots:
            raise DataError(texts.NOT_PLAYED)
        allow_path(str(utterance.path), roots)
        return utterance

    def measure(self, session: ErrorsSession, event: gr.EventData) -> ErrorsUpdate:
        """Intervals of the bars that the page shows; `ask` tells the page which answer is which."""
        ask, filters, bars = (getattr(event, name, None) for name in ("ask", "filters", "bars"))
        if session.table is None or not are_texts(filters) or not are_texts(bars):
            return {"intervals": dump_payload({"ask": ask if isinstance(ask, int) else 0, "found": [], "problem": texts.CHOOSE_FIRST})}
        answer: dict[str, Any] = {"ask": ask if isinstance(ask, int) else 0, "found": [], "problem": ""}
        try:
            answer["found"] = measure_bars(session.table, filters or (), bars or ())
        except MmerError as error:
            answer["problem"] = str(error)
        return {"intervals": json.dumps(answer)}


def place_page_notes(service: TrainingService, sources: tuple[str, ...], *, is_public: bool, batch: Path | None = None) -> Path | None:
    """The file of the notes of what is shown, of the first of two experiments; None where nothing is written: the browser keeps them."""
    if is_public or service.closed or service.runs is None:
        return None
    if batch is not None:
        return place_batch_notes(service.runs, batch.read_bytes())
    return place_notes(service.runs, service.find(sources[0]).path)


def with_notes(table: UtteranceTable, place: Path | None, key: str) -> tuple[UtteranceTable, dict[str, Any]]:
    """The table with the columns of notes, and what the page must know of these. Raises DataError for a damaged file of notes."""
    found = NotesFile(place).read() if place else Notes()
    return add_notes(table, found, always=True), describe_notes(found, key, is_kept=place is not None)


def explore_table(session: ErrorsSession) -> ErrorsUpdate:
    """Slices and labels worth a look, of the whole table; each finding with the filters that give its rows."""
    found: list[dict[str, Any]] = []
    for name, search in (("slices", list_slices), ("doubted", list_doubted)):
        try:
            if session.table is None:
                raise DataError(texts.CHOOSE_FIRST)
            findings, said = search(session.table)
            lines = [{"text": one.sentence, "filters": list(map(str, one.filters))} for one in findings]
            found.append({"name": name, "said": said, "lines": lines})
        except MmerError as error:
            found.append({"name": name, "said": str(error), "lines": []})
    return {"findings": dump_payload(found)}


def show(table: UtteranceTable, source: PageSource, notes: dict[str, Any]) -> ErrorsUpdate:
    return {"view": dump_payload(build_payload(table, source, notes)), "said": "", "sound": "", "intervals": "", "findings": ""}


def say_problem(error: MmerError) -> ErrorsUpdate:
    """In the place of a table: why there is none."""
    return {
        "view": "",
        "said": f'<p class="mm-problem" role="alert">{escape(str(error))}</p>',
        "sound": "",
        "intervals": "",
        "findings": "",
    }


def are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def read_address(address: str | None) -> Sequence[str]:
    """The keys of the sources that the address after # names: `#errors?source=recorded/a&with=run/b`."""
    text = address or ""
    if not text.startswith(ADDRESS) or len(text) > LONGEST_ADDRESS:
        return ("", "")
    query = parse_qs(text.removeprefix(ADDRESS))
    return tuple(query.get(name, [""])[0] for name in ("source", "with"))


def name_key(key: str) -> str:
    """How the shell names an experiment of the list; recorded ones lie in a folder of their own."""
    name = key.partition("/")[2]
    return f"assets/runs/{name}" if is_recorded(key) else name
