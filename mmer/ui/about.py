"""The About tab: limits, data, licences, law and privacy on one short page, and the heads with what they were trained on."""

from __future__ import annotations

from html import escape

import gradio as gr

from mmer.encoders.presets import PRESETS
from mmer.pipeline import Analyzer
from mmer.ui.texts import about as texts


def build(analyzer: Analyzer) -> None:
    """The tab's content, inside the gr.Blocks that is open."""
    with gr.Column(elem_classes=["mm-about", "mm-results"]):
        gr.Markdown(texts.TEXT.replace("CLASSES", name_classes(analyzer)))
        gr.HTML(f'<div class="mm-scroll"><table class="mm-grid mm-facts">{write_encoders(analyzer)}{write_heads(analyzer)}</table></div>')


def name_classes(analyzer: Analyzer) -> str:
    """The words that the heads choose from; where they are not the same ones, whose they are."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name in analyzer.heads:
        found.setdefault(analyzer.read_classes(name), []).append(name)
    if len(found) == 1:
        return escape(", ".join(next(iter(found))))
    return "; ".join(f"{escape(', '.join(classes))} ({escape(', '.join(names))})" for classes, names in found.items())


def write_encoders(analyzer: Analyzer) -> str:
    """The frozen encoders of the page's preset, with their licences."""
    preset = PRESETS.get(analyzer.preset)
    if preset is None:
        return ""
    weights = zip(texts.ENCODERS, (preset.speech, preset.text, preset.recogniser))
    languages = f'<tr><th scope="row">{texts.LANGUAGES}</th><td>{", ".join(preset.languages.values())}</td></tr>'
    return languages + "".join(
        f'<tr><th scope="row">{kind}</th><td>{escape(w.model)}, {escape(w.identity)}. {texts.LICENCE}: {escape(w.licence)}.'
        f"{'' if w.is_pinned else texts.UNPINNED}</td></tr>"
        for kind, w in weights
    )


def write_heads(analyzer: Analyzer) -> str:
    """What each head was trained on; the corpora's licences are in its model card."""
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(head.title)}. {escape(head.trained_on)} '
        f"{escape(head.caveat)} "
        f"{texts.LICENCE}: {escape(head.licence)}</td></tr>"
        for name, head in analyzer.heads.items()
    ]
    return "".join(rows)
