"""Pitch and tempo of a span: by Praat's code where praat-parselmouth is installed, which keeps the resonances, else by librosa.

Both libraries are imported at their first use: librosa's numba compiles for seconds, in a new installation for half a minute.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from mmer.errors import EditError
from mmer.interventions.sound import join
from mmer.results import SAMPLE_RATE
from mmer.views.acoustics import PITCH_CEILING, PITCH_FLOOR, PITCH_STEP, track_pitch

CONTEXT = 0.1  # seconds around the span that are resynthesised with it and then faded away
SHORTEST = 0.04  # seconds with the context: three periods of the lowest voice, 75 Hz
WINDOW = 512  # samples of librosa's window, 32 ms: longer ones smear speech


@dataclass(frozen=True)
class Method:
    """One way to resynthesise a piece; start and end of the span in it are samples."""

    pitch_note: str  # what follows "the pitch was moved by +3 semitones"
    tempo_note: str
    move_pitch: Callable[..., np.ndarray]  # (piece, start, end, semitones=) -> a piece as long
    stretch: Callable[..., tuple[np.ndarray, int]]  # (piece, start, end, factor=) -> a piece, and where the span begins in it


def choose_method() -> Method:
    return LIBROSA if importlib.util.find_spec("parselmouth") is None else PRAAT


def change_pitch(samples: np.ndarray, first: int, last: int, *, semitones: float, method: Method) -> np.ndarray:
    """`samples` with the pitch of [first, last) moved; as long as before.

    Raises: EditError when the span is too short or has no pitch (a voiceless sound, silence).
    """
    piece, before = take_context(samples, first, last)
    changed = method.move_pitch(piece, before, before + last - first, semitones=semitones)
    return put_back(samples, first, last, changed, before, last - first)


def change_tempo(samples: np.ndarray, first: int, last: int, *, factor: float, method: Method) -> np.ndarray:
    """`samples` with [first, last) `factor` times as fast: that range then has round((last - first) / factor) samples."""
    piece, before = take_context(samples, first, last)
    changed, start = method.stretch(piece, before, before + last - first, factor=factor)
    length = round((last - first) / factor)
    changed = np.pad(changed, (0, max(0, start + length - len(changed))))  # a method's own length may differ by a few samples
    return put_back(samples, first, last, changed, start, length)


def take_context(samples: np.ndarray, first: int, last: int) -> tuple[np.ndarray, int]:
    """The range with sound around it, and how many samples of that lie before. Raises EditError when it is too short."""
    context = round(CONTEXT * SAMPLE_RATE)
    before, after = min(context, first), min(context, len(samples) - last)
    piece = samples[first - before : last + after]
    if len(piece) / SAMPLE_RATE < SHORTEST:
        raise EditError(f"{len(piece) / SAMPLE_RATE:.3f} s are too short to measure a pitch in; at least {SHORTEST:.2f} s are needed.")
    return piece, before


def put_back(samples: np.ndarray, first: int, last: int, changed: np.ndarray, start: int, length: int) -> np.ndarray:
    """`samples` with [first, last) replaced by changed[start : start + length], what surrounds that faded into."""
    joined = join(samples, first, changed, start)
    return join(joined, first + length, samples, last)


def move_pitch_by_librosa(piece: np.ndarray, start: int, end: int, *, semitones: float) -> np.ndarray:
    """The whole piece with its pitch moved. Raises EditError when [start, end) has no pitch."""
    pitch = track_pitch(piece)
    times = (np.arange(len(pitch.hertz)) + 0.5) * pitch.step * SAMPLE_RATE
    if not pitch.hertz[(times >= start) & (times < end)].any():
        raise EditError(say_no_pitch(end - start))
    moved: np.ndarray = load_effects().pitch_shift(np.asarray(piece, np.float32), sr=SAMPLE_RATE, n_steps=semitones, n_fft=WINDOW)
    return moved


def stretch_by_librosa(piece: np.ndarray, start: int, end: int, *, factor: float) -> tuple[np.ndarray, int]:
    """The whole piece, `factor` times as fast, and where the span begins in it."""
    return load_effects().time_stretch(np.asarray(piece, np.float32), rate=factor, n_fft=WINDOW), round(start / factor)


def say_no_pitch(samples: int) -> str:
    return f"No pitch was found in these {samples / SAMPLE_RATE:.2f} s, so it can't be changed; choose a vowel or a word."


def load_effects() -> ModuleType:
    """librosa.effects. Raises EditError where numba finds no folder that it may write what it compiles to."""
    try:
        import librosa.effects
        import librosa.util.utils  # compiles as it is imported
    except RuntimeError as error:
        raise EditError(f"librosa can't be used here: {error}. Set NUMBA_CACHE_DIR to a folder that can be written to.") from error
    return librosa.effects


def move_pitch_by_praat(piece: np.ndarray, start: int, end: int, *, semitones: float) -> np.ndarray:
    """The piece with the pitch of [start, end) moved, as long as before. Raises EditError when there is none."""
    from parselmouth.praat import call

    manipulation = analyse(piece)
    tier = call(manipulation, "Extract pitch tier")
    times = [call(tier, "Get time from index", k + 1) * SAMPLE_RATE for k in range(int(call(tier, "Get number of points")))]
    if not any(start <= time < end for time in times):
        raise EditError(say_no_pitch(end - start))
    call(tier, "Shift frequencies", start / SAMPLE_RATE, end / SAMPLE_RATE, semitones, "semitones")
    call([tier, manipulation], "Replace pitch tier")
    changed = resynthesise(manipulation)
    return np.pad(changed, (0, max(0, len(piece) - len(changed))))[: len(piece)]


def stretch_by_praat(piece: np.ndarray, start: int, end: int, *, factor: float) -> tuple[np.ndarray, int]:
    """The piece with [start, end) `factor` times as fast, and where that begins in it."""
    from parselmouth.praat import call

    manipulation = analyse(piece)
    tier = call(manipulation, "Extract duration tier")
    left, right = start / SAMPLE_RATE, end / SAMPLE_RATE
    for time, value in ((left - 1e-4, 1.0), (left, 1 / factor), (right, 1 / factor), (right + 1e-4, 1.0)):
        call(tier, "Add point", time, value)
    call([tier, manipulation], "Replace duration tier")
    return resynthesise(manipulation), start


def analyse(piece: np.ndarray) -> Any:
    """Praat's Manipulation of a piece."""
    import parselmouth

    sound = parselmouth.Sound(piece.astype(np.float64), sampling_frequency=SAMPLE_RATE)
    return parselmouth.praat.call(sound, "To Manipulation", PITCH_STEP, PITCH_FLOOR, PITCH_CEILING)


def resynthesise(manipulation: Any) -> np.ndarray:
    """The samples; their number may differ by a few from what was asked for."""
    from parselmouth.praat import call

    return np.asarray(call(manipulation, "Get resynthesis (overlap-add)").values[0])


PRAAT = Method(" (by Praat's overlap-add)", " (by Praat's overlap-add)", move_pitch_by_praat, stretch_by_praat)
LIBROSA = Method(
    " (by librosa's phase vocoder, which moves the resonances of the mouth along with the pitch)",
    " (by librosa's phase vocoder)",
    move_pitch_by_librosa,
    stretch_by_librosa,
)
