"""Recordings that don't say how long they are: whole ones raise no word, halves and what stands behind are said."""

import io
import struct

import av
import numpy as np
import pytest
from test_recording_parts import FIRST, KINDS, LENGTHS, SECOND, TAG1, encode, load

from mmer.audio import packets
from mmer.errors import AudioError

APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + 9000, 1, 1 << 31 | 1 << 29) + bytes(9000)
APE += b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + 9000, 1, 1 << 31)


class Pipe:
    """A file that can't be gone back in, as a program's standard output."""

    def __init__(self):
        self.data = bytearray()

    def write(self, data):
        self.data += data
        return len(data)


def stream(samples, container, codec, rate, seekable=False, **options):
    file = io.BytesIO() if seekable else Pipe()
    with av.open(file, "w", format=container, options=options) as out:
        track = out.add_stream(codec, rate=rate, layout="mono")
        if codec == "wmav2":
            track.codec_context.bit_rate = 64_000
        track.codec_context.open()
        frame = av.AudioFrame.from_ndarray(samples[None].copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        resampler = av.AudioResampler(track.format, track.layout, rate, track.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(track.encode(part))
    return file.getvalue() if seekable else bytes(file.data)


STREAMS = {
    "flac without a total": ("flac", "flac", 16000),
    "flac": ("flac", "flac", 44100, True),
    "aac": ("adts", "aac", 44100),
    "ac3": ("ac3", "ac3", 48000),
    "ac3 at 44.1": ("ac3", "ac3", 44100),
    "eac3": ("eac3", "eac3", 32000),
    "transport stream": ("mpegts", "aac", 44100),
    "transport stream, mp2": ("mpegts", "mp2", 48000),
    "wma": ("asf", "wmav2", 44100, True),
    "wma without a length": ("asf", "wmav2", 44100),
    "webm without a length": ("webm", "libopus", 48000),
    "webm": ("webm", "libopus", 48000, True),
    "matroska without a length": ("matroska", "aac", 16000),
    "flv": ("flv", "aac", 44100),
    "wavpack": ("wv", "wavpack", 16000),
    "mpeg": ("mpeg", "mp2", 44100),
    "mp4 in fragments": ("mp4", "aac", 44100),
    "mp3 without a count": ("mp3", "libmp3lame", 16000),
    "tta": ("tta", "tta", 16000, True),
}
OPTIONS = {"mp4 in fragments": {"movflags": "frag_keyframe+empty_moov"}, "mp3 without a count": {"write_xing": "0"}}


def make(kind, samples):
    return stream(samples, *STREAMS[kind], **OPTIONS.get(kind, {}))


@pytest.mark.parametrize("kind", STREAMS)
def test_a_whole_recording_raises_no_word_and_its_half_does(tmp_path, kind):
    samples = np.concatenate([FIRST, SECOND])
    data = make(kind, samples)
    clip, said = load(tmp_path, data)
    assert abs(clip.duration - sum(LENGTHS)) < 0.2 and "cut off" not in said and "Behind" not in said and "tracks" not in said
    for share in (0.5, 0.61):
        clip, said = load(tmp_path, data[: int(share * len(data)) + 5])
        assert said.count("cut off") == 1 and 0.25 * sum(LENGTHS) < clip.duration < 0.85 * sum(LENGTHS)


@pytest.mark.parametrize("kind", sorted({*STREAMS} - {"mpeg", "transport stream", "transport stream, mp2"}))
def test_what_stands_behind_is_named_and_not_read(tmp_path, kind):
    data = make(kind, FIRST)
    (one, _), (both, said) = load(tmp_path, data), load(tmp_path, data + np.random.default_rng(0).bytes(30_000))
    assert abs(both.duration - one.duration) < 0.1 and ("that are no sound of its kind; they were not read" in said or "cut off" in said)


@pytest.mark.parametrize("kind", ["flac", "aac", "ac3", "wavpack", "webm", "tta", "mp4 in fragments"])
def test_a_second_recording_of_another_format_is_read(tmp_path, kind):
    data = stream(FIRST, *STREAMS[kind][:2], 48000, *STREAMS[kind][3:], **OPTIONS.get(kind, {}))
    clip, said = load(tmp_path, data + encode(np.repeat(SECOND, 3), "WAV", "PCM_16", 48000))
    assert abs(clip.duration - sum(LENGTHS)) < 0.2 and "The file holds 2 recordings one after another" in said


def test_a_second_wavpack_is_read(tmp_path):
    clip, said = load(tmp_path, make("wavpack", FIRST) + make("wavpack", SECOND))
    assert abs(clip.duration - sum(LENGTHS)) < 0.01 and "The file holds 2 recordings one after another (3." in said
    assert np.corrcoef(clip.samples[-len(SECOND) :], SECOND)[0, 1] > 0.99


@pytest.mark.parametrize("kind", ["aac", "wavpack", "ac3"])
def test_tags_behind_packets_are_no_junk(tmp_path, kind):
    for tags in (TAG1, APE, APE[32 + 9000 :], APE + TAG1):
        assert "Behind" not in load(tmp_path, make(kind, FIRST) + tags)[1]


@pytest.mark.parametrize(("rate", "subtype"), [(8000, "PCM_16"), (16000, "PCM_S8"), (44100, "PCM_24"), (96000, "PCM_16")])
def test_a_flac_ends_where_its_last_frame_does(rate, subtype):
    for count in (1, 4095, 4096, 20_001, 48_000):
        data = encode(FIRST[:count], "FLAC", subtype, rate)
        for behind in (b"", bytes(9000), b"ab" * 9000):
            assert 0 <= len(data) - packets.walk_flac(data + behind, 0).end <= 1  # a checksum that ends in 0 is right before it


def test_flac_without_a_total_loses_no_sample(tmp_path):
    samples = np.concatenate([SECOND, SECOND])[:100_001]
    clip, _ = load(tmp_path, make("flac without a total", samples))
    assert len(clip.samples) == len(samples)


def test_a_damaged_packet_hides_nothing_behind_it(tmp_path):
    data = bytearray(make("aac", np.concatenate([FIRST, SECOND])))
    data[len(data) // 2 : len(data) // 2 + 900] = bytes(900)
    clip, said = load(tmp_path, bytes(data))
    assert clip.duration > 0.85 * sum(LENGTHS) and "Behind" not in said and "cut off" not in said


def chunk(name, content, *, padded=True):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (padded and len(content) % 2)


def riff(*chunks):
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


SHAPE = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16))
SOUND = chunk(b"data", (FIRST * 32767).astype("<i2").tobytes())
ODD = chunk(b"LIST", b"INFOISFT\5\0\0\0abcde", padded=False)


@pytest.mark.parametrize(
    "data",
    [
        riff(SHAPE, ODD, SOUND),
        riff(ODD, SHAPE, SOUND),
        riff(chunk(b"bext", b"x" * 603, padded=False), SHAPE, ODD, SOUND),
        riff(SHAPE, SOUND, chunk(b"LIST", b"INFO" + b"a" * 9001, padded=False), ODD),
        riff(SHAPE, chunk(b"LIST", b"INFOISFT\5\0\0\0abcde"), SOUND),
    ],
    ids=["before the sound", "first", "two", "behind", "padded"],
)
def test_odd_chunks_without_their_byte_are_read_over(tmp_path, data):
    clip, said = load(tmp_path, data)
    assert len(clip.samples) == len(FIRST) and said == ""
    assert np.abs(clip.samples - FIRST).max() < 0.001


def test_a_wav_of_no_channels_is_refused_with_its_numbers(tmp_path):
    with pytest.raises(AudioError, match="names 0 channels at 16000 Hz, which is no sound: it is damaged"):
        load(tmp_path, riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 0, 16000, 32000, 2, 16)), SOUND))


def test_any_bytes_are_walked_through():
    pick = np.random.default_rng(0)
    whole = [make(kind, FIRST[:8000]) for kind in ("flac", "aac", "ac3", "wma", "webm without a length", "wavpack", "flv", "tta")]
    for turn in range(300):
        data = bytearray(whole[turn % len(whole)])
        for _ in range(pick.integers(1, 20)):
            data[pick.integers(min(len(data), 400) if turn % 2 else len(data))] = pick.integers(256)
        data = bytes(data[: pick.integers(12, len(data))])
        for walk in (packets.walk_flac, lambda d, at: packets.walk_asf(d), lambda d, at: packets.walk_ebml(d)):
            assert 0 <= walk(data, 0).end <= len(data)
        assert 0 <= packets.walk_tta(data).end <= len(data) and 0 <= packets.walk_transport(data, 188).end <= len(data)
        assert packets.find_wavpack_starts(data)[0] == 0


def test_a_second_caf_is_read(tmp_path):
    clip, said = load(tmp_path, encode(FIRST, "CAF", "PCM_16") + encode(SECOND, "CAF", "PCM_16"))
    assert abs(clip.duration - sum(LENGTHS)) < 0.01 and "2 recordings" in said
    assert "cut off" not in load(tmp_path, KINDS["m4a"](FIRST))[1]
