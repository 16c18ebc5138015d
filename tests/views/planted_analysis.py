"""An Analysis of a real LibriVox sentence with invented numbers that add up as the models' do. Only for the views' tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

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
    Prediction,
    Segment,
    Transcript,
    Word,
)

WAV = Path("/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav")
TEXT = "he was not an ill disposed young man"
SYLLABLES = [["HH IY"], ["W AA Z"], ["N AA T"], ["AE N"], ["IH L"], ["D IH", "S P OW Z D"], ["Y AH NG"], ["M AE N"]]


def plant_analysis(*, text: str = TEXT, seed: int = 7) -> Analysis:
    """Late T+F+S, early coattention F+P and their combination; logits are exact sums, probabilities exact softmaxes."""
    samples, _ = soundfile.read(WAV, dtype="float32")
    duration = len(samples) / 16000
    draw = np.random.default_rng(seed)
    transcript = split_words(text)
    alignment = spread_segments(transcript, duration)
    frames = np.arange(0, duration - 0.02, 0.02)
    labels = {
        "T": tuple(w.text for w in transcript.words),
        "F": tuple(f"{t:.2f}" for t in frames),
        "P": tuple(s.label for s in alignment.phones),
        "S": tuple(s.label for s in alignment.syllables),
        "W": tuple(s.label for s in alignment.words),
    }
    starts = {u: np.array([s.start for s in alignment.tier(u)]) for u in "PSW"} | {"F": frames}
    ends = {u: np.array([s.end for s in alignment.tier(u)]) for u in "PSW"} | {"F": frames + 0.02}
    words = {u: np.array([s.word for s in alignment.tier(u)]) for u in "PSW"}
    words |= {"F": np.full(len(frames), -1), "T": np.arange(len(transcript.words))}
    late = predict("late", "late-fs", "late", plant_branches(labels, draw), draw)
    early = predict("early", "coattention-fp", "coattention", None, draw, coattention={u: plant_maps(u, labels, draw) for u in "FP"})
    combined = predict("combined", "combined", "combination", None, draw, logits=(late.logits + early.logits) / 2)
    return Analysis(
        clip=Clip(name="librivox-0880.wav", samples=samples, sha256="0" * 64, source="16000 Hz, 1 channel, wav"),
        transcript=transcript,
        alignment=alignment,
        labels=labels,
        starts=starts,
        ends=ends,
        words=words,
        token_offsets=np.array([[w.start_char, w.end_char] for w in transcript.words]),
        predictions={"late": late, "early": early, "combined": combined},
        unavailable={"W": "This head has no branch for words."},
        preset="compact",
        heads=(HeadInfo("late-fs", "Late fusion", "compact", "planted numbers", "none", "paired artificially", "1" * 64),),
        encoders={"speech": "planted", "text": "planted"},
        joins=(1.5,),
        timings={"alignment": 0.05, "encoders": 0.2, "fusion": 0.01},
        notices=(Notice("audio", "The clip is quiet: its loudest sample is at 4 % of full scale."),),
        version="0",
        created="2026-01-01T00:00:00Z",
    )


def plant_spread(analysis: Analysis, unit: str, shares: np.ndarray) -> Analysis:
    """The same, the late head's branch having been learned by several runs: shares (runs, layers)."""
    late = analysis.predictions["late"]
    weights = dict(late.layer_weights) | {unit: replace(late.layer_weights[unit], runs=shares)}
    return replace(analysis, predictions=dict(analysis.predictions) | {"late": replace(late, layer_weights=weights)})


def split_words(text: str) -> Transcript:
    words, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        words.append(Word(word, start, at, (word,)))
    return Transcript(text, tuple(words), "typed")


def spread_segments(transcript: Transcript, duration: float) -> Alignment:
    """Words spread evenly; syllables and phones share their word evenly."""
    words, syllables, phones = [], [], []
    edges = np.linspace(0.1, duration - 0.1, len(transcript.words) + 1)
    for i, word in enumerate(transcript.words):
        words.append(Segment(word.text, edges[i], edges[i + 1], i, -12.0))
        parts = SYLLABLES[i % len(SYLLABLES)]
        inner = np.linspace(edges[i], edges[i + 1], len(parts) + 1)
        for k, part in enumerate(parts):
            syllables.append(Segment(part, inner[k], inner[k + 1], i))
            names = part.split()
            cuts = np.linspace(inner[k], inner[k + 1], len(names) + 1)
            phones += [Segment(n, cuts[j], cuts[j + 1], i) for j, n in enumerate(names)]
    return Alignment(tuple(words), tuple(syllables), tuple(phones), "planted", -12.0)


def plant_branches(labels, draw) -> tuple[BranchPrediction, ...]:
    branches = []
    for unit in "TFS":
        count = len(labels[unit])
        contributions = draw.normal(0, 1.2 / count**0.5, (count, 4)) / 2
        bias = draw.normal(0, 0.1, 4)
        branches.append(BranchPrediction(unit, contributions.sum(axis=0) + bias, bias, contributions))
    return tuple(branches)


def plant_maps(unit, labels, draw) -> CoattentionWeights:
    tokens, segments = len(labels["T"]), len(labels[unit])

    def spread(*shape):
        raw = draw.gamma(0.4, size=shape)
        return raw / raw.sum(axis=-1, keepdims=True)

    return CoattentionWeights(unit, spread(3, 4, tokens, segments), spread(3, 4, segments, tokens))


def predict(role, head, fusion, branches, draw, *, logits=None, coattention=None) -> Prediction:
    if logits is None:
        logits = np.sum([b.logits for b in branches], axis=0) if branches else draw.normal(0, 1, 4)
    powers = np.exp(logits / 1.3)
    units = {"late": "TFS", "early": "TFP", "combined": "TFSP"}[role]
    weights = {} if role == "combined" else {u: plant_weights(draw, 6 if u == "T" else 4) for u in units}
    return Prediction(
        role=role,
        head=head,
        head_sha256="1" * 64,
        fusion=fusion,
        units=tuple(units),
        classes=EMOTIONS,
        logits=logits,
        temperature=1.3,
        probabilities=powers / powers.sum(),
        branches=branches,
        layer_weights=weights,
        coattention=coattention or {},
        members=("late", "early") if role == "combined" else (),
        margin=0.15,
        measured_clips=200,
        novelty=1.0,
        novelty_threshold=2.0,
    )


def plant_weights(draw, layers) -> LayerWeights:
    raw = draw.normal(1, 0.6, layers)
    return LayerWeights(raw, raw / raw.sum(), tuple(str(i) for i in range(1, layers + 1)))
