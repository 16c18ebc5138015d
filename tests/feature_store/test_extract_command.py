"""`mmer extract`: its flags, what it prints, how it is interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_feature_set import copy_speech

from mmer.cli import main
from mmer.commands.extract import SHOWN, choose_units, list_names, make_progress, parse_shard
from mmer.errors import DataError

ROOT = Path(__file__).parents[2]


def test_a_data_set_from_the_shell(tmp_path, capsys):
    folder = copy_speech(tmp_path / "voices", count=2, more=[("noise.wav", "", "furious", "x", "", "")])
    (folder / "noise.wav").write_bytes(b"noise")
    labels = "anger=anger,happiness=happiness,furious=anger"
    assert main(["extract", str(folder), "--features", str(tmp_path / "f"), "--labels", labels]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("voices: 3 utterances of 3 speakers: anger 2, happiness 1, sadness 0, neutral 0\n")
    assert "\n2 utterances with features (compact): T 2, F 2, P 2, S 2, W 2; 0.00 h of sound\nleft out: 1\n  noise.wav: " in out
    assert "clips: 3 to extract" in err and "clips: 3 of 3" in err
    assert main(["extract", str(folder), "--features", str(tmp_path / "f"), "--labels", labels.replace("furious=anger", "furious=")]) == 0
    out, err = capsys.readouterr()
    assert "not in the data set: 1\n      1  label 'furious'\n" in out and err == ""


def test_words_alone(tmp_path, capsys):
    folder = copy_speech(tmp_path / "voices", count=2)
    for sound in folder.glob("*.wav"):
        sound.unlink()
    assert main(["extract", str(folder), "--features", str(tmp_path / "f"), "--no-audio"]) == 0
    assert capsys.readouterr().out == (
        "voices: 2 utterances of 2 speakers: anger 1, happiness 1, sadness 0, neutral 0\n2 utterances with features (compact): T 2\n"
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--shard", "3/2"], "--shard '3/2' does not have the form I/N"),
        (["--no-audio", "--units", "T", "F"], "--no-audio leaves only the unit T, but --units names T F."),
        (["--workers", "-1"], "--workers -1: it can't be below 0."),
        ([], "there is no such file or folder"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(tmp_path, capsys, more, words):
    assert main(["extract", str(tmp_path / "nothing"), "--features", str(tmp_path / "f"), *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mmer: ") and words in line


def test_ctrl_c_ends_it_cleanly(tmp_path):
    folder = copy_speech(tmp_path / "voices", count=5)
    command = [sys.executable, "-m", "mmer", "extract", str(folder), "--features", str(tmp_path / "f"), "--workers", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("clips"):
            break
    os.killpg(process.pid, signal.SIGINT)
    rest = process.stderr.read()  # to its end: no process holds it any longer
    assert process.wait(timeout=60) == 130
    assert rest.splitlines()[-1] == "mmer: interrupted" and "Traceback" not in rest
    process.stderr.close()


def test_progress_tells_rate_and_time_left(capsys):
    # read at the start and at each report but the first
    clock = iter([0.0, 5.0, 5.5, 7.0, 15.0]).__next__
    report = make_progress(every=2.0, now=clock)
    report("clips", 0, 25)
    report("clips", 1, 25)  # at 5 s: the processes have started
    report("clips", 3, 25)  # at 5.5 s: too soon
    report("clips", 5, 25)  # at 7 s
    report("clips", 25, 25)  # at 15 s
    assert capsys.readouterr().err.splitlines() == [
        "clips: 25 to extract",
        "clips: 5 of 25, 2.0 a second, 10 s left",
        "clips: 25 of 25, 2.4 a second",
    ]


def test_progress_of_clips_names_the_bottleneck(capsys):
    clock = iter([0.0, 5.0, 7.0, 8.0, 9.0]).__next__
    report = make_progress(every=0.0, now=clock, describe=lambda: "the disk is the bottleneck")
    report("texts", 1, 1)
    report("clips", 1, 3)
    report("clips", 3, 3)
    assert capsys.readouterr().err.splitlines()[-1] == "clips: 3 of 3, 2.0 a second; the disk is the bottleneck"


def test_small_things():
    assert parse_shard("2/8") == (1, 8) and choose_units(None, audio=False) == ("T",)
    assert list_names("left out", []) == []
    many = list_names("left out", [str(n) for n in range(SHOWN + 5)])
    assert many[0] == "left out: 15" and many[-1] == "  ... and 5 more" and len(many) == SHOWN + 2
    for given in ("0/2", "x", "1/", "/3", "-1/2"):
        with pytest.raises(DataError, match="does not have the form"):
            parse_shard(given)
