"""What is being changed: a clip, its words and where they are; and how places in the original are found again after some changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mmer.audio.load import MAX_SECONDS, MIN_SECONDS
from mmer.choices.units import aligned_units
from mmer.errors import EditError
from mmer.interventions.edits import (
    PLACES,
    ChangeLoudness,
    ChangePitch,
    ChangeTempo,
    CorrectWords,
    Edit,
    Mute,
    Remove,
    SwapVoice,
    SwapWords,
    Target,
    list_target_tiers,
)
from mmer.results import SAMPLE_RATE, Alignment, Analysis, Clip, Notice, Segment, Transcript

Segments = tuple[Segment, ...]
SHORTEST = 0.01  # seconds, of a span that can be changed
LEFT = 0.001  # seconds, of a segment below which it counts as gone
NO_WORDS_LEFT = "No words are left, so nothing can be read."
NO_SOUND = "The sound of this analysis is not there (it was read from a file without samples); open the recording itself to change it."


@dataclass(frozen=True)
class TimeChange:
    """[start, end) of the sound came to last `length` seconds: 0 where it was cut out, less than before where it is faster."""

    start: float
    end: float
    length: float

    def move(self, time: float) -> float:
        """Where a time is now."""
        if time <= self.start:
            return time
        if time >= self.end:
            return time + self.length - (self.end - self.start)
        return self.start + (time - self.start) * self.length / (self.end - self.start)


@dataclass(frozen=True, eq=False)
class EditedClip:
    """One state on the way from a clip to its changed version. Targets are looked up in `first_words` and `first_alignment`."""

    clip: Clip
    transcript: Transcript
    alignment: Alignment | None
    absent: Mapping[str, str]  # unit -> why it can't be had
    first_words: Transcript  # before the first edit: what targets count in
    first_alignment: Alignment | None
    first_duration: float  # seconds
    stretches: tuple[TimeChange, ...] = ()  # what happened to time since then
    kept: tuple[int, ...] = ()  # (words,) index in first_words of each word of the transcript

    def move(self, time: float) -> float:
        """Where a time of the first sound is now, seconds."""
        for stretch in self.stretches:
            time = stretch.move(time)
        return time


def start_edited_clip(clip: Clip, transcript: Transcript, alignment: Alignment | None, absent: Mapping[str, str]) -> EditedClip:
    kept = tuple(range(len(transcript.words)))
    return EditedClip(clip, transcript, alignment, dict(absent), transcript, alignment, clip.duration, (), kept)


def read_edited_clip(analysis: Analysis) -> EditedClip:
    """Raises EditError for an analysis without its sound."""
    if analysis.clip.outline:
        raise EditError(NO_SOUND)
    absent = {unit: analysis.unavailable[unit] for unit in ("T", *aligned_units()) if unit in analysis.unavailable}
    return start_edited_clip(analysis.clip, analysis.transcript, analysis.alignment, absent)


# where a target is


def find_segment(edited: EditedClip, target: Target) -> Segment:
    """The target in the first alignment, a span as a segment of its own. Raises EditError when it is not there."""
    if target.tier == "span":
        assert target.start is not None and target.end is not None
        if target.start >= edited.first_duration:
            raise EditError(f"The span begins at {target.start:.2f} s, but the clip lasts {edited.first_duration:.2f} s.")
        return Segment(f"{target.start:.2f} to {target.end:.2f} s", target.start, min(target.end, edited.first_duration), -1)
    assert target.index is not None
    if edited.first_alignment is None:
        raise EditError(f"There is no alignment, so {name_target(target)} has no place in the sound; name a span in seconds.")
    tier: tuple[Segment, ...] = edited.first_alignment.tier(list_target_tiers()[target.tier].key)
    if target.tier == "word":
        check_word(edited, target.index)
        for segment in tier:
            if segment.word == target.index:
                return segment
        raise EditError(f"Word {target.index + 1}, “{edited.first_words.words[target.index].text}”, was not found in the sound.")
    if target.index >= len(tier):
        raise EditError(f"There is no {name_target(target)}: the clip has {len(tier)} {list_target_tiers()[target.tier].name}.")
    return tier[target.index]


def check_word(edited: EditedClip, index: int) -> None:
    count = len(edited.first_words.words)
    if index >= count:
        raise EditError(f"There is no word {index + 1}: the transcript has {count} word{'s' * (count != 1)}.")


def find_range(edited: EditedClip, target: Target) -> tuple[int, int]:
    """Sample range of the target in the present sound. Raises EditError when it is too short or was removed."""
    segment = find_segment(edited, target)
    start, end = edited.move(segment.start), edited.move(segment.end)
    if end - start < SHORTEST - 1e-9:
        gone = "was removed by an edit before" if end - start < LEFT else f"is {1000 * (end - start):.0f} ms short"
        raise EditError(f"{name_target(target).capitalize()} {gone}; at least {1000 * SHORTEST:.0f} ms are needed.")
    return round(start * SAMPLE_RATE), min(round(end * SAMPLE_RATE), len(edited.clip.samples))


def find_words(edited: EditedClip, target: Target) -> list[int]:
    """Indices in the present transcript of a word, or of the words that a span holds the middle of.

    Raises EditError for a syllable or phone, which no text has, and when there is no word or it was dropped.
    """
    if target.tier in ("syllable", "phone"):
        raise EditError(f"A {target.tier} can be changed in the sound alone; to change the text name a word.")
    if edited.first_words.untrusted:
        raise EditError(f"{edited.first_words.untrusted} Until then only the sound can be changed.")
    if target.tier == "word":
        assert target.index is not None
        check_word(edited, target.index)
        if target.index not in edited.kept:
            raise EditError(f"Word {target.index + 1}, “{edited.first_words.words[target.index].text}”, was dropped by an edit before.")
        return [edited.kept.index(target.index)]
    if edited.first_alignment is None:
        raise EditError("There is no alignment, so no words are known to lie in that span; name words by their number.")
    span = find_segment(edited, target)
    inside = {s.word for s in edited.first_alignment.words if span.start <= (s.start + s.end) / 2 < span.end}
    found = [place for place, first in enumerate(edited.kept) if first in inside]
    if not found:
        raise EditError(f"No word has its middle between {span.start:.2f} and {span.end:.2f} s, so there is nothing to change in the text.")
    return found


def name_target(target: Target) -> str:
    if target.tier == "span":
        return f"the span {target.start:.2f} to {target.end:.2f} s"
    assert target.index is not None
    return f"{target.tier} {target.index + 1}"


def describe_target(edited: EditedClip, target: Target) -> str:
    """For people: "word 4, “ill”, 0.91 to 1.13 s"."""
    if target.tier == "word" and target.index is not None and target.index < len(edited.first_words.words):
        name = f"word {target.index + 1}, “{edited.first_words.words[target.index].text}”"
        placed = [s for s in (edited.first_alignment.words if edited.first_alignment else ()) if s.word == target.index]
        return f"{name}, {placed[0].start:.2f} to {placed[0].end:.2f} s" if placed else name
    if target.tier == "span":
        return name_target(target)
    segment = find_segment(edited, target)
    return f"{name_target(target)}, {segment.label}, {segment.start:.2f} to {segment.end:.2f} s"


# the next state


def put_samples(edited: EditedClip, samples: np.ndarray, *, done: str, stretch: TimeChange | None = None) -> EditedClip:
    """The clip with other samples, its segments and word times moved along. Raises EditError when too little or too much is left."""
    seconds = len(samples) / SAMPLE_RATE
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise EditError(f"{seconds:.2f} s of sound would be left; a clip has {MIN_SECONDS} to {MAX_SECONDS:.0f} s.")
    notices = (*edited.clip.notices, Notice("audio", f"This is not the recording: {done}.", "info"))
    clip = replace(edited.clip, samples=samples, sha256=hashlib.sha256(samples.tobytes()).hexdigest(), notices=notices)
    if stretch is None:
        return replace(edited, clip=clip)
    alignment, lost = move_alignment(edited.alignment, stretch)
    return replace(
        edited,
        clip=clip,
        alignment=alignment,
        absent={**edited.absent, **lost},
        transcript=move_transcript(edited.transcript, stretch),
        stretches=(*edited.stretches, stretch),
    )


def move_alignment(alignment: Alignment | None, stretch: TimeChange) -> tuple[Alignment | None, dict[str, str]]:
    """The same segments at their new times, without those that are gone; and why units are missing that have none left."""
    if alignment is None:
        return None, {}
    moved = change_segments(alignment, lambda segments: move_segments(segments, stretch))
    lost = {unit: "None is left after what was removed." for unit in aligned_units() if alignment.tier(unit) and not moved.tier(unit)}
    return moved, lost


def change_segments(alignment: Alignment, change: Callable[[Segments], Segments]) -> Alignment:
    """The alignment with every tier changed."""
    return replace(alignment, words=change(alignment.words), syllables=change(alignment.syllables), phones=change(alignment.phones))


def move_segments(segments: Segments, stretch: TimeChange) -> Segments:
    moved = (replace(s, start=stretch.move(s.start), end=stretch.move(s.end)) for s in segments)
    return tuple(s for s in moved if s.end - s.start >= LEFT)


def move_transcript(transcript: Transcript, stretch: TimeChange) -> Transcript:
    """The recogniser's own word times moved, where there are any."""
    words = tuple(
        w if w.start is None or w.end is None else replace(w, start=stretch.move(w.start), end=stretch.move(w.end))
        for w in transcript.words
    )
    return replace(transcript, words=words)


def renumber_alignment(alignment: Alignment | None, numbers: Mapping[int, int]) -> Alignment | None:
    """The same segments with their words renumbered; those whose word is not in `numbers` belong to none (-1)."""
    if alignment is None:
        return None
    return change_segments(alignment, lambda segments: tuple(replace(s, word=numbers.get(s.word, -1)) for s in segments))


def name_fill(fill: str) -> str:
    return {"silence": "silence", "noise": "noise of its own spectrum and level"}[fill]


def describe_edit(edited: EditedClip, edit: Edit) -> str:
    """For people: what an edit does to the clip it begins with. "In the text word 4, “ill”, 0.91 to 1.13 s, was masked." """
    if isinstance(edit, SwapVoice):
        return f"The voice of {edit.name or 'another clip'} was put under the words."
    if isinstance(edit, SwapWords):
        return f"Other words were put over the voice, in the text alone: “{edit.text}”."
    if isinstance(edit, CorrectWords):
        return f"The words were corrected and aligned again: “{edit.text}”."
    where = describe_target(edited, edit.target)
    if isinstance(edit, ChangePitch):
        return f"Synthetic: the pitch of {where}, was moved by {edit.semitones:+g} semitones."
    if isinstance(edit, ChangeTempo):
        return f"Synthetic: {where}, was made {edit.factor:g} times as fast."
    if isinstance(edit, ChangeLoudness):
        return f"Synthetic: {where}, was turned {edit.decibels:+g} dB."
    place = PLACES[edit.medium][0].upper() + PLACES[edit.medium][1:]
    if isinstance(edit, Remove):
        return f"{place} {where}, was removed."
    filled = f"replaced by {name_fill(edit.fill)}"
    gone = {"sound": filled, "text": "masked", "both": f"{filled}, and masked"}[edit.medium]
    return f"{place} {where}, was {gone}." if isinstance(edit, Mute) else f"{place} all but {where}, was {gone}."
