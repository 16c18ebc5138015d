"""A planted Analysis with every field filled: late fusion F+S+T, coattention F+P, their combination. Contributions sum exactly."""

import hashlib

import numpy as np

from mmer.choices.emotions import EMOTIONS
from mmer.results import (
    Alignment,
    Analysis,
    BranchPrediction,
    Clip,
    CoattentionWeights,
    HeadInfo,
    LayerWeights,
    Notice,
    Parent,
    Prediction,
    Segment,
    Transcript,
    Word,
)

LAYERS = ("1", "2", "3", "4")
SPOKEN = "I won <10> & more"  # holds what HTML must escape


def make_analysis(*, frames: int = 100, words: bool = True) -> Analysis:
    """`frames` of 20 ms; without `words` only the frame branch speaks."""
    random = np.random.default_rng(7)
    clip = make_clip(frames, random)
    transcript = make_transcript() if words else Transcript("", (), "whisper-tiny.en", 0.2)
    alignment = make_alignment(clip.duration) if words else None
    tiers = {"S": alignment.syllables, "P": alignment.phones} if alignment else {}
    tokens = ("i", "won", "<", "10", ">", "&", "more") if words else ()
    labels = {"T": tokens} if words else {}
    labels["F"] = tuple(f"{(i + 0.5) * 0.02:.2f} s" for i in range(frames))
    labels |= {unit: tuple(s.label for s in tier) for unit, tier in tiers.items()}
    starts = {"F": np.arange(frames) * 0.02} | {u: np.array([s.start for s in t]) for u, t in tiers.items()}
    ends = {"F": np.arange(1, frames + 1) * 0.02} | {u: np.array([s.end for s in t]) for u, t in tiers.items()}
    word_of = ({"T": np.array([0, 1, -1, 2, -1, 3, 4])} if words else {}) | {"F": np.full(frames, -1)}
    word_of |= {u: np.array([s.word for s in t]) for u, t in tiers.items()}
    return Analysis(
        clip=clip,
        transcript=transcript,
        alignment=alignment,
        labels=labels,
        starts=starts,
        ends=ends,
        words=word_of,
        token_offsets=np.array([[0, 1], [2, 5], [6, 7], [7, 9], [9, 10], [11, 12], [13, 17]]) if words else np.zeros((0, 2), dtype=int),
        predictions=make_predictions(labels, random),
        unavailable={"W": "the head has no word branch"} if words else {"T": "no words were heard", "early": "it needs words"},
        preset="compact",
        heads=(
            HeadInfo(
                "late-fs", "Late fusion F+S", "compact", "acted speech & film lines", "CC BY-NC-SA 4.0", "pairs are artificial", "a" * 64
            ),
            HeadInfo("coattention-fp", "Coattention F+P", "compact", "the same", "CC BY-NC-SA 4.0", "pairs are artificial", "b" * 64),
            HeadInfo("combined", "Mean of both", "compact", "the same", "CC BY-NC-SA 4.0", "pairs are artificial", "c" * 64),
        ),
        encoders={"speech": "whisper-tiny.en@0d3d19a3 pad=0.5", "text": "all-MiniLM-L6-v2@1110a243"},
        joins=(1.0,),
        timings={"audio": 0.01, "transcript": 0.0, "alignment": 0.05, "encoders": 0.2, "fusion": 0.01},
        notices=(Notice("alignment", "Some words fit badly.", "info"),),
        version="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        parent=Parent("d" * 64, "before.wav", ({"kind": "loudness", "target": {"tier": "word", "index": 1}, "decibels": -6.0},)),
    )


def make_clip(frames: int, random: np.random.Generator) -> Clip:
    time = np.arange(frames * 320) / 16000
    samples = (0.5 * np.sin(2 * np.pi * 180 * time) * np.hanning(len(time)) + 0.01 * random.standard_normal(len(time))).astype(np.float32)
    notices = (Notice("audio", "The clip is very quiet: -41 dB.", "warning"),)
    return Clip("<voice>.wav", samples, hashlib.sha256(samples.tobytes()).hexdigest(), "48000 Hz, 2 channels, aac", notices)


def make_transcript() -> Transcript:
    words = (
        Word("I", 0, 1, ("i",), 0.1, 0.2, 0.9),
        Word("won", 2, 5, ("won",), 0.2, 0.5, 0.8),
        Word("10", 7, 9, ("ten",), None, None, None),
        Word("&", 11, 12, ("and",)),
        Word("more", 13, 17, ("more",)),
    )
    return Transcript(SPOKEN, words, "typed", 0.85, (Notice("transcript", "Digits were spelled out: 10 -> ten.", "info"),))


def make_alignment(duration: float) -> Alignment:
    """Five words of one syllable each over the middle of the clip."""
    edges = np.linspace(0.1 * duration, 0.9 * duration, 6)
    spelled = (("I", "AY"), ("won", "W AH N"), ("10", "T EH N"), ("&", "AE N D"), ("more", "M AO R"))
    words, syllables, phones = [], [], []
    for i, (word, sounds) in enumerate(spelled):
        start, end = float(edges[i]), float(edges[i + 1])
        words.append(Segment(word, start, end, i, -12.5 - i))
        syllables.append(Segment(sounds, start, end, i))
        cuts = np.linspace(start, end, len(sounds.split()) + 1)
        phones += [Segment(p, float(cuts[k]), float(cuts[k + 1]), i, -10.0) for k, p in enumerate(sounds.split())]
    return Alignment(tuple(words), tuple(syllables), tuple(phones), "pocketsphinx 5.1.1", -13.2, False, (Notice("alignment", "Low."),))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def make_predictions(labels: dict[str, tuple[str, ...]], random: np.random.Generator) -> dict[str, Prediction]:
    late = make_late({u: labels[u] for u in ("T", "F", "S") if u in labels}, random)
    if "T" not in labels:
        return {"late": late}
    early = make_early(labels, random)
    logits = (late.logits + early.logits) / 2
    combined = Prediction(
        role="combined",
        head="combined",
        head_sha256="c" * 64,
        fusion="combination",
        units=("T", "F", "P", "S"),
        classes=EMOTIONS,
        logits=logits,
        temperature=1.5,
        probabilities=softmax(logits / 1.5),
        branches=None,
        layer_weights={},
        members=("late", "early"),
        margin=0.1,
        measured_clips=200,
    )
    return {"late": late, "early": early, "combined": combined}


def make_late(labels: dict[str, tuple[str, ...]], random: np.random.Generator) -> Prediction:
    branches = []
    for unit in labels:
        contributions = random.standard_normal((len(labels[unit]), 4)) / len(labels[unit])
        bias = random.standard_normal(4) / 10
        branches.append(BranchPrediction(unit, bias + contributions.sum(0), bias, contributions))
    logits = np.sum([b.logits for b in branches], axis=0)
    return Prediction(
        role="late",
        head="late-fs",
        head_sha256="a" * 64,
        fusion="late",
        units=tuple(labels),
        classes=EMOTIONS,
        logits=logits,
        temperature=1.25,
        probabilities=softmax(logits / 1.25),
        branches=tuple(branches),
        layer_weights={u: make_weights(random) for u in labels},
        margin=0.15,
        measured_clips=200,
        novelty=1.5,
        novelty_threshold=2.5,
    )


def make_early(labels: dict[str, tuple[str, ...]], random: np.random.Generator) -> Prediction:
    logits = random.standard_normal(4)
    return Prediction(
        role="early",
        head="coattention-fp",
        head_sha256="b" * 64,
        fusion="coattention",
        units=("T", "F", "P"),
        classes=EMOTIONS,
        logits=logits,
        temperature=1.0,
        probabilities=softmax(logits),
        branches=None,
        layer_weights={u: make_weights(random) for u in ("T", "F", "P")},
        coattention={u: make_coattention(u, len(labels["T"]), len(labels[u]), random) for u in ("F", "P")},
        margin=0.1,
        measured_clips=200,
    )


def make_weights(random: np.random.Generator) -> LayerWeights:
    raw = 1 + 0.3 * random.standard_normal(len(LAYERS))
    runs = random.uniform(0.1, 0.4, (3, len(LAYERS)))
    return LayerWeights(raw, raw / raw.sum(), LAYERS, runs)


def make_coattention(unit: str, tokens: int, segments: int, random: np.random.Generator) -> CoattentionWeights:
    def attend(queries: int, keys: int) -> np.ndarray:
        weights = random.random((3, 4, queries, keys))
        return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)

    return CoattentionWeights(unit, attend(tokens, segments), attend(segments, tokens))
