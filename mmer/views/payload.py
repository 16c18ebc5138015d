"""Analysis -> the one JSON document that the linked views draw: texts, times, sums, maps, and arrays as base64 (docs/linked-views.md)."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmer.audio.pcm import round_samples
from mmer.choices.units import UNITS
from mmer.explain.steps import (
    CAPTION_ATTENTION,
    CAPTION_CENTRED,
    CAPTION_EARLY,
    CAPTION_FLIP,
    CAPTION_MIXED,
    CAPTION_SUM,
    flipping_part,
    list_removable,
)
from mmer.explain.verdict import describe_headline
from mmer.phrasing import join_words, say_layer_rate
from mmer.results import SAMPLE_RATE, Alignment, Analysis, BranchPrediction, Clip, CoattentionWeights, HeadInfo, LayerWeights, Prediction
from mmer.views.acoustics import make_spectrogram, trace_wave, track_pitch
from mmer.word_contributions import describe_division, name_rest, own_segments, word_contributions

FORMAT, VERSION = "mmer-views", 1
MOST_WEIGHTS = 1_500_000  # attention weights of one unit in the page, 3 MB in half precision; beyond, neighbours share a cell
CAPTIONS = {
    "sum": CAPTION_SUM,
    "early": CAPTION_EARLY,
    "attention": CAPTION_ATTENTION,
    "mixed": CAPTION_MIXED,
    "flip": CAPTION_FLIP,
}


def build_payload(analysis: Analysis, *, with_sound: bool = True) -> dict[str, Any]:
    """Everything that the views need, as plain JSON types."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "clip": describe_clip(analysis.clip, analysis.joins, with_sound=with_sound),
        "acoustics": describe_acoustics(analysis.clip),
        "text": analysis.transcript.text,
        "words": [word.text for word in analysis.transcript.words],
        "in_silence": [i for i, word in enumerate(analysis.transcript.words) if word.in_silence],
        "untrusted": analysis.transcript.untrusted,
        "alignment": describe_alignment(analysis.alignment),
        "units": {unit: describe_unit(analysis, unit) for unit in UNITS if has_unit(analysis, unit)},
        "word_contributions": describe_words(analysis),
        "classes": list(analysis.best.classes),
        "best": analysis.best.role,
        "headline": describe_headline(analysis),
        "predictions": {role: describe_prediction(analysis, prediction) for role, prediction in analysis.predictions.items()},
        "unavailable": dict(analysis.unavailable),
        "preset": analysis.preset,
        "created": analysis.created,
        "mmer_version": analysis.version,
        "captions": CAPTIONS | {"scale": describe_scale(analysis), "caveats": describe_caveats(analysis.heads)},
    }


def describe_scale(analysis: Analysis) -> str:
    """What stands below the sum: its scale, and why early fusion is one part where the sum has other parts beside it."""
    return f"{CAPTION_CENTRED} {CAPTION_EARLY}" if {"early", "late"} <= analysis.predictions.keys() else CAPTION_CENTRED


def describe_caveats(heads: Sequence[HeadInfo]) -> list[str]:
    """Each caveat once: after the names of the heads that it is about, or alone where it is about all of them."""
    names: dict[str, list[str]] = {}
    for info in heads:
        if info.caveat:
            names.setdefault(info.caveat, []).append(info.title or info.name)
    return [caveat if len(titles) == len(heads) else f"{join_words(titles)}: {caveat}" for caveat, titles in names.items()]


def dump_payload(payload: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """JSON text that can stand in a page as it is: no character of it opens a tag."""
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(character, escaped)
    return text


def pack(array: np.ndarray, kind: str) -> dict[str, Any]:
    """An array as {"type", "shape", "base64"}; kind is a little-endian numpy type such as "<f2"."""
    content = np.ascontiguousarray(array, dtype=kind).tobytes()
    return {"type": kind.lstrip("<|"), "shape": list(array.shape), "base64": base64.b64encode(content).decode("ascii")}


# the clip


def describe_clip(clip: Clip, joins: tuple[float, ...], *, with_sound: bool) -> dict[str, Any]:
    sound = encode_sound(clip) if with_sound and not clip.outline else None
    return {"name": clip.name, "sha256": clip.sha256, "duration": clip.duration, "rate": SAMPLE_RATE, "sound": sound, "joins": list(joins)}


def encode_sound(clip: Clip) -> str:
    """The samples as lossless 16-bit FLAC in base64."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, round_samples(clip.samples), SAMPLE_RATE, format="FLAC")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def describe_acoustics(clip: Clip) -> dict[str, Any]:
    """Outline, spectrogram and pitch; the last two None where only the outline of the sound is known."""
    wave = trace_wave(clip.samples)
    outline = {"step": wave.step, "low": pack(wave.low, "|i1"), "high": pack(wave.high, "|i1")}
    if clip.outline:
        return {"wave": outline, "spectrogram": None, "pitch": None}
    spectrogram, pitch = make_spectrogram(clip.samples), track_pitch(clip.samples)
    return {
        "wave": outline,
        "spectrogram": {"step": spectrogram.step, "hertz": spectrogram.hertz, "values": pack(spectrogram.values, "|u1")},
        "pitch": {"step": pitch.step, "hertz": pack(pitch.hertz, "<f4")},
    }


# segments


def describe_alignment(alignment: Alignment | None) -> dict[str, Any] | None:
    return None if alignment is None else {"source": alignment.source, "approximate": alignment.approximate}


def has_unit(analysis: Analysis, unit: str) -> bool:
    return unit in analysis.labels or (UNITS[unit].is_aligned and analysis.alignment is not None and len(analysis.alignment.tier(unit)) > 0)


def describe_unit(analysis: Analysis, unit: str) -> dict[str, Any]:
    """Labels, times and owners of a unit's segments: those that the models read, else the alignment's tier."""
    if unit in analysis.labels:
        labels = list(analysis.labels[unit])
        starts, ends = analysis.starts.get(unit), analysis.ends.get(unit)
    else:
        tier = analysis.alignment.tier(unit) if analysis.alignment else ()
        labels = [s.label for s in tier]
        starts, ends = np.array([s.start for s in tier]), np.array([s.end for s in tier])
    owners = own_segments(analysis, unit)
    straddling = np.flatnonzero(owners.straddles).tolist()
    row = UNITS[unit]
    data: dict[str, Any] = {"name": row.name, "one": row.one, "lane": row.lane, "pixels": row.pixels}
    data |= {"labels": labels, "words": owners.words.tolist(), "straddling": straddling}
    if row.is_text:
        return data | {"characters": np.asarray(analysis.token_offsets).astype(int).tolist()}
    return data | {"starts": round_times(starts), "ends": round_times(ends)}


def describe_words(analysis: Analysis) -> dict[str, Any] | None:
    """What each written word adds, whole and by branch, and what no word owns; None where no model is a sum over segments."""
    found = word_contributions(analysis)
    if found is None:
        return None
    rests = {unit: {"name": name_rest(unit, divided=found.divided), "value": value.tolist()} for unit, value in found.rests.items()}
    return {
        "role": found.role,
        "placed": found.placed.tolist(),
        "divided": found.divided,
        "note": describe_division(found),
        "whole": pack(found.words, "<f4"),
        "parts": {unit: pack(part, "<f4") for unit, part in found.parts.items()},
        "counts": {unit: count.tolist() for unit, count in found.counts.items()},
        "straddling": {unit: count.tolist() for unit, count in found.straddling.items()},
        "rests": rests,
        "biases": found.biases.tolist(),
    }


def round_times(times: np.ndarray | None) -> list[float]:
    found: list[float] = np.round(np.asarray(times, dtype=float), 6).tolist()
    return found


# what the models say


def describe_prediction(analysis: Analysis, prediction: Prediction) -> dict[str, Any]:
    flips = flipping_part(analysis, role=prediction.role)
    return {
        "head": prediction.head,
        "head_sha256": prediction.head_sha256,
        "fusion": prediction.fusion,
        "units": list(prediction.units),
        "label": prediction.label,
        "logits": prediction.logits.tolist(),
        "temperature": prediction.temperature,
        "probabilities": prediction.probabilities.tolist(),
        "members": list(prediction.members),
        "branches": None if prediction.branches is None else [describe_branch(branch) for branch in prediction.branches],
        "layers": {unit: describe_layers(weights) for unit, weights in prediction.layer_weights.items()},
        "coattention": {unit: describe_maps(maps) for unit, maps in prediction.coattention.items()},
        "removable": list(list_removable(analysis, role=prediction.role)),
        "flips": [{"part": flip.part, "label": flip.label} for flip in flips],
    }


def describe_branch(branch: BranchPrediction) -> dict[str, Any]:
    return {"unit": branch.unit, "bias": branch.bias.tolist(), "contributions": pack(branch.contributions, "<f4")}


def describe_layers(weights: LayerWeights) -> dict[str, Any]:
    """Weights of Equation 1, and a `note` on how fast they learned.

    `spread` holds the experiment's lowest, mean and highest normalised weight, None for a single run.
    """
    spread, runs = None, weights.runs
    if runs is not None and len(runs) > 1:
        edges = (runs.min(axis=0), runs.mean(axis=0), runs.max(axis=0))
        spread = {"runs": len(runs), **{name: edge.tolist() for name, edge in zip(("low", "mean", "high"), edges)}}
    known = {"names": list(weights.layer_names), "raw": weights.raw.tolist(), "normalised": weights.normalised.tolist()}
    return known | {"spread": spread, "note": say_layer_rate(weights.rate)}


def describe_maps(maps: CoattentionWeights) -> dict[str, Any]:
    """Both directions in half precision, with so many neighbours sharing a cell that the page stays light."""
    there, back, size = thin_maps(maps, most=MOST_WEIGHTS)
    return {"segments_per_cell": size, "text_to_speech": pack(there, "<f2"), "speech_to_text": pack(back, "<f2")}


def thin_maps(maps: CoattentionWeights, *, most: int) -> tuple[np.ndarray, np.ndarray, int]:
    """(layers, heads, tokens, cells), (layers, heads, cells, tokens) and segments per cell: keys are summed, queries averaged."""
    there, back = maps.text_to_speech, maps.speech_to_text
    share = max(1, -(-(there.size + back.size) // most))
    if share == 1:
        return there, back, maps.segments_per_cell
    firsts = np.arange(0, there.shape[3], share)
    counts = np.diff([*firsts, there.shape[3]])
    summed = np.add.reduceat(there, firsts, axis=3)
    averaged = np.add.reduceat(back, firsts, axis=2) / counts[:, None]
    return summed, averaged, maps.segments_per_cell * share
