"""Edits, one after the other, on a Material."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmer.choices.units import aligned_units
from mmer.errors import AlignmentError, Cancelled, EditError
from mmer.interventions import resynthesis, sound
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
from mmer.interventions.material import (
    NO_SOUND,
    NO_WORDS_LEFT,
    Material,
    TimeChange,
    describe_target,
    find_range,
    find_words,
    name_fill,
    put_samples,
    read_material,
    renumber_alignment,
    start_material,
)
from mmer.interventions.words import drop_words, mask_words
from mmer.pipeline import Analyzer
from mmer.results import NO_WORDS, SAMPLE_RATE, Analysis, Notice, Transcript
from mmer.transcript.transcribe import read_transcript


@dataclass(frozen=True, eq=False)
class EditContext:
    """What some edits need besides the material."""

    analyzer: Analyzer
    voices: Mapping[str, Analysis]  # sha256 of a clip -> its analysis
    aligner: str


def apply_edits(
    material: Material, edits: Sequence[Edit], context: EditContext, *, cancelled: Callable[[], bool] = lambda: False
) -> Material:
    """The material after all edits. Raises EditError, AlignmentError or TranscriptError for the first that can't be made; Cancelled."""
    for edit in edits:
        if cancelled():
            raise Cancelled("The change was cancelled. Nothing was changed.")
        material = APPLY[type(edit)](material, edit, context)
    return material


def mute(material: Material, edit: Mute, context: EditContext) -> Material:
    where, filled = describe_target(material, edit.target), name_fill(edit.fill)
    if edit.medium in ("text", "both"):
        material = mask(material, find_words(material, edit.target), context)
    if edit.medium in ("sound", "both"):
        first, last = find_range(material, edit.target)
        samples = sound.mute_range(material.clip.samples, first, last, fill=edit.fill, seed=edit.seed)
        material = put_samples(material, samples, done=f"{where}, was replaced by {filled}")
    return material


def remove(material: Material, edit: Remove, context: EditContext) -> Material:
    where = describe_target(material, edit.target)
    dropped = find_words(material, edit.target) if edit.medium in ("text", "both") else []
    if edit.medium in ("sound", "both"):
        first, last = find_range(material, edit.target)
        samples = sound.cut_range(material.clip.samples, first, last)
        stretch = TimeChange(first / SAMPLE_RATE, last / SAMPLE_RATE, 0.0)
        material = put_samples(material, samples, done=f"{where}, was cut out", stretch=stretch)
    return drop(material, dropped) if dropped else material


def isolate(material: Material, edit: Isolate, context: EditContext) -> Material:
    where, filled = describe_target(material, edit.target), name_fill(edit.fill)
    if edit.medium in ("text", "both"):
        chosen = set(find_words(material, edit.target))
        material = mask(material, [i for i in range(len(material.transcript.words)) if i not in chosen], context)
    if edit.medium in ("sound", "both"):
        first, last = find_range(material, edit.target)
        samples, end = material.clip.samples, len(material.clip.samples)
        for number, (a, b) in enumerate(((0, first), (last, end))):
            if b > a:
                samples = sound.mute_range(samples, a, b, fill=edit.fill, seed=edit.seed + number)
        material = put_samples(material, samples, done=f"all but {where}, was replaced by {filled}")
    return material


def change_pitch(material: Material, edit: ChangePitch, context: EditContext) -> Material:
    first, last = find_range(material, edit.target)
    method = resynthesis.choose_method()
    samples = resynthesis.change_pitch(material.clip.samples, first, last, semitones=edit.semitones, method=method)
    where = describe_target(material, edit.target)
    done = f"synthetic, the pitch of {where}, was moved by {edit.semitones:+g} semitones{method.pitch_note}"
    return put_samples(material, samples, done=done)


def change_tempo(material: Material, edit: ChangeTempo, context: EditContext) -> Material:
    first, last = find_range(material, edit.target)
    method = resynthesis.choose_method()
    samples = resynthesis.change_tempo(material.clip.samples, first, last, factor=edit.factor, method=method)
    length = (last - first + len(samples) - len(material.clip.samples)) / SAMPLE_RATE
    done = f"synthetic, {describe_target(material, edit.target)}, was made {edit.factor:g} times as fast{method.tempo_note}"
    return put_samples(material, samples, done=done, stretch=TimeChange(first / SAMPLE_RATE, last / SAMPLE_RATE, length))


def change_loudness(material: Material, edit: ChangeLoudness, context: EditContext) -> Material:
    first, last = find_range(material, edit.target)
    samples = sound.scale_range(material.clip.samples, first, last, decibels=edit.decibels)
    done = f"synthetic, {describe_target(material, edit.target)}, was turned {edit.decibels:+g} dB"
    if np.abs(material.clip.samples[first:last]).max() * 10 ** (edit.decibels / 20) > 1:
        done += ", and cut off at full scale, which sounds harsh"
    return put_samples(material, samples, done=done)


def swap_voice(material: Material, edit: SwapVoice, context: EditContext) -> Material:
    if edit.sha256 not in context.voices:
        raise EditError(f"The other voice, {edit.name or edit.sha256[:12]}, is not there; analyse that clip first.")
    other = read_material(context.voices[edit.sha256])
    if other.clip.outline:
        raise EditError(NO_SOUND)
    notice = Notice("audio", f"The voice of {other.clip.name} is put under the words of {material.clip.name}.", "info")
    clip = replace(other.clip, notices=(*other.clip.notices, notice))
    absent = {unit: reason for unit, reason in other.absent.items() if unit in aligned_units()}
    absent |= {unit: reason for unit, reason in material.absent.items() if unit == "T"}
    return start_material(clip, material.transcript, renumber_alignment(other.alignment, {}), absent)


def swap_words(material: Material, edit: SwapWords, context: EditContext) -> Material:
    notice = Notice("transcript", "These words are not those that are said: they are put over the voice as they are.", "info")
    transcript = read_words(edit.text, material)
    transcript = replace(transcript, notices=(*transcript.notices, notice))
    absent = {unit: reason for unit, reason in material.absent.items() if unit != "T"} | ({} if transcript.words else {"T": NO_WORDS})
    return start_material(material.clip, transcript, renumber_alignment(material.alignment, {}), absent)


def correct_words(material: Material, edit: CorrectWords, context: EditContext) -> Material:
    transcript = read_words(edit.text, material)
    if not transcript.words:
        return start_material(material.clip, transcript, None, dict.fromkeys(("T", *aligned_units()), NO_WORDS))
    try:
        alignment = context.analyzer.align(material.clip, transcript, aligner=context.aligner)
    except AlignmentError as error:  # as in an analysis: the aligned units are left out with the reason
        return start_material(material.clip, transcript, None, dict.fromkeys(aligned_units(), str(error)))
    return start_material(material.clip, transcript, alignment, {})


def read_words(text: str, material: Material) -> Transcript:
    return read_transcript(text, duration=material.clip.duration, language=material.transcript.language)


def mask(material: Material, words: Sequence[int], context: EditContext) -> Material:
    return replace(material, transcript=mask_words(material.transcript, words, context.analyzer.text))


def drop(material: Material, dropped: Sequence[int]) -> Material:
    left = [i for i in range(len(material.transcript.words)) if i not in dropped]
    transcript = drop_words(material.transcript, dropped)
    if not left:  # punctuation alone is nothing to read
        transcript = Transcript("", (), transcript.source)
    numbers = {old: new for new, old in enumerate(left)}
    absent = {**material.absent, **({} if left else {"T": NO_WORDS_LEFT})}
    alignment = renumber_alignment(material.alignment, numbers)
    return replace(material, transcript=transcript, alignment=alignment, absent=absent, kept=tuple(material.kept[i] for i in left))


APPLY: Mapping[type, Callable[[Material, Any, EditContext], Material]] = {
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
