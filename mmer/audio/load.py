"""A recording in nearly any format -> float32 mono at 16 kHz, or one sentence that says why not.

The file's content decides, never its ending. libsndfile reads what it can, PyAV (FFmpeg's libraries, no program needed) the
rest. Sound is decoded block by block and resampled on the way, so that memory stays bounded whatever a file claims.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmer.audio.recording_parts import Part, PartFile, find_parts
from mmer.errors import AudioError
from mmer.files.replace import replace_file
from mmer.results import SAMPLE_RATE, Clip, Notice

MAX_SECONDS = 300.0  # s, longest clip: set by the memory of states and attention maps (2.5 GB in all)
MIN_SECONDS = 0.3  # s, shortest clip
MAX_BYTES = 200_000_000  # of the file
MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 4000, 768_000  # Hz, of the file
SILENCE_DBFS = -70.0  # a peak below this is silence: about 10 steps of a 16 bit file
QUIET_DBFS = -30.0  # a peak below this is worth a notice
OVER_FULL_SCALE = 2.0  # a float file that goes beyond this is turned down; below, the overshoot is cut
CLIPPED_SHARE = 1e-4  # share of samples at full scale from which a notice is given
DC_OFFSET = 0.003  # of full scale; a mean beyond this is removed
LOST_IN_MIX = 0.25  # of the loudest channel's level; a mix below this gives way to that channel
BLOCK = 1 << 12  # samples per channel decoded at once; a damaged file loses at most so much before the damage

# FFmpeg's demuxers that hold sound in the file itself. Playlists (hls, concat, dash) are left out on purpose: they can name
# other files and addresses, which a visitor's upload must never make us open.
CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,"
    "oma,tta,voc,w64,wav,wv"
)
KNOWN_STARTS = {  # what a file that can't be decoded was meant to be: offset, bytes -> name
    (0, b"RIFF"): "a WAV file",
    (0, b"fLaC"): "a FLAC file",
    (0, b"OggS"): "an Ogg file",
    (0, b"ID3"): "an MP3 file",
    (4, b"ftyp"): "an MP4 or M4A file",
    (0, b"\x1aE\xdf\xa3"): "a WebM or Matroska file",
    (0, b"#!AMR"): "an AMR file",
    (0, b"FORM"): "an AIFF file",
}


def load_audio(path: str | Path, *, name: str | None = None) -> Clip:
    """The recording at `path` as a clip, with notices on what hurts the result. `name` is how the person knows the file.

    Raises: AudioError when the file is missing, empty, larger than 200 MB, not sound, damaged beyond use, shorter than 0.3 s,
    longer than 300 s, silent, holds NaN or infinite samples, more than 8 channels, or a codec that can't be decoded.
    """
    path = Path(path)
    name = clean_name(path.name if name is None else name)
    _check_file(path, name)
    with ExitStack() as resources:
        return _finish(_collect(_open_file(path, name, resources), name), name)


def clip_from_samples(samples: np.ndarray, rate: int, *, name: str) -> Clip:
    """A clip from samples in memory: (samples,) or (samples, channels), integers of any width or floats, as a microphone gives them.

    Raises: AudioError as `load_audio` does.
    """
    name = clean_name(name)
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "iuf":
        raise AudioError(f"{name}: samples must be numbers shaped (samples,) or (samples, channels), not {samples.dtype} {samples.shape}.")
    columns = samples[:, None] if samples.ndim == 1 else samples
    blocks = (_to_float(columns[i : i + BLOCK]) for i in range(0, len(columns), BLOCK))
    return _finish(_collect([_Stream(int(rate), columns.shape[1], f"{samples.dtype} samples", blocks)], name), name)


def write_wav(clip: Clip | np.ndarray, path: str | Path) -> None:
    """A clip, or mono samples at 16 kHz, as a 16 bit WAV file, whole or not at all. Raises OSError."""
    replace_file(Path(path), encode_wav(clip))


def encode_wav(clip: Clip | np.ndarray) -> bytes:
    """The bytes of that file."""
    import soundfile

    samples, file = clip.samples if isinstance(clip, Clip) else np.asarray(clip), io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def clean_name(name: str) -> str:
    """`name` without folders, control and direction characters, at most 80 characters long (the ending is kept)."""
    name = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    name = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in name).split())
    if len(name) > 80:
        ending = Path(name).suffix[:12]
        name = name[: 79 - len(ending)] + "…" + ending
    return name if name.strip(". ") else "recording"


def decibels(level: float) -> str:
    """A level relative to full scale, for people: "-23.4 dBFS"."""
    return f"{20 * math.log10(level):.1f} dBFS" if level > 0 else "-inf dBFS"


# ---- decoding: a file -> blocks of samples ----


@dataclass
class _Stream:
    """Sound on its way out of a file."""

    rate: int  # Hz
    channels: int
    codec: str
    blocks: Iterator[np.ndarray]  # each (samples, channels) float32
    promised: float | None = None  # seconds the header claims; None where it doesn't say
    share: float | None = None  # of the sound that the header claims, how much the file holds; None where it doesn't say
    sentences: tuple[str, ...] = ()  # what the person should know about the file


def _check_file(path: Path, name: str) -> None:
    if not os.path.exists(path):  # unlike path.exists() it takes any name, an endless one as well
        raise AudioError(f"{name}: there is no such file.")
    if not path.is_file():
        raise AudioError(f"{name} is not a file; name one recording.")
    size = path.stat().st_size
    if size == 0:
        raise AudioError(f"{name} is an empty file (0 bytes); record or save it again.")
    if size > MAX_BYTES:
        raise AudioError(f"{name} has {size / 1e6:.0f} MB; the limit is {MAX_BYTES // 10**6} MB, so cut it or save it compressed.")


def _open_file(path: Path, name: str, resources: ExitStack) -> list[_Stream]:
    """The recordings of a file, one after another. Raises: AudioError where the first can't be read."""
    try:
        parts = find_parts(path)
    except OSError as error:
        raise AudioError(f"{name} can't be opened: {error.strerror or error}.") from error
    streams: list[_Stream] = []
    for part in parts:
        file = resources.enter_context(io.BufferedReader(PartFile(path, part)))
        try:
            stream = _open_soundfile(file, part, resources) or _open_av(file, name, resources)
        except AudioError:
            if not streams:
                raise
            last = streams[-1]
            last.sentences += (f"Behind it the file holds {part.end - part.start:,} bytes that can't be read as a recording.",)
            break
        stream.share, stream.sentences = part.share, stream.sentences + part.sentences
        streams.append(stream)
    return streams


def _open_soundfile(file: BinaryIO, part: Part, resources: ExitStack) -> _Stream | None:
    """A recording through libsndfile, which has no name to judge it by; None when it doesn't know the format."""
    import soundfile

    try:
        sound = resources.enter_context(soundfile.SoundFile(file))
    except soundfile.LibsndfileError:
        return None

    def blocks():
        try:
            while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
                yield block
        except soundfile.LibsndfileError:
            return  # damaged from here on: what came before may do

    promised = sound.frames / sound.samplerate if sound.format == "FLAC" and sound.frames < 2**40 else None
    return _Stream(sound.samplerate, sound.channels, f"{sound.format} {sound.subtype}".lower(), blocks(), promised)


def _open_av(file: BinaryIO, name: str, resources: ExitStack) -> _Stream:
    """A recording through FFmpeg's libraries. Raises: AudioError when there is no sound in it that can be decoded."""
    import av

    file.seek(0)
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
    try:
        container = resources.enter_context(av.open(file, "r", options=options, metadata_errors="ignore"))
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(_not_sound(file, name)) from error
    track = container.streams.best("audio")
    if track is None:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise AudioError(f"{name} holds no sound (only {kinds}); choose a recording with an audio track.")
    if track.codec_context is None:
        raise AudioError(f"{name} has a codec that can't be decoded here; save it as WAV, FLAC, MP3 or M4A.")
    sentences = _name_track(list(container.streams.audio), track)
    promised = float(track.duration * track.time_base) if track.duration and track.time_base else None
    if promised is None and container.duration and len(container.streams) == 1:  # Matroska and WebM name one length for all tracks
        promised = container.duration / av.time_base
    codec = f"{container.format.name.split(',')[0]} {track.codec_context.name}"
    frames = _decode_frames(container.demux(track))
    first = next(frames, None)  # the rate is certain only once a frame is decoded
    if first is None:
        raise AudioError(_not_sound(file, name))
    rate, block = first
    return _Stream(rate, block.shape[1], codec, _join_frames(frames, first, name), promised, sentences=sentences)


def _name_track(tracks: list[Any], taken: Any) -> tuple[str, ...]:
    """Which of several sound tracks is read."""
    if len(tracks) < 2:
        return ()
    title = clean_name(taken.metadata.get("title", "")) if taken.metadata.get("title") else ""
    language = taken.language if taken.language and taken.language.isalpha() and taken.language != "und" else ""
    facts = ", ".join(fact for fact in (title, language[:3], taken.codec_context.name) if fact)
    number = [track.index for track in tracks].index(taken.index) + 1
    return (f"The file holds {len(tracks)} sound tracks; number {number} ({facts}) is read and the others are not.",)


def _decode_frames(packets: Iterator[Any]) -> Iterator[tuple[int, np.ndarray]]:
    """(rate, samples (samples, channels)) per decoded frame, until the end or until nothing more can be read."""
    import av

    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue  # one damaged packet; players go on as well
        except av.FFmpegError:
            return
        for frame in frames:
            planes = frame.to_ndarray()  # (channels, samples), or (1, samples * channels) where channels are interleaved
            yield frame.sample_rate, _to_float(planes.T if frame.format.is_planar else planes.reshape(-1, frame.layout.nb_channels))


def _join_frames(frames: Iterator[tuple[int, np.ndarray]], first: tuple[int, np.ndarray], name: str) -> Iterator[np.ndarray]:
    rate, block = first
    channels = block.shape[1]
    waiting, count = [block], len(block)
    for new_rate, block in frames:
        if (new_rate, block.shape[1]) != (rate, channels):
            raise AudioError(_name_change(name, rate, channels, new_rate, block.shape[1]))
        waiting.append(block)
        count += len(block)
        if count >= BLOCK:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting)


def _name_change(name: str, rate: int, channels: int, new_rate: int, new_channels: int) -> str:
    was, now = (f"{r} Hz, {c} channel{'s' * (c != 1)}" for r, c in ((rate, channels), (new_rate, new_channels)))
    return f"{name} changes from {was} to {now} on the way; save it again as one recording."


def _not_sound(file: BinaryIO, name: str) -> str:
    file.seek(0)
    head = file.read(16)
    for (offset, start), kind in KNOWN_STARTS.items():
        if head[offset : offset + len(start)] == start:
            return f"{name} begins like {kind}, but no sound can be decoded from it: it is damaged or cut off; save or send it again."
    return f"{name} is not a recording in any format that can be read (wav, flac, ogg, opus, mp3, m4a, webm, mp4, amr ...)."


def _to_float(block: np.ndarray) -> np.ndarray:
    """Samples as float32 with full scale at 1."""
    if block.dtype.kind == "f":
        return block.astype(np.float32)
    half = 2.0 ** (8 * block.dtype.itemsize - 1)
    return ((block.astype(np.float64) - (half if block.dtype.kind == "u" else 0)) / half).astype(np.float32)


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


def _collect(streams: list[_Stream], name: str) -> _Sound:
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


def _add_promised(streams: list[_Stream], seconds: list[float]) -> float | None:
    """Seconds that the headers claim in all; None where none says more than what was read."""
    claims = [s.promised if s.promised is not None else read / s.share if s.share else read for s, read in zip(streams, seconds)]
    return sum(claims) if any(s.promised is not None or s.share for s in streams) else None


def _describe_parts(streams: list[_Stream], seconds: list[float]) -> tuple[str, ...]:
    said = tuple(dict.fromkeys(sentence for stream in streams for sentence in stream.sentences))
    if len(streams) == 1:
        return said
    lengths = ", ".join(f"{length:.1f} s" for length in seconds[:6]) + (", …" if len(seconds) > 6 else "")
    return (f"The file holds {len(streams)} recordings one after another ({lengths}); they are read as one clip.", *said)


def _check_streams(streams: list[_Stream], name: str) -> None:
    stream = streams[0]
    for other in streams:
        if (other.rate, other.channels) != (stream.rate, stream.channels):
            raise AudioError(_name_change(name, stream.rate, stream.channels, other.rate, other.channels))
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
    if sound.rate < SAMPLE_RATE:
        half = f"{sound.rate / 2000:.3g} kHz"
        text = f"The recording has {sound.rate} Hz: nothing above {half} is in it, while the encoders learnt from speech up to 8 kHz."
        notices.append(Notice("audio", text))
    if sound.promised is not None and sound.promised > 1.05 * sound.seconds + 0.3:
        text = f"The file ends after {sound.seconds:.1f} s although its header promises {sound.promised:.1f} s: it was probably cut off."
        notices.append(Notice("audio", text))
    return [*notices, *(Notice("audio", sentence) for sentence in sound.sentences)]


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
