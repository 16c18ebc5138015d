"""Steps 1 to 3: from the wave to frames, from frames to segments, from layers to one vector (Section 2.1)."""

from __future__ import annotations

from html import escape

import numpy as np

from mmer.choices.units import name_unit
from mmer.lesson.lesson_clip import LessonClip
from mmer.lesson.markup import (
    call,
    format_number,
    frac,
    gap,
    math,
    mi,
    mo,
    mtext,
    note_rounding,
    read_printed,
    sub,
    subsup,
    sup,
    total,
    var,
    where,
    write_number,
    write_sum,
    write_table,
)
from mmer.lesson.pictures import Bar, LabelledSpan, draw_bars, draw_wave
from mmer.lesson.steps import LessonStep, Question, StepNotPossible, find_segment, name_sound, pick_sound, shuffle
from mmer.phrasing import say_count, say_layer_rate
from mmer.results import SAMPLE_RATE, LayerWeights

CONTEXT = 0.16  # seconds shown on either side of the chosen sound
PRINTED = 3  # numbers of a vector


def write_vector(values: np.ndarray, key: str, dim: int) -> str:
    """The first numbers of a state."""
    shown = ", ".join(write_number(v, f"{key}.{i}", digits=2) for i, v in enumerate(values[:PRINTED]))
    return f'<span class="ml-vec">({shown}, … {dim - PRINTED:,} more)</span>'


def list_words(clip: LessonClip, marked: int = -1) -> list[LabelledSpan]:
    alignment = clip.analysis.alignment
    return [LabelledSpan(s.label, s.start, s.end, s.word == marked) for s in (alignment.words if alignment else ())]


def pick_layer(clip: LessonClip) -> int:
    """The speech layer that weighs most in the first branch that reads frames."""
    for prediction in clip.analysis.predictions.values():
        for unit in ("F", "P", "S", "W"):
            if unit in prediction.layer_weights and len(prediction.layer_weights[unit].normalised) == len(clip.frames.layer_names):
                return int(np.argmax(prediction.layer_weights[unit].normalised))
    return len(clip.frames.layer_names) - 1


def teach_frames(clip: LessonClip) -> LessonStep:
    """Step 1: what the encoder makes of the wave."""
    analysis, frames = clip.analysis, clip.frames
    unit, index, (first, last) = pick_sound(clip)
    segment = find_segment(clip, unit, index)
    layers, count = frames.values.shape[:2]
    layer, middle = pick_layer(clip), (first + last) // 2
    samples, duration = len(analysis.clip.samples), analysis.clip.duration
    inside, heard = last - first, round((segment.end - segment.start) * SAMPLE_RATE)
    sound = name_sound(unit, segment)
    state = subsup(mi("u", bold=True), mi("f"), row_of("F,", "l,", "n"))
    lead = (
        f"<p>A recording is a long row of air pressures: this one is {write_number(samples, 'clip.samples', digits=0)} "
        "numbers, "
        f"{write_number(SAMPLE_RATE, 'clip.rate', digits=0)} a second. A <b>frozen encoder</b> "
        f"({escape(analysis.encoders.get('speech', 'speech encoder').split(' ')[0])}), "
        f"which learned from speech without emotion labels, reads them and answers with <b>frames</b>: every "
        f"{write_number(1000 * frames.step, 'frames.step_ms', digits=0)} ms, in each of its "
        f"{write_number(layers, 'frames.layers', digits=0)} layers, "
        f"a vector of {write_number(frames.dim, 'frames.dim', digits=0)} numbers. Nothing else of the sound reaches the "
        "fusion models.</p>"
    )
    numbered = (mi(name) + mo("=") + mtext("1…") + mi(last) for name, last in (("f", "K"), ("l", "L")))
    equation = math(state, mo("∈"), sup(mi("ℝ"), mi("D")), gap(), gap().join(numbered)) + where(
        (var("u", "f", "F,l,n", bold=True), f"is the vector of frame {var('f')} in layer {var('l')} of clip {var('n')}"),
        (var("F"), "stands for frames"),
        (var("ℝ", above="D"), f"are the vectors of {var('D')} numbers"),
        (var("K"), "is how many frames there are"),
        (var("L"), "how many layers"),
    )
    filled = (
        f"<p>K: {write_number(duration, 'clip.duration')} s ÷ {write_number(frames.step, 'frames.step')} s = "
        f"{write_number(duration / frames.step, 'frames.quotient', digits=1)}, so "
        f"<b>{write_number(count, 'frames.count', digits=0)} frames</b>. "
        f"Together {write_number(count, 'frames.count', digits=0)} × {write_number(layers, 'frames.layers', digits=0)} × "
        f"{write_number(frames.dim, 'frames.dim', digits=0)} = "
        f"{write_number(count * layers * frames.dim, 'frames.numbers', digits=0)} numbers.</p>"
        f"<p>The frame at {write_number(frames.times[middle], 'frames.time')} s in layer "
        f"{escape(frames.layer_names[layer])}: "
        f"{write_vector(frames.values[layer, middle], 'frames.vector', frames.dim)}</p>"
    )
    words = list_words(clip, segment.word)
    named = "".join(f'<p class="ml-caption">Marked: “{escape(word.label)}”.</p>' for word in words if word.marked)
    picture = (
        named
        + draw_wave(
            analysis.clip,
            start=0,
            end=duration,
            tiers=[words],
            label=f"The whole recording of {duration:.2f} seconds with its words; {segment.label} lies from {segment.start:.2f} to "
            f"{segment.end:.2f} s.",
        )
        + draw_zoom(clip, unit, index, (first, last))
    )
    question = Question(
        f"{sound[0].upper()}{sound[1:]} lasts {format_number(segment.end - segment.start)} s. How many vectors of one layer stand for it?",
        shuffle(
            (f"{inside}, one for each frame whose centre lies in it", f"Right: {inside} dots lie in the marked stretch of the picture."),
            (
                f"{heard:,}, one for each sample",
                f"{heard:,} is how many samples it has. The encoder sums up about {round(frames.step * SAMPLE_RATE)} of them in a step.",
            ),
            ("1, one for each sound", "The encoder knows no sounds, only time. One vector for each sound comes in the next step."),
            place=1,
        ),
    )
    after = (
        "<p>Each frame has seen its surroundings: the encoder's layers let every frame look at all others. So a frame is "
        "<em>about</em> its moment, not made of it alone.</p>"
    )
    return LessonStep("frames", "From a wave to frames", "Section 2.1", lead, equation, filled, picture, question, after)


def row_of(*names: str) -> str:
    return "".join(mi(name.rstrip(",")) + (mo(",") if name.endswith(",") else "") for name in names)


def draw_zoom(clip: LessonClip, unit: str, index: int, inside: tuple[int, int]) -> str:
    """The chosen sound from close by, with the centre of every frame."""
    segment = find_segment(clip, unit, index)
    assert clip.analysis.alignment is not None
    segments = clip.analysis.alignment.tier(unit)
    start, end = max(0.0, segment.start - CONTEXT), min(clip.analysis.clip.duration, segment.end + CONTEXT)
    spans = [LabelledSpan(s.label, s.start, s.end, i == index) for i, s in enumerate(segments)]
    dots = [(float(time), inside[0] <= i < inside[1]) for i, time in enumerate(clip.frames.times)]
    play = (
        f'<button type="button" class="ml-button" data-play="{segment.start:.4f},{segment.end:.4f}">▶ Hear '
        f"“{escape(segment.label)}”</button>"
    )
    label = f"{segment.label} and its neighbours; {say_count(inside[1] - inside[0], 'frame centre lies', 'frame centres lie')} in it."
    wave = draw_wave(clip.analysis.clip, start=start, end=end, tiers=[spans], dots=dots, label=label)
    return f'<p class="ml-caption">The same from close by: a dot is the centre of a frame. {play}</p>{wave}'


def teach_segments(clip: LessonClip) -> LessonStep:
    """Step 2: a segment is the mean of the frames in it."""
    frames, alignment = clip.frames, clip.analysis.alignment
    unit, index, (first, last) = pick_sound(clip)
    segment, layer = find_segment(clip, unit, index), pick_layer(clip)
    values, times = frames.values[layer, first:last].astype(np.float64), frames.times[first:last]
    mean, count = values.mean(0), last - first
    sound = name_sound(unit, segment)
    short = sum(1 for s in alignment.phones if not np.any((frames.times >= s.start) & (frames.times < s.end))) if alignment else 0
    lead = (
        f"<p>Emotion also lives in how a word, a syllable or a <b>phone</b> (a speech sound) is said. An aligner"
        f" ({escape(alignment.source if alignment else '')}) found where each one begins and ends. Its vector is the "
        "<b>mean of the frames</b> whose centre lies within."
        f" Here {sound} from {write_number(segment.start, 'segment.start')} to {write_number(segment.end, 'segment.end')} "
        "s.</p>"
    )
    u = subsup(mi("u", bold=True), mi("k"), row_of("i,", "l,", "n"))
    equation = math(
        u,
        mo("="),
        frac(
            total(row_of("f") + mo("=") + sub(mi("s"), mi("k")), sub(mi("e"), mi("k")))
            + subsup(mi("u", bold=True), mi("f"), row_of("F,", "l,", "n")),
            sub(mi("e"), mi("k")) + mo("−") + sub(mi("s"), mi("k")),
        ),
        gap(),
        mi("i"),
        mo("∈"),
        mo("{", grows=False) + mo(",").join(mi(i) for i in "PWS") + mo("}", grows=False),
    ) + where(
        (var("u", "k", "i,l,n", bold=True), f"is the vector of segment {var('k')} in layer {var('l')} of clip {var('n')}"),
        (var("i"), f"its kind: phone ({var('P')}), word ({var('W')}) or syllable ({var('S')})"),
        (var("u", "f", "F,l,n", bold=True), f"the vector of frame {var('f')} ({var('F')}: frames, step 1)"),
        (f"{var('s', 'k')} and {var('e', 'k')}", "the frames where the segment starts and ends"),
    )
    terms = [
        (write_number(v, f"segment.value.{i}", digits=3), f"{format_number(t, digits=2)} s")
        for i, (v, t) in enumerate(zip(values[:, 0], times))
    ]
    summed, printed = write_number(values[:, 0].sum(), "segment.sum"), write_number(mean[0], "segment.mean.0")
    filled = (
        f"<p>The first of the {write_number(frames.dim, 'frames.dim', digits=0)} numbers, in layer "
        f"{escape(frames.layer_names[layer])}:</p>"
        + write_sum(terms, result=summed, label="sum")
        + f"<p>{summed} ÷ {write_number(count, 'segment.count', digits=0)} = "
        f"<b>{printed}</b>{note_rounding(read_printed(summed) / count, printed)}. The same for the other {frames.dim - 1:,}.</p>"
    )
    rows = [
        [f"{format_number(t, digits=2)} s", *(write_number(v, f"segment.table.{i}.{d}") for d, v in enumerate(row[:4]))]
        for i, (t, row) in enumerate(zip(times, values))
    ]
    rows.append(["mean", *(f"<b>{write_number(v, f'segment.mean.{d}')}</b>" for d, v in enumerate(mean[:4]))])
    table = write_table(
        ["frame", *(f"number {d + 1}" for d in range(4))], rows, caption=f"Frames of “{escape(segment.label)}”", marked=len(rows) - 1
    )
    after = (
        "<p>Written as in the paper, the sum runs over s, …, e and divides by e − s: one term more than it divides by. "
        "This program takes the frames whose centre lies in "
        "[start, end), so that both agree; a sound too short to hold a centre takes the nearest frame"
        f" ({write_number(short, 'segment.short', digits=0)} of the {len(alignment.phones) if alignment else 0} phones "
        "here).</p>"
    )
    return LessonStep(
        "segments",
        "Alignment and the segment mean",
        "Section 2.1",
        lead,
        equation,
        filled,
        draw_zoom(clip, unit, index, (first, last)) + table,
        ask_about_boundary(clip, unit, index, (first, last), layer),
        after,
    )


def ask_about_boundary(clip: LessonClip, unit: str, index: int, frame_range: tuple[int, int], layer: int) -> Question:
    """What a boundary that is one frame off does to the mean."""
    first, last = frame_range
    states, segment = clip.frames.values[layer, :, 0].astype(np.float64), find_segment(clip, unit, index)
    further = last < len(states)
    wider = states[first : last + 1] if further else states[first - 1 : last]
    before, after, added = states[first:last].mean(), wider.mean(), wider[-1] if further else wider[0]
    where = "end one frame later" if further else "begin one frame earlier"
    right = (
        f"It becomes {format_number(after)}",
        f"Right: the frame with {format_number(added)} joins the mean, now of {len(wider)}. Where the aligner errs, the "
        "neighbour's sound leaks in.",
    )
    return Question(
        f"Suppose the aligner lets “{escape(segment.label)}” {where}. What happens to its first number, {format_number(before)}?",
        shuffle(
            right,
            (
                "Nothing, means are robust",
                f"A mean moves with every value in it: here from {format_number(before)} to {format_number(after)}.",
            ),
            (
                f"It becomes {format_number(states[first:last].sum() + added)}",
                "That is the sum. A mean divides by the number of frames, now one more.",
            ),
            place=0,
        ),
    )


def find_weights(clip: LessonClip) -> dict[str, tuple[str, LayerWeights]]:
    """Unit -> (role, layer weights) of the model that tells most. Raises StepNotPossible."""
    for role in ("late", "early", "combined"):
        prediction = clip.analysis.predictions.get(role)
        if prediction is not None and prediction.layer_weights:
            return {unit: (role, weights) for unit, weights in prediction.layer_weights.items()}
    raise StepNotPossible("no model with layer weights spoke about it")


def teach_layers(clip: LessonClip) -> LessonStep:
    """Step 3: Equation 1 with the head's own weights."""
    found = find_weights(clip)
    unit = "F" if "F" in found else next(iter(found))
    role, weights = found[unit]
    raw, share, names = weights.raw, weights.normalised, weights.layer_names
    most, least = int(np.argmax(share)), int(np.argmin(share))
    rate = say_layer_rate(weights.rate)
    lead = (
        "<p>An encoder has several layers, and each gives a vector for every segment: low layers stay close to the sound "
        "or the spelling, high ones to what the encoder was trained for."
        " Which to read? The head <b>learned one weight a layer</b>. All started at 1; these are what training made of "
        "them in the branch"
        f" for {name_unit(unit)} of {escape(clip.analysis.predictions[role].head)}.{f' {rate}' if rate else ''}</p>"
    )
    mixed = subsup(mi("u", bold=True), mi("k"), row_of("i,", "n"))
    weight, layer_state = sub(mi("w"), mi("l")), subsup(mi("u", bold=True), mi("k"), row_of("i,", "l,", "n"))
    equation = math(mixed, mo("="), call("LN", frac(total(mi("l")) + weight + layer_state, total(mi("l")) + weight)), number="1") + where(
        (
            var("u", "k", "i,n", bold=True),
            f"is the vector of segment {var('k')} of clip {var('n')}, its layers mixed; {var('i')} its kind: phone, word, syllable, frame "
            "or text",
        ),
        (var("u", "k", "i,l,n", bold=True), f"the same in layer {var('l')} alone"),
        (var("w", "l"), f"the learned weight of layer {var('l')}"),
        (var("LN"), "layer normalisation"),
    )
    terms = [(write_number(v, f"layers.{unit}.raw.{i}"), f"layer {escape(n)}") for i, (v, n) in enumerate(zip(raw, names))]
    shares = [
        (
            f"<span>{write_number(v, f'layers.{unit}.share.{i}')}&thinsp;<b>u</b><sup>{escape(n)}</sup></span>",
            f"{format_number(w)} ÷ {format_number(raw.sum())}",
        )
        for i, (v, n, w) in enumerate(zip(share, names, raw))
    ]
    filled = (
        "<p>Σ w, the divisor:</p>"
        + write_sum(terms, result=write_number(raw.sum(), f"layers.{unit}.sum"), label="Σ w")
        + "<p>Each w divided by it; this is what LN is given:</p>"
        + write_sum(shares)
        + f"<p>The shares sum to {write_number(share.sum(), f'layers.{unit}.shares')}. <b>LN</b>, layer normalisation, then "
        "brings each vector's numbers to one mean and spread.</p>"
    )
    charts = "".join(f"<div><h4>{name_unit(u).capitalize()}</h4>{draw_shares(u, w)}</div>" for u, (_, w) in found.items())
    picture = (
        '<p class="ml-caption">Shares w ÷ Σ w of each branch. The dotted line is where all start: equal shares.</p><div '
        f'class="ml-columns">{charts}</div>'
    )
    negative = f" Layer {escape(names[least])} has a negative share here: it is subtracted." if share[least] < 0 else ""
    question = Question(
        "Suppose every w of this branch were twice as large. What would the models say then?",
        shuffle(
            (
                "Exactly the same",
                f"Right: w and Σ w both double, and {format_number(2 * raw[most])} ÷ {format_number(2 * raw.sum())} is still "
                f"{format_number(share[most])}. Only the ratios count.",
            ),
            (
                "The same emotion, twice as sure",
                "Sureness grows with the logits. But Equation 1 divides by the sum of the weights, so they don't change.",
            ),
            ("Something else: the strongest layer would win", "No layer gains on another when all double; their shares stay as they are."),
            place=2,
        ),
    )
    after = (
        "<p>A large share says what the head <em>reads</em>, not that the layer knows about emotion: other heads, "
        "trained "
        f"from another seed, can read otherwise and be as good.{negative}</p>"
    )
    return LessonStep("layers", "What a layer weight is", "Equation 1", lead, equation, filled, picture, question, after)


def draw_shares(unit: str, weights: LayerWeights) -> str:
    """A bar for each layer's share."""
    bars = [
        Bar(f"layer {escape(name)}", float(share), write_number(share, f"layers.{unit}.share.{i}"), "share" if share >= 0 else "against")
        for i, (share, name) in enumerate(zip(weights.normalised, weights.layer_names))
    ]
    return draw_bars(bars, label=f"Shares of the layers in the branch for {name_unit(unit)}", even=1 / len(bars))
