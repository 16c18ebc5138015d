"""Analysis -> one HTML file that needs nothing else: the linked views as in the app, the sound, the numbers, and their origin."""

from __future__ import annotations

import shlex
from html import escape
from importlib.resources import files

from mmer.align import find_choice
from mmer.explain.because import explain_verdict
from mmer.explain.verdict import FEW, describe_verdict, list_limits, read_headline, say_briefly
from mmer.exports.summary import PURPOSE, describe_source
from mmer.phrasing import say_devices
from mmer.results import Analysis, Prediction
from mmer.views import build_payload, render_views

# nothing but what is inside the file may be loaded
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; media-src data:"


def report_html(analysis: Analysis, *, command: str = "") -> str:
    """The report as one self-contained page. `command` is the one that made it; by default one that would make the same."""
    title = f"{analysis.clip.name}: {say_briefly(analysis)}"
    sections = (
        show_head(analysis),
        show_probabilities(analysis),
        render_views(build_payload(analysis)),
        show_provenance(analysis, command or suggest_command(analysis)),
    )
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{style}</style>\n</head>\n'
        "<body>\n" + "\n".join(part for part in sections if part) + "\n</body>\n</html>\n"
    )


def suggest_command(analysis: Analysis) -> str:
    """A command that analyses the clip in the same way."""
    words = ["python", "-m", "mmer", "analyze", analysis.clip.name]
    if analysis.transcript.source in ("typed", "file"):
        words += ["--text", analysis.transcript.text]
    alignment = analysis.alignment
    if alignment is None or alignment.approximate:
        words += ["--aligner", "none"] if analysis.transcript.is_readable else []
    elif (aligner := find_choice(alignment.source)) and not aligner.is_built_in:
        words += ["--aligner", aligner.key, *aligner.name_flags(alignment.source)]
    elif alignment.source == "TextGrid":
        words += ["--textgrid-in", "ALIGNMENT.TextGrid"]
    if len(analysis.predictions) == 1:
        words += ["--head", analysis.best.head]
    return shlex.join([*words, "--preset", analysis.preset, "--html", "report.html"])


# sections


def show_head(analysis: Analysis) -> str:
    clip, words = analysis.clip, analysis.transcript
    text = escape(words.text) if words.text.strip() else "no words"
    facts = ", ".join(fact for fact in (f"{clip.duration:.2f} s", clip.source, analysis.created) if fact)
    parts = (
        f"<h1>{escape(clip.name)}</h1>",
        f'<p class="soft">{escape(facts)}</p>',
        f'<p class="verdict"><b>{escape(describe_verdict(analysis))}</b></p>',
        f'<p class="because">{escape(why)}</p>' if (why := explain_verdict(analysis)) else "",
        f'<p class="words">{text}</p>',
        f'<p class="soft">{escape(describe_source(analysis))}</p>',
        list_notices(analysis),
        f'<p class="soft">{escape(PURPOSE)}</p>',
    )
    return "\n".join(part for part in parts if part)


def list_notices(analysis: Analysis) -> str:
    """What the person should know, and what is unavailable with its reason."""
    rows = [(n.level, n.text) for n in list_limits(analysis, clip=True)]
    if not rows:
        return ""
    items = "\n".join(f'<li class="{escape(level)}">{escape(text)}</li>' for level, text in rows)
    return f'<ul class="notices">\n{items}\n</ul>'


def show_probabilities(analysis: Analysis) -> str:
    """All models side by side: numbers with a bar behind each."""
    classes = analysis.best.classes
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in classes)
    rows = "\n".join(write_shares(role, prediction) for role, prediction in analysis.predictions.items())
    table = f'<table class="shares"><thead><tr><th scope="col">probability of</th>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
    shown = f'<div class="scroll" tabindex="0" role="region" aria-label="Probabilities">{table}</div>'
    if read_headline(analysis).names_emotion:
        return shown
    return f'<details class="grey"><summary>{escape(FEW)}</summary>{shown}</details>'


def write_shares(role: str, prediction: Prediction) -> str:
    cells = "".join(f'<td style="--share:{100 * p:.1f}%">{100 * p:.1f} %</td>' for p in prediction.probabilities)
    return f'<tr><th scope="row">{escape(f"{role} ({prediction.head})")}</th>{cells}</tr>'


def show_provenance(analysis: Analysis, command: str) -> str:
    facts = [("mmer", analysis.version), ("made", analysis.created), ("clip, sha256 of its samples", analysis.clip.sha256)]
    facts += [(f"{kind} encoder", model) for kind, model in analysis.encoders.items()]
    facts += [("alignment", analysis.alignment.source if analysis.alignment else "none"), ("preset", analysis.preset)]
    facts += [(f"head {h.name}", f"{h.title}. Trained on: {h.trained_on} Licence: {h.licence}. sha256 {h.sha256}") for h in analysis.heads]
    facts += [("computed on", where)] if (where := say_devices(analysis.devices)) else []
    facts += [("seconds", ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in analysis.timings.items()))]
    items = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<h2>Where this comes from</h2>\n<dl>\n{items}\n<dt>again</dt><dd><code>{escape(command)}</code></dd>\n</dl>"
