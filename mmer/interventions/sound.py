"""Changes of samples, (samples,) float32 mono at 16 kHz. Every edge is cross-faded over a few milliseconds, so that no click is heard."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import welch

from mmer.results import SAMPLE_RATE

FADE = 0.005  # seconds of a cross-fade
WELCH_SAMPLES = 512  # of one window of the long-term spectrum, 32 ms
SMOOTHING = 300.0  # Hz over which the spectrum is averaged, so that a vowel's harmonics leave no hum in the noise


def mute_range(samples: np.ndarray, first: int, last: int, *, fill: str, seed: int) -> np.ndarray:
    """`samples` with [first, last) silent, or filled with matched noise. The fades lie inside the range: nothing outside changes."""
    piece = samples[first:last].astype(np.float64)
    covered = np.sin(np.pi / 2 * rise_inside(len(piece)))
    changed = piece * np.sqrt(1 - covered**2)
    if fill == "noise":
        changed += match_noise(piece, seed=seed) * covered  # powers add up: the two are unrelated
    return replace_range(samples, first, last, changed)


def match_noise(piece: np.ndarray, *, seed: int) -> np.ndarray:
    """(samples,) Gaussian noise with the smoothed long-term spectrum and the root mean square of `piece`."""
    white = np.random.default_rng(seed).standard_normal(len(piece))
    frequencies, power = welch(piece, SAMPLE_RATE, nperseg=min(WELCH_SAMPLES, len(piece)))
    width = max(1, round(SMOOTHING * min(WELCH_SAMPLES, len(piece)) / SAMPLE_RATE))
    amplitude = np.sqrt(uniform_filter1d(power, width, mode="nearest"))
    spectrum = np.fft.rfft(white) * np.interp(np.fft.rfftfreq(len(piece), 1 / SAMPLE_RATE), frequencies, amplitude)
    noise = np.fft.irfft(spectrum, len(piece))
    level = root_mean_square(noise)
    return noise * (root_mean_square(piece) / level) if level else noise


def scale_range(samples: np.ndarray, first: int, last: int, *, decibels: float) -> np.ndarray:
    """`samples` with [first, last) louder or softer; what goes beyond full scale is cut off."""
    piece = samples[first:last].astype(np.float64)
    gain = 10 ** (decibels / 20)
    return replace_range(samples, first, last, piece * (1 + (gain - 1) * rise_inside(len(piece))))


def cut_range(samples: np.ndarray, first: int, last: int) -> np.ndarray:
    """`samples` without [first, last), shorter by exactly that."""
    return join(samples, first, samples, last)


def join(left: np.ndarray, end: int, right: np.ndarray, start: int) -> np.ndarray:
    """left[:end] then right[start:], cross-faded around the join with what goes on in `left` and came before in `right`.

    No length changes; where either has nothing beyond the join (a clip's edge) nothing is faded.
    """
    joined = np.concatenate([left[:end], right[start:]]).astype(np.float64)
    half = min(round(FADE * SAMPLE_RATE / 2), end, len(left) - end, start, len(right) - start)
    if half:
        weight = np.sin(np.pi / 2 * (np.arange(2 * half) + 0.5) / (2 * half)) ** 2
        before, after = left[end - half : end + half], right[start - half : start + half]
        joined[end - half : end + half] = (1 - weight) * before + weight * after
    return np.clip(joined, -1, 1).astype(np.float32)


def rise_inside(length: int) -> np.ndarray:
    """(length,) 0 at both edges, 1 between the fades."""
    fade = min(round(FADE * SAMPLE_RATE), length // 2)
    ramp = (np.arange(fade) + 0.5) / max(fade, 1)
    return np.concatenate([ramp, np.ones(length - 2 * fade), ramp[::-1]])


def replace_range(samples: np.ndarray, first: int, last: int, piece: np.ndarray) -> np.ndarray:
    changed = samples.copy()
    changed[first:last] = np.clip(piece, -1, 1)
    return changed


def root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
