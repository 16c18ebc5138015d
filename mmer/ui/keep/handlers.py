"""What happens behind the visitor's list: notes and tags, two entries side by side, links, and an exported analysis read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any, TypedDict
from urllib.parse import parse_qsl, urlencode

import gradio as gr

from mmer.errors import MmerError
from mmer.results import Analysis
from mmer.ui.explore.example_clip import ExampleClip, Opener
from mmer.ui.explore.examples import open_example
from mmer.ui.explore.imports import read_import, read_note
from mmer.ui.explore.session import KeptAnalysis, Session, name_aligner, name_clip
from mmer.ui.explore.updates import ExploreUpdate
from mmer.ui.keep import cards as keep_cards
from mmer.ui.page.failures import show_errors
from mmer.ui.texts import keep as texts
from mmer.ui.texts import shared
from mmer.views import build_payload, dump_payload

MOST_KEPT = 12  # entries of the list; the oldest that is not pinned goes first
MOST_BYTES = 300 * 2**20  # of all entries together: a dozen clips of half a minute, two or three of five
MOST_QUERY = 2000  # characters of a link


@dataclass(frozen=True)
class NoteRequest:
    """The person's own words about an entry; the fields are named as the components of `KeepPanel` are."""

    entries: int | None  # number of the entry
    note: str
    tags: str


class KeepUpdate(TypedDict, total=False):
    """New values of components of `KeepPanel` and `ComparisonView`; what is not named stays as it is."""

    entries: gr.Radio
    note: str
    tags: str
    pinned: str
    linked: str
    whole: gr.Column
    pair: str
    emotion: gr.Dropdown
    comparison: str


LISTED = ("entries", "note", "tags", "pinned", "whole", "pair", "emotion", "comparison")  # what a change of the list changes


@dataclass(frozen=True, eq=False)
class KeepHandlers:
    """What happens behind the panel. No model is asked. What links may name: examples, heads, aligners."""

    examples: Sequence[ExampleClip] = ()
    heads: Sequence[str] = ()
    aligners: Sequence[str] = ()
    open_stored: Opener = open_example  # what an example opens with

    def refresh(self, session: Session) -> KeepUpdate:
        """Adds the shown analysis to the list and selects it there."""
        if session.analysis is None:
            return {}
        return self.write_list(session, remember(session, session.analysis))

    def write_list(self, session: Session, chosen: KeptAnalysis | None, emotion: str | None = None) -> KeepUpdate:
        choices = [(keep_cards.name_kept(kept, session.pinned), kept.number) for kept in session.kept]
        return {
            "entries": gr.Radio(choices, value=chosen.number if chosen else None),
            "note": chosen.note if chosen else "",
            "tags": chosen.tags if chosen else "",
            "pinned": write_pinned(session.pinned),
            **self.show_side(session, emotion),
        }

    def show_side(self, session: Session, emotion: str | None) -> KeepUpdate:
        """A and B side by side, once both are pinned and speak of the same classes."""
        if not can_compare(session.pinned):
            session.drawn = ()
            return {"whole": gr.Column(visible=False), "pair": "", "emotion": gr.Dropdown([], value=None), "comparison": ""}
        one, other = (session.pinned[letter].analysis for letter in "AB")
        pair = tuple(session.pinned[letter].number for letter in "AB")
        classes = sorted(one.best.classes, key=lambda name: name != one.best.label)  # A's verdict first
        chosen = emotion if emotion in classes else classes[0]
        update: KeepUpdate = {"whole": gr.Column(visible=True)}
        if session.drawn != pair:
            update["pair"] = dump_pair([session.pinned[letter] for letter in "AB"])
        session.drawn = pair
        update["emotion"] = gr.Dropdown(classes, value=chosen)
        update["comparison"] = keep_cards.write_comparison(one, other, chosen)
        return update

    def choose(self, session: Session, entries: int | None) -> KeepUpdate:
        kept = find_kept(session, entries)
        return {"note": kept.note if kept else "", "tags": kept.tags if kept else ""}

    @show_errors
    def save(self, session: Session, request: NoteRequest) -> KeepUpdate:
        """Saves the person's note and tags with the entry."""
        kept = find_kept(session, request.entries)
        if kept is None:
            return {}
        kept.note = (request.note or "").strip()
        kept.tags = " ".join((request.tags or "").replace("#", " ").replace(",", " ").split())
        # whatever is chosen by now
        return {"entries": gr.Radio([(keep_cards.name_kept(one, session.pinned), one.number) for one in session.kept])}

    @show_errors
    def open(self, session: Session, entries: int | None) -> None:
        kept = need_kept(session, entries)
        session.take(kept.analysis, example=kept.example, origin="list")

    def pinner(self, letter: str) -> Callable[..., Any]:
        @show_errors
        def pin(session: Session, entries: int | None, emotion: str | None) -> KeepUpdate:
            kept = need_kept(session, entries)
            if session.pinned.get(letter) is kept:  # pressed once more
                del session.pinned[letter]
            elif kept in session.pinned.values():
                raise MmerError(texts.say_pinned_already("B" if letter == "A" else "A"))
            else:
                session.pinned[letter] = kept
            return self.write_list(session, kept, emotion)

        return pin

    @show_errors
    def pin_changed(self, session: Session, emotion: str | None) -> KeepUpdate:
        """Pins the original clip as A and the changed one as B; the shown analysis stays."""
        found = session.intervention
        if found is None:
            raise MmerError(shared.NOTHING_CHANGED)
        session.pinned = {letter: remember(session, one) for letter, one in (("A", found.original), ("B", found.changed))}
        return self.write_list(session, session.pinned["B"], emotion)

    @show_errors
    def remove(self, session: Session, entries: int | None, emotion: str | None) -> KeepUpdate:
        kept = need_kept(session, entries)
        session.kept = [one for one in session.kept if one is not kept]
        session.pinned = {letter: one for letter, one in session.pinned.items() if one is not kept}
        return self.write_list(session, session.kept[-1] if session.kept else None, emotion)

    def write_link(self, session: Session) -> KeepUpdate:
        return {"linked": self.read_link(session)}

    def read_link(self, session: Session) -> str:
        """The query of a link to what is shown, but for the selection; empty for a visitor's own clip or words, which none brings back."""
        analysis = session.analysis
        example = next((one for one in self.examples if analysis and is_of(analysis, one)), None)
        if analysis is None or example is None or (aligner := name_aligner(analysis)) is None:
            return ""
        stored = self.open_stored(example)
        wanted = {"head": (analysis.best.head, stored.best.head), "aligner": (aligner, name_aligner(stored))}
        return urlencode({"example": example.folder.name} | {name: asked for name, (asked, usual) in wanted.items() if asked != usual})

    @show_errors
    def follow_link(self, session: Session, query: str) -> ExploreUpdate:
        """Opens the example that a link names. Other settings than the stored ones are asked for later."""
        wanted = dict(parse_qsl(query[:MOST_QUERY].lstrip("?")))
        example = next((one for one in self.examples if one.folder.name == wanted.get("example")), None)
        if example is None:
            raise MmerError(texts.say_unknown_example(wanted.get("example", "")))
        stored = session.open_example(example, self.open_stored)
        session.show_example(example, stored)
        head = wanted.get("head") if wanted.get("head") in self.heads else stored.best.head
        aligner = wanted.get("aligner") if wanted.get("aligner") in self.aligners else name_aligner(stored)
        session.relink = (head, aligner) != (stored.best.head, name_aligner(stored))
        update: ExploreUpdate = {"audio": str(example.clip), "transcript": example.text}
        return {**update, "head": head, "aligner": aligner} if session.relink else update

    def follow_pair(self, session: Session, emotion: str) -> KeepUpdate:
        """The table for the emotion that the views above it explain."""
        side = self.show_side(session, emotion)
        return {"emotion": side["emotion"], "comparison": side["comparison"]}

    def show_comparison(self, session: Session, emotion: str) -> KeepUpdate:
        return {"comparison": self.show_side(session, emotion)["comparison"]}

    @show_errors
    def take_import(self, session: Session, importer: str | None) -> None:
        """An exported analysis becomes the one that is shown. `importer`: the file's path."""
        path = importer
        if path is None:
            raise MmerError(texts.NO_FILE)
        session.problem = ""
        try:
            analysis = read_import(path)
        except MmerError as error:
            session.problem = str(error)
            raise
        session.take(analysis, origin="file")
        note, tags = read_note(path)
        if note or tags:
            kept = remember(session, analysis)
            kept.note, kept.tags = note, tags


def is_of(analysis: Analysis, example: ExampleClip) -> bool:
    """Whether an analysis is of an example's clip with its own words."""
    return analysis.parent is None and analysis.transcript.text == example.text and analysis.clip.sha256 == read_sha256(example)


@cache
def read_sha256(example: ExampleClip) -> str:
    return open_example(example).clip.sha256


def can_compare(pinned: Mapping[str, KeptAnalysis]) -> bool:
    return len(pinned) == 2 and pinned["A"].analysis.best.classes == pinned["B"].analysis.best.classes


def dump_pair(pinned: Sequence[KeptAnalysis]) -> str:
    """The payloads of both as JSON text for `mmerViews.mountPair`, each under the name that the list gives it."""
    return dump_payload([{"title": name_clip(kept), "payload": build_payload(kept.analysis)} for kept in pinned])


def write_pinned(pinned: Mapping[str, KeptAnalysis]) -> str:
    """Says which entries are A and B, and where they stand side by side."""
    if not pinned:
        return f'<p class="mm-note">{texts.HOW_TO_PIN}</p>'
    entries = "".join(f"<li><b>{letter}</b> {escape(name_clip(kept))}</li>" for letter, kept in sorted(pinned.items()))
    if len(pinned) < 2:
        after = f'<p class="mm-note">{texts.say_pin_another("B" if "A" in pinned else "A")}</p>'
    elif can_compare(pinned):
        after = f'<p class="mm-note"><a href="#side-by-side">{texts.SIDE_BY_SIDE_BELOW}</a></p>'
    else:
        sets = [f"{letter}: {', '.join(kept.analysis.best.classes)}" for letter, kept in sorted(pinned.items())]
        after = f'<p class="mm-problem">{texts.UNLIKE_CLASSES} {escape("; ".join(sets))}.</p>'
    return f'<ul class="mk-pinned">{entries}</ul>{after}'


def remember(session: Session, analysis: Analysis) -> KeptAnalysis:
    """The entry of an analysis, made when there is none; the oldest that are neither new nor pinned make room."""
    for kept in session.kept:
        if kept.analysis is analysis or identify(kept.analysis) == identify(analysis):
            return kept
    session.numbered += 1
    kept = KeptAnalysis(session.numbered, analysis, session.example if analysis is session.analysis else None)
    session.kept.append(kept)
    while len(session.kept) > MOST_KEPT or sum(count_bytes(one.analysis) for one in session.kept) > MOST_BYTES:
        oldest = next((one for one in session.kept if one is not kept and one not in session.pinned.values()), None)
        if oldest is None:
            break
        session.kept.remove(oldest)
    return kept


def count_bytes(analysis: Analysis) -> int:
    """The bytes of sound and attention maps; everything else is small beside them."""
    maps = (m for prediction in analysis.predictions.values() for m in prediction.coattention.values())
    return analysis.clip.samples.nbytes + sum(m.text_to_speech.nbytes + m.speech_to_text.nbytes for m in maps)


def identify(analysis: Analysis) -> tuple[Any, ...]:
    models = tuple(prediction.head_sha256 for prediction in analysis.predictions.values())
    source = analysis.alignment.source if analysis.alignment else ""
    return analysis.clip.sha256, analysis.clip.outline, analysis.transcript.text, source, models, analysis.created, analysis.parent is None


def find_kept(session: Session, number: int | None) -> KeptAnalysis | None:
    return next((kept for kept in session.kept if kept.number == number), None)


def need_kept(session: Session, number: int | None) -> KeptAnalysis:
    kept = find_kept(session, number)
    if kept is None:
        raise MmerError(session.let_go or texts.CHOOSE_FIRST)
    return kept
