"""Columns that are computed from the clips themselves: how long, how high, how loud, how fast; kept on disk for each clip."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmer.datasets.clips import load_clip
from mmer.datasets.dataset import Utterance
from mmer.error_table.table import NUMBER, Column, UtteranceTable, round_numbers
from mmer.errors import AudioError, DataError
from mmer.files.guarded_json import read_json
from mmer.files.output import write_file
from mmer.phrasing import say_count
from mmer.results import SAMPLE_RATE
from mmer.views.acoustics import track_pitch

FOLDER = "measures"  # below the feature cache
VERSION = 1  # of what is measured and how; clips measured by another one are measured again
FRAME = SAMPLE_RATE // 40  # samples, 25 ms
FAINTEST = 1e-5  # of full scale, -100 dBFS: what is fainter counts as that
COLUMNS = (
    Column("clip_seconds", NUMBER, "how long the clip lasts", "s"),
    Column("clip_words", NUMBER, "words of the text that the data set gives"),
    Column("words_per_second", NUMBER, "those words over the clip's length, pauses included", "1/s"),
    Column("pitch_mean", NUMBER, "mean fundamental frequency of the voiced frames", "Hz"),
    Column("pitch_range", NUMBER, "from the 5th to the 95th percentile of the voiced frames' fundamental frequency", "semitones"),
    Column("loudness", NUMBER, "level of the whole clip (root mean square), 0 is full scale; depends on the microphone too", "dBFS"),
    Column("loud_over_quiet", NUMBER, "loud frames above quiet ones (90th, 10th percentile): low where noise fills the pauses", "dB"),
)  # fmt: skip
OF_SOUND = ("clip_seconds", "pitch_mean", "pitch_range", "loudness", "loud_over_quiet")


def measure_samples(samples: np.ndarray) -> dict[str, float]:
    """OF_SOUND of samples (samples,) at 16 kHz; nan for the pitch where nothing is voiced."""
    hertz = track_pitch(samples).hertz
    voiced = hertz[hertz > 0]
    low, high = np.quantile(voiced, [0.05, 0.95]) if len(voiced) else (math.nan, math.nan)
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    levels = [to_decibels(float(np.sqrt(np.mean(frame**2)))) for frame in frames]
    quiet, loud = np.quantile(levels, [0.1, 0.9]) if levels else (math.nan, math.nan)
    return {
        "clip_seconds": len(samples) / SAMPLE_RATE,
        "pitch_mean": float(voiced.mean()) if len(voiced) else math.nan,
        "pitch_range": float(12 * np.log2(high / low)) if len(voiced) else math.nan,
        "loudness": to_decibels(float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))),
        "loud_over_quiet": float(loud - quiet),
    }


def to_decibels(level: float) -> float:
    """Of full scale."""
    return 20 * math.log10(max(level, FAINTEST))


def place_measures(utterance: Utterance, cache: Path) -> Path | None:
    """Where a clip's measures are kept: its file as it is now, and which piece of it; None where there is no file."""
    try:
        real = os.path.realpath(utterance.path)
        found = os.stat(real)
    except (OSError, ValueError):
        return None
    key = repr((VERSION, real, found.st_size, found.st_mtime_ns, utterance.start, utterance.end))
    digest = hashlib.sha256(key.encode("utf-8", errors="surrogateescape")).hexdigest()
    return cache / FOLDER / digest[:2] / f"{digest[2:]}.json"


def read_measures(place: Path) -> dict[str, float] | None:
    """What was kept; None where there is nothing or damage, so that it is measured again."""
    try:
        stored: Any = read_json(place, limit=10_000)
    except (DataError, FileNotFoundError):
        return None
    if not isinstance(stored, dict) or set(stored) != set(OF_SOUND):
        return None
    if not all(value is None or (isinstance(value, int | float) and math.isfinite(value)) for value in stored.values()):
        return None
    return {name: math.nan if value is None else float(value) for name, value in stored.items()}


def find_or_measure(utterance: Utterance, cache: Path, *, measure: bool) -> dict[str, float] | None:
    """The measures of one clip, kept or made now; None where they are neither. Raises DataError when they can't be kept, AudioError."""
    place = place_measures(utterance, cache)
    if place is None or (found := read_measures(place)) is not None or not measure:
        return None if place is None else found
    found = measure_samples(load_clip(utterance).samples)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_file(place, json.dumps({name: None if math.isnan(value) else value for name, value in found.items()}))
    return found


def add_measures(
    table: UtteranceTable, cache: Path, *, measure: bool, progress: Callable[[int, int], None] | None = None
) -> UtteranceTable:
    """The table with COLUMNS: of every clip that can be read if `measure`, else of those that were measured before.

    Unchanged where none was. Raises DataError where clips are to be measured and the table knows of none.
    """
    if table.utterances is None:
        if measure:
            raise DataError(
                "There are no recordings to measure: the data set is not read. Name the folder that it lies in with --data-root."
            )
        return table
    rows, problems = [], []
    for number, name in enumerate(table.frame["utterance"].tolist(), start=1):
        utterance = table.utterances.get(name)
        try:
            rows.append(find_or_measure(utterance, cache, measure=measure) if utterance is not None else None)
        except AudioError as error:
            rows.append(None)
            problems.append(str(error))
        if progress is not None:
            progress(number, len(table.frame))
    known = sum(row is not None for row in rows)
    if not known:
        return table
    notes = [f"Sound and pace are measured of {known:,} of {say_count(len(rows), 'clip')}; `mmer errors --measure` measures the others."]
    if known == len(rows):
        notes = []
    if problems:
        notes.append(f"{say_count(len(problems), 'clip')} could not be measured, the first: {problems[0]}")
    return table.add(COLUMNS, make_columns(table, rows), notes=notes)


def make_columns(table: UtteranceTable, rows: list[dict[str, float] | None]) -> Mapping[str, np.ndarray]:
    """(utterances,) of each of COLUMNS."""
    values = {name: np.array([row[name] if row else math.nan for row in rows], float) for name in OF_SOUND}
    texts = table.frame["text"].tolist() if table.has("text") else [""] * len(rows)
    words = np.array([len(text.split()) or math.nan for text in texts], float)
    values |= {"clip_words": words, "words_per_second": words / values["clip_seconds"]}
    return {column.name: round_numbers(values[column.name]) for column in COLUMNS}
