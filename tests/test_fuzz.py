"""A small, seeded share of benchmarks/fuzz.py: mutated files of every kind end accepted or in one of our errors."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import fuzz

COUNTS = {"import": 40, "evaluation": 80, "head": 80}  # of the slower kinds


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_mutated_files_end_in_our_errors_only(kind):
    count = COUNTS.get(kind, 150)
    outcome = fuzz.run(kind, count, seed=7)
    assert outcome.bugs == []
    assert sum(outcome.counts.values()) == count and outcome.counts["refused"] > 0


def test_a_bug_is_seen_as_one(monkeypatch):
    """The net of the harness itself holds: what is no error of ours, and what never ends, are bugs."""

    def fail(data, folder, chance):
        raise KeyError("planted")

    def hang(data, folder, chance):
        while True:
            pass

    monkeypatch.setattr(fuzz, "PATIENCE", 0.2)
    for read in (fail, hang):
        monkeypatch.setitem(fuzz.KINDS, "planted", lambda folder, read=read: fuzz.Kind([b"a b c"], read))
        outcome = fuzz.run("planted", 2)
        assert outcome.counts == {"bugs": 2} and len(outcome.bugs) == 2
