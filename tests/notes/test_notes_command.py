"""Notes in the shell: as columns and filters, out to a file, into another experiment, agreement."""

import csv
import json

import pytest
from errors_cases import write_data, write_experiment

from mmer.cli import main
from mmer.notes.store import NotesFile


@pytest.fixture
def noted(tmp_path):
    """(root of experiments, notes of two coders)"""
    data = write_data(tmp_path / "data" / "voices")
    file = NotesFile(write_experiment(tmp_path, data, "first").path / "notes.sqlite")
    write_experiment(tmp_path, data, "second", seed=1)
    for coder, clips in {"AB": ("clips/0-1.wav", "clips/0-2.wav"), "CD": ("clips/0-1.wav",)}.items():
        for clip in ("clips/0-1.wav", "clips/0-2.wav", "clips/0-3.wav"):
            file.add(clip, coder, "coded")
        for clip in clips:
            file.add(clip, coder, "tag", "sigh")
    return tmp_path / "runs", file


def test_notes_are_columns_go_out_come_in_and_are_compared(noted, tmp_path, capsys):
    runs, file = noted
    out, table = tmp_path / "notes.json", tmp_path / "table.csv"
    command = ["errors", "first", "--runs", str(runs), "--rows", "0"]
    assert main([*command, "--where", "note_tags~sigh", "--out", str(table), "--notes-out", str(out), "--agreement"]) == 0
    said = capsys.readouterr().out
    assert "sigh: AB and CD, 3 utterances that both coded: both 1, only AB 1, only CD 0; kappa 0.40." in said
    assert "chosen by what people noted who saw the answers (note_tags)" in " ".join(said.split())
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert {row["utterance"]: (row["note_tags"], row["note_coders"]) for row in rows} == {
        "clips/0-1.wav": ("sigh", "AB, CD"),
        "clips/0-2.wav": ("sigh", "AB, CD"),
    }
    assert len(json.loads(out.read_text())["entries"]) == 9

    assert main(["errors", "second", "--runs", str(runs), "--rows", "0", "--notes-in", str(out)]) == 0
    assert "9 of 9 entries of" in capsys.readouterr().err
    assert NotesFile(runs / "second" / "notes.sqlite").read().entries == file.read().entries


def test_what_would_be_lost_or_is_no_notes_file_is_refused(noted, tmp_path, capsys):
    runs, _ = noted
    (tmp_path / "odd.json").write_text("{}")
    for flags, sentence in (
        (["--notes-out", str(tmp_path / "notes.txt")], "Notes are written as .json or .csv"),
        (["--notes-in", str(tmp_path / "odd.json")], "holds no notes of mmer"),
        (["--notes-in", str(tmp_path / "odd.json"), "--notes-out", str(tmp_path / "odd.json")], "is the table that is read"),
    ):
        assert main(["errors", "first", "--runs", str(runs), *flags]) == 2
        assert sentence in capsys.readouterr().err
