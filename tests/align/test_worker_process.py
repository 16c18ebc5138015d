"""The client against stand-in programs: small Python scripts that speak, stay silent, make noise or die."""

import sys
import textwrap
import threading
import time

import pytest
from align_cases import SAMPLES

from mmer.align.mfa.messages import last_sentence
from mmer.align.mfa.worker_process import WorkerProcess, limit_seconds, run_command
from mmer.errors import AlignmentError, Cancelled
from mmer.stopping import stop_when


@pytest.fixture
def start(tmp_path):
    workers = []

    def start_worker(body, **options):
        script = tmp_path / "program.py"
        script.write_text("import json, os, sys, time, pathlib\nhere = pathlib.Path(__file__).parent\n" + textwrap.dedent(body))
        worker = WorkerProcess([sys.executable, "-u", str(script)], **options)
        workers.append(worker)
        return worker

    yield start_worker
    for worker in workers:
        worker.close()


ECHO = """
    print(json.dumps({"ready": True, "version": "3.4.3"}))
    for line in sys.stdin:
        request = json.loads(line)
"""


def test_answers_come_back_through_noise(start):
    body = (
        ECHO
        + """
        print("loading model ...")
        print("[1, 2]")
        print(json.dumps({"id": request["id"] - 1, "value": "late"}))
        sys.stderr.write("warning\\n" * 5000)
        print(json.dumps({"id": request["id"], "value": request["value"] * 2}))
    """
    )
    worker = start(body)
    worker.start()
    assert worker.hello["version"] == "3.4.3"
    assert [worker.ask({"value": n}, seconds=20)["value"] for n in (1, 2, 3)] == [2, 4, 6]


def test_an_error_is_passed_on_and_the_process_lives(start):
    body = (
        ECHO
        + """
        bad = request["value"] == 1
        print(json.dumps({"id": request["id"], **({"error": "No path."} if bad else {"pid": os.getpid()})}))
    """
    )
    worker = start(body)
    first = worker.ask({"value": 0}, seconds=20)["pid"]
    with pytest.raises(AlignmentError, match="The aligner says: No path"):
        worker.ask({"value": 1}, seconds=20)
    assert worker.ask({"value": 0}, seconds=20)["pid"] == first


def test_a_dead_process_is_started_again_once(start):
    body = (
        ECHO
        + """
        died = here / "died"
        if not died.exists():
            died.touch()
            os.abort()
        print(json.dumps({"id": request["id"], "value": 7}))
    """
    )
    assert start(body).ask({}, seconds=20) == {"id": 2, "value": 7}


def test_a_process_that_dies_twice_is_given_up_with_its_last_words(start):
    body = (
        ECHO
        + """
        raise SystemExit("out of luck")
    """
    )
    with pytest.raises(AlignmentError, match="ended twice without an answer: out of luck"):
        start(body).ask({}, seconds=20)


def test_no_answer_in_time(start):
    worker = start(ECHO + "        time.sleep(60)\n")
    with pytest.raises(AlignmentError, match="no answer within 1 s"):
        worker.ask({}, seconds=1)
    assert worker._process is None  # ended, not left behind


def test_noise_does_not_make_the_wait_longer(start):
    worker = start(ECHO + "        for _ in range(100):\n            print('still loading', flush=True)\n            time.sleep(0.1)\n")
    with pytest.raises(AlignmentError, match="no answer within 1 s"):
        worker.ask({}, seconds=1)


def test_a_start_that_fails_says_why(start):
    with pytest.raises(AlignmentError, match="did not start: no kalpy"):
        start('print(json.dumps({"error": "no kalpy"}))').start()
    with pytest.raises(AlignmentError, match="did not start: No module named 'kalpy_is_not_here'"):
        start("import kalpy_is_not_here").start()
    with pytest.raises(AlignmentError, match="no answer within 1 s"):
        start("time.sleep(60)", start_seconds=1).start()
    with pytest.raises(AlignmentError, match="can't be started: No such file"):
        WorkerProcess(["/no/such/program"]).start()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("corrupt", "Error opening 'corrupt.wav': Format not recognised"),
        ("latin1", "There was an error decoding latin1.lab, maybe try re-saving it as utf8?"),
        ("mismatch", "Could not align the file with the current beam size (10, please try increasing the beam size via `--beam X`"),
        ("nanfloat", "Audio buffer is not finite everywhere"),
    ],
)
def test_tracebacks_become_their_last_sentence(name, sentence):
    assert last_sentence((SAMPLES / f"align_one.{name}.stderr.txt").read_text()) == sentence


def test_click_messages_lose_their_box():
    assert last_sentence("Usage: mfa align_one\n\x1b[31m╭─ Error ─╮\n│ Invalid value for 'X': no such file. │\n╰────────╯\n") == (
        "Invalid value for 'X': no such file"
    )
    assert last_sentence("") == ""


def test_the_limit_is_ten_seconds_and_a_share_of_the_clip():
    assert limit_seconds() == 10.0
    assert limit_seconds(4.0) == 12.0


def test_a_process_that_reads_nothing_blocks_nobody(start):
    worker = start("print(json.dumps({'ready': True}), flush=True)\ntime.sleep(60)\n")
    with pytest.raises(AlignmentError, match="no answer within 1 s"):
        worker.ask({"words": ["more than a pipe holds"] * 100_000}, seconds=1)


def cancel_soon(work):
    """Seconds that `work` goes on after it was cancelled, half a second after its start."""
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled), stop_when(cancelled.is_set):
        work()
    return time.monotonic() - begun - 0.5


def test_cancel_ends_the_wait_for_an_answer_and_the_process(start):
    worker = start(ECHO + "        time.sleep(60)\n")
    worker.start()
    assert cancel_soon(lambda: worker.ask({}, seconds=60)) < 5
    assert worker._process is None


def test_cancel_ends_the_wait_for_another_visitor_s_answer(start):
    worker = start(ECHO + "        time.sleep(4)\n        print(json.dumps({'id': request['id'], 'value': 7}))\n")
    worker.start()
    answers = []
    other = threading.Thread(target=lambda: answers.append(worker.ask({}, seconds=30)))
    other.start()
    while not worker._lock.locked():
        time.sleep(0.01)
    assert cancel_soon(lambda: worker.ask({}, seconds=30)) < 3
    other.join(30)
    assert answers[0]["value"] == 7  # the other one's answer came all the same


def test_a_command_runs_to_its_end_its_limit_or_cancel():
    python = [sys.executable, "-c"]
    done = run_command([*python, "import sys; print('out' * 50_000); print('err', file=sys.stderr); sys.exit(3)"], seconds=60)
    assert (done.returncode, len(done.stdout), done.stderr) == (3, 150_001, "err\n")
    with pytest.raises(AlignmentError, match="took longer than 1 s"):
        run_command([*python, "import time; time.sleep(60)"], seconds=1)
    assert cancel_soon(lambda: run_command([*python, "import time; time.sleep(60)"], seconds=60)) < 5
