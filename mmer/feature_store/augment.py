"""One clip -> the same clip as it would sound in another room, with another microphone, voice or telephone line.

An `Augmentation` holds in numbers what is done. Drawing one and applying it are separate functions, so that every copy can be named, cached
and made again. The steps follow the order in which they happen to real speech: voice (speed), room, noise in
the room, microphone (band and colour), level, telephone line (8 kHz mu-law).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, sosfilt

from mmer.results import SAMPLE_RATE


@dataclass(frozen=True)
class Augmentation:
    """The changes to make to a clip; the default makes none."""

    speed: float = 1.0  # resampling factor: 1.1 is 10 % shorter and 10 % higher
    room_seconds: float = 0.0  # reverberation time (60 dB) of an exponentially decaying noise tail; 0 is no room
    room_share: float = 0.0  # energy of the tail relative to the direct sound
    noise_db: float | None = None  # signal to noise ratio; None is no noise
    noise_slope: float = 0.0  # dB per octave of the noise's spectrum: 0 white, -3 pink, -6 brown
    low_hz: float = 0.0  # band of the microphone; 0 leaves the low end alone
    high_hz: float = 0.0  # 0 leaves the high end alone
    colour_db: tuple[float, ...] = ()  # gains at COLOUR_HZ, smoothly joined
    gain_db: float = 0.0
    line: bool = False  # 8 kHz, 8 bit mu-law, as a telephone has it
    seed: int = 0  # of the noise and of the room's tail


CLEAN = Augmentation()
COLOUR_HZ = (80.0, 250.0, 800.0, 2500.0, 7000.0)


def name_augmentation(augmentation: Augmentation) -> str:
    """ "clean", or what is done in one line, e.g. "speed=1.06 noise_db=17.2 seed=5"."""
    changed = [f"{k}={v}" for k, v in asdict(augmentation).items() if v != asdict(CLEAN)[k]]
    return " ".join(changed) or "clean"


def draw_augmentation(rng: np.random.Generator) -> Augmentation:
    """A plausible room, microphone and voice. Every copy gets its own level and colour; each other change is made to some copies only."""

    def sometimes(share: float) -> bool:
        return bool(rng.random() < share)

    room = sometimes(0.5)
    noise = sometimes(0.6)
    band = sometimes(0.4)
    return Augmentation(
        speed=round(float(rng.uniform(0.9, 1.12)), 3) if sometimes(0.5) else 1.0,
        room_seconds=round(float(rng.uniform(0.15, 0.7)), 3) if room else 0.0,
        room_share=round(float(rng.uniform(0.05, 0.6)), 3) if room else 0.0,
        noise_db=round(float(rng.uniform(8, 35)), 1) if noise else None,
        noise_slope=round(float(rng.uniform(-6, 0)), 1) if noise else 0.0,
        low_hz=round(float(rng.uniform(80, 320)), 0) if band else 0.0,
        high_hz=round(float(rng.uniform(3200, 7000)), 0) if band else 0.0,
        colour_db=tuple(round(float(g), 1) for g in rng.normal(0, 5, len(COLOUR_HZ))),
        gain_db=round(float(rng.uniform(-20, 6)), 1),
        line=sometimes(0.1),
        seed=int(rng.integers(2**31)),
    )


def apply_augmentation(samples: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Samples (samples,) float32 at 16 kHz -> (samples / speed,) float32 within [-1, 1]."""
    rng = np.random.default_rng(augmentation.seed)
    out: np.ndarray = np.asarray(samples, dtype=np.float32)
    if augmentation.speed != 1.0:
        out = soxr.resample(out, SAMPLE_RATE * augmentation.speed, SAMPLE_RATE)
    if augmentation.room_seconds:
        out = _put_in_room(out, augmentation.room_seconds, augmentation.room_share, rng)
    if augmentation.noise_db is not None:
        out = out + _draw_noise(len(out), augmentation.noise_slope, rng) * _root_mean_square(out) * 10 ** (-augmentation.noise_db / 20)
    out = _through_microphone(out, augmentation)
    out = out * 10 ** (augmentation.gain_db / 20)
    if augmentation.line:
        out = _over_telephone(out)
    return np.clip(out, -1.0, 1.0).astype(np.float32)


def _root_mean_square(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _put_in_room(samples: np.ndarray, seconds: float, share: float, rng: np.random.Generator) -> np.ndarray:
    """Direct sound plus a tail of noise that falls by 60 dB in `seconds`; the level is kept."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(t)) * np.exp(-6.9078 * t / seconds)
    response = np.concatenate([[1.0], tail * np.sqrt(share / np.sum(tail**2))])
    wet = fftconvolve(samples, response)[: len(samples)]
    found: np.ndarray = (wet * _root_mean_square(samples) / max(_root_mean_square(wet), 1e-9)).astype(np.float32)
    return found


def _draw_noise(length: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power whose spectrum falls by -`slope` dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    spectrum *= (np.maximum(hertz, 50.0) / 1000.0) ** (slope / 6.0206)
    noise = np.fft.irfft(spectrum, length)
    return (noise / max(_root_mean_square(noise), 1e-9)).astype(np.float32)


def _through_microphone(samples: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    out = samples
    if augmentation.low_hz:
        out = sosfilt(butter(2, augmentation.low_hz, "highpass", fs=SAMPLE_RATE, output="sos"), out)
    if augmentation.high_hz:
        out = sosfilt(butter(4, augmentation.high_hz, "lowpass", fs=SAMPLE_RATE, output="sos"), out)
    if augmentation.colour_db:
        spectrum = np.fft.rfft(out)
        octaves = np.log2(np.maximum(np.fft.rfftfreq(len(out), 1 / SAMPLE_RATE), 20.0))
        spectrum *= 10 ** (np.interp(octaves, np.log2(COLOUR_HZ), augmentation.colour_db) / 20)
        out = np.fft.irfft(spectrum, len(out))
    return out


def _over_telephone(samples: np.ndarray) -> np.ndarray:
    narrow = soxr.resample(np.clip(samples, -1, 1).astype(np.float32), SAMPLE_RATE, 8000)
    pressed = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    stepped = np.round(pressed * 127) / 127
    wide = soxr.resample((np.sign(stepped) * np.expm1(np.abs(stepped) * np.log(256)) / 255).astype(np.float32), 8000, SAMPLE_RATE)
    return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]
