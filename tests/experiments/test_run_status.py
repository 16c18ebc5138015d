"""Real processes: one trains, others look; it is killed, stopped, fails, or is refused."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from mmer.errors import Cancelled, DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_list import delete_run, list_runs
from mmer.experiments.folder.run_status import STALE, is_held, launch_run, lock_run, read_status, stop_run
from mmer.experiments.folder.runs import create_run

TRAINER = """
import sys, time
from mmer.experiments.folder.run_status import lock_run
from mmer.experiments.folder.runs import RunFolder
with lock_run(RunFolder(sys.argv[1]), runs=2, stage="training") as lock:
    lock.say("epoch 1")
    lock.update(done=0.5, runs_finished=1, epoch=3)
    while True:
        {loop}
        time.sleep(0.01)
"""
OBEDIENT = TRAINER.format(loop="lock.check()")
DEAF = TRAINER.format(loop="pass")
FAILING = TRAINER.format(loop="lock.folder.read('results')")
BROKEN = TRAINER.format(loop="1 / 0")


@pytest.fixture
def folder(tmp_path):
    return create_run(tmp_path, "first", Experiment(data="data", features="cache"))


@pytest.fixture
def start(folder):
    """Starts a trainer with a script; whatever lives at the end is killed."""
    processes = []

    def work(script):
        process = subprocess.Popen([sys.executable, "-c", script, folder.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield work
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def is_running(folder):
    status = read_status(folder)
    return status.state == "running" and status.epoch == 3


def test_a_process_that_was_killed_is_lost_with_its_last_words(folder, start):
    assert read_status(folder).state == "waiting"
    process = start(OBEDIENT)
    wait_until(lambda: is_running(folder))
    status = read_status(folder)
    assert (status.pid, status.host, status.stage, status.done, status.runs_finished, status.runs) == (
        process.pid,
        socket.gethostname(),
        "training",
        0.5,
        1,
        2,
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    status = read_status(folder)
    assert status.state == "lost" and status.last_words == ("epoch 1",) and str(process.pid) in status.message
    assert list_runs(folder.path.parent)[0].status.state == "lost"
    assert folder.read("status")["state"] == "running"  # nobody writes that it was lost
    with pytest.raises(DataError, match="is not being trained: it is lost"):
        stop_run(folder)


def test_a_lost_experiment_can_be_taken_up(folder, start):
    process = start(OBEDIENT)
    wait_until(lambda: is_running(folder))
    process.kill()
    process.wait()
    with lock_run(folder, runs=2) as lock:
        assert read_status(folder).pid == os.getpid()
        lock.update(runs_finished=2, done=1.0)
    assert read_status(folder).state == "finished" and not is_held(folder)


def test_the_heartbeat_goes_on_and_silence_is_noticed(folder, start):
    process = start(OBEDIENT)
    wait_until(lambda: is_running(folder))
    first = read_status(folder).heartbeat
    wait_until(lambda: read_status(folder).heartbeat > first, seconds=10)
    assert read_status(folder, now=time.time() + STALE + 1).state == "lost"
    process.send_signal(signal.SIGSTOP)  # it hangs, and still holds the lock
    heartbeat = read_status(folder).heartbeat
    assert read_status(folder, now=heartbeat + STALE - 1).state == "running"
    assert "has given no sign of life for 31 s" in read_status(folder, now=heartbeat + STALE + 1).message


WRITER = """
import sys
import pandas as pd
from mmer.experiments.folder.run_status import lock_run
from mmer.experiments.folder.runs import RunFolder
folder = RunFolder(sys.argv[1])
with lock_run(folder) as lock:
    epoch = max([row["epoch"] for row in folder.read_metrics()], default=0)
    while True:
        epoch += 1
        folder.append_metrics([{"fold": 0, "repetition": 0, "epoch": epoch, "loss": "x" * 5000}])
        folder.write("results", {"epoch": epoch, "filling": "x" * 50000})
        folder.write_part(epoch % 3, 0, pd.DataFrame({"fold": [epoch % 3] * 500, "repetition": 0, "epoch": epoch}))
        lock.beat()
        if epoch % 10 == 0:
            folder.merge_parts()
"""


def test_kill_9_at_any_moment_leaves_a_folder_that_can_be_read(folder, start):
    last = 0
    for delay in (0.0, 0.013, 0.11, 0.27):
        process = start(WRITER)
        wait_until(lambda seen=last: len(folder.read_metrics()) > seen + 10 and len(folder.read_predictions()))  # while they are written
        time.sleep(delay)
        process.kill()
        process.wait()
        epochs = [row["epoch"] for row in folder.read_metrics()]
        assert epochs == list(range(1, len(epochs) + 1)) and read_status(folder).state == "lost"
        assert folder.read("results")["epoch"] in (epochs[-1], epochs[-1] - 1)
        whole = folder.read_predictions()
        assert sorted(whole.groupby("fold").size()) == [500] * 3 and (whole.groupby("fold")["epoch"].nunique() == 1).all()
        last = len(epochs)


def test_a_second_process_is_refused(folder, start):
    first = start(OBEDIENT)
    wait_until(lambda: is_running(folder))
    second = start(OBEDIENT)
    _, errors = second.communicate(timeout=60)
    assert f"first is already being trained by process {first.pid} on {socket.gethostname()}" in errors
    for work in (lambda: lock_run(folder).__enter__(), lambda: launch_run(folder)):
        with pytest.raises(DataError, match="is already being trained"):
            work()
    with pytest.raises(DataError, match="is being trained by process"):
        delete_run(folder.path.parent, "first")
    assert is_running(folder) and read_status(folder).pid == first.pid


def test_sigterm_stops_it(folder, start):
    process = start(OBEDIENT)
    wait_until(lambda: is_running(folder))
    process.terminate()
    process.wait(timeout=30)
    status = read_status(folder)
    assert (status.state, status.epoch, status.seconds_left) == ("stopped", 3, None)


def test_one_that_does_not_listen_is_killed_after_the_grace(folder):
    pid = launch_run(folder, command=[sys.executable, "-c", DEAF, str(folder.path)])
    wait_until(lambda: is_running(folder))
    status = stop_run(folder, grace=0.5)
    assert status.state == "stopped" and status.pid == pid and not is_held(folder)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_launched_process_is_its_own_and_writes_to_the_log(folder):
    pid = launch_run(folder, command=[sys.executable, "-c", OBEDIENT, str(folder.path)])
    assert read_status(folder).state in ("starting", "running") and os.getsid(pid) == pid
    with pytest.raises(DataError, match="is already being trained"):
        launch_run(folder)
    wait_until(lambda: is_running(folder))
    assert stop_run(folder).state == "stopped"
    assert folder.tail_log()[0] == "epoch 1" and folder.tail_log().count("epoch 1") == 1
    delete_run(folder.path.parent, "first")


def test_one_that_ends_before_it_trains_is_lost_with_its_words(folder):
    launch_run(folder, command=[sys.executable, "-c", "raise SystemExit('no such data')"])
    wait_until(lambda: read_status(folder).state == "lost")
    status = read_status(folder)
    assert "before it began" in status.message and status.last_words == ("no such data",)


def test_one_that_is_stopped_before_it_trains_is_stopped(folder):
    launch_run(folder, command=[sys.executable, "-c", "import time; time.sleep(60)"])
    assert stop_run(folder).state == "stopped"


@pytest.mark.parametrize(("script", "message"), [(FAILING, "has no results.json"), (BROKEN, "ZeroDivisionError: division by zero")])
def test_errors_are_told(folder, start, script, message):
    process = start(script)
    _, errors = process.communicate(timeout=60)
    status = read_status(folder)
    assert process.returncode == 1 and message in errors
    assert status.state == "failed" and message in status.message and message in " ".join(status.last_words)


def test_a_process_of_another_machine_is_left_alone(folder):
    with lock_run(folder):
        pass
    given = folder.read("status") | {"state": "running", "host": "elsewhere", "heartbeat": time.time()}
    folder.write("status", given)
    assert read_status(folder).state == "running"  # its lock can't be seen from here
    with pytest.raises(DataError, match="on elsewhere; stop it there"):
        stop_run(folder)


def test_a_later_process_with_the_same_number_is_left_alone(folder, start):
    bystander = start("import time; time.sleep(60)")
    with lock_run(folder):
        folder.write("status", folder.read("status") | {"pid": bystander.pid, "heartbeat": time.time()})
        with pytest.raises(DataError, match="is not the one that trains"):
            stop_run(folder)
    assert bystander.poll() is None


def test_signals_are_given_back(folder):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(Cancelled, match="runs resume first"), lock_run(folder) as lock:
        os.kill(os.getpid(), signal.SIGINT)
        lock.check()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert read_status(folder).state == "stopped"


def test_a_second_interrupt_does_not_wait(folder):
    with pytest.raises(KeyboardInterrupt), lock_run(folder):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    assert read_status(folder).state == "stopped"


def test_one_that_returns_after_a_signal_is_stopped_unless_all_is_done(folder):
    for finished, state in ((1, "stopped"), (2, "finished")):
        with lock_run(folder, runs=2) as lock:
            lock.stopping.set()
            lock.update(runs_finished=finished)
        assert read_status(folder).state == state


@pytest.mark.parametrize("text", ["{", "[]", '{"heartbeat": "now"}', '{"pid": "x"}'])
def test_a_damaged_status_is_named(folder, text):
    (folder.path / "status.json").write_text(text)
    with pytest.raises(DataError, match=r"status\.json is damaged"):
        read_status(folder)
    assert "damaged" in list_runs(folder.path.parent)[0].problem
