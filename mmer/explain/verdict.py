"""Analysis -> what is said of it, in one place for page, shell, report, batch and comparison: a headline, how sure, and reasons said once.

A headline names an emotion only where the clip is speech and not unlike everything that the head was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmer.choices.units import name_unit
from mmer.phrasing import join_words, say_count
from mmer.results import NO_WORDS, NOBODY_SPEAKS, NOTHING_HEARD, Analysis, Notice, Prediction

ROLE_NAMES = {"late": "late fusion", "early": "early fusion", "combined": "combined"}
NO_SPEECH, UNFAMILIAR = "no speech", "unfamiliar"  # states in which the headline names no emotion
SEEN = {"training": "in its training data", "validation": "in its validation data"}
HEADLINES = {NO_SPEECH: "No speech was heard", UNFAMILIAR: "Unlike anything it was trained on"}
STATES = ("sure", "not sure", "never measured", UNFAMILIAR, NO_SPEECH)  # of an analysis; the last two name no emotion
FEW = "The numbers anyway, which mean next to nothing here"


@dataclass(frozen=True)
class Headline:
    """What stands in big type, and the sentence beside it."""

    state: str  # no speech | unfamiliar | never measured | not sure | sure
    text: str  # an emotion, or why none is named
    share: float | None  # probability of the emotion; None where none is named
    sentence: str

    @property
    def names_emotion(self) -> bool:
        return self.share is not None


def read_headline(analysis: Analysis) -> Headline:
    """The headline of the model whose verdict counts."""
    best, state, seen = analysis.best, analysis.state, say_seen(analysis)
    if state in HEADLINES:
        return Headline(state, HEADLINES[state], None, f"{say_why_none(analysis)} {seen}".rstrip())
    sentence = seen if seen and state == "sure" else f"{say_how_sure(best)} {seen}".rstrip()
    return Headline(state, best.label, float(best.probabilities.max()), sentence)


def describe_headline(analysis: Analysis) -> dict[str, Any]:
    """The headline for the page's scripts, as plain JSON types; `few` stands over numbers that name no emotion."""
    said = read_headline(analysis)
    return {"state": said.state, "text": said.text, "sentence": said.sentence, "names_emotion": said.names_emotion, "few": FEW}


def say_seen(analysis: Analysis) -> str:
    """That a head which spoke had the clip in its data; "" where none is known to have."""
    parts = set(analysis.seen.values())
    which = "This clip" if analysis.parent is None else "This clip, or the one it was made from,"
    if "training" in parts:
        return f"{which} was in its training data. The result does not show how well it does on new clips."
    if parts:
        return f"{which} was in its validation data, which decided when training stopped. It is no test of the model either."
    return ""


def say_why_none(analysis: Analysis) -> str:
    best = analysis.best
    if analysis.state == NO_SPEECH:
        return "Neither the recogniser nor the speech detector found any: there is no voice here that an emotion could be heard in."
    return (
        f"Its sound lies {best.novelty:.1f} from the training clips, and whatever lies further than {best.novelty_threshold:.1f} is "
        "unfamiliar: what the models say of it is a guess."
    )


def say_how_sure(prediction: Prediction) -> str:
    """How far the second emotion is behind, and what that is worth."""
    order = np.argsort(prediction.probabilities)[::-1]
    second = prediction.classes[int(order[1])]
    gap = say_count(round(100 * float(prediction.probabilities[order[0]] - prediction.probabilities[order[1]])), "point") + " behind"
    if prediction.measured_clips is None:
        return f"How sure it is was never measured: {second} comes next, {gap}."
    if prediction.margin <= 0:
        return f"Not sure: {second} comes next, {gap}, and no lead was found from which this model is mostly right."
    if prediction.verdict == "not sure":
        return f"Not sure: {second} is only {gap}, less than the {100 * prediction.margin:.0f} this model needs."
    return (
        f"Sure, as far as {say_count(prediction.measured_clips, 'clip')} like those it learned from can tell: {second} comes next, {gap}."
    )


def describe_verdict(analysis: Analysis) -> str:
    """Headline and sentence as one line."""
    said = read_headline(analysis)
    text = f"{said.text.capitalize()} ({100 * said.share:.0f} %)" if said.share is not None else said.text
    return f"{text}. {said.sentence}"


def say_briefly(analysis: Analysis) -> str:
    """For a cell or a line of a list: "happiness 90 %, not sure", "no speech"."""
    said, seen = read_headline(analysis), set(analysis.seen.values())
    return brief(said.state, said.text, said.share or 0.0, seen=next((part for part in SEEN if part in seen), ""))


def brief(state: str, label: str, share: float, *, seen: str = "") -> str:
    """The same of a table's row; `share` is the probability of `label`, `seen` a key of SEEN or ""."""
    doubt = {"sure": "", "never measured": ", how sure was never measured"}.get(state, f", {state}")
    said = HEADLINES[state].lower() if state in HEADLINES else f"{label} {100 * share:.0f} %{doubt}"
    return f"{said}, {SEEN[seen]}" if seen else said


def list_limits(analysis: Analysis, *, clip: bool = False) -> list[Notice]:
    """What the person should know beside the headline, warnings first, and what is not there with its reason; each reason once.

    `clip`: also the notices that only the clip, the transcript or the alignment holds.
    """
    notices = collect_notices(analysis) if clip else analysis.notices
    wordless = [n for n in notices if n.text in (NOTHING_HEARD, NOBODY_SPEAKS)]
    if analysis.state == NO_SPEECH:
        notices = tuple(n for n in notices if n not in wordless)
    shown = sorted(shorten_notices(notices), key=lambda notice: notice.level != "warning")
    said = [n.text for n in shown] + ([NO_WORDS] if wordless or analysis.state == NO_SPEECH else [])
    missing: dict[str, list[str]] = {}  # reason, "" where it has been said -> what is not there
    for what, reason in analysis.unavailable.items():
        rest = leave_out(reason, said)
        key = rest if rest in missing else leave_out(rest, missing)
        missing.setdefault(key, []).append(name_unit(what, ROLE_NAMES.get(what, what)))
    for reason, names in missing.items():
        shown.append(Notice("fusion", f"Not available: {join_words(names)}{f': {reason}' if reason else '.'}", "info"))
    return shown


def shorten_notices(notices: Iterable[Notice]) -> list[Notice]:
    """Each once, and without what another of them says already."""
    once = list(dict.fromkeys(notices))
    texts = [n.text for n in once]
    return [replace(n, text=leave_out(n.text, [text for text in texts if text != n.text])) for n in once]


def leave_out(text: str, said: Iterable[str]) -> str:
    """The text without the sentences that have been said."""
    for sentence in sorted(filter(None, said), key=len, reverse=True):
        text = text.replace(sentence, "")
    return " ".join(text.split())


def collect_notices(analysis: Analysis) -> tuple[Notice, ...]:
    """Those of the analysis, the clip, the transcript and the alignment, each once."""
    own = analysis.alignment.notices if analysis.alignment else ()
    return tuple(dict.fromkeys((*analysis.notices, *analysis.clip.notices, *analysis.transcript.notices, *own)))
