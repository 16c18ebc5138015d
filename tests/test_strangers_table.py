"""The figures of benchmarks/strangers.py, from answers that are known."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from strangers import Answer, choose, measure

NEUTRAL = 3


def say(truth, said, *, sure):
    return Answer(truth, np.eye(4)[said], sure)


def test_recalls_and_what_sure_is_worth():
    answers = [say(0, 0, sure=True), say(0, 1, sure=True), say(NEUTRAL, NEUTRAL, sure=False), say(NEUTRAL, 0, sure=True)]
    found = measure(answers)
    assert (found["anger"], found["happiness"], found["neutral"], found["ua"]) == (0.5, None, 0.5, 0.5)
    assert found["sure"] == 0.75 and found["sure, acted"] == 1.0 and found["right when sure"] == pytest.approx(1 / 3)
    assert found["neutral called sure and not neutral"] == 0.5


def test_a_corpus_of_everyday_speech_has_one_recall_and_nobody_sure_has_no_accuracy():
    found = measure([say(NEUTRAL, NEUTRAL, sure=False), say(NEUTRAL, 2, sure=False)])
    assert found["ua"] == found["neutral"] == 0.5 and found["sure, acted"] is None and found["right when sure"] is None


def test_few_clips_hold_every_voice():
    clips = [SimpleNamespace(speaker=f"s{i % 5}", label="neutral", number=i) for i in range(50)]
    assert {clip.speaker for clip in choose(clips, 5)} == {f"s{i}" for i in range(5)}
    assert {clip.number for clip in choose(clips, 10)} == set(range(10)) and len(choose(clips, 0)) == 50
