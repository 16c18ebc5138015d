"""Nothing of a recording is left unread in silence: all of a file is read, or what is not is said."""

import io
import itertools
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from mmer.audio.load import load_audio
from mmer.audio.part import Part, PartFile
from mmer.audio.recording_parts import MAX_PARTS, find_parts
from mmer.errors import AudioError

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
FIRST, SECOND = (
    soundfile.read(LIBRIVOX / f"sense_and_sensibility_01_austen_64kb-{number}.wav", dtype="float32")[0] for number in ("0880", "0890")
)
FIRST, SECOND = FIRST - FIRST.mean(), SECOND - SECOND.mean()
LENGTHS = len(FIRST) / 16000, len(SECOND) / 16000


def encode(samples, form, subtype, rate=16000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def encode_av(samples, container, codec, tracks=1, rate=48000):
    """By FFmpeg's libraries; several tracks hold the same sound, each at a tenth of the loudness of the one before."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        streams = [out.add_stream(codec, rate=rate, layout="mono") for _ in range(tracks)]
        for stream in streams:
            stream.codec_context.open()
        for number, stream in enumerate(streams):
            frame = av.AudioFrame.from_ndarray(samples[None].copy() / np.float32(10**number), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size or 1024)
            for part in [*resampler.resample(frame), *resampler.resample(None), None]:
                out.mux(stream.encode(part))
    return file.getvalue()


def load(tmp_path, data):
    path = tmp_path / "recording"
    path.write_bytes(data)
    clip = load_audio(path)
    return clip, " ".join(n.text for n in clip.notices)


KINDS = {
    "vorbis": lambda x: encode(x, "OGG", "VORBIS"),
    "opus": lambda x: encode(x, "OGG", "OPUS"),
    "flac": lambda x: encode(x, "FLAC", "PCM_16"),
    "mp3": lambda x: encode(x, "MP3", "MPEG_LAYER_III"),
    "wav": lambda x: encode(x, "WAV", "PCM_16"),
    "aiff": lambda x: encode(x, "AIFF", "PCM_16"),
    "m4a": lambda x: encode_av(x, "mp4", "aac"),
    "webm": lambda x: encode_av(x, "webm", "libopus"),
    "ogg flac": lambda x: encode_av(x, "ogg", "flac"),
    "adts": lambda x: encode_av(x, "adts", "aac"),
}
TAG3 = b"ID3\x03\x00\x00" + bytes([0, 0, 15, 0]) + bytes(1920)
TAG1 = b"TAG" + bytes(125)


@pytest.mark.parametrize("kind", KINDS)
def test_two_recordings_in_one_file_are_both_read(tmp_path, kind):
    parts = [KINDS[kind](FIRST), KINDS[kind](SECOND)]
    for part, seconds in zip(parts, LENGTHS):
        clip, said = load(tmp_path, part)
        assert abs(clip.duration - seconds) < 0.15 and "recordings" not in said and "cut off" not in said
    clip, said = load(tmp_path, parts[0] + parts[1])
    assert abs(clip.duration - sum(LENGTHS)) < 0.25
    end = clip.samples[-len(SECOND) :]
    assert 0.7 < np.std(end) / np.std(SECOND) < 1.3
    if kind != "adts":  # whose frames know of no beginning
        assert "The file holds 2 recordings one after another (3." in said


@pytest.mark.parametrize("between", [b"", TAG3, TAG1, TAG1 + TAG3, bytes(300)], ids=["nothing", "ID3v2", "ID3v1", "both", "zeros"])
def test_tags_between_two_mp3s_hide_nothing(tmp_path, between):
    one, two = KINDS["mp3"](FIRST), KINDS["mp3"](SECOND)
    clip, said = load(tmp_path, TAG3 + one + between + two + TAG1)
    assert abs(clip.duration - sum(LENGTHS)) < 0.25 and "2 recordings" in said and "cut off" not in said


def test_three_and_many_recordings(tmp_path):
    clip, said = load(tmp_path, KINDS["opus"](FIRST) * 3)
    assert abs(clip.duration - 3 * LENGTHS[0]) < 0.1 and "The file holds 3 recordings" in said
    clip, said = load(tmp_path, KINDS["flac"](FIRST[:8000]) * (MAX_PARTS + 2))
    assert abs(clip.duration - MAX_PARTS / 2) < 0.01 and f"of which the first {MAX_PARTS} are read" in said


def test_recordings_of_two_rates_in_one_file_are_refused_with_both(tmp_path):
    with pytest.raises(AudioError, match="changes from 16000 Hz, 1 channel to 8000 Hz, 1 channel on the way"):
        load(tmp_path, encode(FIRST, "FLAC", "PCM_16") + encode(SECOND, "FLAC", "PCM_16", 8000))


@pytest.mark.parametrize("kind", ["mp3", "wav", "aiff", "vorbis", "opus", "flac"])
def test_half_a_file_says_that_it_was_cut_off(tmp_path, kind):
    data = KINDS[kind](np.concatenate([SECOND, SECOND]))
    clip, said = load(tmp_path, data[: len(data) * 2 // 3])
    assert 3 < clip.duration < 9 and "cut off" in said


def wav(*, size=None, riff=None, behind=b"", samples=FIRST):
    data = bytearray(encode(samples, "WAV", "PCM_16"))
    at = data.find(b"data")
    if size is not None:
        data[at + 4 : at + 8] = struct.pack("<I", size)
    if riff is not None:
        data[4:8] = struct.pack("<I", riff)
    return bytes(data) + behind


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000])
@pytest.mark.parametrize("riff", [None, 0, 36, 0xFFFFFFFF])
def test_header_written_before_the_length_was_known_hides_nothing(tmp_path, size, riff):
    clip, said = load(tmp_path, wav(size=size, riff=riff))
    assert clip.duration == pytest.approx(LENGTHS[0], abs=0.001) and said == ""


def test_header_that_names_fewer_bytes_than_there_are(tmp_path):
    clip, said = load(tmp_path, wav(size=20_000))
    assert clip.duration == pytest.approx(LENGTHS[0], abs=0.001)
    assert "The header names 20,000 bytes of sound, but" in said and "all were read" in said
    clip, said = load(tmp_path, wav(size=20_000, riff=20_036))
    assert clip.duration == pytest.approx(0.625) and "more bytes follow that it does not name; they were not read" in said


CHUNK = b"LIST" + struct.pack("<I", 20_000) + b"INFO" + bytes(19_996)


@pytest.mark.parametrize(
    ("behind", "is_named"),
    [
        (CHUNK, False),
        (b"id3 " + struct.pack("<I", 9001) + bytes(9002), False),
        (b"\x00" * 500, False),
        (np.random.default_rng(0).bytes(50_000), True),
        (b"<html>" + b"text " * 9000, True),
        (bytes(50_000), True),
    ],
    ids=["chunk", "odd chunk", "padding", "random", "text", "zeros"],
)
@pytest.mark.parametrize("covers", [True, False], ids=["within RIFF", "behind RIFF"])
def test_what_stands_behind_the_sound_is_never_read_as_sound(tmp_path, behind, is_named, covers):
    riff = len(wav()) - 8 + len(behind) if covers else None
    clip, said = load(tmp_path, wav(behind=behind, riff=riff))
    assert clip.duration == pytest.approx(LENGTHS[0], abs=0.001)
    if is_named:
        assert f"{len(behind):,} more bytes follow" in said
    elif covers:
        assert said == ""


def test_second_data_chunk_and_short_au_are_named(tmp_path):
    chunk = b"data" + struct.pack("<I", 40_000) + SECOND[:20_000].astype("<f2").tobytes()
    clip, said = load(tmp_path, wav(behind=chunk, riff=len(wav()) + len(chunk) - 8))
    assert clip.duration == pytest.approx(LENGTHS[0], abs=0.001) and "40,000 more bytes follow" in said
    au = bytearray(encode(FIRST, "AU", "PCM_16"))
    au[8:12] = struct.pack(">I", 20_000)
    assert "more bytes follow" in load(tmp_path, bytes(au))[1]


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_track_that_is_read_is_named(tmp_path, container):
    clip, said = load(tmp_path, encode_av(FIRST, container, "aac", tracks=3))
    assert "The file holds 3 sound tracks; number 1 (aac) is read and the others are not." in said
    assert np.abs(clip.samples).max() > 0.5 * np.abs(FIRST).max()
    assert "tracks" not in load(tmp_path, encode_av(FIRST, container, "aac"))[1]


def test_unreadable_rest_is_named(tmp_path):
    broken = b"fLaC\x00\x00\x00\x22" + bytes(5000)
    clip, said = load(tmp_path, KINDS["flac"](FIRST) + broken)
    assert clip.duration == pytest.approx(LENGTHS[0], abs=0.01) and "5,008 bytes that can't be read as a recording" in said


def test_part_is_read_as_a_file_with_its_patch(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with PartFile(tmp_path / "a", Part(2, 8, patch=(1, 2, b"xy"))) as file:
        assert file.read() == b"2xy567" and file.seek(-2, io.SEEK_END) == 4 and file.read(9) == b"67"
        assert file.seek(2) == 2 and file.read(2) == b"y5" and file.read(0) == b""


def test_any_bytes_behind_any_start_give_parts_that_cover_the_file(tmp_path):
    pick = np.random.default_rng(0)
    whole = [KINDS[kind](FIRST[:4000]) for kind in ("vorbis", "mp3", "wav", "flac", "aiff", "m4a", "webm")]
    starts = [b"OggS", b"RIFF", b"RF64", b"FORM", b".snd", b"ID3", b"\xff\xfb\x90\x00", b"\0\0\0\x08ftyp", b"\x1aE\xdf\xa3", b"#!AMR\n"]
    path = tmp_path / "a"
    for turn in range(400):
        data = bytearray(starts[turn % len(starts)] + pick.bytes(300) if turn % 2 else whole[turn // 2 % len(whole)])
        for _ in range(pick.integers(0, 20)):
            data[pick.integers(len(data))] = pick.integers(256)
        path.write_bytes(data)
        parts = find_parts(path)
        assert parts[0].start == 0 and (parts[-1].end == len(data) or "were not read" in parts[-1].sentences[-1])
        assert all(a.end == b.start for a, b in itertools.pairwise(parts))


@pytest.mark.parametrize(("form", "subtype"), [("CAF", "PCM_16"), ("W64", "PCM_16"), ("NIST", "PCM_16")])
def test_half_of_a_file_in_a_rare_format_says_that_it_was_cut_off(tmp_path, form, subtype):
    whole = encode(FIRST, form, subtype)
    assert "cut off" not in load(tmp_path, whole)[1]
    assert "probably cut off" in load(tmp_path, whole[: len(whole) // 2])[1]


@pytest.mark.parametrize("first", ["FLAC", "MP3"])
def test_a_wav_behind_another_format_is_read_as_well(tmp_path, first):
    begin = encode(FIRST, first, "PCM_16" if first == "FLAC" else "MPEG_LAYER_III")
    (one, _), (both, said) = load(tmp_path, begin), load(tmp_path, begin + encode(FIRST, "WAV", "PCM_16"))
    assert len(both.samples) - len(one.samples) == pytest.approx(len(FIRST), abs=2)
    assert "2 recordings one after another" in said


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_junk_behind_a_recording_is_named(tmp_path, form, subtype):
    _, said = load(tmp_path, encode(FIRST, form, subtype) + b"\x12\x34" * 20_000)
    assert "40,000 bytes that are no sound" in said
