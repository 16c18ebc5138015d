"""The running app, called over loopback: every handler twice, because a state that can't be kept fails only the second time."""

import concurrent.futures
import json
import time

import numpy as np
import pytest
import soundfile
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from mmer.exports.analysis_json import analysis_from_json


@pytest.fixture
def visitor(address):
    """A client with a session of its own."""
    return Client(address, verbose=False)


def ask(visitor, path, text="", *, head="combined", aligner="sphinx", said="", textgrid=None, endpoint="/run"):
    return visitor.submit(path and handle_file(str(path)), text, aligner, head, said, textgrid, api_name=endpoint)


def test_api_gives_the_whole_analysis_twice(visitor, speech_file, analyzer, librivox_clip):
    wanted = analyzer.analyze(librivox_clip, text="He was not an ill-disposed young man,")
    for _ in range(2):
        data = visitor.predict(
            handle_file(str(speech_file)), "He was not an ill-disposed young man,", "sphinx", "combined", api_name="/analyze"
        )
        analysis = analysis_from_json(data)
        assert list(analysis.predictions) == ["late", "early", "combined"]
        np.testing.assert_allclose(analysis.best.probabilities, wanted.best.probabilities, atol=1e-5)


def test_api_transcribes_twice(visitor, speech_file):
    for _ in range(2):
        assert "young man" in visitor.predict(handle_file(str(speech_file)), api_name="/transcribe")["text"]


def test_a_visitor_analyses_edits_and_looks_around_twice(visitor, speech_file):
    for text in ("", "He was not an angry young man."):
        job = ask(visitor, speech_file, text)
        job.result()
        assert "Running the fusion models" in str(job.outputs()[-1])
        shown = visitor.predict(api_name="/show_run")
        assert "mm-verdict" in str(shown)
        payload = next(json.loads(str(part)) for part in shown if str(part).startswith('{"format":"mmer-views"'))
        assert payload["text"] == (text or payload["text"]) and set(payload["predictions"]) == {"late", "early", "combined"}
    assert "transcribe" not in shown_timings(shown)


def shown_timings(shown):
    return next(str(part) for part in shown if "mm-timings" in str(part))


def test_another_head_reruns_the_fusion_alone(visitor, speech_file):
    ask(visitor, speech_file).result()
    visitor.predict("late-fs", api_name="/rerun_head")
    timings = shown_timings(visitor.predict(api_name="/show_rerun_head"))
    assert "encode speech <b>kept</b>" in timings
    assert "fuse <b>kept</b>" not in timings


@pytest.mark.parametrize(
    ("kind", "start"), [("json", "{"), ("textgrid", "File type"), ("csv", "clip,clip_sha256,"), ("html", "<!doctype html>")]
)
def test_exports_are_files_with_the_clips_name(visitor, speech_file, kind, start):
    ask(visitor, speech_file, "He was not an ill-disposed young man,").result()
    for _ in range(2):
        path = visitor.predict(False, api_name=f"/export_{kind}")
        path = path if isinstance(path, str) else path["value"]
        assert "young_man" in path
        with open(path, encoding="utf-8") as file:
            assert file.read(40).lower().startswith(start.lower())


def test_an_example_opens_from_its_stored_result_twice(visitor):
    for _ in range(2):
        assert "He might even" in str(visitor.predict(api_name="/open_one"))
        shown = str(visitor.predict(api_name="/show_one"))
        assert "Opened from a stored result" in shown
        assert "the verdict is" in shown


def test_words_for_the_box_come_from_the_recogniser_twice(visitor, speech_file):
    for _ in range(2):
        assert "young man" in visitor.predict(handle_file(str(speech_file)), api_name="/fill_in_words")[0]


def test_what_cant_be_used_gives_one_sentence_and_keeps_the_result(visitor, speech_file, tmp_path):
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(16000), 16000)
    ask(visitor, speech_file).result()
    before = visitor.predict(api_name="/show_run")
    for path in (silence, None):
        with pytest.raises(AppError):
            ask(visitor, path).result()
        assert "The earlier result is still shown." in str(visitor.predict(api_name="/problem_run"))
    after = visitor.predict(api_name="/show_run")
    assert [part for part in after if "mm-verdict" in str(part)] == [part for part in before if "mm-verdict" in str(part)]


def test_the_api_refuses_with_the_same_sentence(visitor, tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("not audio")
    for _ in range(2):
        with pytest.raises(AppError, match=r"notes\.wav"):
            visitor.predict(handle_file(str(path)), "", "sphinx", "combined", api_name="/analyze")
    with pytest.raises(AppError, match="no head 'none'"):
        visitor.predict(handle_file("/usr/share/pocketsphinx/test/data/cards/001.wav"), "", "sphinx", "none", api_name="/analyze")


def test_two_visitors_at_once_get_what_each_gets_alone(address, analyzer, librivox_clip):
    texts = ["He was not an ill-disposed young man,", "I hate this young man."]
    file = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav"

    def visit(text):
        data = Client(address, verbose=False).predict(handle_file(file), text, "sphinx", "combined", api_name="/analyze")
        return analysis_from_json(data).best.probabilities

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        together = list(pool.map(visit, texts))
    for text, probabilities in zip(texts, together):
        np.testing.assert_allclose(probabilities, analyzer.analyze(librivox_clip, text=text).best.probabilities, atol=1e-5)


def test_cancel_says_nothing_when_nothing_runs(visitor, speech_file, tmp_path):
    for _ in range(2):
        assert "Cancelled." not in str(visitor.predict(api_name="/cancel"))
    samples, rate = soundfile.read(speech_file)
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 8), rate)
    running = ask(visitor, tmp_path / "long.wav")  # whose words take seconds to recognise
    while not running.outputs():  # its first output says that it has begun
        assert not running.done()
        time.sleep(0.01)
    assert "Cancelled." in str(visitor.predict(api_name="/cancel"))
    assert "Cancelled." not in str(visitor.predict(api_name="/cancel"))


def test_a_visitor_does_not_see_the_one_before(address, visitor, speech_file):
    ask(visitor, speech_file).result()
    stranger = Client(address, verbose=False)
    with pytest.raises(AppError, match="no result to export"):
        stranger.predict(False, api_name="/export_json")
