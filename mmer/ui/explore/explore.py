"""The Explore tab: a clip in, an explained emotion out. This file lays out the page and says what triggers what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mmer.align import title_choice
from mmer.encoders.presets import PRESETS
from mmer.exports.formats import EXPORTS
from mmer.phrasing import join_words
from mmer.pipeline import Analyzer
from mmer.ui.claim import claim
from mmer.ui.claim.handlers import ClaimHandlers
from mmer.ui.explore import cards
from mmer.ui.explore.example_clip import ExampleClip, Opener
from mmer.ui.explore.examples import choose_head
from mmer.ui.explore.first_screen import FirstScreen, plan_first_screen, read_stored
from mmer.ui.explore.forms import OTHER_FILES, name_heads
from mmer.ui.explore.handlers import AlignerRequest, AnalysisRequest, ExploreHandlers
from mmer.ui.explore.session import Session
from mmer.ui.explore.updates import ExploreLink, ExploreUpdate
from mmer.ui.keep import keep
from mmer.ui.keep.handlers import KeepHandlers
from mmer.ui.page.events import BOUNDS, HIDDEN, MODEL_QUEUE, MOST_SECONDS, POLL, QUIET
from mmer.ui.page.upload_folder import KEPT_SECONDS
from mmer.ui.page.wiring import Wiring, name_components
from mmer.ui.texts import explore as texts
from mmer.ui.texts import shared

SHOW_VIEWS = "window.mmer.showViews(element, props, watch);"  # the linked views draw what they are handed, in the browser
SHOWN = ("empty", "body", "stages", "verdict", "notices", "views", "trace")  # what a new analysis changes
PROGRESS = ("stages", "analyse")  # what work in progress changes
FILLED = ("audio", "transcript", "head", "aligner")  # inputs that follow what is shown
AT_ONCE = "() => window.mmerVoice.analyseAtOnce()"
UNSEEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
WAITING = "() => { window.mmer.revealProgress(); return window.mmer.wait('model'); }"
OPENING = "() => window.mmer.wait('example')"  # one of other models than the page's waits in line like any clip, and Cancel ends the wait


@dataclass
class Inputs:
    """What the person gives."""

    audio: gr.Audio
    other: gr.UploadButton
    transcript: gr.Textbox
    transcribe: gr.Button
    analyse: gr.Button
    cancel: gr.Button
    aligner: gr.Radio
    head: gr.Dropdown
    pronunciations: gr.Textbox
    textgrid: gr.File
    examples: list[tuple[gr.Button, ExampleClip]]
    importer: gr.UploadButton


@dataclass
class Results:
    """What the person sees."""

    empty: gr.HTML
    stages: gr.HTML
    body: gr.Column
    verdict: gr.HTML
    notices: gr.HTML
    views: gr.HTML  # its value is the payload of mmer.views as JSON text
    panels: gr.Column  # further panels, below the views
    claim: claim.ClaimPanel
    keep: keep.KeepPanel
    trace: gr.HTML
    exports: dict[str, gr.Button]
    sound: gr.Checkbox
    download: gr.DownloadButton


def build(analyzer: Analyzer, *, examples: Sequence[ExampleClip], open_stored: Opener, is_public: bool) -> ExploreLink:
    """The tab's content, inside the gr.Blocks that is open."""
    session = gr.State(Session(), time_to_live=KEPT_SECONDS)  # copied for every visitor
    opening = plan_first_screen(examples, read_stored(examples, analyzer))
    chips = build_cards(opening)
    with gr.Row(elem_classes="mm-page", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="mm-inputs"):
            inputs = build_inputs(analyzer)
            inputs.examples += chips + build_chips(opening)
        with gr.Column(scale=9, min_width=320, elem_classes="mm-results"):
            results = build_results(analyzer, opening)
    side = keep.build_side(head_section)
    wiring = Wiring(name_components(inputs, results), session)
    handlers = ExploreHandlers(analyzer, BOUNDS[is_public], open_stored)
    wire_analysis(handlers, inputs, wiring)
    wire_opening(handlers, opening, wiring)
    wire_exports(handlers, results, wiring)

    def show_again(event: Any) -> Any:
        """After an event that changed the session's analysis; returns the event that shows it."""
        shown = event.success(**wiring.connect(handlers.show, changes=SHOWN), **UNSEEN)
        shown.success(**wiring.connect(handlers.fill_inputs, changes=FILLED), **UNSEEN)
        shown.success(fn=None, js="() => window.mmer && window.mmer.reveal(true)", api_visibility="private")
        return shown

    keeping = KeepHandlers(examples, tuple(analyzer.heads), tuple(str(value) for _, value in inputs.aligner.choices), open_stored)
    wire_link(handlers, keeping, wiring)
    imported = keep.wire(keeping, results.keep, side, inputs.importer, session, results.views, show_again)
    imported.failure(**wiring.connect(handlers.show_problem, changes=PROGRESS), api_name="problem_import", **HIDDEN)
    keep.wire_beside(keeping, results.keep, side, results.claim.beside, session)
    claiming = ClaimHandlers(analyzer, MOST_SECONDS[is_public], BOUNDS[is_public])
    tested = claim.wire(claiming, results.claim, session, results.views, show_again)
    tested.success(**wiring.connect(handlers.show_tested, changes=["verdict"]), **UNSEEN)
    return ExploreLink(session, show_again, results.views)


def build_inputs(analyzer: Analyzer) -> Inputs:
    gr.HTML(cards.write_voice(), elem_classes="mm-voice-block")
    preset = PRESETS.get(analyzer.preset)
    clip = texts.CLIP_ANY.format(languages=preset.spoken) if preset and len(preset.languages) > 1 else texts.CLIP
    audio = gr.Audio(sources=["upload", "microphone"], type="filepath", label=clip, elem_id="clip", buttons=[])
    transcript = gr.Textbox(
        label=shared.WORDS,
        lines=3,
        max_lines=6,
        placeholder=texts.WORDS_HINT,
        elem_id="transcript",
        max_length=20_000,
    )
    with gr.Row(elem_classes="mm-small-buttons"):
        other = gr.UploadButton(texts.OTHER_FILE, size="sm", file_types=["audio", "video", *OTHER_FILES], elem_id="other-file")
        transcribe = gr.Button(texts.TRANSCRIBE, size="sm", elem_id="transcribe", interactive=False)
        importer = keep.build_import()
    with gr.Row(elem_classes="mm-go"):
        analyse = gr.Button(texts.ANALYSE, variant="primary", elem_id="analyse", scale=3, min_width=120, interactive=False)
        cancel = gr.Button(shared.CANCEL, elem_id="cancel", scale=1, min_width=80)
    gr.HTML(f'<p class="mm-note mm-keys">{texts.KEYS}</p>')
    with gr.Accordion(shared.SETTINGS, open=False, elem_id="settings"):
        head = gr.Dropdown(name_heads(analyzer), value=choose_head(analyzer), label=shared.HEADS, elem_id="head")
        ready = [name for name, reason in analyzer.aligners.items() if reason is None]
        choices = [(title_choice(name), name) for name in [*ready, "none"]]
        missing = " ".join(texts.say_not_ready(title_choice(n), reason) for n, reason in analyzer.aligners.items() if reason)
        aligner = gr.Radio(choices, value=(ready or ["none"])[0], label=shared.ALIGNER, info=missing or None, elem_id="aligner")
        textgrid = gr.File(label=texts.TEXTGRID, file_types=[".TextGrid", ".textgrid", ".txt"], type="filepath", height=170)
        pronunciations = gr.Textbox(label=texts.PRONUNCIATIONS, lines=2, placeholder="zorb  Z AO R B", info=texts.PRONUNCIATIONS_HINT)
    return Inputs(audio, other, transcript, transcribe, analyse, cancel, aligner, head, pronunciations, textgrid, [], importer)


def build_cards(opening: FirstScreen) -> list[tuple[gr.Button, ExampleClip]]:
    """The example that the page opens with, and three more, each with what is said of it."""
    if not opening.cards:
        return []
    with gr.Row(elem_classes="mm-cards"):
        return [build_example(example, opening, "mm-card", min_width=170) for example in opening.cards]


def build_chips(opening: FirstScreen) -> list[tuple[gr.Button, ExampleClip]]:
    if not opening.others:
        return []
    with gr.Row(elem_classes="mm-examples"):
        gr.HTML(f'<span class="mm-try">{texts.MORE_EXAMPLES}</span>', elem_classes="mm-try-block")
        return [build_example(example, opening, "mm-chip", min_width=60) for example in opening.others]


def build_example(example: ExampleClip, opening: FirstScreen, kind: str, *, min_width: int) -> tuple[gr.Button, ExampleClip]:
    name = example.folder.name
    text = "\n".join(filter(None, (example.title, opening.outcomes[name])))
    return gr.Button(text, size="sm", min_width=min_width, elem_id=f"example-{name}", elem_classes=kind), example


def build_results(analyzer: Analyzer, opening: FirstScreen) -> Results:
    """What the opening says stands there from the start; its pictures follow once the page is there."""
    first = opening.analysis
    empty = cards.write_empty(analyzer.read_classes(choose_head(analyzer)))
    parts: dict[str, Any] = {
        "stages": gr.HTML(cards.write_timings({}, {}, origin="example") if first else "", elem_id="stages", elem_classes="mm-stages-block"),
        "empty": gr.HTML(empty, elem_id="empty", visible=first is None),
    }
    with gr.Column(visible=first is not None, elem_id="results") as parts["body"]:
        parts["verdict"] = gr.HTML(cards.write_verdict(first, opening.first) if first else "", elem_id="verdict")
        parts["notices"] = gr.HTML(cards.write_notices(first) if first else "", elem_id="notices")
        parts["views"] = gr.HTML(
            "",
            elem_id="views",
            html_template='<div class="mv-place"></div>',
            js_on_load=SHOW_VIEWS,
            apply_default_css=False,
            elem_classes="mm-views",
        )
        with gr.Column(elem_id="panels") as parts["panels"]:
            parts["claim"] = claim.build(head_section)
            parts["keep"] = keep.build(head_section)
        parts |= build_exports()
    return Results(**parts)


def head_section(title: str, caption: str) -> None:
    gr.HTML(f'<div class="mm-section"><h2>{title}</h2><p>{caption}</p></div>')


def build_exports() -> dict[str, Any]:
    with gr.Column(elem_classes="mm-panel"):
        head_section(texts.EXPORTS, texts.say_exports("; ".join(export.about for export in EXPORTS.values())))
        with gr.Row():
            exports = {kind: gr.Button(export.title, size="sm", min_width=90, elem_id=f"export-{kind}") for kind, export in EXPORTS.items()}
        asked = join_words([export.title for export in EXPORTS.values() if export.sound == "asked"])
        sound = gr.Checkbox(label=texts.say_include_audio(asked), elem_id="export-sound")
        download = gr.DownloadButton(shared.DOWNLOAD, elem_classes="mm-hidden", elem_id="download")
        with gr.Accordion(texts.HOW_COMPUTED, open=False):
            trace = gr.HTML(elem_id="trace")
    return {"exports": exports, "sound": sound, "download": download, "trace": trace}


def wire_analysis(handlers: ExploreHandlers, inputs: Inputs, wiring: Wiring) -> None:
    """Analyse, Cancel, Transcribe, examples: everything that brings a new result."""
    stages = wiring.components["stages"]
    inputs.analyse.click(fn=None, js=WAITING, outputs=stages, api_visibility="private")
    running = []
    asking: dict[str, tuple[Any, Callable[..., Any], type | Sequence[str]]] = {
        "run": (inputs.analyse.click, handlers.run, AnalysisRequest),
        "rerun_head": (inputs.head.input, handlers.use_head, ["head"]),
        "rerun_aligner": (inputs.aligner.input, handlers.use_aligner, AlignerRequest),
    }
    for name, (trigger, handler, asks) in asking.items():
        run = trigger(
            **wiring.connect(handler, asks=asks, changes=PROGRESS),
            show_progress="full",
            show_progress_on=[stages],
            api_name=name,
            trigger_mode="once",
            **HIDDEN,
            **MODEL_QUEUE,
        )
        running.append(run)
        show = run.success(**wiring.connect(handlers.show, changes=SHOWN), api_name=f"show_{name}", **QUIET)
        show.success(**wiring.connect(handlers.fill_transcript, changes=["transcript"]), api_name=f"fill_{name}", **QUIET)
        show.success(fn=None, js="() => window.mmer && window.mmer.reveal()", api_visibility="private")
        run.failure(**wiring.connect(handlers.show_problem, changes=PROGRESS), api_name=f"problem_{name}", **QUIET)
    words = inputs.transcribe.click(
        **wiring.connect(handlers.transcribe, asks=["audio"], changes=["transcript", *PROGRESS]),
        api_name="fill_in_words",
        **QUIET,
        **MODEL_QUEUE,
    )
    words.failure(**wiring.connect(handlers.show_problem, changes=PROGRESS), api_name="problem_words", **QUIET)
    cancelled = inputs.cancel.click(
        **wiring.connect(handlers.cancel, changes=PROGRESS), queue=False, cancels=[*running, words], api_name="cancel", **QUIET
    )
    cancelled.then(**wiring.connect(handlers.settle, changes=["analyse", *SHOWN]), api_name="settle", **QUIET)
    wire_clip(handlers, inputs, wiring)
    for button, example in inputs.examples:
        name = example.folder.name
        button.click(fn=None, js=OPENING, outputs=stages, api_visibility="private")
        opened = button.click(**wiring.connect(handlers.opener(example), changes=["audio", "transcript"]), api_name=f"open_{name}", **QUIET)
        shown = opened.success(**wiring.connect(handlers.show, changes=SHOWN), api_name=f"show_{name}", **QUIET)
        shown.success(fn=None, js="() => window.mmer && window.mmer.reveal()", api_visibility="private")
        opened.failure(**wiring.connect(handlers.show_problem, changes=PROGRESS), api_name=f"problem_{name}", **QUIET)


def wire_opening(handlers: ExploreHandlers, opening: FirstScreen, wiring: Wiring) -> None:
    """The pictures of the example that the page opens with; pressed by the page's script, unless a link names another."""
    first = opening.first
    if first is None:
        return

    def open_first(session: Session) -> ExploreUpdate:
        return handlers.open_first(session, first)

    button = gr.Button("open", elem_classes="mm-hidden", elem_id="open-first")
    button.click(
        **wiring.connect(open_first, changes=SHOWN), js="(...values) => window.mmerKeep.takeOpening(values)", api_name="open_first", **QUIET
    )


def wire_clip(handlers: ExploreHandlers, inputs: Inputs, wiring: Wiring) -> None:
    """A clip that comes or goes: what needs one can be pressed or not, and the result of one that is gone is taken away."""
    taken = wiring.connect(handlers.take_file, asks=["other"], changes=["audio"])
    came = inputs.other.upload(**taken, show_progress_on=[inputs.audio], api_name="take_file", **HIDDEN)
    arrivals = (inputs.other.upload, inputs.audio.upload, inputs.audio.stop_recording)
    forgetting = wiring.connect(handlers.forget_words, asks=["transcript"], changes=["transcript"])
    inputs.audio.clear(**forgetting, **UNSEEN)
    needing = wiring.connect(handlers.take_clip, asks=["audio"], changes=["analyse", "transcribe"])
    inputs.audio.change(**needing, api_name="take_clip", **POLL)
    inputs.audio.clear(**wiring.connect(handlers.clear_result, changes=SHOWN), api_name="clear_result", **POLL)
    came.success(fn=None, js=AT_ONCE, api_visibility="private")
    for number, event in enumerate(arrivals):
        named = event(**forgetting, **UNSEEN).then(
            **wiring.connect(handlers.name_shown, changes=["stages"]), api_name=f"name_shown_{number}", **POLL
        )
        if event is not inputs.other.upload:  # whose sound comes later
            named.then(fn=None, js=AT_ONCE, api_visibility="private")


def wire_link(handlers: ExploreHandlers, keeping: KeepHandlers, wiring: Wiring) -> None:
    """A page that was opened by a link: its example, its settings, then its selection."""
    follow, query = keep.build_follow()
    linked = Wiring({**wiring.components, "query": query}, wiring.session)
    opened = follow.click(
        **linked.connect(keeping.follow_link, asks=["query"], changes=FILLED),
        js="(session, query) => [session, window.mmerKeep.takeQuery()]",
        api_name="follow_link",
        **QUIET,
    )
    shown = opened.success(**wiring.connect(handlers.show_linked, changes=SHOWN), **UNSEEN)
    asked = wiring.connect(handlers.run_linked, asks=AnalysisRequest, changes=PROGRESS)
    run = shown.success(**asked, api_name="run_linked", **HIDDEN, **MODEL_QUEUE)
    run.failure(**wiring.connect(handlers.show_link_problem, changes=["empty", "body", *PROGRESS]), **UNSEEN)
    shown = run.success(**wiring.connect(handlers.show_unseen, changes=SHOWN), **UNSEEN)
    shown.success(fn=None, js="() => { window.mmer?.reveal(); window.mmerKeep.restore(); }", api_visibility="private")


def wire_exports(handlers: ExploreHandlers, results: Results, wiring: Wiring) -> None:
    """A click writes the file, hands it to a hidden download button and presses that."""
    for kind, button in results.exports.items():
        written = button.click(
            **wiring.connect(handlers.exporter(kind), asks=["sound"], changes=["download"]),
            show_progress="minimal",
            show_progress_on=[button],
            api_name=f"export_{kind}",
            **HIDDEN,
        )
        written.success(fn=None, js="() => window.mmer.download()", api_visibility="private")
