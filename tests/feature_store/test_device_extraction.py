"""Extraction on a card, as far as a CPU can tell: a planted card that is a CPU to PyTorch writes what the CPU's own way writes."""

import csv
import json
import pickle
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mmer.datasets.reading import read_dataset
from mmer.devices.choice import Choice, Device
from mmer.devices.placement import Placement
from mmer.encoders.device_pooling import PoolingEncoder, PoolingRequest
from mmer.encoders.encoders import SpeechEncoder
from mmer.encoders.pooling import pool_segments
from mmer.encoders.presets import PRESETS
from mmer.errors import DataError
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extract import LoadedClip, PreparedEntry, choose_similar
from mmer.feature_store.extraction import ClipLoader, DeviceWorker, extract_dataset
from mmer.feature_store.extraction_job import ExtractionJob, SpeechTask
from mmer.feature_store.overlap import StageTimes, StageWork, run_stages
from mmer.results import SAMPLE_RATE, Segment

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))
from small_encoders import install_small

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
CARD = Device("cpu:0", "Planted card")
WORDS = [("he", 0.1, 0.3), ("was", 0.3, 0.7), ("not", 0.75, 0.76), ("an", 0.76, 0.99)]  # "not" holds no frame's centre
PHONES = [("HH", 0.1, 0.2), ("IY", 0.2, 0.3), ("W", 0.3, 0.5), ("AA", 0.5, 0.6), ("Z", 0.6, 0.7), ("N", 0.75, 0.76), ("AE", 0.76, 0.99)]


@pytest.fixture(scope="module", params=["paper", "compact"])
def preset(request, tmp_path_factory):
    """A row with small random encoders: one whose first convolution is normalised over time, and Whisper."""
    root = tmp_path_factory.mktemp("packages")
    small = install_small(PRESETS[request.param], root)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        with PRESETS.adding(small):
            yield small


def write_grid(path, tiers):
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"0 1 <exists> {len(tiers)}"]
    for name, tier in tiers.items():
        lines.append(f'"IntervalTier" "{name}" 0 1 {len(tier)}')
        lines += [f'{start} {end} "{label}"' for label, start, end in tier]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Seven clips of several lengths: four with alignments, one of them without phones; one without words; one that is no sound."""
    folder = tmp_path_factory.mktemp("data") / "voices"
    folder.mkdir()
    samples, _ = soundfile.read(sorted(LIBRIVOX.glob("*.wav"))[0], dtype="float32")
    write_grid(folder / "both.TextGrid", {"words": WORDS, "phones": PHONES})
    write_grid(folder / "words.TextGrid", {"words": WORDS})
    rows = [("path", "text", "label", "speaker", "alignment")]
    clips = [(1.0, "both"), (1.31, "both"), (2.2, "both"), (1.07, "words"), (1.5, ""), (1.05, "")]
    for number, (seconds, grid) in enumerate(clips):
        start = 3000 * number
        soundfile.write(folder / f"{number}.wav", samples[start : start + round(seconds * SAMPLE_RATE)], SAMPLE_RATE)
        rows.append((f"{number}.wav", "" if number == 4 else "he was not an", "anger", f"s{number}", grid and f"{grid}.TextGrid"))
    (folder / "broken.wav").write_bytes(b"no sound at all")
    rows.append(("broken.wav", "he was", "anger", "s9", ""))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return read_dataset(folder)


def read_records(cache):
    (path,) = cache.folder.rglob("voices.json")
    records = json.loads(path.read_text("utf-8"))
    for record in [*records["speech"].values(), *records["texts"].values()]:
        record["stamp"] = record["stamp"] and record["stamp"][0]  # the bytes, without the time
    return records


def check_equal(found, expected):
    """The same entries up to half precision, and the same records."""
    assert read_records(found) == read_records(expected)
    names = {path.stem for path in expected.folder.rglob("*.safetensors")}
    assert {path.stem for path in found.folder.rglob("*.safetensors")} == names
    for name in names:
        ours, theirs = found.read(name), expected.read(name)
        assert (ours.preset, ours.absent, list(ours.units)) == (theirs.preset, theirs.absent, list(theirs.units))
        for unit, one in ours.units.items():
            other = theirs.units[unit]
            assert one.labels == other.labels
            np.testing.assert_allclose(one.states, other.states, atol=1e-3, rtol=1e-3)
            for side in ("starts", "ends", "words"):
                np.testing.assert_array_equal(getattr(one, side), getattr(other, side))


def extract(voices, folder, preset, *, card=False, **options):
    cache = FeatureCache(folder)
    placement = Placement(Choice(CARD)) if card else None
    return cache, extract_dataset(voices, cache, preset=preset.name, aligner=None, placement=placement, workers=1, **options)


def test_a_card_writes_what_the_cpu_writes(voices, preset, tmp_path):
    times = StageTimes()
    expected, theirs = extract(voices, tmp_path / "cpu", preset, copies=1)
    found, ours = extract(voices, tmp_path / "card", preset, card=True, copies=1, times=times)
    check_equal(found, expected)
    assert ours == theirs and [("".join(i.units), len(i.copies)) for i in ours.items][:5] == [*[("TFPSW", 1)] * 3, ("TFW", 1), ("F", 1)]
    assert any("broken.wav" in line for line in read_records(found)["speech"].values() for line in line["absent"].values())
    assert times.computing > 0 and times.source == "reading of clips" and times.describe().startswith("The ")
    before = {path: path.stat().st_mtime_ns for path in found.folder.rglob("*.safetensors")}
    extract(voices, found.folder, preset, card=True, copies=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_only_what_is_asked_for_is_stored_and_the_rest_is_added_later(voices, preset, tmp_path):
    expected, _ = extract(voices, tmp_path / "cpu", preset, units=("S",))
    found, _ = extract(voices, tmp_path / "card", preset, card=True, units=("S",))
    check_equal(found, expected)
    extract(voices, expected.folder, preset)
    extract(voices, found.folder, preset, card=True)
    check_equal(found, expected)


def test_an_extraction_that_was_stopped_goes_on(voices, preset, tmp_path):
    def stop(what, done, total):
        if what == "clips" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(voices, tmp_path / "card", preset, card=True, progress=stop)
    assert not list((tmp_path / "card").rglob("*.part"))
    found, _ = extract(voices, tmp_path / "card", preset, card=True)
    check_equal(found, extract(voices, tmp_path / "cpu", preset)[0])


def test_clips_come_from_other_processes_as_they_were_loaded_there(voices, tmp_path):
    loader = pickle.loads(pickle.dumps(partial(ClipLoader, ExtractionJob(tmp_path, "compact", aligner=None))))()
    loaded = loader(SpeechTask(voices.utterances[0], "identity"))
    arrived = pickle.loads(pickle.dumps(loaded))
    (one,), (other,) = loaded.entries, arrived.entries
    np.testing.assert_array_equal(one.samples, other.samples)
    assert (arrived.keys, arrived.utterance, arrived.length, other.segments) == (loaded.keys, loaded.utterance, 1.0, one.segments)
    (record,) = loader(SpeechTask(voices.utterances[-1], "identity")).values()
    assert record.key is None and "broken.wav" in record.absent["F"]


def test_a_disk_that_takes_nothing_ends_it(voices, preset, tmp_path):
    shutil.rmtree(tmp_path)
    tmp_path.write_text("a file")
    with pytest.raises(DataError, match="can't be written"):
        extract(voices, tmp_path / "card", preset, card=True, units=("F",))
    tmp_path.unlink()


class Small:
    """The model of a card whose memory holds two clips."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def layers(self, clips):
        self.seen.append(len(clips))
        if len(clips) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return self.model.layers(clips)


def make_sounds(*seconds):
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(round(s * SAMPLE_RATE))).astype(np.float32) for s in seconds]


def test_out_of_memory_halves_the_batch_once(preset):
    encoder = SpeechEncoder.load(preset, placement=Placement(Choice(CARD)))
    encoder.model = model = Small(encoder.model)
    pooling = PoolingEncoder(encoder)
    sounds = make_sounds(0.5, 0.61, 0.4, 0.7, 0.55)
    found = pooling.encode([PoolingRequest(sound, {}) for sound in sounds])
    assert model.seen == [5, 2, 3, 1, 2] and encoder.placement.device == CARD
    for sound, one in zip(sounds, found):
        np.testing.assert_allclose(one.frames, encoder.encode(sound).hidden, atol=1e-3, rtol=1e-3)
    model.seen.clear()
    pooling.encode([PoolingRequest(sound, {}) for sound in sounds])
    assert max(model.seen) <= 2


def test_segments_are_pooled_as_they_were_across_windows_and_between_frames(preset):
    encoder = SpeechEncoder.load(preset)
    encoder.window, encoder.context = 1.0, 0.2
    (sound,) = make_sounds(2.3)
    edges = [(0.0, 0.031), (0.1, 0.105), (0.2, 0.9), (0.9, 2.29), (2.295, 2.3)]
    segments = tuple(Segment("x", a, b, word=0) for a, b in edges)
    (found, short) = PoolingEncoder(encoder).encode(
        [PoolingRequest(sound, {"W": segments, "P": segments[:2]}), PoolingRequest(sound[:8000], {"W": segments[:2]}, frames=False)]
    )
    states = encoder.encode(sound)
    assert len(states.joins) == len(encoder.find_windows(sound)) - 1 > 1
    np.testing.assert_allclose(found.times, states.times)
    np.testing.assert_allclose(found.frames, states.hidden, atol=1e-3, rtol=1e-3)
    np.testing.assert_allclose(found.units["W"], pool_segments(states.hidden, states.times, segments), atol=1e-3, rtol=1e-3)
    np.testing.assert_array_equal(found.units["P"], found.units["W"][:, :2])
    alone = encoder.encode(sound[:8000])
    assert short.frames is None
    np.testing.assert_allclose(short.units["W"], pool_segments(alone.hidden, alone.times, segments[:2]), atol=1e-3, rtol=1e-3)


# the stages


class Loaded:
    def __init__(self, number, length=1.0):
        self.number, self.length, self.entries = number, length, (None,)


@pytest.mark.parametrize("slow", ["aligner", "device", "disk"])
def test_who_waits_for_whom_is_measured(slow):
    def wait(stage):
        time.sleep(0.05 if stage == slow else 0)

    def load():
        for number in range(9):
            wait("aligner")
            yield Loaded(number), True

    def encode(clips):
        wait("device")
        return [clip.number for clip in clips]

    def write(clip, made):
        wait("disk")
        return made

    times = StageTimes()
    stages = StageWork(encode, write, lambda clips: clips[:1], lambda clip: 1.0, batch=1, ahead=1, behind=1)
    assert sorted(run_stages(load(), stages, times)) == list(range(9))
    measured = {"aligner": times.for_clips, "device": times.computing, "disk": times.for_disk}
    assert measured[slow] > {"aligner": 0.4, "device": 0.44, "disk": 0.02}[slow]  # four threads write at once
    assert times.source_waited > 0.3 if slow == "device" else times.disk_waited > 0.2 or slow == "disk"


def test_the_bottleneck_is_what_the_device_waits_for_or_the_device():
    assert StageTimes().describe() == StageTimes().describe_shortly() == ""
    times = StageTimes(computing=30, for_clips=10, for_disk=60, source_waited=50)
    assert times.describe_shortly() == "the disk is the bottleneck (the device works 30% of the time)"
    assert times.describe().startswith(
        "The disk was the bottleneck: the device computed for 30.0 s, waited 10.0 s for clips and 60.0 s for"
    )
    assert StageTimes(computing=30, for_clips=10).name_bottleneck() == "device"
    assert StageTimes("reading of clips", computing=30, for_clips=31).name_bottleneck() == "reading of clips"


@pytest.mark.parametrize("stage", ["load", "encode", "write"])
def test_what_a_stage_raises_ends_all_and_is_raised(stage):
    def fail(where, result):
        if where == stage:
            raise DataError("planted")
        return result

    def load():
        for number in range(50):
            yield Loaded(fail("load", number) if number > 5 else number), True

    def write(clip, made):
        return fail("write", made)

    stages = StageWork(lambda clips: fail("encode", clips), write, lambda clips: clips[:1], lambda clip: 1.0, batch=1, ahead=2, behind=2)
    with pytest.raises(DataError, match="planted"):
        list(run_stages(load(), stages, StageTimes()))


def test_a_batch_has_the_clip_that_waited_longest_and_those_like_it():
    clips = [Loaded(n, length) for n, length in enumerate((3.0, 1.0, 3.2, 9.0, 2.9, 3.1))]
    assert [clip.number for clip in choose_similar(clips, most=10.0)] == [0, 4, 5]
    assert [clip.number for clip in choose_similar(clips[3:], most=5.0)] == [3]


class Stumbling:
    """Stands where the encoder stands, and holds a mistake of ours that one clip brings out."""

    def encode(self, requests):
        if any(len(request.samples) == 3 for request in requests):
            raise ZeroDivisionError("planted")
        return ["made" for _ in requests]


def test_a_bug_over_one_clip_leaves_those_beside_it(voices, tmp_path):
    worker = DeviceWorker(ExtractionJob(tmp_path, "compact"), Placement(Choice(CARD)))
    worker.pooling = Stumbling()
    entries = [PreparedEntry("key", np.zeros(n, np.float32), None, {}, frozenset("F")) for n in (2, 3, 4)]
    clips = [LoadedClip(voices.utterances[0], "identity", ("key",), (entry,), 1.0, "") for entry in entries]
    first, second, third = worker.encode(clips)
    assert first == third == ["made"] and "ZeroDivisionError: planted" in second
    _, records = worker.write(clips[1], second)
    assert records["identity"].key is None and "ZeroDivisionError" in records["identity"].absent["F"]
    Path(second.split("file ")[1].split(",")[0]).unlink()
