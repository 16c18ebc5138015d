"""The About tab: limits, data, licences, law and privacy on one short page, and the heads with what they were trained on."""

from __future__ import annotations

from html import escape

import gradio as gr

from mmer.encoders.presets import PRESETS
from mmer.phrasing import say_devices
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
    devices = f'<tr><th scope="row">{texts.COMPUTED_ON}</th><td>{escape(name_devices(analyzer))}</td></tr>'
    languages = f'<tr><th scope="row">{texts.LANGUAGES}</th><td>{", ".join(preset.languages.values())}</td></tr>'
    return "".join(
        [devices, languages]
        + [
            f'<tr><th scope="row">{kind}</th><td>{escape(w.model)}, {escape(w.identity)}. {texts.LICENCE}: {escape(w.licence)}.'
            f"{'' if w.is_pinned else texts.UNPINNED}</td></tr>"
            for kind, w in weights
        ]
    )


def name_devices(analyzer: Analyzer) -> str:
    """Where the models of this page compute, and why not on a card where one was expected."""
    reasons = " ".join(filter(None, (analyzer.placement.reason, analyzer.recogniser.place.reason)))
    places = {texts.MODELS: str(analyzer.placement.device), texts.ENCODERS[2]: str(analyzer.recogniser.place.device)}
    return f"{say_devices(places)}. {reasons}".strip()


def write_heads(analyzer: Analyzer) -> str:
    """What each head was trained on; the corpora's licences are in its model card."""
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(head.title)}. {escape(head.trained_on)} '
        f"{escape(head.caveat)} "
        f"{texts.LICENCE}: {escape(head.licence)}</td></tr>"
        for name, head in analyzer.heads.items()
    ]
    return "".join(rows)
