"""Compare and keep: the visitor's list with notes and tags, two of its entries side by side, and an exported analysis read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

import gradio as gr

from mmer.errors import MmerError
from mmer.results import Analysis
from mmer.ui.explore.examples import ExampleClip, Opener, open_example
from mmer.ui.explore.imports import MOST_NOTE, MOST_TAGS, read_import, read_note
from mmer.ui.explore.session import KeptAnalysis, Session, name_aligner
from mmer.ui.keep import cards as keep_cards
from mmer.ui.page.events import IMPORT_QUEUE, POLL, QUIET
from mmer.ui.page.failures import show_errors
from mmer.views import build_payload, dump_payload

LISTED = 8  # how many components KeepHandlers.write_list fills
MOST_KEPT = 12  # entries of the list; the oldest that is not pinned goes first
MOST_BYTES = 300 * 2**20  # of all entries together: a dozen clips of half a minute, two or three of five
MOST_QUERY = 2000  # characters of a link
CAPTION = (
    f"What you analysed on this page, the last {MOST_KEPT}. It is kept in memory for you alone and gone five minutes after you close the "
    "page, or after 30 minutes without use; nothing you record stays on the server. To keep a result, export it; its JSON can be opened "
    "again here."
)
HOW_TO_PIN = "Pin one entry as A and one as B to see them side by side: two clips, two versions of one, two heads, or heads of two folds."
SIDE_CAPTION = (
    "One time axis and one scale for both. What is chosen in one is chosen in the other, by word. A solid line below a segment: its word "
    "is not in the other; a dashed one: it adds clearly more or less there, by over a tenth of the scale. Small numbers are the other's."
)
SHOW_PAIR = """
const place = element.querySelector(".mv-pair-place");
const show = () => { if (props.value) window.mmerViews.mountPair(place, JSON.parse(props.value)); else window.mmerViews.unmount(place); };
watch("value", show);
show();
"""


@dataclass
class KeepPanel:
    """What the panel is made of."""

    entries: gr.Radio
    note: gr.Textbox
    tags: gr.Textbox
    open: gr.Button
    pins: dict[str, gr.Button]
    remove: gr.Button
    link: gr.Button
    linked: gr.Textbox  # query of the link to what is shown, for the browser
    pinned: gr.HTML  # what is pinned

    @property
    def listed(self) -> list[Any]:
        """In the order of KeepHandlers.write_list."""
        return [self.entries, self.note, self.tags, self.pinned]


@dataclass
class ComparisonView:
    """A and B side by side, across the whole page."""

    whole: gr.Column
    pair: gr.HTML  # its value is the two payloads of mmer.views as JSON text
    follow: gr.Button  # pressed by the browser when both views explain another emotion
    emotion: gr.Dropdown
    comparison: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """In the order of KeepHandlers.show_side."""
        return [self.whole, self.pair, self.emotion, self.comparison]


def build_side(head_section: Callable[[str, str], None]) -> ComparisonView:
    with gr.Column(visible=False, elem_classes="mm-panel", elem_id="side-by-side") as whole:
        head_section("Side by side", SIDE_CAPTION)
        pair = gr.HTML(
            "",
            elem_id="pair",
            html_template='<div class="mv-pair-place"></div>',
            js_on_load=SHOW_PAIR,
            apply_default_css=False,
            elem_classes="mm-views",
        )
        head_section(
            "Differences in numbers", "Every probability and logit of both, the words in order, and the layer weights that differ."
        )
        follow = gr.Button("Follow", elem_classes="mm-hidden", elem_id="keep-emotion-follow")
        emotion = gr.Dropdown([], label="Emotion of the contributions", elem_id="keep-emotion", min_width=160)
        comparison = gr.HTML("", elem_id="keep-comparison")
    return ComparisonView(whole, pair, follow, emotion, comparison)


def build(head_section: Callable[[str, str], None]) -> KeepPanel:
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="mm-panel", elem_id="keep"):
        head_section("Your session", CAPTION)
        parts["entries"] = gr.Radio([], label="Analysed", elem_id="keep-list", elem_classes="mk-list")
        with gr.Row():
            parts["note"] = gr.Textbox(label="Note", max_length=MOST_NOTE, elem_id="keep-note", min_width=220, scale=2)
            parts["tags"] = gr.Textbox(label="Tags, with blanks between", max_length=MOST_TAGS, elem_id="keep-tags", min_width=160)
        with gr.Row(elem_classes="mc-go"):
            parts["open"] = gr.Button("Open", size="sm", elem_id="keep-open")
            parts["pins"] = {letter: gr.Button(f"Pin as {letter}", size="sm", elem_id=f"keep-pin-{letter}") for letter in "AB"}
            parts["remove"] = gr.Button("Remove", size="sm", elem_id="keep-remove")
            parts["link"] = gr.Button("Copy a link to what is shown", size="sm", elem_id="keep-link")
        parts["linked"] = gr.Textbox(elem_classes="mm-hidden", label="Link", container=False)
        gr.HTML('<p class="mm-note" id="keep-link-text" aria-live="polite"></p><p class="mm-note" id="keep-link-status" role="status"></p>')
        parts["pinned"] = gr.HTML(write_pinned({}), elem_id="keep-pinned")
    return KeepPanel(**parts)


def build_follow() -> tuple[gr.Button, gr.Textbox]:
    """Pressed by the browser when the page was opened by a link, with the link's query. Not among the results, which are not there yet."""
    return gr.Button("Follow the link", elem_classes="mm-hidden", elem_id="keep-follow"), gr.Textbox(
        elem_classes="mm-hidden", label="Query", container=False
    )


def build_import() -> gr.UploadButton:
    return gr.UploadButton("Open an exported JSON", size="sm", file_types=[".json"], elem_id="import")


@dataclass(frozen=True, eq=False)
class KeepHandlers:
    """What happens behind the panel. No model is asked. What links may name: examples, heads, aligners."""

    examples: Sequence[ExampleClip] = ()
    heads: Sequence[str] = ()
    aligners: Sequence[str] = ()
    open_stored: Opener = open_example  # what an example opens with

    def refresh(self, session: Session) -> tuple:
        """What is shown is in the list, and chosen there."""
        if session.analysis is None:
            return tuple(gr.skip() for _ in range(LISTED))
        kept = remember(session, session.analysis)
        return self.write_list(session, kept)

    def write_list(self, session: Session, chosen: KeptAnalysis | None, emotion: str | None = None) -> tuple:
        choices = [(keep_cards.name_kept(kept, session.pinned), kept.number) for kept in session.kept]
        return (
            gr.Radio(choices, value=chosen.number if chosen else None),
            chosen.note if chosen else "",
            chosen.tags if chosen else "",
            write_pinned(session.pinned),
            *self.show_side(session, emotion),
        )

    def show_side(self, session: Session, emotion: str | None) -> tuple:
        """A and B side by side, once both are pinned and speak of the same classes."""
        if not can_compare(session.pinned):
            session.drawn = ()
            return gr.Column(visible=False), "", gr.Dropdown([], value=None), ""
        one, other = (session.pinned[letter].analysis for letter in "AB")
        pair = tuple(session.pinned[letter].number for letter in "AB")
        classes = sorted(one.best.classes, key=lambda name: name != one.best.label)  # A's verdict first
        chosen = emotion if emotion in classes else classes[0]
        drawn = gr.skip() if session.drawn == pair else dump_pair([session.pinned[letter] for letter in "AB"])
        session.drawn = pair
        return gr.Column(visible=True), drawn, gr.Dropdown(classes, value=chosen), keep_cards.write_comparison(one, other, chosen)

    def choose(self, session: Session, number: int | None) -> tuple:
        kept = find_kept(session, number)
        return (kept.note, kept.tags) if kept else ("", "")

    @show_errors
    def save(self, session: Session, number: int | None, note: str, tags: str) -> Any:
        """The person's own words, kept with the entry."""
        kept = find_kept(session, number)
        if kept is None:
            return gr.skip()
        kept.note, kept.tags = (note or "").strip(), " ".join((tags or "").replace("#", " ").replace(",", " ").split())
        return gr.Radio([(keep_cards.name_kept(one, session.pinned), one.number) for one in session.kept])  # whatever is chosen by now

    @show_errors
    def open(self, session: Session, number: int | None) -> None:
        kept = need_kept(session, number)
        session.take(kept.analysis, example=kept.example, origin="list")

    def pinner(self, letter: str) -> Callable:
        @show_errors
        def pin(session: Session, number: int | None, emotion: str | None) -> tuple:
            kept = need_kept(session, number)
            if session.pinned.get(letter) is kept:  # pressed once more
                del session.pinned[letter]
            elif kept in session.pinned.values():
                raise MmerError(f"This entry is pinned as {'B' if letter == 'A' else 'A'} already; choose another one to set beside it.")
            else:
                session.pinned[letter] = kept
            return self.write_list(session, kept, emotion)

        return pin

    @show_errors
    def pin_changed(self, session: Session, emotion: str | None) -> tuple:
        """The clip that was changed as A and the changed one as B; what is shown stays."""
        found = session.intervention
        if found is None:
            raise MmerError("Nothing was changed yet.")
        session.pinned = {letter: remember(session, one) for letter, one in (("A", found.original), ("B", found.changed))}
        return self.write_list(session, session.pinned["B"], emotion)

    @show_errors
    def remove(self, session: Session, number: int | None, emotion: str | None) -> tuple:
        kept = need_kept(session, number)
        session.kept = [one for one in session.kept if one is not kept]
        session.pinned = {letter: one for letter, one in session.pinned.items() if one is not kept}
        return self.write_list(session, session.kept[-1] if session.kept else None, emotion)

    def write_link(self, session: Session) -> str:
        """The query of a link to what is shown, but for the selection; empty for a visitor's own clip or words, which none brings back."""
        analysis = session.analysis
        example = next((one for one in self.examples if analysis and is_of(analysis, one)), None)
        if analysis is None or example is None or (aligner := name_aligner(analysis)) is None:
            return ""
        stored = self.open_stored(example)
        wanted = {"head": (analysis.best.head, stored.best.head), "aligner": (aligner, name_aligner(stored))}
        return urlencode({"example": example.folder.name} | {name: asked for name, (asked, usual) in wanted.items() if asked != usual})

    @show_errors
    def follow_link(self, session: Session, query: str) -> tuple:
        """Opens the example that a link names; (clip, words, head, aligner). Other settings than the stored ones are asked for later."""
        wanted = dict(parse_qsl(query[:MOST_QUERY].lstrip("?")))
        example = next((one for one in self.examples if one.folder.name == wanted.get("example")), None)
        if example is None:
            raise MmerError(f"There is no example {wanted.get('example', '')!r}, which the link names. Choose one of those above.")
        stored = session.open_example(example, self.open_stored)
        session.show_example(example, stored)
        head = wanted.get("head") if wanted.get("head") in self.heads else stored.best.head
        aligner = wanted.get("aligner") if wanted.get("aligner") in self.aligners else name_aligner(stored)
        session.relink = (head, aligner) != (stored.best.head, name_aligner(stored))
        return str(example.clip), example.text, head if session.relink else gr.skip(), aligner if session.relink else gr.skip()

    def follow_pair(self, session: Session, emotion: str) -> tuple:
        """The table of another emotion, the one that the views above it explain."""
        return self.show_side(session, emotion)[-2:]

    def show_comparison(self, session: Session, emotion: str) -> str:
        return self.show_side(session, emotion)[-1]

    @show_errors
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
    return dump_payload([{"title": keep_cards.name_clip(kept), "payload": build_payload(kept.analysis)} for kept in pinned])


def write_pinned(pinned: Mapping[str, KeptAnalysis]) -> str:
    """What A and B are, and where they can be seen."""
    if not pinned:
        return f'<p class="mm-note">{HOW_TO_PIN}</p>'
    entries = "".join(f"<li><b>{letter}</b> {escape(keep_cards.name_clip(kept))}</li>" for letter, kept in sorted(pinned.items()))
    if len(pinned) < 2:
        after = f'<p class="mm-note">Pin another entry as {"B" if "A" in pinned else "A"}.</p>'
    elif can_compare(pinned):
        after = '<p class="mm-note"><a href="#side-by-side">They stand side by side below.</a></p>'
    else:
        after = '<p class="mm-problem">A and B speak of different classes, so their numbers can\'t be set side by side.</p>'
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
    """Of sound and attention maps, beside which the rest is small."""
    maps = (m for prediction in analysis.predictions.values() for m in prediction.coattention.values())
    return analysis.clip.samples.nbytes + sum(m.text_to_speech.nbytes + m.speech_to_text.nbytes for m in maps)


def identify(analysis: Analysis) -> tuple:
    models = tuple(prediction.head_sha256 for prediction in analysis.predictions.values())
    source = analysis.alignment.source if analysis.alignment else ""
    return analysis.clip.sha256, analysis.clip.outline, analysis.transcript.text, source, models, analysis.created, analysis.parent is None


def find_kept(session: Session, number: int | None) -> KeptAnalysis | None:
    return next((kept for kept in session.kept if kept.number == number), None)


def need_kept(session: Session, number: int | None) -> KeptAnalysis:
    kept = find_kept(session, number)
    if kept is None:
        raise MmerError(session.let_go or "Choose an entry of the list first.")
    return kept


def wire(
    handlers: KeepHandlers,
    panel: KeepPanel,
    side: ComparisonView,
    importer: gr.UploadButton,
    session: gr.State,
    shown: gr.HTML,
    show_again: Callable,
) -> Any:
    """`shown`: the linked views, whose change means another result. `show_again(event)` shows the session's analysis after an event.

    Returns the event of an import, whose failure the caller shows.
    """
    listed = [*panel.listed, *side.shown]
    shown.change(handlers.refresh, session, listed, api_name="refresh_list", **QUIET)
    panel.entries.input(handlers.choose, [session, panel.entries], [panel.note, panel.tags], api_name="choose_kept", **QUIET)
    written = [session, panel.entries, panel.note, panel.tags]
    # with every letter, since a result may come while somebody writes; and at the end: Gradio is silent at the first one after its own text
    for number, event in enumerate((panel.note.input, panel.tags.input, panel.note.blur, panel.tags.blur)):
        event(handlers.save, written, panel.entries, api_name=f"save_note_{number}", trigger_mode="always_last", **POLL)
    show_again(panel.open.click(handlers.open, [session, panel.entries], api_name="open_kept", **QUIET))
    chosen = [session, panel.entries, side.emotion]
    for letter, button in panel.pins.items():
        button.click(handlers.pinner(letter), chosen, listed, api_name=f"pin_{letter.lower()}", **QUIET)
    panel.remove.click(handlers.remove, chosen, listed, api_name="remove_kept", **QUIET)
    named = panel.link.click(handlers.write_link, session, panel.linked, api_name="write_link", **QUIET)
    named.success(fn=None, inputs=panel.linked, js="(query) => { window.mmerKeep.copyLink(query); }", api_visibility="private")
    followed = {"js": "(...values) => window.mmerKeep.paired(...values)", "trigger_mode": "always_last", **POLL}
    side.follow.click(handlers.follow_pair, [session, side.emotion], [side.emotion, side.comparison], api_name="follow_pair", **followed)
    side.emotion.input(handlers.show_comparison, [session, side.emotion], side.comparison, api_name="choose_compared_emotion", **QUIET)
    imported = importer.upload(handlers.take_import, [session, importer], api_name="import_analysis", **QUIET, **IMPORT_QUEUE)
    show_again(imported)
    return imported


def wire_beside(handlers: KeepHandlers, panel: KeepPanel, side: ComparisonView, button: gr.Button, session: gr.State) -> None:
    """A clip that was changed and what it became, side by side at one press."""
    pinned = button.click(handlers.pin_changed, [session, side.emotion], [*panel.listed, *side.shown], api_name="pin_changed", **QUIET)
    pinned.success(fn=None, js="() => window.mmerKeep.reveal()", api_visibility="private")
