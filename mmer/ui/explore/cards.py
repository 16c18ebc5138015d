"""HTML fragments of the page: pure functions of the result. Every word that a visitor or a file can choose is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mmer.explain.because import WordFlip, explain_verdict
from mmer.explain.verdict import FEW, ROLE_NAMES, list_limits, read_headline
from mmer.phrasing import join_words, say_devices
from mmer.results import Analysis, Notice, Prediction
from mmer.ui.explore.example_clip import ExampleClip
from mmer.ui.explore.session import Stage
from mmer.ui.texts import explore as texts

LONGEST_NAME = 16  # characters of a class that its column is wide enough for; longer names are broken

HEADER = f"""
<a class="mm-skip" href="#results">{texts.SKIP}</a>
<header class="mm-header">
  <div><h1>mmer</h1><p>{texts.SUBTITLE}</p></div>
  <p class="mm-ethics">{texts.ETHICS}</p>
</header>"""

EMPTY = f"""
<section class="mm-empty" aria-label="{texts.EMPTY_TITLE}">
  <ol>{"".join(f"<li><b>{what}</b> {sentence}</li>" for what, sentence in texts.EMPTY)}</ol>
  <p>{texts.HOW_TO_BEGIN}</p>
</section>"""


def write_empty(classes: Sequence[str], *, more: str = "") -> str:
    """What stands in a result's place before there is one; `classes` are those of the head that speaks first."""
    *others, last = classes
    named = f"{', '.join(others)} or {last}"
    return EMPTY.replace("{}", escape(named[:1].upper() + named[1:])).replace("</section>", f"{more}</section>")


def write_verdict(analysis: Analysis, example: ExampleClip | None, *, flips: Sequence[WordFlip] | None = None) -> str:
    """The card at the top: what the best model says, why, how sure, who speaks, and all models side by side.

    `flips`: the words whose muting changes it, None where nobody tried. Where no emotion can be named, it says why in the place of one,
    and the numbers are folded away.
    """
    said, best, because = read_headline(analysis), analysis.best, explain_verdict(analysis, flips=flips)
    if said.share is None:
        headline = f'<p class="mm-emotion mm-none">{escape(said.text)}</p>'
    else:
        headline = f'<p class="mm-emotion" data-emotion="{escape(said.text)}">{escape(said.text)} <span>{100 * said.share:.0f} %</span></p>'
    roles = (
        f'<div class="mm-roles">{"".join(write_role(r, p, best) for r, p in analysis.predictions.items())}{write_silent(analysis)}</div>'
    )
    summary = escape(FEW if said.share is None else texts.say_trained(read_facts(analysis)))
    return f"""
<section class="mm-verdict" aria-label="{texts.VERDICT}" data-example="{escape(example.folder.name) if example else ""}">
  {headline}
  {f'<p class="mm-because">{mark_terms(escape(because))}</p>' if because else ""}
  <div class="mm-said">
    <p class="mm-state mm-{said.state.replace(" ", "-")}{" mm-seen" if analysis.seen else ""}">{escape(said.sentence)}</p>
    {write_truth(analysis, example) if example else ""}
  </div>
  <details class="mm-fold{" mm-grey" if said.share is None else ""}"><summary>{summary}</summary>
    {roles}
    {write_origin(example) if example else ""}
    {write_speakers(analysis)}
  </details>
</section>"""


def read_facts(analysis: Analysis) -> str:
    """What the head whose verdict counts was trained on, in its own first sentence."""
    heads = {head.name: head for head in analysis.heads}
    head = heads.get(analysis.best.head) or next(iter(heads.values()), None)
    return (head.trained_on or head.caveat).strip() if head else ""


def mark_terms(text: str) -> str:
    """Escaped text -> HTML in which the first use of each term explains itself."""
    for term in texts.HINTS:
        text = text.replace(term, write_term(term), 1)
    return text


def write_term(term: str) -> str:
    """A word of the field; what it means is said on hover, focus and tap (mmer/views/hints.js). Any other word stays as it is."""
    hint = texts.HINTS.get(term)
    return f'<button type="button" class="mv-term" data-hint="{escape(hint)}">{escape(term)}</button>' if hint else escape(term)


def write_truth(analysis: Analysis, example: ExampleClip) -> str:
    """Whether the verdict about an example is right."""
    label = analysis.best.label
    is_right = label == example.emotion
    meant, followed = texts.say_meant(escape(example.emotion)), ""
    if example.words != example.voice:
        meant = texts.say_both_meant(escape(example.words), escape(example.voice))
        followed = {example.words: "words", example.voice: "voice"}.get(label, "neither")
    if not read_headline(analysis).names_emotion:
        return f'<p class="mm-truth">{meant}.</p>'
    if example.emotion not in analysis.best.classes:
        return f'<p class="mm-truth">{texts.say_unnamed(meant)}</p>'
    truth = texts.say_truth(meant, followed=followed, is_right=is_right)
    return f'<p class="mm-truth mm-{"right" if is_right else "wrong"}">{truth}</p>'


def write_origin(example: ExampleClip) -> str:
    """What an example is, where it comes from and what to look at."""
    kind = texts.KINDS.get(example.kind, example.kind)
    source = f"{escape(example.source)}, {escape(example.licence)}"
    return f'<p class="mm-look">{escape(example.look)} <small>{escape(kind)} ({source}).</small></p>'


def write_speakers(analysis: Analysis) -> str:
    """Which heads and preset speak, and what they were trained on."""
    names = join_words([escape(head.title or head.name) for head in analysis.heads])
    facts = dict.fromkeys(f"{escape(head.trained_on)} {escape(head.caveat)}".strip() for head in analysis.heads)
    names_emotion = read_headline(analysis).names_emotion
    preset, are_many = escape(analysis.preset), len(analysis.heads) > 1
    speakers = texts.say_speakers(names, preset, " ".join(facts), are_many=are_many, names_emotion=names_emotion)
    return f'<p class="mm-speakers">{speakers}</p>'


def write_role(role: str, prediction: Prediction, best: Prediction) -> str:
    """One model's probabilities as small bars."""
    rows = "".join(
        f'<tr{" class=mm-top" if name == prediction.label else ""}><th scope="row">{escape(name)}</th>'
        f'<td><span class="mm-bar" style="width:{100 * p:.1f}%"></span></td><td>{100 * p:.0f} %</td></tr>'
        for name, p in zip(prediction.classes, prediction.probabilities)
    )
    kind = "mm-role mm-best" if prediction is best else "mm-role"
    longest = min(max(map(len, prediction.classes)), LONGEST_NAME)
    caption = f"<caption>{write_term(ROLE_NAMES.get(role, role))}</caption>"
    return f'<table class="{kind}" data-role="{escape(role)}" style="--name: {longest}ch">{caption}{rows}</table>'


def write_silent(analysis: Analysis) -> str:
    """A line for each model that could not speak; the notices say why."""
    silent = [r for r in ROLE_NAMES if r in analysis.unavailable]
    return "".join(f'<p class="mm-silent">{texts.say_silent(ROLE_NAMES[r])}</p>' for r in silent)


def write_notices(analysis: Analysis) -> str:
    """What the person should know beside the result, and what could not be had and why, each reason once."""
    items = [f'<li class="mm-{escape(n.level)}">{escape(n.text)}{offer_typing(analysis, n)}</li>' for n in list_limits(analysis)]
    return f'<ul class="mm-notices" aria-label="{texts.NOTICES}">{"".join(items)}</ul>' if items else ""


def offer_typing(analysis: Analysis, notice: Notice) -> str:
    """The way to the box for the words, behind the reason why the recogniser's are not used."""
    return ' <a href="#transcript">' + texts.TYPE_WORDS + "</a>" if notice.text == analysis.transcript.untrusted else ""


def write_trace(analysis: Analysis) -> str:
    """What it was computed with, for whoever wants to do it again."""
    facts = {
        "clip": texts.say_clip(analysis.clip.name, analysis.clip.duration, analysis.clip.source),
        "transcript": f"{analysis.transcript.source}{word_confidence(analysis.transcript.confidence)}",
        "alignment": word_alignment(analysis),
        **texts.name_facts(dict(analysis.encoders), {h.name: f"sha256 {h.sha256[:12]}…, {h.licence}" for h in analysis.heads}),
        "computed": texts.say_computed(analysis.created, analysis.version, say_devices(analysis.devices)),
    }
    rows = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(str(v))}</td></tr>' for k, v in facts.items())
    return f'<table class="mm-trace">{rows}</table>'


def word_confidence(confidence: float | None) -> str:
    return texts.say_confidence(confidence) if confidence is not None else ""


def word_alignment(analysis: Analysis) -> str:
    if analysis.alignment is None:
        return "none"
    return texts.say_alignment(analysis.alignment.source, analysis.alignment.score, is_approximate=analysis.alignment.approximate)


def write_voice() -> str:
    """The large button that records, the switch, and where the sound goes. The script is voice.js."""
    return f"""
<div class="mm-voice">
  <button type="button" id="voice" class="mm-voice-button">
    <span class="mm-dot" aria-hidden="true"></span><span class="mm-voice-name">{texts.VOICE}</span>
  </button>
  <p id="voice-problem" class="mm-voice-problem" role="alert" hidden></p>
  <label class="mm-auto"><input type="checkbox" id="auto" checked> {texts.AT_ONCE}</label>
  <p class="mm-note">{texts.SOUND_GOES}</p>
</div>"""


def write_stages(stages: Sequence[Stage]) -> str:
    """The list that grows while the work runs."""
    items = "".join(
        f'<li class="{"mm-done" if s.done else "mm-running"}">{escape(s.name)} <span>{s.seconds:.1f} s</span></li>' for s in stages
    )
    starting = f"<li class=mm-running>{texts.STARTING}</li>"
    return f'<ol class="mm-stages" aria-live="polite" aria-label="{texts.PROGRESS}">{items or starting}</ol>'


def write_timings(timings: Mapping[str, float], devices: Mapping[str, str], *, origin: str = "") -> str:
    """What each stage took, once it is done, and on which device; where the result came from if none ran."""
    if origin:
        return f'<p class="mm-timings">{texts.ORIGINS[origin]}</p>'
    times = {stage: f"{seconds:.2f}&nbsp;s" if seconds else texts.KEPT_STAGE for stage, seconds in timings.items()}
    parts = [f"{escape(stage)} <b>{time}</b>" for stage, time in times.items()]
    where = f" · {escape(texts.say_device(place))}" if (place := say_devices(devices)) else ""
    return f'<p class="mm-timings">{" · ".join(parts)} · {texts.TOGETHER} <b>{sum(timings.values()):.2f}&nbsp;s</b>{where}</p>'


def write_problem(sentence: str, *, kept: bool) -> str:
    """The sentence that stays on the page when something can't be used."""
    after = texts.STILL_SHOWN if kept else ""
    return f'<p class="mm-problem" role="alert">{escape(sentence)}{after}</p>'
