"""Compare and keep: the visitor's list with notes and tags, two of its entries side by side, and an exported analysis read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ..errors import MmerError
from ..results import Analysis
from . import keep_cards
from .failures import for_people
from .imports import read_import
from .session import Kept, Session

MOST_KEPT = 12  # entries of the list; the oldest that is not pinned goes first
HIDDEN: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
CAPTION = (
    f"What you analysed on this page, the last {MOST_KEPT}. It is kept in memory for you alone and gone when you close the page or after "
    "30 minutes without use; nothing you record stays on the server. To keep a result, export it; its JSON can be opened again here."
)
EMPTY = '<p class="mm-note">Pin one entry as A and one as B to see them side by side.</p>'


@dataclass
class Panel:
    """What the panel is made of."""

    entries: gr.Radio
    note: gr.Textbox
    tags: gr.Textbox
    open: gr.Button
    pins: dict[str, gr.Button]
    remove: gr.Button
    link: gr.Button
    linked: gr.Textbox  # folder of the example that is shown, for the browser
    emotion: gr.Dropdown
    comparison: gr.HTML

    @property
    def listed(self) -> list[Any]:
        """In the order of KeepHandlers.write_list."""
        return [self.entries, self.note, self.tags, self.emotion, self.comparison]


def build(head_section: Callable[[str, str], None]) -> Panel:
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="mm-panel", elem_id="keep"):
        head_section("Your session", CAPTION)
        parts["entries"] = gr.Radio([], label="Analysed", elem_id="keep-list", elem_classes="mk-list")
        with gr.Row():
            parts["note"] = gr.Textbox(label="Note", max_length=2000, elem_id="keep-note", min_width=220, scale=2)
            parts["tags"] = gr.Textbox(label="Tags, with blanks between", max_length=200, elem_id="keep-tags", min_width=160)
        with gr.Row(elem_classes="mc-go"):
            parts["open"] = gr.Button("Open", size="sm", elem_id="keep-open")
            parts["pins"] = {letter: gr.Button(f"Pin as {letter}", size="sm", elem_id=f"keep-pin-{letter}") for letter in "AB"}
            parts["remove"] = gr.Button("Remove", size="sm", elem_id="keep-remove")
            parts["link"] = gr.Button("Copy a link to what is shown", size="sm", elem_id="keep-link")
        parts["linked"] = gr.Textbox(visible="hidden", label="Example", container=False)
        gr.HTML('<p class="mm-note" id="keep-link-text" aria-live="polite"></p>')
        gr.HTML('<div class="mm-section mk-head"><h2>Side by side</h2></div>')
        parts["emotion"] = gr.Dropdown([], label="Emotion of the contributions", visible=False, elem_id="keep-emotion", min_width=160)
        parts["comparison"] = gr.HTML(EMPTY, elem_id="keep-comparison")
    return Panel(**parts)


def build_import() -> gr.UploadButton:
    return gr.UploadButton("Open an exported JSON", size="sm", file_types=[".json"], elem_id="import")


@dataclass(frozen=True, eq=False)
class KeepHandlers:
    """What happens behind the panel. No model is asked."""

    def refresh(self, session: Session) -> tuple:
        """What is shown is in the list, and chosen there."""
        if session.analysis is None:
            return tuple(gr.skip() for _ in range(5))
        kept = remember(session, session.analysis)
        return self.write_list(session, kept)

    def write_list(self, session: Session, chosen: Kept | None, emotion: str | None = None) -> tuple:
        choices = [(keep_cards.name_kept(kept, session.pinned), kept.number) for kept in session.kept]
        classes, shown = self.compare(session, emotion)
        return (
            gr.Radio(choices, value=chosen.number if chosen else None),
            chosen.note if chosen else "",
            chosen.tags if chosen else "",
            gr.Dropdown(classes, value=emotion if emotion in classes else (classes[0] if classes else None), visible=bool(classes)),
            shown,
        )

    def compare(self, session: Session, emotion: str | None) -> tuple[list[str], str]:
        """(the emotions to choose from, the comparison as HTML)."""
        if len(session.pinned) < 2:
            pinned = "".join(f'<p class="mm-note">{letter} is {escape(k.analysis.clip.name)}.</p>' for letter, k in session.pinned.items())
            return [], pinned + EMPTY
        one, other = (session.pinned[letter].analysis for letter in "AB")
        if one.best.classes != other.best.classes:
            return [], '<p class="mm-problem">A and B speak of different classes, so their numbers can\'t be set side by side.</p>'
        classes = sorted(one.best.classes, key=lambda name: name != one.best.label)  # A's verdict first
        chosen = emotion if emotion in classes else classes[0]
        return classes, keep_cards.write_comparison(one, other, chosen)

    def choose(self, session: Session, number: int | None) -> tuple:
        kept = find_kept(session, number)
        return (kept.note, kept.tags) if kept else ("", "")

    @for_people
    def save(self, session: Session, number: int | None, note: str, tags: str) -> Any:
        """The person's own words, kept with the entry."""
        kept = find_kept(session, number)
        if kept is None:
            return gr.skip()
        kept.note, kept.tags = (note or "").strip(), " ".join((tags or "").replace("#", " ").replace(",", " ").split())
        return gr.Radio([(keep_cards.name_kept(one, session.pinned), one.number) for one in session.kept], value=kept.number)

    @for_people
    def open(self, session: Session, number: int | None) -> None:
        kept = need_kept(session, number)
        session.begin()
        session.analysis, session.example = kept.analysis, kept.example

    def pinner(self, letter: str) -> Callable:
        @for_people
        def pin(session: Session, number: int | None, emotion: str | None) -> tuple:
            kept = need_kept(session, number)
            session.pinned[letter] = kept
            return self.write_list(session, kept, emotion)

        return pin

    @for_people
    def remove(self, session: Session, number: int | None, emotion: str | None) -> tuple:
        kept = need_kept(session, number)
        session.kept = [one for one in session.kept if one is not kept]
        session.pinned = {letter: one for letter, one in session.pinned.items() if one is not kept}
        return self.write_list(session, session.kept[-1] if session.kept else None, emotion)

    def name_example(self, session: Session) -> str:
        """The example that is shown, by its folder's name; empty for a visitor's own clip, which no link can bring back."""
        stored = session.example is not None and session.analysis is not None
        return session.example.folder.name if stored and session.example else ""

    def show_comparison(self, session: Session, emotion: str) -> str:
        return self.compare(session, emotion)[1]

    @for_people
    def take_import(self, session: Session, path: str | None) -> None:
        """An exported analysis becomes the one that is shown."""
        if path is None:
            raise MmerError("No file was sent.")
        session.problem = ""
        try:
            analysis = read_import(path)
        except MmerError as error:
            session.problem = str(error)
            raise
        session.begin()
        session.analysis, session.example = analysis, None


def remember(session: Session, analysis: Analysis) -> Kept:
    """The entry of an analysis, made when there is none; the oldest that is not pinned makes room."""
    for kept in session.kept:
        if kept.analysis is analysis or identify(kept.analysis) == identify(analysis):
            return kept
    session.numbered += 1
    kept = Kept(session.numbered, analysis, session.example)
    session.kept.append(kept)
    while len(session.kept) > MOST_KEPT:
        oldest = next(one for one in session.kept if one not in session.pinned.values())
        session.kept.remove(oldest)
    return kept


def identify(analysis: Analysis) -> tuple:
    models = tuple(prediction.head_sha256 for prediction in analysis.predictions.values())
    source = analysis.alignment.source if analysis.alignment else ""
    return analysis.clip.sha256, analysis.clip.outline, analysis.transcript.text, source, models, analysis.created, analysis.parent is None


def find_kept(session: Session, number: int | None) -> Kept | None:
    return next((kept for kept in session.kept if kept.number == number), None)


def need_kept(session: Session, number: int | None) -> Kept:
    kept = find_kept(session, number)
    if kept is None:
        raise MmerError("Choose an entry of the list first.")
    return kept


def wire(handlers: KeepHandlers, panel: Panel, importer: gr.UploadButton, session: gr.State, shown: gr.HTML, show_again: Callable) -> Any:
    """`shown`: the linked views, whose change means another result. `show_again(event)` shows the session's analysis after an event.

    Returns the event of an import, whose failure the caller shows.
    """
    shown.change(handlers.refresh, session, panel.listed, api_name="refresh_list", **HIDDEN)
    panel.entries.input(handlers.choose, [session, panel.entries], [panel.note, panel.tags], api_name="choose_kept", **HIDDEN)
    written = [session, panel.entries, panel.note, panel.tags]
    for number, event in enumerate((panel.note.blur, panel.note.submit, panel.tags.blur, panel.tags.submit)):
        event(handlers.save, written, panel.entries, api_name=f"save_note_{number}", **HIDDEN)
    show_again(panel.open.click(handlers.open, [session, panel.entries], api_name="open_kept", **HIDDEN))
    chosen = [session, panel.entries, panel.emotion]
    for letter, button in panel.pins.items():
        button.click(handlers.pinner(letter), chosen, panel.listed, api_name=f"pin_{letter.lower()}", **HIDDEN)
    panel.remove.click(handlers.remove, chosen, panel.listed, api_name="remove_kept", **HIDDEN)
    named = panel.link.click(handlers.name_example, session, panel.linked, api_name="name_example", **HIDDEN)
    named.success(fn=None, inputs=panel.linked, js="(example) => { window.mmerKeep.copyLink(example); }", api_visibility="private")
    panel.emotion.input(handlers.show_comparison, [session, panel.emotion], panel.comparison, api_name="choose_compared_emotion", **HIDDEN)
    imported = importer.upload(handlers.take_import, [session, importer], api_name="import_analysis", **HIDDEN)
    show_again(imported)
    return imported
