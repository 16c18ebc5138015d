"""A full house: only work on models waits, whoever waits knows the place, and what is found is never lost for want of one."""

import re
import threading
import time

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from mmer.errors import AlignmentError
from mmer.model_queue import ModelQueue, QueueLimits
from mmer.ui.explore.session import StopFlag, watch_stages
from mmer.ui.page.events import BOUNDS, WAITING_KINDS


@pytest.fixture(scope="module")
def public(serve_app, analyzer, examples_folder):
    """The address of the app as strangers see it."""
    return serve_app(analyzer, examples=examples_folder, is_public=True)


@pytest.fixture
def crowd(analyzer):
    """Everybody whom there is room for is in line for the models, and nobody gets on."""
    queue, bounds = analyzer.queue, BOUNDS[True]
    with queue.take("first of all", bounds=bounds):
        tickets = [queue.ask(f"visitor {i}", bounds) for i in range(bounds.places - 1)]
        yield tickets
        for ticket in tickets:
            queue.leave(ticket)


def test_only_events_that_wait_for_models_batches_or_imports_are_queued(serve_app, public):
    app = serve_app.apps[-1]
    waiting = [event for event in app.fns.values() if event.queue is not False and event.fn is not None]
    names = {event.api_name for event in waiting}
    assert all(event.concurrency_id in WAITING_KINDS for event in waiting), names
    assert {"run", "fill_in_words", "batch", "analyze", "import_analysis"} <= names
    assert not {name for name in names if re.match(r"show|open|export_|refresh|cancel|settle|problem", str(name))}
    assert app._queue.max_size is None and app._queue.ANALYTICS_MAX_EVENTS <= 200


def test_examples_results_and_exports_come_at_once_while_analyse_is_refused(public, crowd, speech_file):
    visitor = Client(public, verbose=False)
    assert "He might even" in str(visitor.predict(api_name="/open_one"))
    assert "the verdict is" in str(visitor.predict(api_name="/show_one"))
    assert "1. A real voice" in str(visitor.predict(api_name="/refresh_list"))
    assert visitor.predict(False, api_name="/export_json")
    with pytest.raises(AppError, match="24 requests are in line for the models"):
        visitor.submit(handle_file(str(speech_file)), "", "sphinx", "combined", "", None, api_name="/run").result()
    text = str(visitor.predict(api_name="/problem_run"))
    assert "Ask again in a minute. The earlier result is still shown." in text and "mm-running" not in text
    assert visitor.predict(False, api_name="/export_json")


def test_one_session_takes_two_places_and_others_come_in(public, analyzer, speech_file):
    programs = [Client(public, verbose=False) for _ in range(2)]
    with analyzer.queue.take("first of all"):
        asked = [programs[0].submit(handle_file(str(speech_file)), api_name="/transcribe") for _ in range(4)]
        end = time.monotonic() + 60
        while sum(job.done() for job in asked) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        other = programs[1].submit(handle_file(str(speech_file)), api_name="/transcribe")
    assert "young man" in other.result(timeout=120)["text"]
    refused = [str(job.exception(timeout=120)) for job in asked if job.exception(timeout=120)]
    assert len(refused) == 2 and all("2 of your requests are in line already" in sentence for sentence in refused)
    assert sum("young man" in str(job.result()) for job in asked if not job.exception()) == 2


def test_whoever_waits_reads_the_place():
    queue = ModelQueue()
    with queue.take("first"):
        second = queue.ask("second")
        steps = watch_stages(lambda progress: "done", StopFlag(), line=queue, tick=0.02)
        assert next(steps)[0][0].name == "Waiting for a free model: 2 are before you"
        queue.leave(second)
        assert any(stages[0].name == "Waiting for a free model: 1 is before you" for stages, _ in (next(steps) for _ in range(20)))
    assert [result for _, result in steps][-1] == "done"


def test_an_aligner_that_hangs_holds_up_nobody_else(analyzer, librivox_clip):
    hangs = threading.Event()

    class Hanging:
        name = "hanging"

        def align(self, clip, transcript, *, pronunciations):
            hangs.wait(60)
            raise AlignmentError("There was no answer.")

    shared = type(analyzer)(
        preset=analyzer.preset,
        recogniser=analyzer.recogniser,
        speech=analyzer.speech,
        text=analyzer.text,
        aligners={**analyzer._aligners, "hanging": Hanging()},
        heads=analyzer._heads,
    )

    def ask(aligner, stop):
        options = {"text": "He was not an ill-disposed young man,", "aligner": aligner, "cancelled": stop.is_set}
        return watch_stages(
            lambda progress: shared.analyze(librivox_clip, progress=progress, **options), stop, line=shared.queue, tick=0.05
        )

    stop = StopFlag()
    slow = ask("hanging", stop)
    while not any("Aligning" in stage.name for stage in next(slow)[0]):
        pass
    *_, (_, found) = ask("sphinx", StopFlag())
    assert found.best.label
    slow.close()
    hangs.set()


def test_bounds_are_those_of_a_class_that_shares_an_address():
    assert BOUNDS[False] == QueueLimits() and BOUNDS[True].places >= 20 and BOUNDS[True].each == 2
