"""Features once: what is in the cache after an extraction, after a kill, after damage, and what a second call does."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmer.audio.load import load_audio
from mmer.choices.emotions import EMOTIONS
from mmer.datasets.clips import load_clip
from mmer.datasets.reading import read_dataset
from mmer.encoders.presets import PRESETS
from mmer.errors import DataError
from mmer.feature_store.augment import apply_augmentation
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extract import draw_augmentations
from mmer.feature_store.extraction import ExtractionJob, ExtractionWorker, SpeechTask, TextTask, extract_dataset
from mmer.feature_store.feature_set import read_feature_set
from mmer.transcript.transcribe import read_transcript

ROOT = Path(__file__).parents[2]
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
sys.path.insert(0, str(ROOT / "tests" / "datasets"))
from iemocap_tree import write_small_tree  # noqa: E402

# what espeak says in less time than the made-up alignments take
SHORT = {"Ses01F_impro01_F000", "Ses03M_impro05a_F000", "Ses05M_script01_1b_F002"}


def copy_speech(folder, *, count=3, more=()):
    """A manifest of real speech; `more` are further rows (path, text, label, speaker, start, end)."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {}
    for line in (LIBRIVOX / "transcription").read_text(encoding="utf-8").splitlines():
        text, _, name = line.rpartition("(")
        said[name.strip(" )")] = text.replace("<s>", "").replace("</s>", "").strip()
    rows = []
    for n, sound in enumerate(sorted(LIBRIVOX.glob("*.wav"))[:count]):
        shutil.copy(sound, folder)
        rows.append((sound.name, said[sound.stem], EMOTIONS[n % 4], f"s{n}", "", ""))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "text", "label", "speaker", "start", "end"), *rows, *more])
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return copy_speech(tmp_path_factory.mktemp("data") / "voices")


@pytest.fixture(scope="module")
def undisturbed(speech, tmp_path_factory):
    """The cache after an extraction that nobody disturbed."""
    cache = FeatureCache(tmp_path_factory.mktemp("features"))
    extract_dataset(read_dataset(speech), cache)
    return cache


@pytest.fixture
def extracted(speech, undisturbed, tmp_path):
    """A copy that a test may spoil: data set and cache."""
    shutil.copytree(undisturbed.folder, tmp_path / "features")
    return read_dataset(speech), FeatureCache(tmp_path / "features")


def read_entries(cache):
    return {path.name: path.read_bytes() for path in cache.folder.rglob("*.safetensors")}


def find_times(cache):
    return {path.name: path.stat().st_mtime_ns for path in cache.folder.rglob("*.safetensors")}


class Calls:
    """A progress that remembers what was done."""

    def __init__(self):
        self.seen = []

    def __call__(self, what, done, total):
        self.seen.append((what, done, total))


# an IEMOCAP tree, end to end


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = write_small_tree(tmp_path_factory.mktemp("iemocap"), sound="espeak")
    cache = FeatureCache(tmp_path_factory.mktemp("features"))
    return root, cache, extract_dataset(read_dataset(root), cache)


def test_a_release_gives_every_unit_or_the_reason_why_not(release):
    root, _, found = release
    assert [item.name for item in found.items] == [u.name for u in read_dataset(root).utterances] and not found.left_out
    units = {item.name: "".join(item.units) for item in found.items}
    assert units.pop("Ses03M_impro05a_M001") == "F"  # [BREATHING]
    assert {name for name, had in units.items() if had == "TF"} == SHORT
    assert {had for name, had in units.items() if name not in SHORT} == {"TFPSW"}  # the one without a .wdseg among them
    reasons = dict(line.split(": ", 1) for line in found.partial)
    assert set(reasons) == {*SHORT, "Ses03M_impro05a_M001"}
    assert all("its last word ends at 1.35 s, after the recording's" in reasons[name] for name in SHORT)
    assert reasons["Ses03M_impro05a_M001"] == "T: There are no words.; P S W: Ses03M_impro05a_M001.wdseg holds no words, only silence."
    item = next(i for i in found.items if i.name == "Ses05M_script01_1b_F001")
    assert (EMOTIONS[item.label], item.speaker, item.session, item.gender) == ("neutral", "Ses05F", "5", "female")


def test_a_release_s_own_alignment_is_pooled(release, speech_encoder, text_encoder):
    """Against the frames counted by hand from the `.wdseg`: 10 ms frames with inclusive ends."""
    _, cache, found = release
    utterance = next(u for u in found.dataset.utterances if u.name == "Ses05M_script01_1b_M000")
    item = found.items[found.dataset.utterances.index(utterance)]
    rows = [line.split() for line in utterance.alignment.read_text().splitlines()[1:] if "Total" not in line]
    spans = [(int(r[0]) * 0.01, (int(r[1]) + 1) * 0.01) for r in rows if r[3][0].isalpha() and r[3] != "SIL"]
    states = speech_encoder.encode(load_audio(utterance.path).samples)
    entry = cache.read(item.speech)
    assert len(spans) == entry.units["W"].states.shape[1] >= 4
    for n, (start, end) in enumerate(spans):
        inside = (states.times >= start - 1e-9) & (states.times < end - 1e-9)
        np.testing.assert_allclose(entry.units["W"].states[:, n], states.hidden[:, inside].mean(1), atol=0.02, rtol=2e-3)
    np.testing.assert_allclose(entry.units["F"].states, states.hidden, atol=0.02, rtol=2e-3)
    text = text_encoder.encode(read_transcript(utterance.text))
    np.testing.assert_allclose(cache.read_states(item.text, "T"), text.hidden, atol=0.02, rtol=2e-3)
    assert item.seconds == pytest.approx(soundfile.info(utterance.path).duration, abs=1e-3)


def test_words_alone_without_sound(release, tmp_path):
    root = write_small_tree(tmp_path / "texts")
    found = extract_dataset(read_dataset(root, audio=False), FeatureCache(tmp_path / "features"))
    assert {item.units for item in found.items} == {("T",)} and {item.speech for item in found.items} == {None}
    assert found.left_out == ("Ses03M_impro05a_M001: T: There are no words.; F P S W: There is no sound file.",)
    assert read_feature_set(found.dataset, FeatureCache(tmp_path / "features")) == found
    keys = {item.name: item.text for item in release[2].items if item.text}
    assert {item.name: item.text for item in found.items} == keys  # the same words are the same entry


# again


def test_a_second_call_finds_everything(extracted):
    dataset, cache = extracted
    before, calls = find_times(cache), Calls()
    found = extract_dataset(dataset, cache, progress=calls)
    assert calls.seen == [] and find_times(cache) == before
    assert read_feature_set(dataset, cache) == found
    assert all(item.units == ("T", "F", "P", "S", "W") for item in found.items) and found.choose("TFS") == (found.items, ())


def test_each_clip_is_known_by_its_samples_and_read_again_where_an_old_index_does_not_say(extracted):
    dataset, cache = extracted
    found = read_feature_set(dataset, cache)
    assert [item.sha256 for item in found.items] == [load_audio(u.path).sha256 for u in dataset.utterances]
    (index,) = cache.folder.rglob("voices.json")
    stored = json.loads(index.read_text("utf-8"))
    for record in stored["speech"].values():
        del record["sha256"]
    index.write_text(json.dumps(stored), "utf-8")
    assert {item.sha256 for item in read_feature_set(dataset, cache).items} == {""}
    before = find_times(cache)
    assert extract_dataset(dataset, cache) == found and find_times(cache) == before


def test_reading_needs_no_sound(extracted, tmp_path):
    _, cache = extracted
    folder = copy_speech(tmp_path / "voices")
    dataset = read_dataset(folder)
    extract_dataset(dataset, cache)
    for utterance in dataset.utterances:
        times = utterance.path.stat()
        utterance.path.write_bytes(bytes(times.st_size))
        os.utime(utterance.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(read_feature_set(dataset, cache).items) == 3


def test_copies_are_the_clip_as_its_recipes_change_it_and_are_made_once(extracted, speech_encoder):
    dataset, cache = extracted
    before = find_times(cache)
    found = extract_dataset(dataset, cache, copies=2)
    assert [(i.speech, i.units) for i in found.items] == [(i.speech, i.units) for i in read_feature_set(dataset, cache).items]
    assert all(len(item.copies) == 2 for item in found.items) and {item.corpus for item in found.items} == {dataset.name}
    item, clip = found.items[0], load_clip(dataset.utterances[0])
    augmentation = draw_augmentations(clip, 2)[1]
    (expected,) = speech_encoder.encode_batch([apply_augmentation(clip.samples, augmentation)])
    np.testing.assert_allclose(cache.read_states(item.copies[0], "F"), expected.hidden, atol=0.02)
    after = find_times(cache)
    assert before.items() <= after.items() and len(after) == len(before) + 2 * len(found.items)
    assert extract_dataset(dataset, cache, copies=2) == found and find_times(cache) == after


def test_an_identity_is_known_without_loading_an_encoder(speech_encoder, text_encoder):
    assert speech_encoder.identity == PRESETS["compact"].speech_identity
    assert text_encoder.identity == PRESETS["compact"].text_identity


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"speech": {}}', None], ids=["empty", "half", "list", "old", "gone"])
def test_a_lost_index_is_made_again_from_the_entries(extracted, content):
    dataset, cache = extracted
    whole = read_feature_set(dataset, cache)
    (index,) = cache.folder.rglob("voices.json")
    index.unlink() if content is None else index.write_bytes(content)
    with pytest.raises(DataError, match=r"3 of 3 utterances are not in .* Run: python -m mmer extract DATASET --preset compact --features"):
        read_feature_set(dataset, cache)
    before = find_times(cache)
    assert extract_dataset(dataset, cache) == whole and find_times(cache) == before


# damage


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-100])


def alter(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, alter, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("kind", ["speech", "text"])
def test_a_damaged_entry_is_redone(extracted, undisturbed, damage, kind):
    dataset, cache = extracted
    key = getattr(read_feature_set(dataset, cache).items[1], kind)
    (path,) = cache.folder.rglob(f"{key}.safetensors")
    others = {name: at for name, at in find_times(cache).items() if name != path.name}
    damage(path)
    calls = Calls()
    extract_dataset(dataset, cache, progress=calls)
    assert calls.seen[-1][1:] == (1, 1)
    assert read_entries(cache) == read_entries(undisturbed)
    assert others.items() <= find_times(cache).items()


def test_damage_that_left_size_and_time_is_found_when_asked_for(extracted, undisturbed):
    dataset, cache = extracted
    (path,) = cache.folder.rglob(f"{read_feature_set(dataset, cache).items[0].speech}.safetensors")
    times = path.stat()
    alter(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    extract_dataset(dataset, cache)
    assert read_entries(cache) != read_entries(undisturbed)
    extract_dataset(dataset, cache, check=True)
    assert read_entries(cache) == read_entries(undisturbed)


def test_reading_refuses_an_entry_that_was_cut_off(extracted):
    dataset, cache = extracted
    item = read_feature_set(dataset, cache).items[2]
    cut_off(next(cache.folder.rglob(f"{item.speech}.safetensors")))
    with pytest.raises(DataError, match=rf"1 of 3 utterances .* the first is {item.name}"):
        read_feature_set(dataset, cache)


def test_an_extraction_killed_at_any_moment_goes_on(tmp_path):
    """Kill -9 on the parent while two workers are busy: they end too, and the next call leaves what an undisturbed one does."""
    sounds = sorted(sound.name for sound in LIBRIVOX.glob("*.wav"))
    pieces = [(sound, "", "neutral", "s9", start / 4, start / 4 + 1) for start in range(6) for sound in sounds]
    folder = copy_speech(tmp_path / "voices", count=5, more=pieces)
    cache = FeatureCache(tmp_path / "features")
    command = [sys.executable, "-m", "mmer", "extract", str(folder), "--features", str(cache.folder), "--workers", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 300
    while len(find_times(cache)) < 5 + 3:  # five texts and a few clips
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    pids = children.read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = find_times(cache)
    assert len(before) < 5 + 35
    found = extract_dataset(read_dataset(folder), cache)
    assert before.items() <= find_times(cache).items()
    assert len(found.items) == 35
    other = FeatureCache(tmp_path / "other")
    assert extract_dataset(read_dataset(folder), other).items == found.items
    assert read_entries(cache) == read_entries(other)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# parts


def test_shards_at_the_same_time_make_one_whole(speech, undisturbed, tmp_path):
    command = [sys.executable, "-m", "mmer", "extract", str(speech), "--features", str(tmp_path), "--workers", "1", "--shard"]
    running = [subprocess.Popen([*command, f"{n}/2"], cwd=ROOT, stdout=subprocess.PIPE, text=True) for n in (1, 2)]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert ["2 utterances with features" in said[0], "1 utterance with features" in said[1]] == [True, True]
    cache = FeatureCache(tmp_path)
    assert read_feature_set(read_dataset(speech), cache) == read_feature_set(read_dataset(speech), undisturbed)
    assert read_entries(cache) == read_entries(undisturbed)


def test_units_that_were_not_asked_for_are_added_later(speech, undisturbed, tmp_path):
    dataset, cache = read_dataset(speech), FeatureCache(tmp_path)
    first = extract_dataset(dataset, cache, units=("S",))
    assert {item.units for item in first.items} == {("S",)}
    assert first.partial[0].endswith("T F P W: It was not extracted.")
    assert first.choose("FS")[1][0].endswith(": F: It was not extracted.")
    size = sum(map(len, read_entries(cache).values()))
    found = extract_dataset(dataset, cache)
    assert read_entries(cache) == read_entries(undisturbed) and size < sum(map(len, read_entries(cache).values())) / 2
    assert found == read_feature_set(dataset, undisturbed)


def test_frames_alone_need_no_words_and_use_what_is_there(speech, extracted, tmp_path):
    dataset, cache = extracted
    before = find_times(cache)
    next(cache.folder.rglob("voices.json")).unlink()
    found = extract_dataset(dataset, cache, units=("F",))
    assert {item.units for item in found.items} == {("F", "P", "S", "W")} and find_times(cache) == before
    alone = extract_dataset(dataset, FeatureCache(tmp_path / "alone"), units=("F",))
    assert {item.units for item in alone.items} == {("F",)}


def test_without_an_aligner_words_are_left_out(extracted):
    dataset, cache = extracted
    found = extract_dataset(dataset, cache, aligner=None)
    assert {item.units for item in found.items} == {("T", "F")}
    assert found.partial[0].endswith("P S W: There is no alignment file, and no aligner was asked for.")
    assert {item.units for item in extract_dataset(dataset, cache).items} == {("T", "F", "P", "S", "W")}


# failures


def test_failures_are_named_and_what_was_mended_is_taken(tmp_path):
    rows = [
        ("broken.wav", "", "anger", "x", "", ""),
        ("silent.wav", "Nothing is heard.", "sadness", "x", "", ""),
        ("hum.wav", "", "neutral", "y", "", ""),
    ]
    folder = copy_speech(tmp_path / "voices", count=1, more=rows)
    (folder / "broken.wav").write_bytes(b"no sound at all")
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(folder / "hum.wav", 0.1 * np.sin(np.arange(16000) * 0.05), 16000)
    dataset, cache = read_dataset(folder), FeatureCache(tmp_path / "features")
    found = extract_dataset(dataset, cache)
    assert [(item.name[:6], "".join(item.units)) for item in found.items][1:] == [("silent", "T"), ("hum.wa", "F")]
    (left,) = found.left_out
    assert left.startswith("broken.wav: T: There are no words.; F P S W: broken.wav ")
    assert "silence" in found.partial[0]
    assert found.partial[1] == "hum.wav: T: There are no words.; P S W: There are no spoken words to align with the recording."
    assert read_feature_set(dataset, cache) == found
    chosen, excluded = found.choose("TF")
    assert len(chosen) == 1 and [line.split(":")[0] for line in excluded] == ["broken.wav", "silent.wav", "hum.wav"]
    shutil.copy(next(LIBRIVOX.glob("*.wav")), folder / "broken.wav")
    with pytest.raises(DataError, match=r"1 of 4 utterances .* the first is broken\.wav"):
        read_feature_set(dataset, cache)
    assert not extract_dataset(dataset, cache).left_out


def test_another_data_set_of_the_same_name_takes_nothing_away(extracted, tmp_path):
    dataset, cache = extracted
    other = read_dataset(copy_speech(tmp_path / "else" / "voices", count=2))
    extract_dataset(other, cache)
    assert len(read_feature_set(other, cache).items) == 2 and len(read_feature_set(dataset, cache).items) == 3


def test_arguments_that_cannot_be(extracted):
    dataset, cache = extracted
    for options, words in (
        ({"preset": "huge"}, "'huge'"),
        ({"units": ("X",)}, "'X'"),
        ({"units": ()}, "name some of"),
        ({"shard": (2, 2)}, "Shard 3 of 2"),
    ):
        with pytest.raises(DataError, match=words):
            extract_dataset(dataset, cache, **options)


def test_a_folder_that_cannot_be_written(speech, tmp_path):
    (tmp_path / "features").write_text("a file")
    with pytest.raises(DataError, match="can't be written"):
        extract_dataset(read_dataset(speech), FeatureCache(tmp_path / "features"), units=("T",))


OVERLAPPING = """File type = "ooTextFile"
Object class = "TextGrid"

0 2.9 <exists> 1 "IntervalTier" "words" 0 2.9 2 0.1 0.30003 "he" 0.3 2 "was"
"""


def test_words_that_overlap_by_a_rounding_keep_their_row_and_the_others(tmp_path):
    folder = copy_speech(tmp_path / "voices", count=2)
    path = folder / "manifest.csv"
    first = sorted(LIBRIVOX.glob("*.wav"))[0].name
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*(row + ([""] if n else ["alignment"]) for n, row in enumerate(rows)),
                                    ["again/" + first, "he was", "anger", "s9", "", "", "grid.TextGrid"]])  # fmt: skip
    (folder / "again").mkdir()
    shutil.copy(folder / first, folder / "again")
    (folder / "grid.TextGrid").write_text(OVERLAPPING)
    found = extract_dataset(read_dataset(folder), FeatureCache(tmp_path / "features"), units=("F", "W"), aligner=None)
    assert len(found.items) == 3 and found.left_out == ()
    assert "W" in found.items[2].units


class Stumbling:
    """Stands where the extractor stands, and holds a mistake of ours."""

    def extract(self, *args, **options):
        raise ZeroDivisionError("planted")


def test_a_bug_over_one_utterance_is_its_reason_and_ends_nothing(speech, tmp_path):
    extraction = ExtractionWorker(ExtractionJob(tmp_path / "features", "compact", units=("F", "P")))
    extraction.speech = Stumbling()
    (record,) = extraction(SpeechTask(read_dataset(speech).utterances[0], "identity")).values()
    assert record.key is None and record.absent["F"].startswith("This is a bug in mmer")
    assert "ZeroDivisionError: planted" in record.absent["F"]
    Path(re.search(r"file (\S+),", record.absent["F"])[1]).unlink()


class StumblingText:
    """The real encoder, but for a mistake of ours that one text brings out."""

    def __init__(self, encoder):
        self.encoder = encoder

    def __getattr__(self, name):
        return getattr(self.encoder, name)

    def count_pieces(self, text):
        if text == "bad":
            raise ZeroDivisionError("planted")
        return self.encoder.count_pieces(text)


def test_a_bug_over_one_text_leaves_the_texts_beside_it(text_encoder, tmp_path):
    extraction = ExtractionWorker(ExtractionJob(tmp_path / "features", "compact", units=("T",)))
    extraction.text = StumblingText(text_encoder)
    records = extraction(TextTask(("good words", "bad", "more words"), ("a", "b", "c")))
    assert {record.name: record.units for record in records.values()} == {"a": ("T",), "b": (), "c": ("T",)}
    (reason,) = [record.absent["T"] for record in records.values() if record.absent]
    assert reason.startswith("This is a bug in mmer")
    Path(re.search(r"file (\S+),", reason)[1]).unlink()
