"""A card that is lent: what runs on it, for how long, what crosses to it and back, and what a person reads where none is had."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmer.errors import HeadError
from mmer.pipeline import Analyzer, Variant
from mmer.space import zero
from mmer.space.zero import CardAnalyzer, ask_seconds, describe_refusal
from mmer.ui.explore.session import StopFlag, watch_stages

WORDS = "he was not an ill disposed young man"
SPEECH = Path("/usr/share/pocketsphinx/test/data/librivox")


class Refused(Exception):
    """As `spaces` raises it: Gradio's error with a title and a message."""

    def __init__(self, message, title="ZeroGPU quota exceeded"):
        super().__init__(message)
        self.message, self.title = message, title


class Lender:
    """Stands in for `spaces.GPU`: pickles what goes in and comes out, as `spaces` does, and knows whether something runs inside."""

    def __init__(self):
        self.asked, self.inside, self.refusal = [], False, None

    def __call__(self, task, *, duration):
        def run(*args, **options):
            self.asked.append(duration(*args, **options))
            if self.refusal:
                raise self.refusal
            args, options = pickle.loads(pickle.dumps((args, options)))
            self.inside = True
            try:
                return pickle.loads(pickle.dumps(task(*args, **options)))
            finally:
                self.inside = False

        return run


class Watched:
    """A part of an analyzer that notes which of its methods are called inside the lender, and which outside."""

    def __init__(self, part, lender, calls):
        self._part, self._lender, self._calls = part, lender, calls

    def __getattr__(self, name):
        value = getattr(self._part, name)
        if not callable(value):
            return value

        def call(*args, **options):
            self._calls.append((name, "inside" if self._lender.inside else "outside"))
            return value(*args, **options)

        return call


@pytest.fixture
def lender():
    return Lender()


@pytest.fixture
def calls():
    return []


@pytest.fixture
def lent(recogniser, speech_encoder, text_encoder, sphinx, random_heads, lender, calls):
    def parts():
        watched = {"recogniser": recogniser, "speech": speech_encoder, "text": text_encoder}
        return {
            "preset": "compact",
            "aligners": {"sphinx": Watched(sphinx, lender, calls)},
            "heads": random_heads,
            **{name: Watched(part, lender, calls) for name, part in watched.items()},
        }

    analyzer = CardAnalyzer(**parts())
    analyzer.use_card(Analyzer(**parts()), lender, (Refused,))
    return analyzer


def test_models_compute_on_the_card_and_all_else_outside(lent, lender, calls, analyzer, librivox_clip):
    said = []
    found = lent.analyze(librivox_clip, text=None, progress=lambda share, text: said.append((share, text)))
    assert ("transcribe", "outside") in calls and ("align", "outside") in calls
    assert ("encode", "inside") in calls and ("encode", "outside") not in calls
    assert lender.asked == [ask_seconds(librivox_clip.duration)]
    plain = analyzer.analyze(librivox_clip, text=None)
    assert found.clip is librivox_clip and found.notices == plain.notices and found.unavailable == plain.unavailable
    assert {"transcribe", "align", "encode speech", "encode text", "pool", "fuse"} <= set(found.timings)
    for role, prediction in plain.predictions.items():
        np.testing.assert_allclose(found.predictions[role].logits, prediction.logits, atol=1e-5)
    assert said[-1] == (1.0, "Done") and "Asking for a graphics card and computing on it" in [text for _, text in said]


def test_changed_versions_are_scored_on_the_card_in_one_go(lent, lender, calls, librivox_clip):
    analysis = lent.analyze(librivox_clip, text=WORDS, aligner="none")
    calls.clear()
    variants = (Variant(samples=librivox_clip.samples * scale) for scale in (0.0, 0.5, 0.25))
    scores = lent.score_variants(analysis, variants, count=3)
    assert {where for _, where in calls} == {"inside"} and len(lender.asked) == 2
    assert lender.asked[1] == ask_seconds(librivox_clip.duration * 4)
    assert {role: rows.shape for role, rows in scores.items()}["late"] == (3, 4)


def test_a_refused_card_gets_a_sentence_and_the_cpu(lent, lender, calls, analyzer, librivox_clip):
    lender.refusal = Refused("You have exceeded your free ZeroGPU quota (11s requested vs. 0s left). ")
    found = lent.analyze(librivox_clip, text=WORDS, aligner="none")
    sentence = (
        "No graphics card could be used (ZeroGPU quota exceeded: You have exceeded your free ZeroGPU quota (11s requested vs. 0s left)). "
        "The CPU computed this instead, which takes longer."
    )
    assert [(notice.level, notice.text) for notice in found.notices if "card" in notice.text] == [("info", sentence)]
    assert ("encode", "outside") in calls and ("encode", "inside") not in calls
    plain = analyzer.analyze(librivox_clip, text=WORDS, aligner="none")
    np.testing.assert_allclose(found.best.logits, plain.best.logits, atol=1e-5)
    said = []
    variants = [Variant(samples=librivox_clip.samples * 0.5)]
    scores = lent.score_variants(found, variants, count=1, progress=lambda share, text: said.append(text))
    np.testing.assert_allclose(scores["late"], analyzer.score_variants(plain, variants, count=1)["late"], atol=1e-4)
    assert sentence in said


def test_our_own_errors_come_back_as_they_are_and_bugs_stay_loud(lent, lender, librivox_clip):
    with pytest.raises(HeadError, match="no head 'none'"):
        lent.analyze(librivox_clip, head="none")
    assert lender.asked == []
    with pytest.raises(HeadError, match="No model can speak about this clip"):
        lent.analyze(librivox_clip, text="", head="coattention-fp")
    assert len(lender.asked) == 1
    lender.refusal = KeyError("a bug")
    with pytest.raises(KeyError):
        lent.analyze(librivox_clip, text=WORDS, aligner="none")


def test_a_clip_without_words_says_how_much_speech_it_has(lent, librivox_clip):
    """The model that finds speech runs in threads, which the card's process would not have: it is asked outside."""
    lent.find_speech = lambda samples: ((0.5, 1.25),)
    assert lent.analyze(librivox_clip, text="").speech_seconds == 0.75


def test_others_have_the_turn_while_a_card_is_waited_for(lent, librivox_clip):
    seen = []
    task = lent.compute["read"]

    def look(*args, **options):
        with lent.queue.take():
            seen.append("somebody else's work")
        return task(*args, **options)

    lent.compute["read"] = look
    with lent.queue.take():
        lent.analyze(librivox_clip, text=WORDS, aligner="none")
    assert seen == ["somebody else's work"]


def test_the_wait_for_a_card_belongs_to_the_visitor_who_asked(analyzer):
    """`spaces` reads the visitor's quota from Gradio's request, which is a context variable: the work's thread must have it."""
    from gradio.context import LocalContext

    LocalContext.request.set("the visitor's request")
    try:
        *_, (_, seen) = watch_stages(lambda progress: [LocalContext.request.get(None)], StopFlag(), line=analyzer.queue)
    finally:
        LocalContext.request.set(None)
    assert seen == ["the visitor's request"]


def test_seconds_grow_with_the_sound_and_what_is_quoted_is_bounded():
    assert ask_seconds(3) == 11 and ask_seconds(300) == 25
    assert describe_refusal(ConnectionError()).startswith("No graphics card could be used (ConnectionError).")
    assert len(describe_refusal(RuntimeError("x" * 10_000))) < 400


def test_the_real_package_lends_takes_back_and_refuses(librivox_clip):
    """`spaces` as it is on ZeroGPU, in a process of its own (zero_gpu.py says what is stood in for)."""
    script = Path(__file__).with_name("zero_gpu.py")
    clip = SPEECH / "sense_and_sensibility_01_austen_64kb-0880.wav"
    environment = os.environ | {"PYTHONPATH": str(script.parents[2]), "HOME": "/nonexistent"}
    done = subprocess.run([sys.executable, script, clip], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["kind"], found["cards"]) == ("CardAnalyzer", 1)
    assert found["weights"] > 30_000_000  # parameters of both encoders, put on a card when the app starts
    said = {name: [text for text in found[name]["notices"] if "graphics card" in text] for name in ("quota", "broken", "works")}
    assert said["works"] == [] and "Space app has reached its GPU limit" in said["quota"][0]
    assert said["broken"] == [describe_refusal(Refused("AssertionError", "ZeroGPU worker error"))]
    np.testing.assert_allclose(found["works"]["logits"], found["quota"]["logits"], atol=1e-4)
    np.testing.assert_allclose(found["broken"]["logits"], found["quota"]["logits"], atol=1e-5)
    seconds = ask_seconds(librivox_clip.duration)
    assert [path.partition("?")[0] for path in found["asked"]] == ["/schedule", *["/schedule", "/allow", "/release"] * 2]
    assert all(f"durationSeconds={seconds}" in path for path in found["asked"] if path.startswith("/schedule"))


def test_elsewhere_nothing_of_it_happens():
    """The first import of app.py brings neither `spaces` nor a card where the machine has not said that it is ZeroGPU."""
    assert not zero.ON_ZERO and not hasattr(zero, "spaces")
    app = (Path(__file__).parents[2] / "app.py").read_text("utf-8")
    assert app.index("from mmer.space.zero import") < app.index("from mmer.commands")  # `spaces` has to come before torch
