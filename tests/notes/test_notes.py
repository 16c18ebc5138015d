"""Notes that last: two writers at once, kill -9, a codebook, agreement of coders, out to a file and back."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import fields

import pytest
from sklearn.metrics import cohen_kappa_score

from mmer.errors import DataError
from mmer.notes.agreement import list_agreements, measure_kappa
from mmer.notes.entries import LONGEST_NOTE, Entry, Notes, read_entry
from mmer.notes.exchange import read_notes, write_notes
from mmer.notes.store import NotesFile, place_batch_notes, place_notes

WRITER = """
import sys
from pathlib import Path
from mmer.notes.store import NotesFile
file = NotesFile(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    print(file.add(f"clip{number}", sys.argv[2], "note", f"said {number}").id, flush=True)
"""


@pytest.fixture
def file(tmp_path):
    return NotesFile(tmp_path / "somewhere" / "notes.sqlite")


def start_writer(file, coder, count):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(file.path), coder, str(count)], stdout=subprocess.PIPE, text=True)


def test_two_writers_at_once_lose_nothing(file):
    writers = [start_writer(file, coder, 40) for coder in ("AB", "CD")]
    said = [line.strip() for writer in writers for line in writer.communicate(timeout=60)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0]
    entries = file.read().entries
    assert len(entries) == 80 == len(set(said))
    assert {entry.id for entry in entries} == set(said)
    assert {(e.coder, e.utterance) for e in entries} == {(c, f"clip{n}") for c in ("AB", "CD") for n in range(40)}


def test_what_was_written_survives_kill_9(file):
    writer = start_writer(file, "AB", 100_000)
    said = [writer.stdout.readline().strip() for _ in range(25)]
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate(timeout=60)
    said += [line for line in rest.splitlines() if len(line) == 32]
    assert set(said) <= {entry.id for entry in file.read().entries}
    assert file.add("after", "CD", "coded").holds
    with sqlite3.connect(file.path) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()


def test_tags_and_marks_stand_once_and_can_be_taken_back(file):
    assert file.read().entries == ()
    assert not file.path.exists()  # looking makes nothing
    first = file.add("a.wav", "AB", "tag", " Sarcasm ")
    assert file.add("a.wav", "AB", "tag", "sarcasm") == first
    other = file.add("a.wav", "CD", "tag", "sarcasm")
    disputed = file.add("a.wav", "AB", "disputed")
    assert file.read().codebook == {"sarcasm": ""}
    file.define("sarcasm", "says one thing and means another")
    with pytest.raises(DataError, match="is CD's; only who wrote it"):
        file.take_back(other.id, "AB")
    file.take_back(disputed.id, "AB")
    with pytest.raises(DataError, match="changed or taken back meanwhile"):
        file.take_back(disputed.id, "AB")
    assert file.add("a.wav", "AB", "disputed").id != disputed.id
    notes = file.read()
    assert notes.codebook == {"sarcasm": "says one thing and means another"}
    assert len(notes.entries) == 4  # what was taken back stays on record
    assert [entry.kind for entry in notes.current] == ["tag", "tag", "disputed"]


def test_a_note_is_not_written_over_by_who_did_not_see_it(file):
    note = file.add("a.wav", "AB", "note", "a sigh\nthen words", start=0.5, end=1.25)
    better = file.change_note(note.id, "AB", "a laugh", start=0.5)
    with pytest.raises(DataError, match="meanwhile"):
        file.change_note(note.id, "AB", "from a window that was open all the time")
    assert [(e.value, e.start, e.end) for e in file.read().current] == [("a laugh", 0.5, None)]
    assert better.id != note.id


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("", "AB", "note", "x"), "utterance is empty"),
        (("a", " ", "note", "x"), "coder's name is empty"),
        (("a", "AB", "guess", "x"), "'guess' is no kind"),
        (("a", "AB", "note", "  "), "A note is empty"),
        (("a", "AB", "note", "x" * (LONGEST_NOTE + 1)), "has 4,001 characters"),
        (("a", "AB", "note", "x\x00"), "can't be seen"),
        (("a", "AB", "tag", "one, two"), "give each its own"),
        (("a", "AB", "disputed", "why"), "holds no text"),
        ((3, "AB", "note", "x"), "utterance is empty"),
    ],
)
def test_what_can_t_be_noted_is_refused(file, given, said):
    with pytest.raises(DataError, match=said):
        file.add(*given)
    assert file.read().entries == ()


@pytest.mark.parametrize(
    ("start", "end", "said"), [(2, 1, "before it begins"), (-1, None, "no time"), (float("nan"), None, "no time"), (True, None, "no time")]
)
def test_a_part_that_is_none_is_refused(file, start, end, said):
    with pytest.raises(DataError, match=said):
        file.add("a", "AB", "note", "x", start=start, end=end)


def test_a_damaged_file_and_one_of_a_newer_version_are_named(file, tmp_path):
    (tmp_path / "bad.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DataError, match=r"bad\.sqlite can't be used"):
        NotesFile(tmp_path / "bad.sqlite").read()
    file.add("a", "AB", "coded")
    with sqlite3.connect(file.path) as connection:
        connection.execute("pragma user_version = 9")
    connection.close()
    with pytest.raises(DataError, match="newer version of mmer"):
        file.read()


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_out_to_a_file_and_back_into_another(file, tmp_path, suffix):
    file.add("a.wav", "AB", "note", '=1+1, "so"\nhe said', start=0.25, end=0.5)
    file.add("-1", "CD", "tag", "noise")
    gone = file.add("b.wav", "CD", "disputed")
    file.take_back(gone.id, "CD")
    file.define("noise", "a machine is louder than the voice")
    path = tmp_path / f"notes{suffix}"
    path.write_text(write_notes(file.read(), suffix), "utf-8")
    found = read_notes(path)
    assert found.entries == file.read().entries
    assert dict(found.codebook) == dict(file.read().codebook)
    other = NotesFile(tmp_path / "other.sqlite")
    other.define("noise", "own words")
    assert other.merge(found.entries, found.codebook) == 3
    assert other.merge(found.entries, found.codebook) == 0  # a second time nothing is new
    assert other.read().entries == found.entries
    assert other.read().codebook == {"noise": "own words"}


def test_a_file_that_holds_no_notes_is_named(tmp_path):
    (tmp_path / "x.json").write_text('{"format": "mmer-batch", "rows": []}')
    with pytest.raises(DataError, match="holds no notes of mmer"):
        read_notes(tmp_path / "x.json")
    header = ",".join(one.name for one in fields(Entry))
    for text, said in (
        ("id,utterance\n1,2\n", "is no table of notes"),
        ("", "is no table of notes"),
        (f"{header}\n{'x' * 200_000}\n", "not a table"),
    ):
        (tmp_path / "y.csv").write_text(text)
        with pytest.raises(DataError, match=said):
            read_notes(tmp_path / "y.csv")
    with pytest.raises(DataError, match=r"not as '\.txt'"):
        write_notes(Notes(), ".txt")
    for broken in ({"id": "x"}, [], {"id": "0" * 32, "utterance": "a", "coder": "b", "kind": "note", "value": "c", "made": "noon"}):
        (tmp_path / "z.json").write_text(json.dumps({"format": "mmer-notes", "version": 1, "entries": [broken]}))
        with pytest.raises(DataError):
            read_notes(tmp_path / "z.json")


def test_kappa_is_that_of_another_library():
    for both, a, b, neither in ((20, 5, 10, 15), (3, 0, 4, 9), (0, 2, 2, 0), (7, 1, 0, 2)):
        first = [1] * (both + a) + [0] * (b + neither)
        second = [1] * both + [0] * a + [1] * b + [0] * neither
        assert measure_kappa(both, a, b, neither) == pytest.approx(cohen_kappa_score(first, second))
    assert measure_kappa(5, 0, 0, 0) is None
    assert measure_kappa(0, 0, 0, 0) is None


def test_agreement_is_over_what_both_coded(file):
    for clip, tags in {"a": ("AB", "CD"), "b": ("AB",), "c": (), "d": ("CD",)}.items():
        for coder in ("AB", "CD"):
            file.add(clip, coder, "coded")
        for coder in tags:
            file.add(clip, coder, "tag", "noise")
    file.add("e", "AB", "tag", "noise")  # the other never saw it
    file.add("a", "EF", "note", "alone with this one")
    found = list_agreements(file.read().entries)
    one = next(agreement for agreement in found if agreement.coders == ("AB", "CD"))
    assert (one.utterances, one.both, one.only) == (4, 1, (1, 1))
    assert one.kappa == pytest.approx(0.0)
    assert one.sentence == "noise: AB and CD, 4 utterances that both coded: both 1, only AB 1, only CD 1; kappa 0.00."
    taken = [read_entry({**vars(e), "gone": e.made}) if e.coder == "CD" else e for e in file.read().entries]
    assert not any("CD" in agreement.coders for agreement in list_agreements(taken))


def test_notes_lie_in_the_experiment_s_folder_or_beside_all(tmp_path):
    runs = tmp_path / "runs"
    assert place_notes(runs, runs / "mine") == runs / "mine" / "notes.sqlite"
    assert place_notes(runs, tmp_path / "shipped" / "theirs").parent == runs / ".notes"
    assert place_batch_notes(runs, b"one") != place_batch_notes(runs, b"two")
