"""Every object that passes between stages: frozen dataclasses with numpy arrays on the CPU. No torch, no I/O, no drawing.

Axis names used in the comments: layers, heads, frames, segments, tokens, words, dim, classes.
Time is seconds as float; every range is half open, [start, end).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmer.choices.units import UNITS

SAMPLE_RATE = 16000  # Hz, of every clip after decoding
NO_ALIGNMENT = "There is no alignment."
NO_WORDS = "No words were heard or typed, so nothing can be read or aligned."
NOTHING_HEARD = "The recogniser, which knows English only, made out no words in this clip; type them if there are any."
NOBODY_SPEAKS = "No speech was found in this clip, so no words were looked for; type them if there are any."


@dataclass(frozen=True)
class Notice:
    """One sentence the person should read beside the result, e.g. "The clip is clipped: 3.1 % of its samples sit at full scale."."""

    stage: str  # audio, transcript, alignment, encoders, fusion
    text: str
    level: str = "warning"  # info | warning


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording, decoded."""

    name: str  # file name as the person knows it, without folders
    samples: np.ndarray  # (samples,) float32, mono, 16 kHz, within [-1, 1]
    sha256: str  # of the samples' bytes: the clip's identity in caches and exports
    source: str = ""  # what the file was, e.g. "48000 Hz, 2 channels, aac"
    notices: tuple[Notice, ...] = ()
    outline: bool = False  # True when the samples only trace the peaks (read from an export without sound): draw, don't play or analyse

    @property
    def duration(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Word:
    """One word of a transcript as it is written, and how it is said."""

    text: str  # as typed, without surrounding punctuation: "10", "Mr.", "don't"
    start_char: int  # offsets into Transcript.text
    end_char: int
    spoken: tuple[str, ...]  # lower-case dictionary words it is said as: ("ten",); () when it is not said (an emoji)
    start: float | None = None  # seconds, the recogniser's own estimate; None for typed words
    end: float | None = None
    probability: float | None = None  # the recogniser's; None for typed words
    in_silence: bool = False  # True where the recogniser put it at a place at which nobody speaks


@dataclass(frozen=True)
class Transcript:
    text: str  # as typed or recognised
    words: tuple[Word, ...]
    source: str  # "typed" | "file" | name of the recogniser, e.g. "whisper-tiny.en"
    confidence: float | None = None  # mean word probability in [0, 1]; None when typed
    notices: tuple[Notice, ...] = ()
    untrusted: str = ""  # why nothing may rest on these words, as they are the recogniser's and it is too unsure; "" when they are trusted
    language: str = "en"  # code of what is spoken (mmer.encoders.languages); pronunciations and aligners know English alone

    @property
    def is_readable(self) -> bool:
        """Whether there are words that a model may read and an aligner look for."""
        return bool(self.words) and not self.untrusted

    @property
    def spoken(self) -> tuple[tuple[int, str], ...]:
        """(index of the written word, spoken word) in order: what an aligner aligns."""
        return tuple((i, s) for i, w in enumerate(self.words) for s in w.spoken)


@dataclass(frozen=True)
class Segment:
    """A word, syllable or phone in time."""

    label: str  # the written word; ARPAbet phones without stress, joined by a space for a syllable ("HH AE")
    start: float  # seconds
    end: float
    word: int  # index of the written word in Transcript.words; -1 when the tier came without a transcript
    score: float | None = None  # mean acoustic log likelihood per 10 ms frame; None when the aligner gives none


@dataclass(frozen=True)
class Alignment:
    """Tiers of one clip. Pauses are not segments, whatever the aligner."""

    words: tuple[Segment, ...]  # one per written word that was found, in time order
    syllables: tuple[Segment, ...]
    phones: tuple[Segment, ...]
    source: str  # e.g. "pocketsphinx 5.1.1", "mfa 3.4.3 english_us_arpa", "TextGrid", "IEMOCAP"
    score: float | None = None  # mean of the word scores weighted by duration; None when the aligner gives none
    approximate: bool = False  # True for the recogniser's own word times, which have no phones
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        for tier in ("words", "syllables", "phones"):
            end = 0.0
            for s in getattr(self, tier):
                if not (s.start >= end - 1e-6 and s.end > s.start):
                    raise ValueError(f"{tier}: {s} does not follow what ends at {end:.3f} s")
                end = s.end

    def tier(self, unit: str) -> tuple[Segment, ...]:
        """The segments of a unit that needs an alignment, such as "P", "S" or "W"."""
        return UNITS[unit].find(self)


@dataclass(frozen=True, eq=False)
class SpeechStates:
    """Hidden states of the frozen speech encoder for a whole clip."""

    hidden: np.ndarray  # (layers, frames, dim) float32
    times: np.ndarray  # (frames,) seconds, centre of each frame; from the encoder
    step: float  # seconds between frames
    encoder: str  # model, revision and settings: part of every cache key
    layer_names: tuple[str, ...]  # (layers,) "1".."12"; "0" is the input of the first layer where a preset includes it
    joins: tuple[float, ...] = ()  # seconds, where windows of a long clip were stitched


@dataclass(frozen=True, eq=False)
class TextStates:
    """Hidden states of the frozen text encoder. [CLS] and [SEP] are encoded but are not part of the axis."""

    hidden: np.ndarray  # (layers, tokens, dim) float32
    tokens: tuple[str, ...]  # word pieces, "##ing" style
    offsets: np.ndarray  # (tokens, 2) int, half open character range in Transcript.text
    words: np.ndarray  # (tokens,) int, index of the written word, -1 for punctuation that belongs to none
    encoder: str
    layer_names: tuple[str, ...]
    joins: tuple[int, ...] = ()  # token indices at which a new window begins


@dataclass(frozen=True, eq=False)
class UnitStates:
    """One unit's states: what one branch of a fusion model reads. Layers are not yet mixed (pooling and mixing commute)."""

    unit: str  # one of UNITS
    states: np.ndarray  # (layers, segments, dim) float32
    labels: tuple[str, ...]  # (segments,) frame time, phone, syllable, word or word piece
    starts: np.ndarray | None  # (segments,) seconds; None for T
    ends: np.ndarray | None
    words: np.ndarray  # (segments,) int, index of the written word, -1 where there is none

    def __post_init__(self) -> None:
        if not self.states.shape[1] == len(self.labels) == len(self.words):
            raise ValueError(f"{self.unit}: {self.states.shape[1]} states, {len(self.labels)} labels, {len(self.words)} words")


@dataclass(frozen=True, eq=False)
class Features:
    """Model input of one clip: the units that could be had, and why the others could not."""

    preset: str
    units: Mapping[str, UnitStates]
    absent: Mapping[str, str] = field(default_factory=dict)  # unit -> one sentence


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Equation 1's weights of one unit."""

    raw: np.ndarray  # (layers,) w_l as learned, starting at 1
    normalised: np.ndarray  # (layers,) w_l / sum w; sums to 1, may hold negative values
    layer_names: tuple[str, ...]
    runs: np.ndarray | None = (
        None  # (runs, layers) normalised, of every run of the experiment that the head comes from; None where it is one
    )
    rate: float | None = None  # so many times as fast as the rest of the head they learned; the paper: 1; None where nobody wrote it down


@dataclass(frozen=True, eq=False)
class BranchPrediction:
    """One branch of late fusion: logits = bias + sum over its segments, exactly (Equations 2, 3)."""

    unit: str
    logits: np.ndarray  # (classes,)
    bias: np.ndarray  # (classes,) b3
    contributions: np.ndarray  # (segments, classes) (1/K) W3 l_k


@dataclass(frozen=True, eq=False)
class CoattentionWeights:
    """Attention weights between one speech unit and the text. Every row over the keys sums to 1."""

    unit: str  # the speech unit
    text_to_speech: np.ndarray  # (layers, heads, tokens, segments) text queries, speech keys
    speech_to_text: np.ndarray  # (layers, heads, segments, tokens) speech queries, text keys
    segments_per_cell: int = 1  # > 1 on long clips: so many neighbouring segments share a cell (keys summed, queries averaged)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one fusion model said about one clip."""

    role: str  # late | early | combined
    head: str  # name of the head in its folder
    head_sha256: str
    fusion: str  # linear | transformer | late | coattention | concatenation | combination
    units: tuple[str, ...]  # that took part, T included
    classes: tuple[str, ...]
    logits: np.ndarray  # (classes,) before the temperature
    temperature: float
    probabilities: np.ndarray  # (classes,) softmax(logits / temperature)
    branches: tuple[BranchPrediction, ...] | None  # None where the model has no additive branches (early fusion)
    layer_weights: Mapping[str, LayerWeights]  # unit -> weights
    coattention: Mapping[str, CoattentionWeights] = field(default_factory=dict)  # unit -> maps; empty for late fusion
    members: tuple[str, ...] = ()  # combination: roles whose logits were averaged
    margin: float = 0.0  # below this gap between the two highest probabilities the verdict is "not sure"
    novelty: float | None = None  # distance to the training features; None where the head has no reference
    novelty_threshold: float | None = None
    measured_clips: int | None = None  # of speakers it never heard, which fitted temperature and margin; None: never measured

    @property
    def label(self) -> str:
        return self.classes[int(np.argmax(self.probabilities))]

    @property
    def verdict(self) -> str:
        """ "unfamiliar" (far from the training features), "never measured" (how sure it is), "not sure" (small margin) or "sure".

        Nobody is sure without a fitted temperature and a margin above 0.
        """
        if self.novelty is not None and self.novelty_threshold is not None and self.novelty > self.novelty_threshold:
            return "unfamiliar"
        if self.measured_clips is None:
            return "never measured"
        second, first = np.sort(self.probabilities)[-2:]
        return "sure" if first - second >= self.margin > 0 else "not sure"


@dataclass(frozen=True)
class HeadInfo:
    """What the interface says about the head that spoke."""

    name: str
    title: str
    preset: str
    trained_on: str  # one sentence
    licence: str
    caveat: str  # one sentence, e.g. that voice and words were paired artificially
    sha256: str


@dataclass(frozen=True, eq=False)
class Parent:
    """What a changed clip was made from, and how (docs/interventions.md)."""

    sha256: str  # of the parent's samples
    name: str
    edits: tuple[Mapping[str, Any], ...]  # in order, each with its "kind"


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that was found out about one clip; complete enough to draw, export and trace it."""

    clip: Clip
    transcript: Transcript
    alignment: Alignment | None  # None when it failed; see unavailable
    labels: Mapping[str, tuple[str, ...]]  # unit -> segment labels, for the units that could be had
    starts: Mapping[str, np.ndarray]  # speech unit -> (segments,) seconds
    ends: Mapping[str, np.ndarray]
    words: Mapping[str, np.ndarray]  # unit -> (segments,) index of the written word, -1 where there is none
    token_offsets: np.ndarray  # (tokens, 2) character ranges in transcript.text
    predictions: Mapping[str, Prediction]  # role -> prediction, in the order late, early, combined
    unavailable: Mapping[str, str]  # unit or role -> the reason in one sentence
    preset: str
    heads: tuple[HeadInfo, ...]  # of the models that spoke
    encoders: Mapping[str, str]  # "speech", "text" -> model, revision and settings
    joins: tuple[float, ...] = ()  # seconds, where windows of a long clip were stitched
    timings: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds; 0.0 for a stage that was reused
    notices: tuple[Notice, ...] = ()
    version: str = ""  # of mmer
    created: str = ""  # ISO 8601, UTC
    parent: Parent | None = None  # of a changed clip; None for a recording as it is
    seen: Mapping[str, str] = field(default_factory=dict)  # head -> "training" | "validation", of the heads that had this clip in it
    speech_seconds: float | None = None  # of speech that the detector found; None where there are words, so nobody looked
    devices: Mapping[str, str] = field(
        default_factory=dict
    )  # stage -> "cpu" or "cuda:0 (NVIDIA H100)", of stages whose models may be on a card

    @property
    def best(self) -> Prediction:
        """The combined prediction, else the late, else the early one."""
        for role in ("combined", "late", "early"):
            if role in self.predictions:
                return self.predictions[role]
        raise ValueError("an analysis without any prediction")

    @property
    def state(self) -> str:
        """ "no speech" (neither words nor a voice), else the verdict of the best prediction."""
        return "no speech" if not self.transcript.words and self.speech_seconds == 0 else self.best.verdict
