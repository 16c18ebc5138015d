"""From a row of the Errors tab to Explore: by the run that tested it, by another one, from a batch, and what is said where it can't be."""

import csv
import json
from types import SimpleNamespace

import gradio as gr
import pytest
from heard_experiment import LIBRIVOX

from mmer.batch.items import BatchItem
from mmer.batch.rows import BatchRequest, analyze_item
from mmer.experiments.training_service import PUBLIC, TrainingService
from mmer.ui.claim.handlers import find_models
from mmer.ui.errors.handlers import ErrorsHandlers
from mmer.ui.errors.opening import OpenHandlers
from mmer.ui.errors.session import ErrorsSession
from mmer.ui.explore.session import Session

NAME = "sense_and_sensibility_01_austen_64kb-{}.wav"


@pytest.fixture(scope="module")
def service(heard):
    return TrainingService(runs=heard.path.parent, roots=(heard.path.parents[1] / "data",))


@pytest.fixture
def opening(analyzer, service):
    errors = ErrorsHandlers(service)
    return OpenHandlers(analyzer, service, errors.find_utterance)


@pytest.fixture
def session(service):
    session = ErrorsSession()
    assert ErrorsHandlers(service).choose(session, "run/heard", "")["view"]
    return session


def open_row(opening, session, explored, **asked):
    updates = list(opening.open(session, explored, SimpleNamespace(**asked)))
    assert json.loads(updates[-1]["opening"])["done"] is True
    return json.loads(updates[-1]["opened"])


def test_a_row_is_explained_by_a_run_that_tested_it_then_by_another(opening, session, analyzer):
    explored, name = Session(), NAME.format("0880")
    first = open_row(opening, session, explored, utterance=name)
    shown = next(one for one in first["verdicts"] if one["shown"])
    assert (first["label"], first["is_shown"], len(first["verdicts"])) == ("warm", True, 2)
    assert explored.analysis.best.head == first["head"] == f"heard fold{first['run'][0]}-rep{first['run'][1]}"
    assert explored.analysis.best.label == shown["answer"]
    assert shown["right"] == (shown["answer"] == "warm")
    assert find_models(explored, analyzer) is explored.models  # so that its words can be left out with the run's own model
    assert opening.check(session, explored) == {}

    other = next(one["repetition"] for one in first["verdicts"] if not one["shown"])
    second = open_row(opening, session, explored, utterance=name, repetition=other)
    assert second["run"][1] == other + 1
    assert explored.analysis.timings["encode speech"] == 0.0  # the same clip is not encoded again


def test_what_stands_above_explore_says_when_something_else_is_shown(opening, session, analyzer, analysis):
    explored = Session()
    assert opening.check(session, explored) == {}
    open_row(opening, session, explored, utterance=NAME.format("0930"))
    opened, explored.analysis = explored.analysis, analysis
    assert json.loads(opening.check(session, explored)["opened"])["is_shown"] is False
    assert find_models(explored, analyzer) is analyzer
    explored.analysis = opened
    assert json.loads(opening.check(session, explored)["opened"])["is_shown"] is True


STRANGE = (
    {"utterance": "nobody"},
    {"utterance": None},
    {"utterance": NAME.format("0880"), "repetition": "1"},
    {"utterance": "x", "side": 5},
    {},
)


@pytest.mark.parametrize("asked", STRANGE)
def test_what_no_page_of_ours_sends_opens_nothing(opening, session, asked):
    explored = Session()
    with pytest.raises(gr.Error, match="Choose an experiment"):
        list(opening.open(session, explored, SimpleNamespace(**asked)))
    assert explored.analysis is None


def test_without_its_recordings_a_sentence_names_the_flag(opening, session, service, analyzer):
    closed = TrainingService(runs=service.runs)
    errors, lost = ErrorsHandlers(closed), ErrorsSession()
    errors.choose(lost, "run/heard", "")
    with pytest.raises(gr.Error, match="--data-root FOLDER"):
        list(OpenHandlers(analyzer, closed, errors.find_utterance).open(lost, Session(), SimpleNamespace(utterance=NAME.format("0880"))))


def write_batch(analyzer, path, *, head="late-fs"):
    rows = []
    for number, text in (("0880", "He was not an ill-disposed young man,"), ("0930", "he might even have been made amiable himself")):
        item = BatchItem(f"voices/{NAME.format(number)}", LIBRIVOX / NAME.format(number), text=text)
        rows.append(analyze_item(analyzer, item, BatchRequest(head))[0])
    rows.append({**rows[0], "path": "voices/gone.wav"})
    rows.append({**rows[1], "path": f"voices/{NAME.format('0890')}"})  # another recording under this name
    assert not any(row.get("error") for row in rows), rows
    columns = list(rows[0])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_batch_s_row_opens_with_the_head_that_the_batch_used(opening, service, analyzer, tmp_path):
    errors, session, explored = ErrorsHandlers(service), ErrorsSession(), Session()
    update = errors.upload(session, str(write_batch(analyzer, tmp_path / "batch.csv")))
    assert update["said"] == ""
    payload = json.loads(update["view"])
    assert payload["plays"] is True
    name = f"voices/{NAME.format('0880')}"
    assert json.loads(errors.play(session, SimpleNamespace(utterance=name))["sound"])["utterance"] == name
    found = open_row(opening, session, explored, utterance=name)
    assert (found["run"], found["verdicts"], found["head"]) == (None, [], "late-fs")
    assert "to within" in found["notes"][0]
    assert find_models(explored, analyzer) is analyzer
    refused = {"gone.wav": "There is no 'voices/gone.wav'", NAME.format("0890"): "is another recording than the one that the batch read"}
    for other, said in refused.items():
        with pytest.raises(gr.Error, match=said):
            list(opening.open(session, Session(), SimpleNamespace(utterance=f"voices/{other}")))
    strangers = OpenHandlers(analyzer, TrainingService(roots=service.roots, closed=PUBLIC), errors.find_utterance, is_public=True)
    with pytest.raises(gr.Error, match="page for strangers"):
        list(strangers.open(session, Session(), SimpleNamespace(utterance=name)))
