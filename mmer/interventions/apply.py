"""Edits, one after the other, on an EditedClip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmer.choices.units import aligned_units
from mmer.errors import AlignmentError, Cancelled, EditError
from mmer.interventions import resynthesis, sound
from mmer.interventions.edited_clip import (
    NO_SOUND,
    NO_WORDS_LEFT,
    EditedClip,
    TimeChange,
    describe_target,
    find_range,
    find_words,
    name_fill,
    put_samples,
    read_edited_clip,
    renumber_alignment,
    start_edited_clip,
)
from mmer.interventions.edits import (
    ChangeLoudness,
    ChangePitch,
    ChangeTempo,
    CorrectWords,
    Edit,
    Isolate,
    Mute,
    Remove,
    SwapVoice,
    SwapWords,
)
from mmer.interventions.words import drop_words, mask_words
from mmer.pipeline import Analyzer
from mmer.results import NO_WORDS, SAMPLE_RATE, Analysis, Notice, Transcript
from mmer.transcript.transcribe import read_transcript


@dataclass(frozen=True, eq=False)
class EditContext:
    """What some edits need besides the clip."""

    analyzer: Analyzer
    voices: Mapping[str, Analysis]  # sha256 of a clip -> its analysis
    aligner: str


def apply_edits(
    edited: EditedClip, edits: Sequence[Edit], context: EditContext, *, cancelled: Callable[[], bool] = lambda: False
) -> EditedClip:
    """The clip after all edits. Raises EditError, AlignmentError or TranscriptError for the first that can't be made; Cancelled."""
    for edit in edits:
        if cancelled():
            raise Cancelled("The change was cancelled. Nothing was changed.")
        edited = APPLY[type(edit)](edited, edit, context)
    return edited


def mute(edited: EditedClip, edit: Mute, context: EditContext) -> EditedClip:
    where, filled = describe_target(edited, edit.target), name_fill(edit.fill)
    if edit.medium in ("text", "both"):
        edited = mask(edited, find_words(edited, edit.target), context)
    if edit.medium in ("sound", "both"):
        first, last = find_range(edited, edit.target)
        samples = sound.mute_range(edited.clip.samples, first, last, fill=edit.fill, seed=edit.seed)
        edited = put_samples(edited, samples, done=f"{where}, was replaced by {filled}")
    return edited


def remove(edited: EditedClip, edit: Remove, context: EditContext) -> EditedClip:
    where = describe_target(edited, edit.target)
    dropped = find_words(edited, edit.target) if edit.medium in ("text", "both") else []
    if edit.medium in ("sound", "both"):
        first, last = find_range(edited, edit.target)
        samples = sound.cut_range(edited.clip.samples, first, last)
        stretch = TimeChange(first / SAMPLE_RATE, last / SAMPLE_RATE, 0.0)
        edited = put_samples(edited, samples, done=f"{where}, was cut out", stretch=stretch)
    return drop(edited, dropped) if dropped else edited


def isolate(edited: EditedClip, edit: Isolate, context: EditContext) -> EditedClip:
    where, filled = describe_target(edited, edit.target), name_fill(edit.fill)
    if edit.medium in ("text", "both"):
        chosen = set(find_words(edited, edit.target))
        edited = mask(edited, [i for i in range(len(edited.transcript.words)) if i not in chosen], context)
    if edit.medium in ("sound", "both"):
        first, last = find_range(edited, edit.target)
        samples, end = edited.clip.samples, len(edited.clip.samples)
        for number, (a, b) in enumerate(((0, first), (last, end))):
            if b > a:
                samples = sound.mute_range(samples, a, b, fill=edit.fill, seed=edit.seed + number)
        edited = put_samples(edited, samples, done=f"all but {where}, was replaced by {filled}")
    return edited


def change_pitch(edited: EditedClip, edit: ChangePitch, context: EditContext) -> EditedClip:
    first, last = find_range(edited, edit.target)
    method = resynthesis.choose_method()
    samples = resynthesis.change_pitch(edited.clip.samples, first, last, semitones=edit.semitones, method=method)
    where = describe_target(edited, edit.target)
    done = f"synthetic, the pitch of {where}, was moved by {edit.semitones:+g} semitones{method.pitch_note}"
    return put_samples(edited, samples, done=done)


def change_tempo(edited: EditedClip, edit: ChangeTempo, context: EditContext) -> EditedClip:
    first, last = find_range(edited, edit.target)
    method = resynthesis.choose_method()
    samples = resynthesis.change_tempo(edited.clip.samples, first, last, factor=edit.factor, method=method)
    length = (last - first + len(samples) - len(edited.clip.samples)) / SAMPLE_RATE
    done = f"synthetic, {describe_target(edited, edit.target)}, was made {edit.factor:g} times as fast{method.tempo_note}"
    return put_samples(edited, samples, done=done, stretch=TimeChange(first / SAMPLE_RATE, last / SAMPLE_RATE, length))


def change_loudness(edited: EditedClip, edit: ChangeLoudness, context: EditContext) -> EditedClip:
    first, last = find_range(edited, edit.target)
    samples = sound.scale_range(edited.clip.samples, first, last, decibels=edit.decibels)
    done = f"synthetic, {describe_target(edited, edit.target)}, was turned {edit.decibels:+g} dB"
    if np.abs(edited.clip.samples[first:last]).max() * 10 ** (edit.decibels / 20) > 1:
        done += ", and cut off at full scale, which sounds harsh"
    return put_samples(edited, samples, done=done)


def swap_voice(edited: EditedClip, edit: SwapVoice, context: EditContext) -> EditedClip:
    if edit.sha256 not in context.voices:
        raise EditError(f"The other voice, {edit.name or edit.sha256[:12]}, is not there; analyse that clip first.")
    other = read_edited_clip(context.voices[edit.sha256])
    if other.clip.outline:
        raise EditError(NO_SOUND)
    notice = Notice("audio", f"The voice of {other.clip.name} is put under the words of {edited.clip.name}.", "info")
    clip = replace(other.clip, notices=(*other.clip.notices, notice))
    absent = {unit: reason for unit, reason in other.absent.items() if unit in aligned_units()}
    absent |= {unit: reason for unit, reason in edited.absent.items() if unit == "T"}
    return start_edited_clip(clip, edited.transcript, renumber_alignment(other.alignment, {}), absent)


def swap_words(edited: EditedClip, edit: SwapWords, context: EditContext) -> EditedClip:
    notice = Notice("transcript", "These words are not those that are said: they are put over the voice as they are.", "info")
    transcript = read_words(edit.text, edited)
    transcript = replace(transcript, notices=(*transcript.notices, notice))
    absent = {unit: reason for unit, reason in edited.absent.items() if unit != "T"} | ({} if transcript.words else {"T": NO_WORDS})
    return start_edited_clip(edited.clip, transcript, renumber_alignment(edited.alignment, {}), absent)


def correct_words(edited: EditedClip, edit: CorrectWords, context: EditContext) -> EditedClip:
    transcript = read_words(edit.text, edited)
    if not transcript.words:
        return start_edited_clip(edited.clip, transcript, None, dict.fromkeys(("T", *aligned_units()), NO_WORDS))
    try:
        alignment = context.analyzer.align(edited.clip, transcript, aligner=context.aligner)
    except AlignmentError as error:  # as in an analysis: the aligned units are left out with the reason
        return start_edited_clip(edited.clip, transcript, None, dict.fromkeys(aligned_units(), str(error)))
    return start_edited_clip(edited.clip, transcript, alignment, {})


def read_words(text: str, edited: EditedClip) -> Transcript:
    return read_transcript(text, duration=edited.clip.duration, language=edited.transcript.language)


def mask(edited: EditedClip, words: Sequence[int], context: EditContext) -> EditedClip:
    return replace(edited, transcript=mask_words(edited.transcript, words, context.analyzer.text))


def drop(edited: EditedClip, dropped: Sequence[int]) -> EditedClip:
    left = [i for i in range(len(edited.transcript.words)) if i not in dropped]
    transcript = drop_words(edited.transcript, dropped)
    if not left:  # punctuation alone is nothing to read
        transcript = Transcript("", (), transcript.source)
    numbers = {old: new for new, old in enumerate(left)}
    absent = {**edited.absent, **({} if left else {"T": NO_WORDS_LEFT})}
    alignment = renumber_alignment(edited.alignment, numbers)
    return replace(edited, transcript=transcript, alignment=alignment, absent=absent, kept=tuple(edited.kept[i] for i in left))


APPLY: Mapping[type, Callable[[EditedClip, Any, EditContext], EditedClip]] = {
    Mute: mute,
    Remove: remove,
    Isolate: isolate,
    ChangePitch: change_pitch,
    ChangeTempo: change_tempo,
    ChangeLoudness: change_loudness,
    SwapVoice: swap_voice,
    SwapWords: swap_words,
    CorrectWords: correct_words,
}
