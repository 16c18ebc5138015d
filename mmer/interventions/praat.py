"""Pitch and tempo of a span by Praat's overlap-add resynthesis, through praat-parselmouth (the optional extra `praat`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmer.errors import EditError
from mmer.interventions.sound import join
from mmer.results import SAMPLE_RATE

CONTEXT = 0.1  # seconds around the span that are resynthesised with it and then faded away
STEP = 0.01  # seconds between pitch measurements
FLOOR, CEILING = 75.0, 600.0  # Hz, Praat's own range of speech
MISSING = "Changing pitch or tempo needs Praat's code: install it with `pip install -e '.[praat]'`."


def change_pitch(samples: np.ndarray, first: int, last: int, *, semitones: float) -> np.ndarray:
    """`samples` with the pitch of [first, last) moved; as long as before.

    Raises: EditError when praat-parselmouth is missing or the span has no pitch (a voiceless sound, silence).
    """
    parselmouth = load_praat()
    piece, before, _ = take_context(samples, first, last)
    manipulation = analyse(parselmouth, piece)
    tier = parselmouth.praat.call(manipulation, "Extract pitch tier")
    times = [
        parselmouth.praat.call(tier, "Get time from index", k + 1) for k in range(int(parselmouth.praat.call(tier, "Get number of points")))
    ]
    start, end = before / SAMPLE_RATE, (before + last - first) / SAMPLE_RATE
    if not any(start <= time < end for time in times):
        raise EditError(
            f"No pitch was found between {first / SAMPLE_RATE:.2f} and {last / SAMPLE_RATE:.2f} s, so it can't be changed; "
            "choose a vowel or a word."
        )
    parselmouth.praat.call(tier, "Shift frequencies", start, end, semitones, "semitones")
    parselmouth.praat.call([tier, manipulation], "Replace pitch tier")
    changed = resynthesise(parselmouth, manipulation, len(piece))
    return put_back(samples, first, last, changed, before, last - first)


def change_tempo(samples: np.ndarray, first: int, last: int, *, factor: float) -> np.ndarray:
    """`samples` with [first, last) `factor` times as fast: that range then has round((last - first) / factor) samples."""
    parselmouth = load_praat()
    piece, before, after = take_context(samples, first, last)
    manipulation = analyse(parselmouth, piece)
    tier = parselmouth.praat.call(manipulation, "Extract duration tier")
    start, end = before / SAMPLE_RATE, (before + last - first) / SAMPLE_RATE
    for time, value in ((start - 1e-4, 1.0), (start, 1 / factor), (end, 1 / factor), (end + 1e-4, 1.0)):
        parselmouth.praat.call(tier, "Add point", time, value)
    parselmouth.praat.call([tier, manipulation], "Replace duration tier")
    length = round((last - first) / factor)
    changed = resynthesise(parselmouth, manipulation, before + length + after)
    return put_back(samples, first, last, changed, before, length)


def load_praat() -> Any:
    try:
        import parselmouth
        import parselmouth.praat
    except ImportError as error:
        raise EditError(MISSING) from error
    return parselmouth


def take_context(samples: np.ndarray, first: int, last: int) -> tuple[np.ndarray, int, int]:
    """The range with sound around it, and how many samples of that lie before and after."""
    context = round(CONTEXT * SAMPLE_RATE)
    before, after = min(context, first), min(context, len(samples) - last)
    return samples[first - before : last + after], before, after


def analyse(parselmouth: Any, piece: np.ndarray) -> Any:
    """Praat's Manipulation of a piece. Raises EditError when it is too short to measure a pitch in."""
    if len(piece) / SAMPLE_RATE < 3 / FLOOR:
        raise EditError(f"{len(piece) / SAMPLE_RATE:.3f} s are too short to measure a pitch in; at least {3 / FLOOR:.2f} s are needed.")
    sound = parselmouth.Sound(piece.astype(np.float64), sampling_frequency=SAMPLE_RATE)
    return parselmouth.praat.call(sound, "To Manipulation", STEP, FLOOR, CEILING)


def resynthesise(parselmouth: Any, manipulation: Any, length: int) -> np.ndarray:
    """(length,) samples; Praat's own length may differ by a few."""
    values = parselmouth.praat.call(manipulation, "Get resynthesis (overlap-add)").values[0]
    return np.pad(values, (0, max(0, length - len(values))))[:length]


def put_back(samples: np.ndarray, first: int, last: int, changed: np.ndarray, before: int, length: int) -> np.ndarray:
    """`samples` with [first, last) replaced by changed[before : before + length], the context faded into."""
    joined = join(samples, first, changed, before)
    return join(joined, first + length, samples, last)
