"""Recordings become clips whatever their format, and bad ones are refused with one sentence that holds the right value."""

import hashlib
import os
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from mmer.audio import decode
from mmer.audio import load as audio
from mmer.audio.decode import clean_name
from mmer.audio.load import clip_from_samples, load_audio, write_wav
from mmer.errors import AudioError

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")


def tone(frequency=440.0, *, seconds=1.0, rate=16000, level=0.5):
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encode(path, samples, rate, *, container, codec):
    """Write (samples,) or (samples, channels) with FFmpeg's libraries."""
    channels = samples[:, None] if samples.ndim == 1 else samples
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout={1: "mono", 2: "stereo", 5: "5.0"}[channels.shape[1]])
        stream.bit_rate = 128_000
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels.T), format="fltp", layout=stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=rate, frame_size=stream.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(part))
    return path


def pitch(samples):
    """Frequency (Hz) of the strongest line of the middle part."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum) * 16000 / len(middle))


def loudness(samples):
    """Usual peak of 0.1 s: coders ring here and there, FFmpeg's own AAC encoder by 4 dB."""
    return float(np.median([np.abs(samples[i : i + 1600]).max() for i in range(0, len(samples) - 1600, 1600)]))


def texts(clip):
    return " ".join(n.text for n in clip.notices)


def refusal(path, **options):
    with pytest.raises(AudioError) as caught:
        load_audio(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message


# ---- formats ----


@pytest.mark.parametrize(
    ("name", "form", "subtype", "rate"),
    [
        ("a.wav", "WAV", "PCM_16", 44100),
        ("a.wav", "WAV", "PCM_U8", 22050),
        ("a.wav", "WAV", "PCM_24", 48000),
        ("a.wav", "WAV", "FLOAT", 16000),
        ("a.wav", "WAV", "ULAW", 16000),
        ("a.flac", "FLAC", "PCM_16", 96000),
        ("a.ogg", "OGG", "VORBIS", 44100),
        ("a.opus", "OGG", "OPUS", 48000),
        ("a.mp3", "MP3", "MPEG_LAYER_III", 44100),
        ("a.aiff", "AIFF", "PCM_16", 32000),
        ("a.caf", "CAF", "ALAC_16", 44100),
    ],
)
def test_libsndfile_formats_keep_pitch_level_and_length(tmp_path, name, form, subtype, rate):
    soundfile.write(tmp_path / name, tone(rate=rate, seconds=1.5), rate, format=form, subtype=subtype)
    clip = load_audio(tmp_path / name)
    assert clip.samples.dtype == np.float32 and clip.samples.ndim == 1
    assert abs(clip.duration - 1.5) < 0.06
    assert abs(pitch(clip.samples) - 440) < 2
    assert abs(loudness(clip.samples) - 0.5) < 0.05
    assert clip.source.startswith(f"{rate} Hz, 1 channel, ")


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("ipod", "aac", 44100),  # a phone's memo: m4a
        ("mp4", "aac", 48000),
        ("adts", "aac", 44100),
        ("webm", "libopus", 48000),  # what browsers record
        ("matroska", "flac", 44100),
        ("asf", "wmav2", 44100),
        ("3gp", "aac", 16000),
        ("mov", "pcm_s16le", 44100),
        ("wav", "adpcm_ms", 44100),
        ("mp3", "libmp3lame", 44100),
    ],
)
def test_ffmpeg_formats_keep_pitch_level_and_length(tmp_path, container, codec, rate):
    path = encode(tmp_path / "recording", tone(rate=rate, seconds=1.5), rate, container=container, codec=codec)
    clip = load_audio(path)
    assert abs(clip.duration - 1.5) < 0.15  # coders pad both ends
    assert abs(pitch(clip.samples) - 440) < 2
    assert abs(loudness(clip.samples) - 0.5) < 0.03


def test_file_is_judged_by_its_content_not_by_its_ending(tmp_path):
    for ending in (".mp3", ".raw", ".txt", ".m4a", ""):
        soundfile.write(tmp_path / "a.wav", tone(), 16000, format="WAV")
        (tmp_path / "a.wav").rename(tmp_path / f"renamed{ending}")
        assert load_audio(tmp_path / f"renamed{ending}").source == "16000 Hz, 1 channel, wav pcm_16"
    encode(tmp_path / "memo.wav", tone(rate=44100), 44100, container="ipod", codec="aac")
    assert load_audio(tmp_path / "memo.wav").source == "44100 Hz, 1 channel, mov aac"


def test_sound_of_a_film_is_taken_and_its_pictures_are_not(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        video, sound = out.add_stream("mpeg4", rate=10), out.add_stream("aac", rate=44100, layout="mono")
        video.width = video.height = 32
        for _ in range(10):
            out.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        for start in range(0, 44100, 1024):
            frame = av.AudioFrame.from_ndarray(tone(rate=44100)[None, start : start + 1024].copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, start
            out.mux(sound.encode(frame))
        out.mux(video.encode())
        out.mux(sound.encode())
    assert abs(pitch(load_audio(path).samples) - 440) < 2


def test_samples_at_16_khz_are_not_touched(tmp_path):
    samples, rate = soundfile.read(LIBRIVOX / "sense_and_sensibility_01_austen_64kb-0880.wav", dtype="float32")
    samples -= samples.mean()
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    clip = load_audio(tmp_path / "a.wav")
    assert rate == 16000 and np.array_equal(clip.samples, samples)
    assert clip.sha256 == hashlib.sha256(samples.tobytes()).hexdigest()
    assert clip.notices == ()


def test_resampling_removes_what_16_khz_cannot_hold():
    both = tone(1000, rate=48000) * 0.5 + tone(12000, rate=48000)
    clip = clip_from_samples(both, 48000, name="a")
    assert len(clip.samples) == 16000
    assert np.abs(clip.samples[200:-200] - tone(1000)[200:-200] * 0.5).max() < 1e-3


def test_blockwise_resampling_equals_one_call():
    import soxr

    noise = np.random.default_rng(0).normal(0, 0.1, 5 * 44100).astype(np.float32)
    noise -= noise.mean(dtype=np.float64)
    clip = clip_from_samples(noise, 44100, name="a")
    whole = soxr.resample(noise, 44100, 16000, quality="HQ")
    assert len(clip.samples) == len(whole)
    assert np.abs(clip.samples - whole).max() < 1e-4


# ---- refusals ----


def test_missing_folder_and_empty_file(tmp_path):
    assert refusal(tmp_path / "no.wav") == "no.wav: there is no such file."
    assert "is not a file" in refusal(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert refusal(tmp_path / "empty.wav") == "empty.wav is an empty file (0 bytes); record or save it again."


def test_what_is_no_sound_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    cases = {
        "text.wav": b"This is a letter, not a recording.\n" * 50,
        "page.mp3": b"<!doctype html><html><body>hello</body></html>" * 20,
        "picture.m4a": b"\x89PNG\r\n\x1a\n" + rng.bytes(5000),
        "paper.wav": b"%PDF-1.7\n" + rng.bytes(5000),
        "archive.ogg": b"PK\x03\x04" + rng.bytes(5000),
        "one.wav": b"R",
        "zeros.wav": bytes(10000),
    }
    for seed in range(10):
        cases[f"random{seed}.wav"] = np.random.default_rng(seed).bytes(20000)
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        assert refusal(tmp_path / name).startswith(f"{name} is not a recording in any format"), name


def test_playlist_opens_no_other_file(tmp_path):
    soundfile.write(tmp_path / "secret.wav", tone(seconds=5), 16000)
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.m3u8").write_text(playlist)
    (tmp_path / "b.wav").write_text(playlist)
    (tmp_path / "c.ffconcat").write_text(f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n")
    for name in ("a.m3u8", "b.wav", "c.ffconcat"):
        assert "is not a recording" in refusal(tmp_path / name)


def test_header_without_samples(tmp_path):
    soundfile.write(tmp_path / "a", np.zeros(0), 16000, format="WAV")
    assert "a has a header but no samples (0 s of sound)" in refusal(tmp_path / "a")
    soundfile.write(tmp_path / "b", tone(), 16000, format="FLAC")
    (tmp_path / "b").write_bytes((tmp_path / "b").read_bytes()[:1000])
    assert "b has a header but no samples (0 s of sound)" in refusal(tmp_path / "b")


@pytest.mark.parametrize(
    ("container", "codec"), [("ipod", "aac"), ("webm", "libopus"), ("ogg", "libopus"), ("flac", "flac"), ("wav", "pcm_s16le")]
)
def test_cut_in_its_header_is_called_damaged(tmp_path, container, codec):
    path = encode(tmp_path / "cut", tone(rate=48000), 48000, container=container, codec=codec)
    path.write_bytes(path.read_bytes()[:30])
    assert "it is damaged or cut off" in refusal(path)


def test_memo_without_its_index_is_called_damaged(tmp_path):
    path = encode(tmp_path / "memo.m4a", tone(rate=44100, seconds=3), 44100, container="ipod", codec="aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # the index of an m4a stands at its end
    assert refusal(path).startswith("memo.m4a begins like an MP4 or M4A file, but no sound can be decoded")


def test_cut_file_with_enough_sound_is_taken_with_a_notice(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(seconds=4), 16000)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 2])
    clip = load_audio(tmp_path / "a.wav")
    assert abs(clip.duration - 2) < 0.01
    assert "ends after 2.0 s although its header promises 4.0 s" in texts(clip)
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).normal(0, 0.1, 64000), 16000)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    clip = load_audio(tmp_path / "a.flac")
    assert 1 < clip.duration < 2.1 and "although its header promises 4.0 s" in texts(clip)


def test_wav_written_to_a_pipe_promises_nothing(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(seconds=1), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    clip = load_audio(tmp_path / "a.wav")
    assert clip.duration == 1 and clip.notices == ()


@pytest.mark.parametrize(("seconds", "shown"), [(0.05, "0.05 s"), (0.299, "0.299 s")])
def test_too_short_says_how_short(tmp_path, seconds, shown):
    soundfile.write(tmp_path / "a.wav", tone(seconds=seconds, rate=48000), 48000)
    assert refusal(tmp_path / "a.wav") == f"a.wav lasts {shown}; at least 0.3 s of sound is needed."


def test_shortest_clip_is_taken():
    assert clip_from_samples(tone(seconds=0.3), 16000, name="a").duration == 0.3


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(16000), "a is digital silence (peak level -inf dBFS)"),
        (tone(level=1e-4), "a is silence (peak level -80.0 dBFS)"),
        (np.full(16000, 0.3), "a is digital silence"),  # an offset is no sound
        (0.3 + tone(level=1e-4), "a is silence (peak level -80.0 dBFS)"),
    ],
)
def test_silence_says_its_peak_level(samples, said):
    with pytest.raises(AudioError) as caught:
        clip_from_samples(samples, 16000, name="a")
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, value):
    samples = tone(seconds=10)
    samples[140000:140007] = value
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert "(NaN or infinite; the first at 8.75 s)" in refusal(tmp_path / "a.wav")


def test_large_file_is_refused_before_it_is_opened(tmp_path):
    with (tmp_path / "big.wav").open("wb") as file:
        file.truncate(201_000_000)  # sparse: takes no room
    assert refusal(tmp_path / "big.wav") == "big.wav has 201 MB; the limit is 200 MB, so cut it or save it compressed."


def test_long_clip_is_refused_with_bounded_memory(tmp_path):
    rate = 96000  # 305 s of 2 channels are 234 MB as float32, and less than 1 MB as FLAC
    block = np.zeros((rate, 2), np.int16)
    with soundfile.SoundFile(tmp_path / "bomb.flac", "w", rate, 2, format="FLAC") as file:
        for _ in range(305):
            file.write(block)
    assert (tmp_path / "bomb.flac").stat().st_size < 2_000_000
    tracemalloc.start()
    message = refusal(tmp_path / "bomb.flac")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message == "bomb.flac is longer than the limit of 300 s (5 minutes); cut out the part you want."
    assert peak < 60_000_000  # 300 s of 2 channels at 16 kHz are 38 MB


def test_clip_at_the_limit_is_taken_and_one_beyond_is_not():
    samples = np.tile(tone(seconds=1, rate=8000), 301)
    assert clip_from_samples(samples[: 300 * 8000], 8000, name="a").duration == 300
    with pytest.raises(AudioError, match="longer than the limit of 300 s"):
        clip_from_samples(samples, 8000, name="a")


def test_unknown_codec_is_named_as_such(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[20:22] = struct.pack("<H", 0x4242)
    (tmp_path / "a.wav").write_bytes(content)
    assert "has a codec that can't be decoded here" in refusal(tmp_path / "a.wav")


def test_film_without_sound(tmp_path):
    with av.open(str(tmp_path / "film.mp4"), "w") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        out.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        out.mux(video.encode())
    assert "film.mp4 holds no sound (only video)" in refusal(tmp_path / "film.mp4")


def test_too_many_channels_and_too_low_a_rate():
    with pytest.raises(AudioError, match="has 9 channels; between 1 and 8"):
        clip_from_samples(np.ones((16000, 9)), 16000, name="a")
    with pytest.raises(AudioError, match="sampling rate of 100 Hz; speech needs at least 4000"):
        clip_from_samples(tone(), 100, name="a")


@pytest.mark.parametrize("samples", [np.zeros((2, 2, 2)), np.array(["a"]), np.zeros(5, complex), np.float32(1)])
def test_arrays_that_are_no_sound(samples):
    with pytest.raises(AudioError, match="samples must be numbers shaped"):
        clip_from_samples(samples, 16000, name="a")


def test_files_are_closed_whatever_happens(tmp_path):
    soundfile.write(tmp_path / "good.wav", tone(), 16000)
    encode(tmp_path / "good.m4a", tone(rate=44100), 44100, container="ipod", codec="aac")
    soundfile.write(tmp_path / "nine.wav", np.zeros((8000, 9)), 16000)
    (tmp_path / "bad.wav").write_bytes(b"nothing" * 100)
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return
    load_audio(tmp_path / "good.m4a")
    before = len(os.listdir(folder))
    for _ in range(5):
        load_audio(tmp_path / "good.wav")
        load_audio(tmp_path / "good.m4a")
        refusal(tmp_path / "nine.wav")
        refusal(tmp_path / "bad.wav")
    assert len(os.listdir(folder)) <= before


# ---- accepted, with a notice ----


def test_telephone_rate_is_noticed():
    clip = clip_from_samples(tone(rate=8000), 8000, name="a")
    assert len(clip.samples) == 16000 and abs(pitch(clip.samples) - 440) < 2
    assert "has 8000 Hz: nothing above 4 kHz" in texts(clip)


def test_five_channels_are_mixed(tmp_path):
    channels = np.stack([tone(300 + 100 * i, level=0.2) for i in range(5)], axis=1)
    soundfile.write(tmp_path / "five.wav", channels, 16000, subtype="FLOAT")
    clip = load_audio(tmp_path / "five.wav")
    assert np.allclose(clip.samples, channels.mean(axis=1), atol=1e-6)
    assert [(n.text, n.level) for n in clip.notices] == [("5 channels were mixed to one.", "info")]
    encode(tmp_path / "five.m4a", np.tile(tone(rate=48000)[:, None], 5), 48000, container="ipod", codec="aac")
    assert load_audio(tmp_path / "five.m4a").source == "48000 Hz, 5 channels, mov aac"


def test_silent_channel_does_not_halve_the_level():
    clip = clip_from_samples(np.stack([np.zeros(16000, np.float32), tone()], axis=1), 16000, name="a")
    assert np.allclose(clip.samples, tone(), atol=1e-6)
    assert texts(clip) == "Of the 2 channels, number 1 is silent and left out of the mix."


def test_channels_that_cancel_give_way_to_the_loudest():
    clip = clip_from_samples(np.stack([tone(level=0.4), -tone(level=0.41)], axis=1), 16000, name="a")
    assert np.allclose(clip.samples, -tone(level=0.41), atol=1e-6)
    assert "the 2 channels would cancel out (to 1 % of the loudest), so channel 2 is used" in texts(clip)


def test_clipping_says_its_share():
    clip = clip_from_samples(np.clip(tone(level=2.0), -1, 1), 16000, name="a")
    share = 100 * np.mean(np.abs(tone(level=2.0)) >= 0.9999)
    assert f"clipped: {share:.2g} % of its samples" in texts(clip)
    speech = load_audio(LIBRIVOX / "sense_and_sensibility_01_austen_64kb-0870.wav")
    assert "clipped" not in texts(speech)


def test_quiet_clip_keeps_its_level():
    clip = clip_from_samples(tone(level=0.01), 16000, name="a")
    assert "very quiet (peak level -40.0 dBFS)" in texts(clip)
    assert abs(np.abs(clip.samples).max() - 0.01) < 1e-6


def test_float_file_far_beyond_full_scale_is_turned_down():
    clip = clip_from_samples(tone(level=20000.0), 16000, name="a")
    assert 0.99 < np.abs(clip.samples).max() <= 1 and "turned down by 86.0 dB" in texts(clip)
    assert abs(pitch(clip.samples) - 440) < 2


def test_offset_is_removed():
    clip = clip_from_samples(tone() + 0.2, 16000, name="a")
    assert np.allclose(clip.samples, tone(), atol=1e-4)
    assert "constant offset of 20.0 % of full scale was removed" in texts(clip)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", "uint16", "float32", "float64"])
def test_samples_of_every_type_mean_the_same(dtype):
    wave = tone().astype(np.float64)
    if dtype.startswith("float"):
        given = wave.astype(dtype)
    else:
        half = 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
        given = np.round(wave * (half - 1) + (half if dtype.startswith("u") else 0)).astype(dtype)
    clip = clip_from_samples(given, 16000, name="a")
    assert np.abs(clip.samples - wave).max() < (0.02 if dtype == "uint8" else 1e-4)


def test_memory_and_file_give_the_same_clip(tmp_path):
    samples = np.round(tone(rate=44100, seconds=3) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 44100)
    assert load_audio(tmp_path / "a.wav").sha256 == clip_from_samples(samples, 44100, name="b").sha256


def test_written_wav_reads_back(tmp_path):
    clip = clip_from_samples(tone(), 16000, name="a")
    write_wav(clip, tmp_path / "b.wav")
    assert np.abs(load_audio(tmp_path / "b.wav").samples - clip.samples).max() < 1e-4
    write_wav(clip.samples, tmp_path / "c.wav")
    assert (tmp_path / "c.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("voice.wav", "voice.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\memo.m4a", "memo.m4a"),
        ("a\x00b\n\tc\u202egpj.wav", "a b c gpj.wav"),
        ("", "recording"),
        ("..", "recording"),
        ("<img src=x>.wav", "<img src=x>.wav"),  # views escape
        ("Übung 猫.wav", "Übung 猫.wav"),
        ("x" * 500 + ".wav", "x" * 75 + "….wav"),
    ],
)
def test_names_are_cleaned(given, clean):
    assert clean_name(given) == clean and len(clean_name(given)) <= 80


def test_name_of_a_visitor_is_cleaned_in_clip_and_in_messages(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(), 16000)
    assert load_audio(tmp_path / "a.wav", name="../my\nvoice.wav").name == "my voice.wav"
    assert refusal(tmp_path / "no.wav", name="/some/folder/my.wav") == "my.wav: there is no such file."


def test_limits_are_those_the_messages_state():
    assert (audio.SAMPLE_RATE, audio.MAX_SECONDS, audio.MIN_SECONDS, decode.MAX_BYTES) == (16000, 300.0, 0.3, 200_000_000)
