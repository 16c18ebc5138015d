"""Samples -> what is drawn above the tiers: outline of the wave, spectrogram, pitch contour. All at 16 kHz.

The pitch tracker follows Boersma (1993), "Accurate short-term analysis of the fundamental frequency", with Praat's default costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmer.results import SAMPLE_RATE

WAVE_BINS = 4000  # columns of the outline, at most; the page draws from the samples themselves when it zooms in further
SPECTROGRAM_COLUMNS = 7500  # at most, so 4 ms steps up to 30 s
SPECTROGRAM_STEP = 64  # samples, 4 ms
SPECTROGRAM_WINDOW = 160  # samples, 10 ms: harmonics blur, formants stay
SPECTROGRAM_BANDS = 80  # of 62.5 Hz: 0 to 5 kHz
SPECTROGRAM_HERTZ = 5000.0
DECIBELS = 55.0  # below the loudest cell this is the lightest
PITCH_STEP = 0.01  # seconds
PITCH_FLOOR, PITCH_CEILING = 75.0, 600.0  # Hz
CANDIDATES = 6  # voiced ones per frame
SILENCE, VOICING, OCTAVE_COST, JUMP_COST, VOICE_CHANGE_COST = 0.03, 0.45, 0.01, 0.35, 0.14


@dataclass(frozen=True, eq=False)
class Wave:
    """Lowest and highest sample of each of equal stretches."""

    step: float  # seconds
    low: np.ndarray  # (bins,) int8, 127 is full scale
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """Energy in decibels below the loudest cell, 255 the loudest, 0 all that is 55 dB below it or fainter."""

    step: float  # seconds between columns; column i is centred at (i + 0.5) * step
    values: np.ndarray  # (bands, columns) uint8, lowest band first
    hertz: float  # upper edge of the highest band


@dataclass(frozen=True, eq=False)
class Pitch:
    """The fundamental frequency; frame i is at (i + 0.5) * step."""

    step: float  # seconds
    hertz: np.ndarray  # (frames,) float32, 0 where unvoiced


def trace_wave(samples: np.ndarray, *, bins: int = WAVE_BINS) -> Wave:
    """The outline in at most `bins` columns."""
    size = max(1, -(-len(samples) // bins))
    columns = np.pad(samples, (0, -len(samples) % size), mode="edge").reshape(-1, size)
    scaled = [np.round(np.clip(edge, -1, 1) * 127).astype(np.int8) for edge in (columns.min(axis=1), columns.max(axis=1))]
    return Wave(size / SAMPLE_RATE, *scaled)


def make_spectrogram(samples: np.ndarray) -> Spectrogram:
    """Energy per band and column, with the high frequencies lifted by 6 dB an octave as in Praat."""
    step = max(SPECTROGRAM_STEP, -(-len(samples) // SPECTROGRAM_COLUMNS))
    window = max(SPECTROGRAM_WINDOW, step)
    lifted = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1])
    frames = cut_frames(lifted, window=window, step=step) * np.hanning(window + 2)[1:-1]
    bands = 256 if window <= 256 else 1 << (window - 1).bit_length()
    power = np.abs(np.fft.rfft(frames, n=bands, axis=1)) ** 2  # (columns, bins)
    per_band = bands // 256  # bins of 62.5 Hz
    power = power[:, : SPECTROGRAM_BANDS * per_band].reshape(len(frames), SPECTROGRAM_BANDS, per_band).mean(axis=2)
    decibels = 10 * np.log10(power / max(float(power.max()), 1e-12) + 1e-12)
    values = np.clip(1 + decibels / DECIBELS, 0, 1) if power.max() > 1e-9 else np.zeros_like(power)
    return Spectrogram(step / SAMPLE_RATE, np.round(255 * values.T).astype(np.uint8), SPECTROGRAM_HERTZ)


def cut_frames(samples: np.ndarray, *, window: int, step: int) -> np.ndarray:
    """(frames, window): frame i is centred at (i + 0.5) * step; beyond the ends there is silence."""
    count = max(1, -(-len(samples) // step))
    before = (window - step) // 2
    padded = np.pad(samples, (before, count * step + window - before - len(samples)))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::step][:count]


def track_pitch(samples: np.ndarray, *, floor: float = PITCH_FLOOR, ceiling: float = PITCH_CEILING) -> Pitch:
    """The most plausible path through the peaks of the normalised autocorrelation, or silence, one value per 10 ms."""
    step, window = int(PITCH_STEP * SAMPLE_RATE), int(3 / floor * SAMPLE_RATE)
    centred = samples - samples.mean() if len(samples) else samples
    frames = cut_frames(centred, window=window, step=step)
    loudest = float(np.abs(centred).max()) if len(samples) else 0.0
    if loudest == 0:
        return Pitch(PITCH_STEP, np.zeros(len(frames), np.float32))
    frames = frames - frames.mean(axis=1, keepdims=True)
    loudness = np.abs(frames).max(axis=1) / loudest
    frequencies, strengths = find_candidates(autocorrelate(frames), floor=floor, ceiling=ceiling)
    silent = VOICING + np.maximum(0, 2 - loudness / (SILENCE / (1 + VOICING)))
    frequencies = np.concatenate([np.zeros((len(frames), 1)), frequencies], axis=1)  # candidate 0: unvoiced
    strengths = np.concatenate([silent[:, None], strengths], axis=1)
    return Pitch(PITCH_STEP, choose_path(frequencies, strengths).astype(np.float32))


def autocorrelate(frames: np.ndarray) -> np.ndarray:
    """(frames, lags) autocorrelation of the windowed frames, divided by the window's own: 1 at lag 0, 1 at a perfect period."""
    window = np.hanning(frames.shape[1] + 2)[1:-1]
    size = 1 << (2 * frames.shape[1] - 1).bit_length()

    def correlate(signal: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.abs(np.fft.rfft(signal, n=size)) ** 2, n=size)[..., : frames.shape[1]]

    ours, of_window = correlate(frames * window), correlate(window)
    found: np.ndarray = (ours / np.maximum(ours[:, :1], 1e-12)) / (of_window / of_window[0])
    return found


def find_candidates(correlation: np.ndarray, *, floor: float, ceiling: float) -> tuple[np.ndarray, np.ndarray]:
    """(frames, CANDIDATES) frequency in Hz and strength of the highest peaks; strength -inf where there are fewer."""
    low, high = int(SAMPLE_RATE / ceiling), min(int(SAMPLE_RATE / floor) + 1, correlation.shape[1] - 2)
    middle = correlation[:, low : high + 1]
    left, right = correlation[:, low - 1 : high], correlation[:, low + 1 : high + 2]
    is_peak = (middle > left) & (middle >= right) & (middle > 0.5 * VOICING)
    bend = np.where(is_peak, left - 2 * middle + right, -1.0)
    shift = np.where(is_peak, 0.5 * (left - right) / bend, 0.0)
    height = np.minimum(middle - 0.25 * (left - right) * shift, 1.0)
    lags = np.arange(low, high + 1) + shift
    strength = np.where(is_peak, height - OCTAVE_COST * np.log2(floor * lags / SAMPLE_RATE), -np.inf)
    best = np.argsort(-strength, axis=1)[:, :CANDIDATES]
    return SAMPLE_RATE / np.take_along_axis(lags, best, axis=1), np.take_along_axis(strength, best, axis=1)


def choose_path(frequencies: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """(frames,) frequency of the candidate in each frame on the best path (Viterbi); frequency 0 is unvoiced."""
    voiced = frequencies > 0
    logs = np.log2(np.where(voiced, frequencies, 1.0))
    score, came_from = strengths[0], np.zeros(frequencies.shape, int)
    for i in range(1, len(frequencies)):
        both = voiced[i - 1][:, None] & voiced[i][None, :]
        change = voiced[i - 1][:, None] != voiced[i][None, :]
        cost = np.where(both, JUMP_COST * np.abs(logs[i - 1][:, None] - logs[i][None, :]), VOICE_CHANGE_COST * change)
        arrived = score[:, None] - cost
        came_from[i] = arrived.argmax(axis=0)
        score = arrived.max(axis=0) + strengths[i]
    path = np.empty(len(frequencies), int)
    path[-1] = score.argmax()
    for i in range(len(frequencies) - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return frequencies[np.arange(len(frequencies)), path]
