"""The Errors tab's handlers: what is sent to the page, what is played and measured, and what strangers get."""

import base64
import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import soundfile
from errors_cases import EVIL, make_service

from mmer.error_table.filters import find_rows, parse_filters
from mmer.error_table.page import MOST_BARS
from mmer.error_table.summary import score_rows
from mmer.experiments.training_service import PUBLIC, TrainingService
from mmer.notes.exchange import write_notes
from mmer.notes.store import NotesFile
from mmer.ui.errors.handlers import ErrorsHandlers, explore_table, read_address
from mmer.ui.errors.noting import NoteHandlers
from mmer.ui.errors.session import ErrorsSession
from mmer.ui.texts import errors as texts

RECORDED = Path(__file__).parents[2] / "assets" / "runs"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    return make_service(tmp_path_factory.mktemp("errors"), recorded=RECORDED)


@pytest.fixture
def handlers(service):
    return ErrorsHandlers(service)


@pytest.fixture
def session():
    return ErrorsSession()


def read_column(payload, name):
    column = next(column for column in payload["columns"] if column["name"] == name)
    return column["values"] if column["kind"] == "number" else [column["texts"][code] for code in column["codes"]]


def test_an_experiment_is_sent_once_with_its_metadata_and_without_markup(handlers, session):
    sent = handlers.choose(session, "run/first", "")["view"]
    assert "<" not in sent
    payload = json.loads(sent)
    assert payload["rows"] == 48 == len(read_column(payload, "loss"))
    assert EVIL in read_column(payload, "text")
    assert read_column(payload, "valence")[:3] == [0, 0.5, 1]
    assert (payload["plays"], payload["test"]) == (True, "")
    assert payload["command"].startswith("python -m mmer errors first --data-root ")


def test_two_experiments_are_joined(handlers, session):
    payload = json.loads(handlers.choose(session, "run/first", "run/second")["view"])
    assert "McNemar" in payload["test"]
    assert set(read_column(payload, "flip")) <= {
        "both right",
        "only A right",
        "only B right",
        "both wrong, the same answer",
        "both wrong, other answers",
    }
    problem = handlers.choose(session, "run/first", "recorded/ravdess-linear-f")
    assert problem["view"] == ""
    assert "no utterance in common" in problem["said"]


def test_a_clip_is_played_by_its_name_and_nothing_else_is(handlers, session, tmp_path):
    handlers.choose(session, "run/first", "")
    found = json.loads(handlers.play(session, SimpleNamespace(utterance="clips/1-2.wav"))["sound"])
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(found["sound"])))
    expected, _ = soundfile.read(handlers.service.roots[0] / "voices" / "clips" / "1-2.wav")
    assert rate == 16000
    assert np.abs(samples - expected).max() < 1e-4
    for name in ("../../../etc/passwd", str(handlers.service.roots[0] / "voices" / "clips" / "1-2.wav"), "nobody", None, ["x"]):
        with pytest.raises(gr.Error):
            handlers.play(session, SimpleNamespace(utterance=name))


def test_a_manifest_that_leads_out_of_the_roots_plays_nothing(tmp_path, session):
    service = make_service(tmp_path)
    clips = tmp_path / "data" / "voices" / "clips"
    outside = tmp_path / "outside.wav"
    (clips / "1-2.wav").rename(outside)
    (clips / "1-2.wav").symlink_to(outside)
    handlers = ErrorsHandlers(service)
    handlers.choose(session, "run/first", "")
    with pytest.raises(gr.Error, match="does not lie below a folder"):
        handlers.play(session, SimpleNamespace(utterance="clips/1-2.wav"))


def measure(handlers, session, filters, bars):
    event = SimpleNamespace(ask=7, filters=filters, bars=bars)
    return json.loads(handlers.measure(session, event)["intervals"])


def test_intervals_are_those_of_the_scores_and_never_of_rows_chosen_by_their_answers(handlers, session):
    handlers.choose(session, "run/first", "")
    answer = measure(handlers, session, ["gender=female"], ["", "speaker=voice1", "speaker=voice0"])
    assert answer["ask"] == 7
    whole, own, none = answer["found"]
    rows = (session.table.frame["gender"] == "female").to_numpy()
    assert whole == score_rows(session.table.keep(rows))
    assert (own["utterances"], own["interval"]["of"], none) == (8, "utterances", None)
    assert "chosen by what was answered" in measure(handlers, session, ["outcome=wrong"], [""])["problem"]
    assert "by what was answered" in measure(handlers, session, [], ["answer=anger"])["problem"]
    assert "at most" in measure(handlers, session, [], ["speaker=voice1"] * (MOST_BARS + 1))["problem"]
    assert "no column" in measure(handlers, session, ["height=1"], [""])["problem"]
    assert measure(handlers, session, "speaker", [3])["problem"]


def write_batch(path, rows=2):
    path.write_text(
        "path,label,late,late_p_a,late_p_b\n" + "".join(f"{i}.wav,a,{'b,0.4,0.6' if i % 2 else 'a,0.6,0.4'}\n" for i in range(rows))
    )
    return str(path)


def test_a_visitor_s_own_table_is_shown_to_that_visitor(handlers, session, tmp_path):
    update = handlers.upload(session, write_batch(tmp_path / "my table.csv"))
    payload = json.loads(update["view"])
    assert (payload["rows"], payload["plays"], payload["command"]) == (2, True, "python -m mmer errors 'my table.csv'")
    assert handlers.upload(session, None) == {}
    (tmp_path / "bad.csv").write_text("x\n1\n")
    assert "is not a batch&#x27;s table" in handlers.upload(session, str(tmp_path / "bad.csv"))["said"]
    assert session.table is None


def test_the_clips_that_came_with_the_app_are_heard_by_strangers_too(session, tmp_path):
    shipped = RECORDED.parent / "game-voices"
    handlers = ErrorsHandlers(TrainingService(runs=None, recorded=RECORDED, shipped=shipped, closed=PUBLIC), is_public=True)
    sent = handlers.choose(session, "recorded/game-voices-late-tf", "")["view"]
    payload = json.loads(sent)
    assert payload["plays"] is True and str(shipped) not in sent and payload["rows"] == 52
    found = json.loads(handlers.play(session, SimpleNamespace(utterance="clips/mobster-traitor.opus"))["sound"])
    assert len(found["sound"]) > 1000
    assert json.loads(handlers.choose(session, "recorded/ravdess-linear-f", "")["view"])["plays"] is False
    with pytest.raises(gr.Error):
        handlers.play(session, SimpleNamespace(utterance="clips/mobster-traitor.opus"))


def test_strangers_see_recorded_experiments_and_their_own_table_alone(service, session, tmp_path):
    handlers = ErrorsHandlers(service.__class__(**{**vars(service), "closed": PUBLIC}), is_public=True)
    assert {key.partition("/")[0] for _, key in handlers.list_sources()} == {"recorded"}
    assert "said" in handlers.choose(session, "run/first", "")
    assert session.table is None
    payload = json.loads(handlers.choose(session, "recorded/ravdess-linear-f", "")["view"])
    assert payload["plays"] is False
    assert str(service.roots[0]) not in json.dumps(payload)
    with pytest.raises(gr.Error):
        handlers.play(session, SimpleNamespace(utterance=read_column(payload, "utterance")[0]))
    assert "at most 20,000 rows" in handlers.upload(session, write_batch(tmp_path / "large.csv", rows=20_001))["said"]


def test_the_address_names_sources_and_nothing_else(handlers, session):
    assert read_address("#errors?source=run%2Ffirst&with=run%2Fsecond&where=label%3Danger") == ("run/first", "run/second")
    for address in ("", None, "#learn-3", "#errors?" + "a" * 9000, "#errors?source"):
        assert read_address(address) == ("", "")
    opened = handlers.open(session, None, "#errors?source=run%2Ffirst&with=run%2Fsecond")
    assert (opened["source"].value, opened["other"].value) == ("run/first", "run/second")
    assert json.loads(opened["view"])["other"] == "run/second"
    assert set(handlers.open(session, "run/first", "#errors?source=run%2Fsecond")) == {"said", "source", "other"}  # what is chosen stays
    assert "view" not in handlers.open(session, None, "#errors?source=run%2F..%2F..")


def test_findings_come_with_filters_that_the_table_takes(service, session):
    ErrorsHandlers(service).choose(session, "recorded/ravdess-linear-f", "")
    slices, doubted = json.loads(explore_table(session)["findings"])
    assert (slices["name"], doubted["name"]) == ("slices", "doubted")
    assert slices["said"].startswith("Exploratory: ") and "Holm" in slices["said"]
    lines = slices["lines"] + doubted["lines"]
    assert lines
    for line in lines:
        assert find_rows(session.table, parse_filters(line["filters"])).any()
    assert [one["said"] for one in json.loads(explore_table(ErrorsSession())["findings"])] == [texts.CHOOSE_FIRST] * 2


# notes


def note(session, **given):
    return json.loads(NoteHandlers().note(session, SimpleNamespace(ask=1, **given))["noted"])


def test_notes_are_kept_with_the_experiment_and_stand_in_its_table_after_a_restart(tmp_path):
    service, session = make_service(tmp_path), ErrorsSession()
    sent = json.loads(ErrorsHandlers(service).choose(session, "run/first", "")["view"])
    assert sent["noted"] == {"mode": "file", "key": "run/first", "entries": [], "codebook": {}}
    assert read_column(sent, "notes") == [""] * 48
    said = {"action": "add", "utterance": "clips/1-2.wav", "coder": "AB"}
    assert note(session, **said, kind="note", value=f"a sigh {EVIL}", start=0.1, end=0.4)["problem"] == ""
    answer = note(session, **said, kind="tag", value="Sigh")
    assert [entry["value"] for entry in answer["entries"]] == [f"a sigh {EVIL}", "sigh"]
    assert answer["codebook"] == {"sigh": ""}
    note(session, **said, kind="disputed")

    again = ErrorsSession()  # another app, another visitor
    sent = ErrorsHandlers(service).choose(again, "run/first", "run/second")["view"]
    assert "<" not in sent
    payload = json.loads(sent)
    row = read_column(payload, "utterance").index("clips/1-2.wav")
    cells = [read_column(payload, name)[row] for name in ("notes", "note_tags", "note_disputed", "note_coders")]
    assert cells == [f"AB (0.1 s to 0.4 s): a sigh {EVIL}", "sigh", "AB", "AB"]
    assert len(payload["noted"]["entries"]) == 3
    assert (service.runs / "first" / "notes.sqlite").is_file()
    assert next(column for column in payload["columns"] if column["name"] == "note_tags")["decides"] is True


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"action": "add", "utterance": "nobody", "coder": "AB", "kind": "note", "value": "x"}, "Choose an experiment"),
        ({"action": "add", "utterance": "clips/1-2.wav", "coder": "", "kind": "note", "value": "x"}, "coder's name is empty"),
        ({"action": "add", "utterance": "clips/1-2.wav", "coder": "AB", "kind": "note", "value": ["x"]}, "A note is empty"),
        ({"action": "add", "utterance": "clips/1-2.wav", "coder": {"a": 1}, "kind": "coded"}, "coder's name is empty"),
        ({"action": "take back", "id": "0" * 32, "coder": "AB"}, "changed or taken back meanwhile"),
        ({"action": "define", "kind": "", "value": "x", "coder": "AB"}, "A tag is empty"),
        ({"action": "import", "value": "{"}, "The file"),
        ({"action": "import", "value": "[]"}, "holds no notes of mmer"),
        ({"action": "drop table"}, "Choose an experiment"),
        ({"action": None}, "Choose an experiment"),
    ],
)
def test_what_can_t_be_noted_is_said_and_nothing_is_written(handlers, session, given, said):
    handlers.choose(session, "run/first", "")
    before = NotesFile(session.notes).read().entries
    assert said in note(session, **given)["problem"]
    assert NotesFile(session.notes).read().entries == before


def test_notes_of_two_coders_come_back_as_a_file_and_agree(tmp_path):
    session, other = ErrorsSession(), ErrorsSession()
    handlers = ErrorsHandlers(make_service(tmp_path))
    handlers.choose(session, "run/first", "")
    handlers.choose(other, "run/second", "")
    for coder in ("AB", "CD"):
        note(session, action="add", utterance="clips/1-2.wav", coder=coder, kind="tag", value="sigh")
        note(session, action="add", utterance="clips/1-3.wav", coder=coder, kind="coded")
    assert note(session, action="agree")["agreements"] == [
        "sigh: AB and CD, 2 utterances that both coded: both 1, only AB 0, only CD 0; kappa 1.00."
    ]
    exported = write_notes(NotesFile(session.notes).read(), ".json")
    answer = note(other, action="import", value=exported)
    assert (answer["added"], answer["of"], len(answer["entries"])) == (4, 4, 4)
    assert note(other, action="import", value=exported)["added"] == 0


def test_strangers_notes_are_never_written_here(service, session, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(RECORDED / "ravdess-linear-f", runs / "own")
    public = ErrorsHandlers(service.__class__(**{**vars(service), "runs": runs, "closed": PUBLIC}), is_public=True)
    payload = json.loads(public.choose(session, "recorded/ravdess-linear-f", "")["view"])
    assert payload["noted"]["mode"] == "browser"
    assert session.notes is None
    utterance = read_column(payload, "utterance")[0]
    assert "kept in the browser" in note(session, action="add", utterance=utterance, coder="AB", kind="note", value="x")["problem"]
    public.upload(session, write_batch(tmp_path / "table.csv"))
    assert session.notes is None
    assert not list(runs.rglob("*.sqlite"))
    private = ErrorsHandlers(service.__class__(**{**vars(service), "runs": runs}))
    private.upload(session, write_batch(tmp_path / "table.csv"))
    assert session.notes.parent == runs / ".notes"
