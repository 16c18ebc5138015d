"""The eight steps of one clip -> one HTML fragment; lesson.js in ui/ turns its pages. Every text a visitor or a file chose is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from html import escape

from mmer.explain.verdict import read_headline
from mmer.lesson.cases_step import teach_fusion
from mmer.lesson.coattention_step import teach_coattention
from mmer.lesson.evaluation_step import teach_evaluation
from mmer.lesson.evidence_step import teach_evidence
from mmer.lesson.lesson_clip import LessonClip
from mmer.lesson.sound_steps import teach_frames, teach_layers, teach_segments
from mmer.lesson.steps import LessonStep, Question, StepNotPossible
from mmer.lesson.sum_step import teach_sum
from mmer.views.payload import encode_sound

MEASURE = (
    '<p><button type="button" class="ml-button" data-press="lesson-measure">Ask the models again, now</button>'
    ' <span class="ml-caption">leaves out every word of “{}” in turn; takes seconds, for a long clip minutes.</span></p>'
)
Teacher = Callable[[LessonClip, Sequence[LessonClip]], LessonStep]


def alone(teach: Callable[[LessonClip], LessonStep]) -> Teacher:
    """A step that looks at its clip only."""
    return lambda clip, examples: teach(clip)


TEACHERS: tuple[tuple[str, Teacher], ...] = (
    ("Frames", alone(teach_frames)),
    ("Segments", alone(teach_segments)),
    ("Layers", alone(teach_layers)),
    ("Branches", alone(teach_sum)),
    ("Coattention", alone(teach_coattention)),
    ("Fusion", teach_fusion),
    ("Evidence", alone(teach_evidence)),
    ("Evaluation", teach_evaluation),
)


def list_steps(clip: LessonClip, examples: Sequence[LessonClip]) -> list[tuple[LessonStep | None, LessonClip, str]]:
    """(step, the clip it is about, why it is not the clip asked for) in order; the step is None where no clip can show it."""
    found = []
    for _, teach in TEACHERS:
        step, used, reason = None, clip, ""
        for candidate in (clip, *(c for c in examples if c is not clip)):
            try:
                step, used = teach(candidate, examples), candidate
                break
            except StepNotPossible as missing:
                reason = reason or str(missing)
        found.append((step, used, reason))
    return found


def render_lesson(clip: LessonClip, examples: Sequence[LessonClip]) -> str:
    """The whole lesson about a clip; `examples`: the examples, which steps 6 and 8 look at together."""
    steps = list_steps(clip, examples)
    marks = "".join(
        f'<li><button type="button" class="ml-mark" data-go="{i}"><b>{i}</b> <span>{name}</span></button></li>'
        for i, (name, _) in enumerate(TEACHERS, 1)
    )
    pages = "".join(render_page(i, *found, asked=clip) for i, found in enumerate(steps, 1))
    sounds = {id(used): used for _, used, _ in steps}
    players = "".join(
        f'<audio preload="auto" data-of="{escape(c.name)}" src="data:audio/flac;base64,{encode_sound(c.analysis.clip)}"></audio>'
        for c in sounds.values()
        if not c.analysis.clip.outline
    )
    return (
        f'<div class="ml" data-clip="{escape(clip.name)}" data-id="{identify_clip(clip)}">'
        f'<nav class="ml-nav" aria-label="Steps of the lesson"><ol>{marks}</ol></nav>'
        f'<p class="ml-progress" role="status" aria-live="polite"></p>{players}{pages}</div>'
    )


def identify_clip(clip: LessonClip) -> str:
    """The same for the same sound and words, whatever was measured since: the page keeps the answers that were given about them."""
    return sha256(f"{clip.analysis.clip.sha256}\n{clip.analysis.transcript.text}".encode()).hexdigest()[:16]


def render_page(number: int, step: LessonStep | None, used: LessonClip, reason: str, *, asked: LessonClip) -> str:
    name = TEACHERS[number - 1][0]
    if step is None:
        title, source, key, body = name, "", name.lower(), f"<p>This step can’t be shown: {escape(reason)}.</p>"
    else:
        title, source, key, body = step.title, f" · {step.source}", step.key, render_step(step)
    if used is not asked:
        lent = f"“{escape(asked.title)}” can’t show this ({escape(reason)}), so here is the example “{escape(used.title)}”."
        body = f'<p class="ml-instead">{lent}</p>{body}'
    said = read_headline(used.analysis)
    if not said.names_emotion:
        body = f'<p class="ml-instead"><b>{escape(said.text)}.</b> {escape(said.sentence)}</p>{body}'
    hear = "" if used.analysis.clip.outline else '<button type="button" class="ml-button" data-play="all">▶ Hear the clip</button>'
    measure = MEASURE.format(escape(asked.title)) if name == "Evidence" else ""
    back, on = ("" if at != number else " disabled" for at in (1, len(TEACHERS)))
    return (
        f'<section class="ml-page" data-step="{number}" data-key="{key}" data-sound="{escape(used.name)}"'
        f' aria-labelledby="ml-title-{number}" hidden><header><p class="ml-kicker">Step {number} of {len(TEACHERS)}{source}</p>'
        f'<h2 id="ml-title-{number}" tabindex="-1">{escape(title)}</h2>'
        f'<p class="ml-clip">The clip on the screen: <b>{escape(used.title)}</b>{write_text(used)} {hear}</p>{measure}</header>{body}'
        f'<div class="ml-turn"><button type="button" class="ml-button" data-turn="-1"{back}>← Previous</button>'
        f'<button type="button" class="ml-button ml-primary" data-turn="1"{on}>Next →</button></div></section>'
    )


def write_text(clip: LessonClip) -> str:
    return f" “{escape(clip.analysis.transcript.text)}”" if clip.analysis.transcript.text.strip() else ""


def render_step(step: LessonStep) -> str:
    return (
        f'<div class="ml-lead">{step.lead}</div>'
        f'<div class="ml-formula"><h3>The equation</h3>{step.equation}<h3>{step.numbers}</h3><div '
        f'class="ml-filled">{step.filled}</div></div>'
        f'<div class="ml-picture"><h3>The picture</h3>{step.picture}</div>'
        f"{render_question(step.question, step.key)}"
        f'<div class="ml-after">{step.after}</div>'
    )


def render_question(question: Question, key: str) -> str:
    """Radios, and a reason for each answer that is shown when it is chosen."""
    options = "".join(
        f'<label class="ml-answer"><input type="radio" name="ml-{key}" value="{i}" '
        f'data-right="{str(a.right).lower()}"><span>{a.text}</span></label>'
        f'<template data-reason="{i}">{a.reason}</template>'
        for i, a in enumerate(question.answers)
    )
    return (
        f'<fieldset class="ml-question"><legend>{question.text}</legend>{options}<p class="ml-feedback" role="status" '
        'aria-live="polite"></p></fieldset>'
    )
