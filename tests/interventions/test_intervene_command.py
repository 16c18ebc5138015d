"""`mmer intervene`: real clips, real encoders, heads of random weights; what is mistyped ends in one sentence before anything is loaded."""

import argparse
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmer.align.textgrid_tiers import read_tiers
from mmer.cli import main
from mmer.commands.intervene import parse_edit
from mmer.interventions import ChangePitch, Isolate, Mute, Remove, SwapWords, Target, describe_agreement, edit_from_json

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
CLIP = LIBRIVOX / "sense_and_sensibility_01_austen_64kb-0880.wav"
WORDS = "he was not an ill disposed young man"
DOCUMENT = Path(__file__).parents[2] / "docs" / "interventions.md"


def run(*arguments):
    return main(["intervene", str(CLIP), "--text", WORDS, *map(str, arguments)])


def test_edits_are_made_in_order_and_everything_is_written(capsys, heads_folder, tmp_path):
    files = {name: tmp_path / f"out.{name}" for name in ("json", "wav", "textgrid")}
    outputs = [part for name, path in files.items() for part in (f"--{name}", path)]
    assert run("--heads", heads_folder, "--remove", "word:1", "--mute", "word:4", "--in", "both", "--noise", "--seed", 3, *outputs) == 0
    printed = capsys.readouterr()
    assert "Words: was not [MASK] ill disposed young man" in printed.out and "word 1, “he”" in printed.out
    for title in ("late model", "late, text", "late, syllables", "early model", "combined model"):
        assert f"\n{title}\n" in printed.out
    data = json.loads(files["json"].read_text())
    assert [edit_from_json(edit) for edit in data["edits"]] == [
        Remove(Target("word", 0), "both"), Mute(Target("word", 3), "both", "noise", 3)
    ]  # fmt: skip
    sound, rate = soundfile.read(files["wav"])
    assert rate == 16000 and len(sound) == data["changed"]["clip"]["sample_count"] < data["original"]["clip"]["sample_count"]
    words = read_tiers(files["textgrid"])[0]
    assert [label for _, _, label in words.intervals if label] == WORDS.split()[1:]


def test_the_curve_is_printed_and_written(capsys, heads_folder, tmp_path):
    out = tmp_path / "curve.json"
    assert run("--heads", heads_folder, "--leave-one-out", "words", "--emotion", "sadness", "--json", out, "--quiet") == 0
    printed = capsys.readouterr().out
    data = json.loads(out.read_text())
    drops = np.array(data["curves"][1]["drops"]["combined"])
    row = next(line for line in printed.splitlines() if line.startswith("disposed"))
    assert row.split()[3] == f"{drops[5, 2] - drops[5].mean():+.3f}"
    rho = next(a["rho"] for a in data["agreements"] if (a["role"], a["baseline"], a["emotion"]) == ("combined", "noise", "sadness"))
    assert f"drop (noise) and contribution       {rho:+.2f}: {describe_agreement(rho, 8)}" in printed
    assert data["medium"] == "both" and printed.startswith("Left out of the sound and the text.")


def test_another_voice(capsys, heads_folder):
    other = LIBRIVOX / "sense_and_sensibility_01_austen_64kb-0930.wav"
    assert run("--heads", heads_folder, "--voice", other, "--quiet") == 0
    assert f"The voice of {other.name} is put under the words of {CLIP.name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name at least one edit"),
        (["--mute", "word:1", "--leave-one-out", "words"], "not both"),
        (["--mute", "third"], "'third' is no target; write word:3"),
        (["--pitch", "word:3"], "--pitch 'word:3' does not have the form TARGET=NUMBER"),
        (["--tempo", "word:3=99"], "tempo of 99 times as fast is out of range"),
        (["--leave-one-out", "words", "--wav", "x.wav"], "--wav and --textgrid go with an edit"),
        (["--mute", "word:1", "--json", CLIP], "is the recording itself"),
    ],
)
def test_what_is_mistyped_is_said_before_anything_is_loaded(capsys, arguments, message):
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and message in printed.err and "Loading" not in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mute", "word:99"], "There is no word 99: the transcript has 8 words"),
        (["--leave-one-out", "words", "--emotion", "joy"], "no emotion 'joy'"),
    ],
)
def test_what_the_clip_does_not_have_is_said(capsys, heads_folder, arguments, message):
    assert run("--heads", heads_folder, "--quiet", *arguments) == 2
    assert message in capsys.readouterr().err


def test_flags_become_edits():
    args = argparse.Namespace(medium="text", noise=False, seed=0)
    assert parse_edit("isolate", "0.5-1", args) == Isolate(Target("span", start=0.5, end=1.0), "text")
    assert parse_edit("pitch", "0.5-1=-3", args) == ChangePitch(Target("span", start=0.5, end=1.0), -3.0)
    assert parse_edit("words", "a=b", args) == SwapWords("a=b")


def test_documented_commands_are_understood():
    from mmer.cli import build_command_parser

    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("python -m mmer intervene")]
    for line in lines:
        args = build_command_parser("intervene").parse_args(shlex.split(line)[4:])
        for flag, value in args.edits:
            assert flag == "voice" or parse_edit(flag, value, args)
    assert len(lines) == 5
