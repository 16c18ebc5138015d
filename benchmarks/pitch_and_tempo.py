"""Our pitch tracker against Praat's, and both ways to change pitch and tempo, on real speech.

    python benchmarks/pitch_and_tempo.py [clip ...]

Without clips: LibriVox of Debian's pocketsphinx-testdata. Needs the extra `praat`. Prints per clip the median difference of the pitch in
semitones where ours and Praat's both hear a voice, and how often they agree that there is one; then per method the medians over the
clips: how far the pitch is from what was asked for, and how far the first two formants (Praat's Burg) moved. Exit code 1 when a
clip's median difference is half a semitone or more.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import parselmouth

from mmer.audio.load import load_audio
from mmer.interventions.resynthesis import LIBROSA, PRAAT, change_pitch, change_tempo
from mmer.results import SAMPLE_RATE
from mmer.views.acoustics import PITCH_CEILING, PITCH_FLOOR, PITCH_STEP, track_pitch

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
LIMIT = 0.5  # semitones


def hear_pitch(samples: np.ndarray, times: np.ndarray, *, ceiling: float = PITCH_CEILING) -> np.ndarray:
    """(times,) Hz by Praat's autocorrelation; NaN where unvoiced."""
    sound = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE)
    pitch = sound.to_pitch_ac(PITCH_STEP, PITCH_FLOOR, pitch_ceiling=ceiling)
    return np.array([pitch.get_value_at_time(time) for time in times])


def hear_formants(samples: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(times, 2) Hz."""
    formants = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE).to_formant_burg(PITCH_STEP)
    return np.array([[formants.get_value_at_time(number, time) for number in (1, 2)] for time in times])


def compare_trackers(samples: np.ndarray) -> tuple[float, float]:
    """Median absolute difference in semitones where both hear a voice; share of the frames where both or neither do."""
    ours = track_pitch(samples)
    praat = hear_pitch(samples, (np.arange(len(ours.hertz)) + 0.5) * ours.step)
    both = (ours.hertz > 0) & ~np.isnan(praat)
    difference = np.abs(12 * np.log2(ours.hertz[both] / praat[both]))
    return float(np.median(difference)), float(np.mean((ours.hertz > 0) == ~np.isnan(praat)))


def measure_change(samples: np.ndarray, changed: np.ndarray, *, semitones: float, factor: float) -> tuple[float, float, float]:
    """Median error of the pitch and median shifts of the first two formants, in semitones."""
    times = np.arange(0.05, len(samples) / SAMPLE_RATE - 0.05, PITCH_STEP)
    before, after = hear_pitch(samples, times), hear_pitch(changed, times / factor, ceiling=900.0)
    both = ~np.isnan(before) & ~np.isnan(after)
    error = np.median(np.abs(12 * np.log2(after[both] / before[both]) - semitones))
    moved = 12 * np.log2(hear_formants(changed, times[both] / factor) / hear_formants(samples, times[both]))
    return (float(error), *map(float, np.nanmedian(moved, axis=0)))


def print_shifts(what: str, values: list[tuple[float, float, float]]) -> None:
    error, first, second = np.median(values, axis=0)
    print(f"{what}: pitch off by {error:.2f}, F1 {first:+.2f}, F2 {second:+.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    paths = parser.parse_args().clips or sorted(LIBRIVOX.glob("*.wav"))
    clips = [load_audio(path).samples for path in paths]
    found = [compare_trackers(samples) for samples in clips]
    for path, (difference, agreed) in zip(paths, found):
        print(f"{path.stem[:50]:50}  {difference:.3f} semitones, voiced or not alike in {agreed:.1%}")
    print(f"{len(clips)} clips: median {np.median([d for d, _ in found]):.3f}, largest {max(d for d, _ in found):.3f} semitones")
    for name, method in (("Praat", PRAAT), ("librosa", LIBROSA)):
        for semitones in (-4.0, 4.0):
            made = [change_pitch(s, 0, len(s), semitones=semitones, method=method) for s in clips]
            values = [measure_change(s, c, semitones=semitones, factor=1.0) for s, c in zip(clips, made)]
            print_shifts(f"{name:8} {semitones:+g} semitones", values)
        for factor in (0.7, 1.4):
            made = [change_tempo(s, 0, len(s), factor=factor, method=method) for s in clips]
            values = [measure_change(s, c, semitones=0.0, factor=factor) for s, c in zip(clips, made)]
            print_shifts(f"{name:8} {factor:g} times as fast", values)
    return int(max(d for d, _ in found) >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
