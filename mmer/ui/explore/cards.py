"""HTML fragments of the page: pure functions of the result. Every word that a visitor or a file can choose is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mmer.explain.verdict import FEW, ROLE_NAMES, list_limits, read_headline
from mmer.phrasing import join_words
from mmer.results import Analysis, Notice, Prediction
from mmer.ui.explore.examples import ExampleClip
from mmer.ui.explore.session import Stage

HEADER = """
<a class="mm-skip" href="#results">Skip to the result</a>
<header class="mm-header">
  <div><h1>mmer</h1><p>See and hear why a machine finds an emotion in speech.</p></div>
  <p class="mm-ethics">For learning about such models, not for judging people.</p>
</header>"""

EMPTY = """
<section class="mm-empty" aria-label="What you will see">
  <ol>
    <li><b>A verdict.</b> Anger, happiness, sadness or neutral, from three ways to fuse voice and words.</li>
    <li><b>Where it comes from.</b> Every word, syllable and frame with what it adds, on one time axis that you can play.</li>
    <li><b>Room for doubt.</b> How sure the models are, what they were trained on, and what they can't know.</li>
  </ol>
  <p>Record or upload a few seconds of English speech, or open an example.</p>
</section>"""

KEPT_AWAY = "<p>What you analysed before is still in your session’s list, which comes back with the next result.</p>"


def write_verdict(analysis: Analysis, example: ExampleClip | None) -> str:
    """The card at the top: what the best model says, how sure, who speaks, and all models side by side.

    Where no emotion can be named, it says why in the place of one, and the numbers are folded away.
    """
    said, best = read_headline(analysis), analysis.best
    if said.share is None:
        headline = f'<p class="mm-emotion mm-none">{escape(said.text)}</p>'
    else:
        headline = f'<p class="mm-emotion" data-emotion="{escape(said.text)}">{escape(said.text)} <span>{100 * said.share:.0f} %</span></p>'
    roles = (
        f'<div class="mm-roles">{"".join(write_role(r, p, best) for r, p in analysis.predictions.items())}{write_silent(analysis)}</div>'
    )
    if said.share is None:
        roles = f'<details class="mm-fold"><summary>{escape(FEW)}</summary>{roles}</details>'
    return f"""
<section class="mm-verdict" aria-label="Verdict">
  {headline}
  <div class="mm-said">
    <p class="mm-state mm-{said.state.replace(" ", "-")}{" mm-seen" if analysis.seen else ""}">{escape(said.sentence)}</p>
    {write_truth(analysis, example) if example else ""}
  </div>
  {write_origin(example) if example else ""}
  {roles}
  {write_speakers(analysis)}
</section>"""


def write_truth(analysis: Analysis, example: ExampleClip) -> str:
    """Whether the verdict about an example is right."""
    label = analysis.best.label
    right = label == example.emotion
    meant = f"The clip is meant as <b>{escape(example.emotion)}</b>"
    side = ""
    if example.words != example.voice:
        meant = f"The words alone are {escape(example.words)}, the voice is meant as <b>{escape(example.voice)}</b>"
        sides = {example.words: "the model goes with the words, ", example.voice: "the model goes with the voice, "}
        side = sides.get(label, "the model goes with neither, ")
    if not read_headline(analysis).names_emotion:
        return f'<p class="mm-truth">{meant}.</p>'
    mark, judged = ("✓", "right") if right else ("✗", "wrong")
    return f'<p class="mm-truth mm-{judged}">{mark} {meant}: {side}the verdict is {judged}.</p>'


def write_origin(example: ExampleClip) -> str:
    """What an example is, where it comes from and what to look at."""
    kind = {"recorded": "A real recording", "synthesised": "Synthesised speech, no human voice"}.get(example.kind, example.kind)
    source = f"{escape(example.source)}, {escape(example.licence)}"
    return f'<p class="mm-look">{escape(example.look)} <small>{escape(kind)} ({source}).</small></p>'


def write_speakers(analysis: Analysis) -> str:
    """Which heads and preset speak, and what they were trained on."""
    names = join_words([escape(head.title or head.name) for head in analysis.heads])
    facts = dict.fromkeys(f"{escape(head.trained_on)} {escape(head.caveat)}".strip() for head in analysis.heads)
    many = "The verdict comes from" if len(analysis.heads) > 1 else "The verdict is that of"
    if not read_headline(analysis).names_emotion:
        many = "The numbers come from"
    return f'<p class="mm-speakers">{many} {names}; preset {escape(analysis.preset)}. Learned from: {" ".join(facts)}</p>'


def write_role(role: str, prediction: Prediction, best: Prediction) -> str:
    """One model's probabilities as small bars."""
    rows = "".join(
        f'<tr{" class=mm-top" if name == prediction.label else ""}><th scope="row">{escape(name)}</th>'
        f'<td><span class="mm-bar" style="width:{100 * p:.1f}%"></span></td><td>{100 * p:.0f} %</td></tr>'
        for name, p in zip(prediction.classes, prediction.probabilities)
    )
    kind = "mm-role mm-best" if prediction is best else "mm-role"
    return f'<table class="{kind}" data-role="{escape(role)}"><caption>{ROLE_NAMES.get(role, role)}</caption>{rows}</table>'


def write_silent(analysis: Analysis) -> str:
    """A line for each model that could not speak; the notices say why."""
    silent = [r for r in ROLE_NAMES if r in analysis.unavailable]
    return "".join(f'<p class="mm-silent"><b>{ROLE_NAMES[r]}</b> is not available</p>' for r in silent)


def write_notices(analysis: Analysis) -> str:
    """What the person should know beside the result, and what could not be had and why, each reason once."""
    items = [f'<li class="mm-{escape(n.level)}">{escape(n.text)}{offer_typing(analysis, n)}</li>' for n in list_limits(analysis)]
    return f'<ul class="mm-notices" aria-label="Notices">{"".join(items)}</ul>' if items else ""


def offer_typing(analysis: Analysis, notice: Notice) -> str:
    """The way to the box for the words, behind the reason why the recogniser's are not used."""
    return ' <a href="#transcript">Type the words</a>' if notice.text == analysis.transcript.untrusted else ""


def write_trace(analysis: Analysis) -> str:
    """What it was computed with, for whoever wants to do it again."""
    facts = {
        "clip": f"{analysis.clip.name}, {analysis.clip.duration:.2f} s ({analysis.clip.source})",
        "transcript": f"{analysis.transcript.source}{word_confidence(analysis.transcript.confidence)}",
        "alignment": word_alignment(analysis),
        **{f"{name} encoder": value for name, value in analysis.encoders.items()},
        **{f"head {h.name}": f"sha256 {h.sha256[:12]}…, {h.licence}" for h in analysis.heads},
        "computed": f"{analysis.created} by mmer {analysis.version}",
    }
    rows = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(str(v))}</td></tr>' for k, v in facts.items())
    return f'<table class="mm-trace">{rows}</table>'


def word_confidence(confidence: float | None) -> str:
    return f", mean word probability {confidence:.2f}" if confidence is not None else ""


def word_alignment(analysis: Analysis) -> str:
    if analysis.alignment is None:
        return "none"
    score = analysis.alignment.score
    approximate = ", approximate" if analysis.alignment.approximate else ""
    return analysis.alignment.source + (f", score {score:.1f} per 10 ms" if score is not None else "") + approximate


def write_stages(stages: Sequence[Stage]) -> str:
    """The list that grows while the work runs."""
    items = "".join(
        f'<li class="{"mm-done" if s.done else "mm-running"}">{escape(s.name)} <span>{s.seconds:.1f} s</span></li>' for s in stages
    )
    return f'<ol class="mm-stages" aria-live="polite" aria-label="Progress">{items or "<li class=mm-running>Starting</li>"}</ol>'


ORIGINS = {
    "example": "Opened from a stored result.",
    "list": "Opened from your session; no model was asked.",
    "file": "Read from a file; no model was asked.",
}


def write_timings(timings: Mapping[str, float], *, origin: str = "") -> str:
    """What each stage took, once it is done; where the result came from if none ran."""
    if origin:
        return f'<p class="mm-timings">{ORIGINS[origin]}</p>'
    parts = [
        f"{escape(stage)} <b>{seconds:.2f}&nbsp;s</b>" if seconds else f"{escape(stage)} <b>kept</b>" for stage, seconds in timings.items()
    ]
    return f'<p class="mm-timings">{" · ".join(parts)} · together <b>{sum(timings.values()):.2f}&nbsp;s</b></p>'


def write_problem(sentence: str, *, kept: bool) -> str:
    """The sentence that stays on the page when something can't be used."""
    after = " The earlier result is still shown." if kept else ""
    return f'<p class="mm-problem" role="alert">{escape(sentence)}{after}</p>'
