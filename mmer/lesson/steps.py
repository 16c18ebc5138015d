"""What a step of the lesson is, and what several of them need: the sound that is shown, who is called what, answers in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mmer.choices.units import name_unit
from mmer.encoders.pooling import frame_ranges
from mmer.lesson.lesson_clip import LessonClip
from mmer.results import Prediction, Segment

ROLE_NAMES = {"late": "late fusion", "early": "early fusion", "combined": "both combined"}
MOST_FRAMES = 8  # of the sound whose mean is printed: more would not be read


@dataclass(frozen=True)
class Answer:
    """One of a question's answers; texts are HTML."""

    text: str
    reason: str  # why it is right, or what is wrong with it
    right: bool = False


@dataclass(frozen=True)
class Question:
    text: str
    answers: tuple[Answer, ...]  # three, of which one is right

    def __post_init__(self) -> None:
        if len(self.answers) != 3 or sum(answer.right for answer in self.answers) != 1:
            raise ValueError(f"a question has three answers of which one is right: {self.answers}")


@dataclass(frozen=True)
class LessonStep:
    """One screen of the lesson; everything but key and title is HTML."""

    key: str
    title: str
    source: str  # where in the paper
    lead: str  # what this is about
    equation: str  # as the paper has it
    filled: str  # the same with the clip's numbers
    picture: str
    question: Question
    after: str = ""  # what else is worth knowing
    numbers: str = "With the numbers of this clip"  # heading above `filled`


class StepNotPossible(Exception):
    """A clip lacks what a step shows; the message is one sentence for the person."""


def shuffle(right: tuple[str, str], *wrong: tuple[str, str], place: int) -> tuple[Answer, ...]:
    """The right answer (text, reason) at a place, the first two wrong ones with another text around it."""
    others = [Answer(text, reason) for text, reason in wrong if text != right[0]]
    others = [answer for i, answer in enumerate(others) if answer.text not in {o.text for o in others[:i]}][:2]
    return (*others[:place], Answer(*right, right=True), *others[place:])


def find_additive(clip: LessonClip) -> Prediction:
    """The prediction that is a sum of branches. Raises StepNotPossible."""
    for prediction in clip.analysis.predictions.values():
        if prediction.branches and len(prediction.branches) > 1:
            return prediction
    raise StepNotPossible("no model with several branches spoke about it")


def pick_sound(clip: LessonClip) -> tuple[str, int, tuple[int, int]]:
    """(unit, index, frame range) of the sound that is looked at: the longest phone whose frames can still be read one by one, else a word.

    Raises StepNotPossible without an alignment.
    """
    alignment = clip.analysis.alignment
    for unit in ("P", "S", "W"):
        segments = alignment.tier(unit) if alignment else ()
        ranges = frame_ranges(clip.frames.times, segments)
        able = [i for i, (first, last) in enumerate(ranges) if 2 < last - first <= MOST_FRAMES]
        if able:
            chosen = max(able, key=lambda i: (ranges[i][1] - ranges[i][0], segments[i].end - segments[i].start))
            return unit, chosen, ranges[chosen]
    raise StepNotPossible("no sound in it could be placed in time")


def find_segment(clip: LessonClip, unit: str, index: int) -> Segment:
    assert clip.analysis.alignment is not None
    return clip.analysis.alignment.tier(unit)[index]


def name_sound(unit: str, segment: Segment) -> str:
    """ "the phone “AE”", escaped."""
    return f"the {name_unit(unit).rstrip('s')} “{escape(segment.label)}”"


def number_labels(labels: Sequence[str]) -> list[str]:
    """Labels that are all different: the second "to" becomes "to (2)"."""
    counts: dict[str, int] = {}
    named = []
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
        named.append(label if counts[label] == 1 else f"{label} ({counts[label]})")
    return named
