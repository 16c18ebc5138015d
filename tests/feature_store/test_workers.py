"""Tasks by several processes: answers, deaths, errors and the end."""

import os
import signal
import time

import pytest

from mmer.errors import DataError
from mmer.feature_store.workers import WorkerCrash, run_tasks


class Square:
    """Counts what it was asked: `make` is called once in each process."""

    def __init__(self):
        self.asked = 0

    def __call__(self, task):
        self.asked += 1
        if task == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "refuse":
            raise DataError("The value 'refuse' can't be squared.")
        if task == "bug":
            raise ValueError("a bug")
        if task == "sleep":
            time.sleep(60)
        return task * task, os.getpid(), self.asked


def refuse_to_start():
    raise DataError("Nothing to start with.")


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_task_is_answered(workers):
    found = dict(run_tasks(Square, range(20), workers=workers))
    assert {task: answer[0] for task, answer in found.items()} == {n: n * n for n in range(20)}
    processes = {pid for _, pid, _ in found.values()}
    assert (processes == {os.getpid()}) if workers == 1 else (len(processes) <= workers and os.getpid() not in processes)


def test_a_killed_process_costs_one_task():
    found = list(run_tasks(Square, [1, "die", 2, 3], workers=2))
    assert {task: answer[0] for task, answer in found if task != "die"} == {1: 1, 2: 4, 3: 9}
    (crash,) = [answer for task, answer in found if task == "die"]
    assert isinstance(crash, WorkerCrash) and "ended by signal 9 (memory may have run out)" in str(crash)


def test_what_a_person_can_mend_is_raised_here():
    with pytest.raises(DataError, match="'refuse' can't be squared"):
        list(run_tasks(Square, [1, "refuse", 2], workers=2))
    with pytest.raises(DataError, match="Nothing to start with"):
        list(run_tasks(refuse_to_start, [1, 2], workers=2))


def test_a_bug_stays_loud(capfd):
    with pytest.raises(RuntimeError, match="exit code 1"):
        list(run_tasks(Square, [1, "bug"], workers=2))
    assert "ValueError: a bug" in capfd.readouterr().err


def test_closing_ends_all_processes():
    answers = run_tasks(Square, [3, "sleep", 4], workers=2)
    _, (_, pid, _) = next(answers)
    begun = time.monotonic()
    answers.close()
    assert time.monotonic() - begun < 20
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
