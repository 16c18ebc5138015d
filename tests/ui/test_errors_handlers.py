"""The Errors tab's handlers: what is sent to the page, what is played and measured, and what strangers get."""

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import soundfile
from errors_cases import EVIL, make_service

from mmer.error_table.page import MOST_BARS
from mmer.error_table.summary import score_rows
from mmer.experiments.training_service import PUBLIC
from mmer.ui.errors.handlers import ErrorsHandlers, read_address
from mmer.ui.errors.session import ErrorsSession

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
