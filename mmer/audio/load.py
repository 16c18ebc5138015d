"""A recording in nearly any format -> float32 mono at 16 kHz, or one sentence that says why not.

The file's content decides, never its ending (decode.py). Sound is decoded block by block and resampled on the way, so that memory
stays bounded whatever a file claims.
"""

from __future__ import annotations

import hashlib
import io
import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmer.audio.decode import BLOCK, SoundStream, check_file, clean_name, describe_change, open_file, to_float
from mmer.audio.part import CUT_OFF
from mmer.audio.pcm import round_samples
from mmer.errors import AudioError
from mmer.files.replace import replace_file
from mmer.results import SAMPLE_RATE, Clip, Notice

MAX_SECONDS = 300.0  # s, longest clip: set by the memory of states and attention maps (2.5 GB in all)
MIN_SECONDS = 0.3  # s, shortest clip
MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 4000, 768_000  # Hz, of the file
SILENCE_DBFS = -70.0  # a peak below this is silence: about 10 steps of a 16 bit file
QUIET_DBFS = -30.0  # a peak below this is worth a notice
OVER_FULL_SCALE = 2.0  # a float file that goes beyond this is turned down; below, the overshoot is cut
CLIPPED_SHARE = 1e-4  # share of samples at full scale from which a notice is given
DC_OFFSET = 0.003  # of full scale; a mean beyond this is removed
LOST_IN_MIX = 0.25  # of the loudest channel's level; a mix below this gives way to that channel


def load_audio(path: str | Path, *, name: str | None = None) -> Clip:
    """The recording at `path` as a clip, with notices on what hurts the result. `name` is how the person knows the file.

    Raises: AudioError when the file is missing, empty, larger than 200 MB, not sound, damaged beyond use, shorter than 0.3 s,
    longer than 300 s, silent, holds NaN or infinite samples, more than 8 channels, or a codec that can't be decoded.
    """
    path = Path(path)
    name = clean_name(path.name if name is None else name)
    check_file(path, name)
    with ExitStack() as resources:
        return _finish(_collect(open_file(path, name, resources), name), name)


def clip_from_samples(samples: np.ndarray, rate: int, *, name: str) -> Clip:
    """A clip from samples in memory: (samples,) or (samples, channels), integers of any width or floats, as a microphone gives them.

    Raises: AudioError as `load_audio` does.
    """
    name = clean_name(name)
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "iuf":
        raise AudioError(f"{name}: samples must be numbers shaped (samples,) or (samples, channels), not {samples.dtype} {samples.shape}.")
    columns = samples[:, None] if samples.ndim == 1 else samples
    blocks = (to_float(columns[i : i + BLOCK]) for i in range(0, len(columns), BLOCK))
    return _finish(_collect([SoundStream(int(rate), columns.shape[1], f"{samples.dtype} samples", blocks)], name), name)


def write_wav(clip: Clip | np.ndarray, path: str | Path) -> None:
    """A clip, or mono samples at 16 kHz, as a 16 bit WAV file, whole or not at all. Raises OSError."""
    replace_file(Path(path), encode_wav(clip))


def encode_wav(clip: Clip | np.ndarray) -> bytes:
    """The bytes of that file."""
    import soundfile

    samples, file = clip.samples if isinstance(clip, Clip) else np.asarray(clip), io.BytesIO()
    soundfile.write(file, round_samples(samples), SAMPLE_RATE, format="WAV")
    return file.getvalue()


def decibels(level: float) -> str:
    """A level relative to full scale, for people: "-23.4 dBFS"."""
    return f"{20 * math.log10(level):.1f} dBFS" if level > 0 else "-inf dBFS"


# ---- collecting: blocks -> channels at 16 kHz, and what was seen on the way ----


@dataclass
class _Sound:
    channels: np.ndarray  # (samples, channels) float32 at 16 kHz
    means: np.ndarray  # (channels,) of the samples in the file
    peaks: np.ndarray  # (channels,) largest distance from that mean
    highest: float  # largest absolute sample
    clipped: float  # share of samples at full scale
    seconds: float
    rate: int
    source: str
    promised: float | None
    sentences: tuple[str, ...]


def _collect(streams: list[SoundStream], name: str) -> _Sound:
    """All of `streams`, which follow each other, at 16 kHz. Raises: AudioError as soon as a limit is passed."""
    import soxr

    _check_streams(streams, name)
    stream, lengths = streams[0], [0] * len(streams)
    resampler = soxr.ResampleStream(stream.rate, SAMPLE_RATE, stream.channels, dtype="float32", quality="HQ")
    parts: list[np.ndarray] = []
    count, clipped = 0, 0
    totals = np.zeros(stream.channels)
    lowest, highest = np.full(stream.channels, np.inf), np.full(stream.channels, -np.inf)
    for number, block in ((i, block) for i, stream in enumerate(streams) for block in stream.blocks):
        lengths[number] += len(block)
        _check_finite(block, count, stream.rate, name)
        count += len(block)
        if count > MAX_SECONDS * stream.rate:
            raise AudioError(
                f"{name} is longer than the limit of {MAX_SECONDS:.0f} s ({MAX_SECONDS / 60:.0f} minutes); cut out the part you want."
            )
        clipped += int(np.count_nonzero(np.abs(block) >= 0.9999))
        rows = np.ascontiguousarray(block.T)  # sums along the last axis are ten times faster
        totals += rows.sum(axis=1, dtype=np.float64)
        lowest, highest = np.minimum(lowest, rows.min(axis=1)), np.maximum(highest, rows.max(axis=1))
        parts.append(block if stream.rate == SAMPLE_RATE else resampler.resample_chunk(block))
    if count == 0:
        raise AudioError(f"{name} has a header but no samples (0 s of sound); record or save it again.")
    if stream.rate != SAMPLE_RATE:
        parts.append(resampler.resample_chunk(np.zeros((0, stream.channels), np.float32), last=True))
    means = totals / count
    return _Sound(
        channels=np.concatenate(parts)[: math.ceil(count * SAMPLE_RATE / stream.rate)],
        means=means,
        peaks=np.maximum(highest - means, means - lowest),
        highest=float(np.max(np.abs([lowest, highest]))),
        clipped=clipped / (count * stream.channels),
        seconds=count / stream.rate,
        rate=stream.rate,
        source=f"{stream.rate} Hz, {stream.channels} channel{'s' * (stream.channels > 1)}, {stream.codec}",
        promised=_add_promised(streams, [length / stream.rate for length in lengths]),
        sentences=_describe_parts(streams, [length / stream.rate for length in lengths]),
    )


def _add_promised(streams: list[SoundStream], seconds: list[float]) -> float | None:
    """Seconds that the headers claim in all; None where none says more than what was read."""
    claims = [s.promised if s.promised is not None else read / s.share if s.share else read for s, read in zip(streams, seconds)]
    return sum(claims) if any(s.promised is not None or s.share for s in streams) else None


def _describe_parts(streams: list[SoundStream], seconds: list[float]) -> tuple[str, ...]:
    said = tuple(dict.fromkeys(sentence for stream in streams for sentence in stream.sentences))
    if len(streams) == 1:
        return said
    lengths = ", ".join(f"{length:.1f} s" for length in seconds[:6]) + (", …" if len(seconds) > 6 else "")
    return (f"The file holds {len(streams)} recordings one after another ({lengths}); they are read as one clip.", *said)


def _check_streams(streams: list[SoundStream], name: str) -> None:
    stream = streams[0]
    for other in streams:
        if (other.rate, other.channels) != (stream.rate, stream.channels):
            raise AudioError(describe_change(name, stream.rate, stream.channels, other.rate, other.channels))
    if not 1 <= stream.channels <= MAX_CHANNELS:
        raise AudioError(f"{name} has {stream.channels} channels; between 1 and {MAX_CHANNELS} can be read.")
    if not MIN_RATE <= stream.rate <= MAX_RATE:
        raise AudioError(f"{name} has a sampling rate of {stream.rate} Hz; speech needs at least {MIN_RATE} Hz (at most {MAX_RATE}).")


def _check_finite(block: np.ndarray, start: int, rate: int, name: str) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        first = (start + int(np.argmin(finite.all(axis=1)))) / rate
        raise AudioError(f"{name} holds samples that are not numbers (NaN or infinite; the first at {first:.2f} s); export it again.")


# ---- finishing: channels -> one clip ----


def _finish(sound: _Sound, name: str) -> Clip:
    if sound.seconds < MIN_SECONDS:
        raise AudioError(f"{name} lasts {sound.seconds:.3g} s; at least {MIN_SECONDS} s of sound is needed.")
    peak = float(sound.peaks.max())
    if peak < 10 ** (SILENCE_DBFS / 20):
        what = "digital silence" if peak < 1e-9 else "silence"
        raise AudioError(f"{name} is {what} (peak level {decibels(peak)}); check the microphone and record again.")
    notices = _describe_level(sound, peak) + _describe_file(sound)
    mono, mixed = _mix_channels(sound)
    mono, shifted = _remove_offset(mono)
    if sound.highest > OVER_FULL_SCALE:
        mono = mono / sound.highest
    mono = np.ascontiguousarray(np.clip(mono, -1, 1), dtype=np.float32)
    return Clip(name, mono, hashlib.sha256(mono.tobytes()).hexdigest(), sound.source, tuple(notices + mixed + shifted))


def _describe_level(sound: _Sound, peak: float) -> list[Notice]:
    if sound.highest > OVER_FULL_SCALE:
        text = (
            f"The samples reach {sound.highest:.3g} times full scale; the clip was turned down by {20 * math.log10(sound.highest):.1f} dB."
        )
        return [Notice("audio", text)]
    if sound.clipped > CLIPPED_SHARE:
        text = (
            f"The clip is clipped: {100 * sound.clipped:.2g} % of its samples sit at full scale, which sounds harsher than the voice was."
        )
        return [Notice("audio", text)]
    if peak < 10 ** (QUIET_DBFS / 20):
        text = f"The clip is very quiet (peak level {decibels(peak)}); it is used as it is, and noise weighs more than in a louder one."
        return [Notice("audio", text)]
    return []


def _describe_file(sound: _Sound) -> list[Notice]:
    notices = []
    sentences = sound.sentences
    if sound.rate < SAMPLE_RATE:
        half = f"{sound.rate / 2000:.3g} kHz"
        text = f"The recording has {sound.rate} Hz: nothing above {half} is in it, while the encoders learnt from speech up to 8 kHz."
        notices.append(Notice("audio", text))
    if sound.promised is not None and sound.promised > 1.05 * sound.seconds + 0.3:
        text = f"The file ends after {sound.seconds:.1f} s although its header promises {sound.promised:.1f} s: it was probably cut off."
        notices.append(Notice("audio", text))
        sentences = tuple(sentence for sentence in sentences if not sentence.startswith(CUT_OFF.partition("{")[0]))  # it is said already
    return [*notices, *(Notice("audio", sentence) for sentence in sentences)]


def _mix_channels(sound: _Sound) -> tuple[np.ndarray, list[Notice]]:
    """(samples,) from (samples, channels): the mean of the channels that hold sound, or the loudest where a mean would lose it."""
    channels = sound.channels
    if channels.shape[1] == 1:
        return channels[:, 0], []
    levels = np.sqrt(np.mean(np.square(channels - sound.means, dtype=np.float64), axis=0))
    loudest = int(levels.argmax())
    used = np.flatnonzero((levels > 0.001 * levels[loudest]) & (sound.peaks >= 10 ** (SILENCE_DBFS / 20)))
    mix = channels[:, used].mean(axis=1)
    loss = float(np.std(mix, dtype=np.float64)) / levels[loudest]
    count = channels.shape[1]
    if loss < LOST_IN_MIX:
        text = (
            f"Mixed to one, the {count} channels would cancel out (to {100 * loss:.0f} % of the loudest), so channel {loudest + 1} is used."
        )
        return channels[:, loudest], [Notice("audio", text)]
    if len(used) < count:
        silent = ", ".join(str(i + 1) for i in range(count) if i not in used)
        return mix, [Notice("audio", _name_silent(count, silent))]
    return mix, [Notice("audio", f"{count} channels were mixed to one.", "info")]


def _name_silent(count: int, silent: str) -> str:
    many = "," in silent
    return f"Of the {count} channels, number{'s' * many} {silent} {'are' if many else 'is'} silent and left out of the mix."


def _remove_offset(mono: np.ndarray) -> tuple[np.ndarray, list[Notice]]:
    offset = float(mono.mean(dtype=np.float64))
    if abs(offset) <= DC_OFFSET:
        return mono, []
    return mono - np.float32(offset), [Notice("audio", f"A constant offset of {100 * offset:.1f} % of full scale was removed.", "info")]
