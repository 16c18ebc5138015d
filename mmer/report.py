"""Analysis -> one HTML file that needs nothing else: figures as in the app, the numbers behind them, the sound, and their origin."""

from __future__ import annotations

import base64
import io
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

import numpy as np

from mmer.audio import SAMPLE_RATE
from mmer.explain import CAPTION_ATTENTION, CAPTION_CENTRED, CAPTION_SUM
from mmer.figures import draw_coattention, draw_layer_weights, draw_probabilities, draw_sum, draw_timeline
from mmer.figures.page import inline_plotly, render_figure
from mmer.results import UNIT_NAMES, Analysis, Branch, Clip, Coattention
from mmer.summary import PURPOSE, collect_notices, describe_source, describe_verdict, list_unavailable

# nothing but what is inside the file may be loaded
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; media-src data:"
MOST_CELLS = 4000  # of an attention table; beyond, the strongest segments of each word piece
STRONGEST = 5


def report_html(analysis: Analysis, *, command: str = "") -> str:
    """The report as one self-contained page. `command` is the one that made it; by default one that would make the same."""
    title = f"{analysis.clip.name}: {analysis.best.label}"
    sections = (
        show_head(analysis),
        show_probabilities(analysis),
        show_sum(analysis),
        show_timeline(analysis),
        show_attention(analysis),
        show_layers(analysis),
        show_provenance(analysis, command or suggest_command(analysis)),
    )
    style = files("mmer").joinpath("report.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{style}</style>\n{inline_plotly()}\n</head>\n'
        "<body>\n" + "\n".join(part for part in sections if part) + "\n</body>\n</html>\n"
    )


def suggest_command(analysis: Analysis) -> str:
    """A command that analyses the clip in the same way."""
    words = ["python", "-m", "mmer", "analyze", analysis.clip.name]
    if analysis.transcript.source in ("typed", "file"):
        words += ["--text", analysis.transcript.text]
    alignment = analysis.alignment
    if alignment is None or alignment.approximate:
        words += ["--aligner", "none"] if analysis.transcript.words else []
    elif alignment.source.startswith("mfa"):
        words += ["--aligner", "mfa"]
    elif alignment.source == "TextGrid":
        words += ["--textgrid-in", "ALIGNMENT.TextGrid"]
    if len(analysis.predictions) == 1:
        words += ["--head", analysis.best.head]
    return shlex.join([*words, "--preset", analysis.preset, "--html", "report.html"])


# sections


def show_head(analysis: Analysis) -> str:
    clip, words = analysis.clip, analysis.transcript
    told = escape(words.text) if words.text.strip() else "no words"
    facts = ", ".join(fact for fact in (f"{clip.duration:.2f} s", clip.source, analysis.created) if fact)
    parts = (
        f"<h1>{escape(clip.name)}</h1>",
        f'<p class="soft">{escape(facts)}</p>',
        f'<p class="verdict"><b>{escape(describe_verdict(analysis.best))}</b></p>',
        f'<p class="words">{told}</p>',
        f'<p class="soft">{escape(describe_source(analysis))}</p>',
        embed_audio(clip),
        list_notices(analysis),
        f'<p class="soft">{escape(PURPOSE)}</p>',
    )
    return "\n".join(part for part in parts if part)


def list_notices(analysis: Analysis) -> str:
    """What the person should know, and what is unavailable with its reason."""
    rows = [(n.level, n.text) for n in collect_notices(analysis)]
    rows += [("info", line) for line in list_unavailable(analysis)]
    if not rows:
        return ""
    items = "\n".join(f'<li class="{escape(level)}">{escape(text)}</li>' for level, text in rows)
    return f'<ul class="notices">\n{items}\n</ul>'


def show_probabilities(analysis: Analysis) -> str:
    classes = analysis.best.classes
    rows = [[f"{role} ({p.head})", *(f"{100 * v:.1f} %" for v in p.probabilities)] for role, p in analysis.predictions.items()]
    figure = render_figure(draw_probabilities(analysis), "probabilities")
    return "<h2>Probabilities</h2>\n" + figure + make_table("Probabilities per model", ["model", *classes], rows)


def show_sum(analysis: Analysis) -> str:
    rows: list[list[str]] = []
    for role, prediction in analysis.predictions.items():
        for branch in prediction.branches or ():
            rows.append([f"{role}: {UNIT_NAMES[branch.unit]} ({branch.unit}), segments", *numbers(branch.contributions.sum(axis=0))])
            rows.append([f"{role}: {UNIT_NAMES[branch.unit]} ({branch.unit}), bias", *numbers(branch.bias)])
        part = f", mean of {' and '.join(prediction.members)}" if prediction.members else "" if prediction.branches else ", one part"
        rows.append([f"{role}{part}", *numbers(prediction.logits)])
        rows.append([f"{role} / temperature {prediction.temperature:.3f}", *numbers(prediction.logits / prediction.temperature)])
    notes = [CAPTION_SUM, CAPTION_CENTRED] if any(p.branches for p in analysis.predictions.values()) else [CAPTION_CENTRED]
    figure = render_figure(draw_sum(analysis), "sum")
    table = make_table("Logits as they are, not centred", ["part", *analysis.best.classes], rows)
    return f"<h2>How {escape(analysis.best.label)} adds up</h2>\n{list_paragraphs(notes)}{figure}{table}"


def show_timeline(analysis: Analysis) -> str:
    figure = render_figure(draw_timeline(analysis), "timeline")
    branches = [branch for p in analysis.predictions.values() for branch in p.branches or ()]
    tables = "".join(make_branch_table(analysis, branch) for branch in branches)
    return "<h2>Over time</h2>\n" + figure + make_tier_tables(analysis) + tables


def make_branch_table(analysis: Analysis, branch: Branch) -> str:
    unit = branch.unit
    labels, starts, ends = analysis.labels[unit], analysis.starts.get(unit), analysis.ends.get(unit)
    times: Sequence[Sequence[str]] = [[] for _ in labels]
    if starts is not None and ends is not None:
        times = [[f"{start:.2f}", f"{end:.2f}"] for start, end in zip(starts, ends)]
    rows = [[label, *time, *numbers(row)] for label, time, row in zip(labels, times, branch.contributions)]
    header = [UNIT_NAMES[unit], *(["start (s)", "end (s)"] if starts is not None else []), *analysis.best.classes]
    return make_table(f"What each of the {len(rows)} {UNIT_NAMES[unit]} segments adds to the logits", header, rows)


def make_tier_tables(analysis: Analysis) -> str:
    if analysis.alignment is None:
        return ""
    words = [[s.label, f"{s.start:.2f}", f"{s.end:.2f}", "" if s.score is None else f"{s.score:.1f}"] for s in analysis.alignment.words]
    return make_table(f"Words in time, by {analysis.alignment.source}", ["word", "start (s)", "end (s)", "score per 10 ms"], words)


def show_attention(analysis: Analysis) -> str:
    parts = []
    for role, prediction in analysis.predictions.items():
        for unit, maps in prediction.coattention.items():
            caption = f"The text asks, the speech answers: word pieces and {UNIT_NAMES[unit]}, mean over layers and heads ({role} fusion)."
            figure = render_figure(draw_coattention(analysis, unit=unit), f"coattention-{unit}")
            parts.append(f'<p class="soft">{escape(caption)}</p>\n{figure}{make_attention_table(analysis, unit, maps)}')
    caveats = dict.fromkeys(info.caveat for info in analysis.heads if info.caveat)
    return "<h2>Coattention</h2>\n" + "".join(parts) + list_paragraphs([CAPTION_ATTENTION, *caveats]) if parts else ""


def make_attention_table(analysis: Analysis, unit: str, maps: Coattention) -> str:
    """Every weight where they are few, else the strongest segments of each word piece."""
    weights = maps.text_to_speech.mean(axis=(0, 1))  # (tokens, cells)
    tokens, cells = analysis.labels["T"], analysis.labels[unit][:: maps.segments_per_cell]
    if weights.size <= MOST_CELLS:
        rows = [[token, *(f"{w:.3f}" for w in row)] for token, row in zip(tokens, weights)]
        return make_table(f"Attention weights, {UNIT_NAMES[unit]}", ["word piece", *cells], rows)
    rows = []
    for token, row in zip(tokens, weights):
        strongest = np.argsort(-row)[:STRONGEST]
        rows.append([token, *(f"{cells[i]}: {row[i]:.3f}" for i in strongest)])
    header = ["word piece", *(f"strongest {i + 1}" for i in range(STRONGEST))]
    return make_table(f"The {STRONGEST} strongest {UNIT_NAMES[unit]} of each word piece", header, rows)


def show_layers(analysis: Analysis) -> str:
    parts = []
    for role, prediction in analysis.predictions.items():
        if not prediction.layer_weights:
            continue
        names = list(dict.fromkeys(n for w in prediction.layer_weights.values() for n in w.layer_names))
        rows = []
        for unit, weights in prediction.layer_weights.items():
            share = dict(zip(weights.layer_names, weights.normalised))
            rows.append([f"{UNIT_NAMES[unit]} ({unit})", *(f"{share[n]:.3f}" if n in share else "" for n in names)])
        figure = render_figure(draw_layer_weights(prediction), f"layers-{role}")
        table = make_table(f"Layer weights of {prediction.head}", ["branch", *(f"layer {n}" for n in names)], rows)
        parts.append(f'<p class="soft">{escape(f"{role} fusion, {prediction.head}")}</p>\n{figure}{table}')
    return "<h2>Which layers are read</h2>\n" + "".join(parts) if parts else ""


def show_provenance(analysis: Analysis, command: str) -> str:
    facts = [("mmer", analysis.version), ("made", analysis.created), ("clip, sha256 of its samples", analysis.clip.sha256)]
    facts += [(f"{kind} encoder", model) for kind, model in analysis.encoders.items()]
    facts += [("alignment", analysis.alignment.source if analysis.alignment else "none"), ("preset", analysis.preset)]
    facts += [(f"head {h.name}", f"{h.title}. Trained on: {h.trained_on} Licence: {h.licence}. sha256 {h.sha256}") for h in analysis.heads]
    facts += [("seconds", ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in analysis.timings.items()))]
    items = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<h2>Where this comes from</h2>\n<dl>\n{items}\n<dt>again</dt><dd><code>{escape(command)}</code></dd>\n</dl>"


# parts


def embed_audio(clip: Clip) -> str:
    """The sound as lossless FLAC inside the page; nothing where only its outline is known."""
    if clip.outline:
        return ""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(clip.samples, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    sound = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<audio controls src="data:audio/flac;base64,{sound}"></audio>'


def make_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A folded table of escaped texts; the first column names the row."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<details>\n<summary>{escape(caption)}</summary>\n<div class="scroll" tabindex="0">{table}</div>\n</details>\n'


def list_paragraphs(texts: Iterable[str]) -> str:
    return "".join(f'<p class="soft">{escape(text)}</p>\n' for text in texts)


def numbers(values: np.ndarray) -> list[str]:
    return [f"{value:+.4f}" for value in values]
