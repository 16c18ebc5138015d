"""The Batch tab over loopback: a table that grows, files to take away, what is refused, and nothing opened that was not sent."""

import csv
import io
import json
import shutil
from pathlib import Path

import gradio as gr
import jsonschema
import pytest
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file

from mmer.choices.emotions import EMOTIONS
from mmer.errors import DataError, MmerError
from mmer.exports.schema import read_schema
from mmer.ui import build_app, launch_options
from mmer.ui.batch import LIMITS, NOT_SENT, BatchForm, BatchHandlers, BatchLimits, BatchSession, write_progress, write_rows

CARDS = Path("/usr/share/pocketsphinx/test/data/cards")


@pytest.fixture
def sent(tmp_path):
    """Two recordings, one broken one and a list with words for the first two and a third that was not sent."""
    shutil.copy(CARDS / "001.wav", tmp_path / "one.wav")
    shutil.copy(CARDS / "002.wav", tmp_path / "two <b>.wav")
    (tmp_path / "three.wav").write_text("no sound")
    listed = tmp_path / "list.csv"
    listed.write_text("path,text,note\nsub/two <b>.wav,four of hearts,n2\none.wav,ace of clubs,\n../../../etc/hosts,x,\n")
    return [str(tmp_path / name) for name in ("one.wav", "two <b>.wav", "three.wav")], str(listed)


@pytest.fixture
def handlers(analyzer):
    return BatchHandlers(analyzer, LIMITS[False])


def test_two_batches_give_the_table_and_its_files(address, sent, tmp_path):
    visitor = Client(address, verbose=False, download_files=str(tmp_path))
    files, listed = [handle_file(path) for path in sent[0]], handle_file(sent[1])
    for _ in range(2):
        text, table, table_file, json_file = visitor.predict(files, listed, "none", "late-fs", api_name="/batch")
        assert "4 recordings in" in text
        assert table.count("<tr") == 5 and "<b>." not in table and "three.wav" in table
        with open(table_file["value"], encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["path"] for row in rows] == ["sub/two <b>.wav", "one.wav", "../../../etc/hosts", "three.wav"]
        assert [bool(row["error"]) for row in rows] == [False, False, True, True]
        assert rows[0]["note"] == "n2" and rows[0]["words"] == "four of hearts" and rows[1]["late"] in EMOTIONS
        data = json.loads(Path(json_file["value"]).read_text(encoding="utf-8"))
        jsonschema.validate(data, read_schema("batch"), cls=jsonschema.Draft202012Validator)
        assert data["rows"] == rows
        assert [a["transcript"]["text"] for a in data["analyses"]] == ["four of hearts", "ace of clubs"]


def test_a_list_opens_nothing_that_was_not_sent(handlers, sent, tmp_path):
    items = handlers.plan(sent[0], sent[1])
    assert [str(item.path) for item in items] == [*sent[0][1:2], sent[0][0], str(NOT_SENT / "hosts"), sent[0][2]]
    allowed = {*sent[0]}
    assert all(str(item.path) in allowed or not item.path.exists() for item in items)
    (tmp_path / "evil.csv").write_text(f"path\n{CARDS / '001.wav'}\n/etc/passwd\n..\n")
    for item in handlers.plan(sent[0][:1], str(tmp_path / "evil.csv"))[:3]:
        assert not item.path.exists() and NOT_SENT in item.path.parents


def test_too_many_too_long_and_none_are_refused(analyzer, sent):
    with pytest.raises(MmerError, match="There are no recordings yet"):
        BatchHandlers(analyzer, LIMITS[True]).plan(None, None)
    with pytest.raises(DataError, match="You sent 3 recordings; at most 2 are analysed at once here"):
        BatchHandlers(analyzer, BatchLimits(2, 60)).plan(sent[0], None)
    short = BatchHandlers(analyzer, BatchLimits(9, 0.5))
    *_, last = short.run(BatchSession(), BatchForm(sent[0][:1], None, "none", "late-fs"))
    assert "s are left of what is analysed at once here" in last["table"]
    assert LIMITS[True].files <= 12 and LIMITS[True].seconds <= 180
    with pytest.raises(gr.Error, match="no head 'x'"):
        list(short.run(BatchSession(), BatchForm(sent[0][:1], None, "none", "x")))


def test_a_cancelled_batch_hands_over_what_it_has(handlers, sent, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("mmer.ui.batch.DRAW_SECONDS", 0.0)
    session = BatchSession()
    run = handlers.run(session, BatchForm(*sent, "none", "late-fs"))
    assert "0 of 4" in next(run)["progress"]
    assert "1 of 4" in next(run)["progress"] and "progress" in next(run)["progress"]
    assert "Stopping" in handlers.cancel(session)["progress"]
    *_, last = run
    assert "Cancelled after" in last["progress"] and "of 4 recordings" in last["progress"]
    assert handlers.cancel(session) == {}
    assert "Cancelled after" in handlers.settle(session)["progress"]  # whichever of the two answers comes last, this stays
    file = last["table_file"].value
    rows = list(csv.DictReader(io.StringIO(Path(file["path"] if isinstance(file, dict) else file).read_text())))
    assert 2 <= len(rows) < 4 and rows[0]["words"] == "four of hearts"


def test_cancel_speaks_only_of_a_batch_that_is_on(handlers, sent):
    session = BatchSession()
    assert handlers.cancel(session) == {}
    assert not handlers.wait(session)["analyse"].interactive
    assert "Stopping" in handlers.cancel(session)["progress"]  # while it waits for its turn
    first, last = handlers.run(session, BatchForm(sent[0], None, "none", "late-fs"))
    assert "0 of 3" in first["progress"] and last["progress"] == '<p class="mb-progress">Cancelled after 0 of 3 recordings.</p>'
    assert handlers.cancel(session) == {}


def test_what_an_older_batch_found_is_gone_when_the_next_begins_or_can_t(handlers, sent, tmp_path):
    (tmp_path / "bad.csv").write_text("file,text\none.wav,x\n")
    session = BatchSession()
    handlers.wait(session)
    with pytest.raises(gr.Error, match="path"):
        list(handlers.run(session, BatchForm(sent[0], str(tmp_path / "bad.csv"), "none", "late-fs")))
    update = handlers.fail(session)
    assert (update["progress"], update["table"]) == ("", "") and update["analyse"].interactive
    assert not any(update[name].visible for name in ("table_file", "json_file"))
    assert handlers.cancel(session) == {}
    begun = next(handlers.run(session, BatchForm(sent[0], None, "none", "late-fs")))
    assert begun["table"] == "" and not any(begun[name].visible for name in ("table_file", "json_file"))


def test_what_a_file_says_is_escaped():
    row = {"path": "<i>", "verdict": "anger", "state": "not sure", "late": "anger", "words": "<script>", "warnings": "<u>"}
    row |= {f"late_p_{emotion}": "0.25" for emotion in EMOTIONS}
    shown = write_rows([row, {"path": "b", "error": "<b>"}])
    assert not any(tag in shown for tag in ("<i>", "<script>", "<u>", '<td colspan="8"><b>')) and "25 %" in shown


def test_progress_is_for_people():
    assert "3 of 9, about 20 s left" in write_progress(3, 9, 20)
    assert "left" not in write_progress(0, 9, 0)


def test_nothing_is_kept(analyzer, sent, tmp_path, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("gradio-batch")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    app = build_app(analyzer, examples=tmp_path / "none")
    _, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        visitor = Client(url, verbose=False, download_files=str(tmp_path))
        visitor.predict([handle_file(path) for path in sent[0]], handle_file(sent[1]), "none", "late-fs", api_name="/batch")
        kept = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.name for path in kept} >= {"mmer-batch.csv", "mmer-batch.json", "one.wav", "list.csv"}
        delete_files_created_by_app(app, age=None)
        assert [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size] == []
    finally:
        app.close()
