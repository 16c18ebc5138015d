"""A file -> the recordings in it as blocks of samples: libsndfile reads what it can, PyAV (FFmpeg's libraries, no program) the rest."""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmer.audio.part import Part, PartFile
from mmer.audio.recording_parts import find_parts
from mmer.errors import AudioError
from mmer.phrasing import say_count

MAX_BYTES = 200_000_000  # of the file
BLOCK = 1 << 12  # samples per channel decoded at once; a damaged file loses at most so much before the damage
# FFmpeg's demuxers that hold sound in the file itself. Playlists (hls, concat, dash) are left out on purpose: they can name
# other files and addresses, which a visitor's upload must never make us open.
CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,"
    "oma,tta,voc,w64,wav,wv"
)
GUESSED_LENGTHS = ("aac", "ac3", "amr", "asf", "eac3", "flv", "mpeg", "mpegts")  # by FFmpeg, from a bit rate or a rough header
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


def clean_name(name: str) -> str:
    """`name` without folders, control and direction characters, at most 80 characters long (the ending is kept)."""
    name = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    name = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in name).split())
    if len(name) > 80:
        ending = Path(name).suffix[:12]
        name = name[: 79 - len(ending)] + "…" + ending
    return name if name.strip(". ") else "recording"


@dataclass
class SoundStream:
    """Sound on its way out of a file."""

    rate: int  # Hz
    channels: int
    codec: str
    blocks: Iterator[np.ndarray]  # each (samples, channels) float32
    promised: float | None = None  # seconds the header claims; None where it doesn't say
    share: float | None = None  # of the sound that the header claims, how much the file holds; None where it doesn't say
    sentences: tuple[str, ...] = ()  # what the person should know about the file


def check_file(path: Path, name: str) -> None:
    if not os.path.exists(path):  # unlike path.exists() it takes any name, an endless one as well
        raise AudioError(f"{name}: there is no such file.")
    if not path.is_file():
        raise AudioError(f"{name} is not a file; name one recording.")
    size = path.stat().st_size
    if size == 0:
        raise AudioError(f"{name} is an empty file (0 bytes); record or save it again.")
    if size > MAX_BYTES:
        raise AudioError(f"{name} has {size / 1e6:.0f} MB; the limit is {MAX_BYTES // 10**6} MB, so cut it or save it compressed.")


def open_file(path: Path, name: str, resources: ExitStack) -> list[SoundStream]:
    """The recordings of a file, one after another. Raises: AudioError where the first can't be read."""
    try:
        parts = find_parts(path)
    except OSError as error:
        raise AudioError(f"{name} can't be opened: {error.strerror or error}.") from error
    streams: list[SoundStream] = []
    for part in parts:
        file = resources.enter_context(io.BufferedReader(PartFile(path, part)))
        try:
            stream = _open_soundfile(file, part, resources) or _open_av(file, name, resources)
        except AudioError:
            if not streams:
                raise
            last = streams[-1]
            last.sentences += (f"Behind it the file holds {say_count(part.end - part.start, 'byte')} that can't be read as a recording.",)
            break
        stream.share, stream.sentences = part.share, stream.sentences + part.sentences
        streams.append(stream)
    return streams


def _open_soundfile(file: BinaryIO, part: Part, resources: ExitStack) -> SoundStream | None:
    """A recording through libsndfile, which has no name to judge it by; None when it doesn't know the format."""
    import soundfile

    try:
        sound = resources.enter_context(soundfile.SoundFile(file))
    except soundfile.LibsndfileError:
        return None

    def blocks() -> Iterator[np.ndarray]:
        try:
            while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
                yield block
        except soundfile.LibsndfileError:
            return  # damaged from here on: what came before may do

    promised = sound.frames / sound.samplerate if sound.format == "FLAC" and sound.frames < 2**40 else None
    return SoundStream(sound.samplerate, sound.channels, f"{sound.format} {sound.subtype}".lower(), blocks(), promised)


def _open_av(file: BinaryIO, name: str, resources: ExitStack) -> SoundStream:
    """A recording through FFmpeg's libraries. Raises: AudioError when there is no sound in it that can be decoded."""
    import av

    file.seek(0)
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
    try:
        container = resources.enter_context(av.open(file, "r", options=options, metadata_errors="ignore"))
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(_not_sound(file, name)) from error
    track = container.streams.best("audio")
    if track is None and container.streams.audio and (broken := container.streams.audio[0].codec_context) is not None:
        facts = f"{say_count(broken.layout.nb_channels, 'channel')} at {broken.sample_rate} Hz"
        raise AudioError(f"{name} has a header that names {facts}, which is no sound: it is damaged; save or send it again.")
    if track is None:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise AudioError(f"{name} holds no sound (only {kinds}); choose a recording with an audio track.")
    if track.codec_context is None:
        raise AudioError(f"{name} has a codec that can't be decoded here; save it as WAV, FLAC, MP3 or M4A.")
    sentences = _name_track(list(container.streams.audio), track)
    promised = read_length(container, track)
    codec = f"{container.format.name.split(',')[0]} {track.codec_context.name}"
    frames = _decode_frames(lambda: container.demux(track))
    first = next(frames, None)  # the rate is certain only once a frame is decoded
    if first is None:
        raise AudioError(_not_sound(file, name))
    rate, block = first
    return SoundStream(rate, block.shape[1], codec, _join_frames(frames, first, name), promised, sentences=sentences)


def read_length(container: Any, track: Any) -> float | None:
    """Seconds that the header claims; None where it does not say."""
    import av

    if container.format.name.split(",")[0] in GUESSED_LENGTHS:
        return None
    if track.duration and track.time_base:
        return float(track.duration * track.time_base)
    if container.duration and len(container.streams) == 1:  # Matroska and WebM name one length for all tracks
        return float(container.duration / av.time_base)
    return None


def _name_track(tracks: list[Any], taken: Any) -> tuple[str, ...]:
    """Which of several sound tracks is read."""
    if len(tracks) < 2:
        return ()
    title = clean_name(taken.metadata.get("title", "")) if taken.metadata.get("title") else ""
    language = taken.language if taken.language and taken.language.isalpha() and taken.language != "und" else ""
    facts = ", ".join(fact for fact in (title, language[:3], taken.codec_context.name) if fact)
    number = [track.index for track in tracks].index(taken.index) + 1
    return (f"The file holds {len(tracks)} sound tracks; number {number} ({facts}) is read and the others are not.",)


def _decode_frames(demux: Callable[[], Iterator[Any]]) -> Iterator[tuple[int, np.ndarray]]:
    """(rate, samples (samples, channels)) per decoded frame, until the end or until nothing more can be read. `demux` goes on reading."""
    import av

    packets = demux()
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue  # one damaged packet; players go on as well
        except IndexError:  # PyAV knows no track that begins on the way
            packets = demux()
            continue
        except av.FFmpegError:
            return
        for frame in frames:
            planes = frame.to_ndarray()  # (channels, samples), or (1, samples * channels) where channels are interleaved
            yield frame.sample_rate, to_float(planes.T if frame.format.is_planar else planes.reshape(-1, frame.layout.nb_channels))


def _join_frames(frames: Iterator[tuple[int, np.ndarray]], first: tuple[int, np.ndarray], name: str) -> Iterator[np.ndarray]:
    rate, block = first
    channels = block.shape[1]
    waiting, count = [block], len(block)
    for new_rate, block in frames:
        if (new_rate, block.shape[1]) != (rate, channels):
            raise AudioError(describe_change(name, rate, channels, new_rate, block.shape[1]))
        waiting.append(block)
        count += len(block)
        if count >= BLOCK:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting)


def describe_change(name: str, rate: int, channels: int, new_rate: int, new_channels: int) -> str:
    was, now = (f"{r} Hz, {c} channel{'s' * (c != 1)}" for r, c in ((rate, channels), (new_rate, new_channels)))
    return f"{name} changes from {was} to {now} on the way; save it again as one recording."


def _not_sound(file: BinaryIO, name: str) -> str:
    file.seek(0)
    head = file.read(16)
    for (offset, start), kind in KNOWN_STARTS.items():
        if head[offset : offset + len(start)] == start:
            return f"{name} begins like {kind}, but no sound can be decoded from it: it is damaged or cut off; save or send it again."
    return f"{name} is not a recording in any format that can be read (wav, flac, ogg, opus, mp3, m4a, webm, mp4, amr ...)."


def to_float(block: np.ndarray) -> np.ndarray:
    """Samples as float32 with full scale at 1."""
    if block.dtype.kind == "f":
        return block.astype(np.float32)
    half = 2.0 ** (8 * block.dtype.itemsize - 1)
    return ((block.astype(np.float64) - (half if block.dtype.kind == "u" else 0)) / half).astype(np.float32)
