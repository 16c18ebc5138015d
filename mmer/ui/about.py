"""The About tab: what this is, what it can't know, what happens to recordings."""

from __future__ import annotations

from html import escape

import gradio as gr

from ..pipeline import Analyzer

TEXT = """
### What this is for
Seeing how machines that claim to hear emotion come to their verdict: which words, syllables and frames enter the sum, which layers of
the encoders are read, and how three ways to fuse voice and text agree or don't. It follows *Multi-level Fusion of Wav2vec 2.0 and BERT
for Multimodal Emotion Recognition* (Zhao, Wang, Wang; Interspeech 2022), with heads trained for this app.

### What it can't know
The models were trained on acted speech and on sentences somebody labelled. They know four words for emotions and must choose one.
They can't know what a person feels, and they err more often for voices, accents, rooms and microphones unlike those they learned from.
**This is for learning about such models, not for judging people:** no hiring, no grading, no monitoring, no diagnosis. The EU's
AI Act (Article 5) prohibits inferring emotions at work and in education, but for medical or safety reasons.

### How to read the colours
Orange speaks for the chosen emotion, blue against it; colour-blind people can tell them apart, and every tile gives its number when you
point at it. A contribution says where the sum comes from. The encoders are deep, so each state has already seen its surroundings:
a syllable's tile carries some of its neighbours.

### Recordings
They are kept in memory and in a temporary folder for your session alone, deleted within the hour, sent nowhere, and used for nothing
else. There are no analytics.

### From a program
Two endpoints, `/analyze` and `/transcribe`, can be called with `gradio_client`; the link *Use via API* below shows how.
"""


def build(analyzer: Analyzer) -> None:
    """The tab's content, inside the gr.Blocks that is open."""
    with gr.Column(elem_classes="mm-about"):
        gr.Markdown(TEXT)
        gr.HTML(f'<h3>The heads of this page</h3><div class="mm-scroll"><table class="mm-trace">{write_heads(analyzer)}</table></div>')


def write_heads(analyzer: Analyzer) -> str:
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(head.title)}. {escape(head.trained_on)} '
        f"{escape(head.caveat)} "
        f"Licence: {escape(head.licence)}</td></tr>"
        for name, head in analyzer.heads.items()
    ]
    return "".join(rows)
