"""The shell: real clips through real encoders and heads of random weights; bad input ends in one sentence and exit code 2."""

import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from planted_words import plant_words
from sample_analysis import make_analysis

from mmer.align.textgrid_tiers import read_tiers
from mmer.cli import COMMANDS, main
from mmer.commands.analyze import locate_head
from mmer.commands.options.clip import parse_pronunciations
from mmer.errors import AlignmentError
from mmer.exports.analysis_json import read_analysis
from mmer.exports.summary import list_words, summarise

SPEECH = Path("/usr/share/pocketsphinx/test/data")
CLIP = SPEECH / "librivox" / "sense_and_sensibility_01_austen_64kb-0880.wav"
WORDS = "he was not an ill disposed young man"


def run(*arguments):
    return main([str(a) for a in arguments])


def refuse(capsys, *arguments):
    """The one sentence that the command printed when it refused."""
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [line for line in printed.err.splitlines() if not re.match(r" *\d+ % ", line)]
    assert len(lines) == 1 and lines[0].startswith("mmer: "), printed.err
    return lines[0]


def test_analysis_prints_a_summary_and_writes_whole_files(capsys, heads_folder, tmp_path):
    outputs = {"json": tmp_path / "a.json", "csv": tmp_path / "a.csv", "html": tmp_path / "a.html", "textgrid": tmp_path / "a.TextGrid"}
    options = [part for name, path in outputs.items() for part in (f"--{name}", path)]
    assert run("analyze", CLIP, "--text", WORDS, "--heads", heads_folder, *options) == 0
    printed = capsys.readouterr()
    assert f"“{WORDS}” (typed)" in printed.out
    for role in ("late", "early", "combined"):
        assert re.search(rf"^{role} +(\d+\.\d % *){{4}}$", printed.out, flags=re.MULTILINE), role
    assert "random weights" in printed.out and "not for judging people" in printed.out
    assert "Encoding the speech" in printed.err and "wrote" in printed.err
    analysis = read_analysis(outputs["json"])
    assert analysis.clip.outline and [w.label for w in analysis.alignment.words] == WORDS.split()
    assert [t.name for t in read_tiers(outputs["textgrid"])] == ["words", "syllables", "phones"]
    assert analysis.clip.sha256 in outputs["html"].read_text(encoding="utf-8")
    with outputs["csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    raw = [sum(float(row[f"raw_{name}"] or 0) for row in rows) for name in analysis.best.classes]
    np.testing.assert_allclose(raw, analysis.predictions["late"].logits, atol=1e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.TextGrid", "a.csv", "a.html", "a.json"]


def test_json_can_hold_the_sound(heads_folder, tmp_path, librivox_clip):
    out = tmp_path / "a.json"
    assert run("analyze", CLIP, "--text", WORDS, "--heads", heads_folder, "--quiet", "--json", out, "--samples") == 0
    restored = read_analysis(out).clip
    assert not restored.outline and restored.sha256 == librivox_clip.sha256
    np.testing.assert_allclose(restored.samples, librivox_clip.samples, atol=1e-4)


def test_without_alignment_the_app_goes_on_and_says_why(capsys, heads_folder, tmp_path):
    out = tmp_path / "a.TextGrid"
    assert run("analyze", CLIP, "--text", WORDS, "--aligner", "none", "--heads", heads_folder, "--quiet", "--textgrid", out) == 2
    printed = capsys.readouterr()
    assert "Not available: phones" in printed.out and "coattention-f speaks" in printed.out.lower()
    assert printed.err.startswith("mmer: No TextGrid was written: ") and len(printed.err.splitlines()) == 1
    assert not out.exists()


def test_words_are_recognised_when_none_are_typed(capsys, heads_folder):
    assert run("analyze", CLIP, "--heads", heads_folder, "--quiet", "--head", "late-fs") == 0
    printed = capsys.readouterr()
    assert "recognised by whisper-tiny.en" in printed.out and "young man" in printed.out and printed.err == ""


def test_alignment_is_printed_and_read_back(capsys, tmp_path):
    words, grid = tmp_path / "words.txt", tmp_path / "a.TextGrid"
    words.write_text("\ufeff" + WORDS, encoding="utf-8")
    assert run("align", CLIP, "--text-file", words, "--textgrid", grid, "--quiet") == 0
    first = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in first[1:9]] == WORDS.split()
    assert run("align", CLIP, "--textgrid-in", grid, "--quiet") == 0
    again = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in again[1:9]] == [line.split()[:2] for line in first[1:9]], "times survive the file"


def test_typed_pronunciation_is_used(capsys):
    assert run("align", CLIP, "--text", WORDS, "--pronounce", "ill=AH L", "--quiet") == 0
    assert re.search(r" ill +AH L$", capsys.readouterr().out, flags=re.MULTILINE)
    assert "'QQ'" in refuse(capsys, "align", CLIP, "--text", WORDS, "--pronounce", "ill=QQ").replace("“", "'").replace("”", "'")


def test_pronunciations_have_one_form():
    assert parse_pronunciations(["Zhao=jh aw", "x = EH K S"]) == {"zhao": ("JH", "AW"), "x": ("EH", "K", "S")}
    for wrong in ("Zhao", "=JH", "Zhao=", "Zhao= "):
        with pytest.raises(AlignmentError, match=re.escape(repr(wrong))):
            parse_pronunciations([wrong])


@pytest.mark.parametrize("command", ["analyze", "align"])
@pytest.mark.parametrize("kind", ["missing", "empty", "short", "silent", "nan", "renamed", "cut"])
def test_bad_recordings_are_refused_in_one_sentence(capsys, tmp_path, command, kind):
    path = tmp_path / "bad.wav"
    tone = 0.3 * np.sin(np.arange(16000) / 20)
    if kind == "empty":
        path.touch()
    elif kind == "renamed":
        path.write_text("this is no sound")
    elif kind == "cut":
        path.write_bytes(CLIP.read_bytes()[:44])
    elif kind != "missing":
        samples = {"short": tone[:800], "silent": 0 * tone, "nan": np.where(np.arange(16000) == 5, np.nan, tone)}[kind]
        soundfile.write(path, samples, 16000, subtype="FLOAT")
    assert "bad.wav" in refuse(capsys, command, path, "--text", "hello")


def test_bad_options_are_refused_before_the_models_are_loaded(capsys, tmp_path, heads_folder):
    broken = tmp_path / "broken.TextGrid"
    broken.write_text('File type = "ooTextFile"\nObject class = "TextGrid"\n0 1 <exists> 3')
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9 is not UTF-8")
    clip = tmp_path / "clip.wav"
    clip.write_bytes(CLIP.read_bytes())
    assert "cut off" in refuse(capsys, "analyze", CLIP, "--textgrid-in", broken)
    assert "UTF-8" in refuse(capsys, "analyze", CLIP, "--text-file", latin)
    assert "Can't read the words from" in refuse(capsys, "align", CLIP, "--text-file", tmp_path / "none.txt")
    assert "can't be read" in refuse(capsys, "align", CLIP, "--text", WORDS, "--textgrid-in", tmp_path / "none.TextGrid")
    assert "is the recording itself" in refuse(capsys, "analyze", clip, "--json", clip)
    assert "there is no folder" in refuse(capsys, "analyze", clip, "--html", tmp_path / "no" / "a.html")
    assert "it is a folder" in refuse(capsys, "analyze", clip, "--html", tmp_path)
    assert "--aligner none" in refuse(capsys, "align", CLIP, "--aligner", "none")
    assert clip.read_bytes() == CLIP.read_bytes()


def test_two_thousand_words_do_not_fit_a_short_clip(capsys, heads_folder):
    assert "2,000 words" in refuse(capsys, "analyze", CLIP, "--text", "word " * 2000, "--heads", heads_folder)


def test_unknown_head_names_those_there_are(capsys, heads_folder):
    sentence = refuse(capsys, "analyze", CLIP, "--text", WORDS, "--heads", heads_folder, "--head", "best")
    assert "'best'" in sentence and "late-fs" in sentence


def test_head_may_be_a_folder(heads_folder):
    assert locate_head(str(heads_folder / "late-fs"), Path("elsewhere")) == (heads_folder.resolve(), "late-fs")
    assert locate_head("late-fs", heads_folder) == (heads_folder, "late-fs")


def test_wrong_usage_ends_with_2(capsys):
    for arguments in ([], ["sing"], ["analyze"], ["analyze", "a.wav", "--text", "x", "--text-file", "y"], ["align", "a.wav", "--loud"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "usage: mmer" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys, name):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: mmer {name}" in capsys.readouterr().out


def test_module_runs_as_a_program(tmp_path):
    done = subprocess.run([sys.executable, "-m", "mmer", "align", tmp_path / "no.wav"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mmer: no.wav: there is no such file.\n"


def test_terminal_without_unicode_does_not_break_it():
    command = [sys.executable, "-m", "mmer", "align", CLIP, "--text", "he was not an ill disposed young män", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and "m\\xe4n" in done.stdout, done.stderr


def test_the_shell_names_each_branch_s_part_of_a_word():
    lines = list_words(plant_words(early=True))
    assert lines[0].startswith("Words that count most in late fusion, all its branches together (logits for anger, centred")
    assert (
        lines[1] == "  for     no +2.280 = text -0.200, phones +2.000, syllables -0.220, words +0.700 (too short to hold a frame's centre)"
    )
    assert lines[3] == "          Oh +0.670 = text +0.100, frames +0.060, phones +1.000, syllables +0.110, words -0.600"
    assert lines[4] == "  all 4 words +5.020, punctuation +0.030, between words -0.200, biases +0.010: late logit +4.860"
    assert lines[5].startswith(
        "The combined verdict takes half of each, adds half of early fusion, and divides the sum by the temperature."
    )
    assert lines[6] == "Not found in the sound, so with their text alone: it."


def test_nothing_is_said_of_all_branches_where_there_is_one():
    lines = list_words(plant_words("S"))
    assert lines[0] == "Words that count most (logits for anger, centred over the emotions):"
    assert not any(" = " in line for line in lines)


def test_the_shell_says_that_sound_without_alignment_is_not_divided():
    lines = list_words(plant_words(aligned=False))
    assert lines[1] == "  for     it +0.400 = text +0.400"
    assert "sound not divided +0.350" in lines[5] and "between words" not in "\n".join(lines)
    assert lines[6] == "Without an alignment the sound is not divided into words: a word has its text alone."
    (line,) = list_words(plant_words("F", aligned=False))
    assert line == (
        "No word has a part of late fusion's sum here, which is made of frames. Without an alignment the sound is not divided into words."
    )


def test_summary_adds_up_and_tells_what_is_missing():
    analysis = make_analysis()
    text = summarise(analysis)
    block = text.split("adds up")[1].split("\n\n")[0].splitlines()[1:]
    values = {line[2:44].strip(): float(line[44:].strip(" %")) for line in block}
    parts = [v for name, v in values.items() if name.split()[0] not in ("=", "probability")]
    assert sum(parts) == pytest.approx(values["= combined logit"], abs=0.003)
    best = analysis.best
    assert values[f"probability of {best.label}"] == pytest.approx(100 * best.probabilities.max(), abs=0.06)
    assert "Not available: words: the head has no word branch" in text
    quiet = analysis.clip.notices[0].text
    assert text.count(quiet) == 1 and summarise(replace(analysis, notices=analysis.clip.notices)).count(quiet) == 1


@pytest.mark.parametrize(
    "command", [("analyze", CLIP), ("batch", SPEECH, "--out", "x.csv"), ("intervene", CLIP, "--mute", "word:1"), ("align", CLIP)]
)
def test_a_wrong_device_is_met_before_anything_is_loaded(capsys, command, heads_folder):
    heads = () if command[0] == "align" else ("--heads", heads_folder)
    sentence = refuse(capsys, *command, *heads, "--device", "gpu")
    assert sentence == "mmer: There is no device 'gpu'. Choose one of: auto, cpu, cuda, cuda:1 (the second card, counting from 0) or mps."


def test_a_card_that_is_not_there_is_one_sentence(capsys, heads_folder):
    assert "PyTorch finds" in refuse(capsys, "analyze", CLIP, "--text", WORDS, "--heads", heads_folder, "--device", "cuda:77")
