"""What the page says in words and tables, against the analysis it says it about."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.explain.verdict import FEW, HEADLINES, NO_SPEECH, UNFAMILIAR, say_how_sure
from mmer.results import Notice
from mmer.ui.explore import cards
from mmer.ui.explore.example_clip import ExampleClip
from mmer.ui.explore.session import Stage

HOSTILE = "<img src=x onerror=alert(1)>"


def make_example(**changes):
    facts = {"title": "t", "kind": "recorded", "text": "", "emotion": "neutral", "words": "neutral", "voice": "neutral", "look": "Look."}
    facts |= {"source": "s", "licence": "l"}
    return ExampleClip(folder=Path("x"), **(facts | changes))


def shift(prediction, probabilities, **changes):
    return replace(prediction, probabilities=np.array(probabilities), **changes)


def test_verdict_names_the_best_models_emotion_and_all_models(analysis):
    card = cards.write_verdict(analysis, None)
    assert f'data-emotion="{analysis.best.label}"' in card
    assert re.findall(r'data-role="(\w+)"', card) == ["late", "early", "combined"]
    for prediction in analysis.predictions.values():
        assert f"{100 * prediction.probabilities.max():.0f} %" in card


@pytest.mark.parametrize(
    ("probabilities", "changes", "words"),
    [
        ([0.7, 0.1, 0.1, 0.1], {"margin": 0.2}, "Sure, as far as 200 clips"),
        ([0.7, 0.1, 0.1, 0.1], {"margin": 0.0}, "60 points behind, and no lead was found"),
        ([0.7, 0.1, 0.1, 0.1], {"measured_clips": None}, "How sure it is was never measured"),
        ([0.4, 0.35, 0.15, 0.1], {"margin": 0.2}, "Not sure: happiness is only 5 points behind, less than the 20"),
    ],
)
def test_verdict_states_read_as_sentences(analysis, probabilities, changes, words):
    assert words in say_how_sure(shift(analysis.best, probabilities, **({"measured_clips": 200} | changes)))


def test_a_column_is_as_wide_as_its_longest_class_up_to_a_bound(analysis):
    """Else "contentment" runs into its own bar; a name of 40 characters leaves no room for bars."""
    assert "--name: 9ch" in cards.write_role("late", analysis.best, analysis.best)  # happiness
    long = replace(analysis.best, classes=("a" * 40, *analysis.best.classes[1:]))
    assert f"--name: {cards.LONGEST_NAME}ch" in cards.write_role("late", long, long)


@pytest.mark.parametrize("state", [UNFAMILIAR, NO_SPEECH])
def test_no_emotion_stands_in_big_type_where_none_can_be_heard(analysis, state):
    if state == UNFAMILIAR:
        far = replace(analysis.best, novelty=4.0, novelty_threshold=2.0)
        silent = replace(analysis, predictions=analysis.predictions | {far.role: far})
    else:
        silent = replace(analysis, transcript=replace(analysis.transcript, text="", words=()), speech_seconds=0.0)
    card = cards.write_verdict(silent, make_example(emotion="anger"))
    big = re.search(r'<p class="mm-emotion[^>]*>(.*?)</p>', card)[1]
    assert big == HEADLINES[state] and "data-emotion" not in card and "the verdict is" not in card
    before, fold = card.split("<details")
    assert FEW in fold and 'class="mm-role' in fold and 'class="mm-role' not in before
    assert not re.search(r"\d %", before) and card.count(HEADLINES[state]) == 1


def test_examples_say_whether_the_verdict_is_right(analysis):
    label = analysis.best.label
    other = next(c for c in analysis.best.classes if c != label)
    assert "the verdict is right" in cards.write_truth(analysis, make_example(emotion=label, words=label, voice=label))
    assert "the verdict is wrong" in cards.write_truth(analysis, make_example(emotion=other, words=other, voice=other))
    assert "goes with the words, the verdict is wrong" in cards.write_truth(analysis, make_example(emotion=other, words=label, voice=other))


def test_whatever_people_type_or_name_is_escaped(analysis):
    word = replace(analysis.transcript.words[0], text=HOSTILE)
    transcript = replace(analysis.transcript, text=HOSTILE + analysis.transcript.text[2:], words=(word, *analysis.transcript.words[1:]))
    hostile = replace(
        analysis,
        clip=replace(analysis.clip, name=HOSTILE),
        transcript=transcript,
        token_offsets=np.array([[0, len(HOSTILE)]] + [[len(HOSTILE)] * 2] * (len(analysis.token_offsets) - 1)),
        notices=(Notice("audio", HOSTILE),),
        unavailable={"W": HOSTILE},
    )
    page = "".join(
        [
            cards.write_verdict(hostile, make_example(look=HOSTILE, source=HOSTILE)),
            cards.write_notices(hostile),
            cards.write_trace(hostile),
            cards.write_problem(HOSTILE, kept=True),
            cards.write_stages([Stage(HOSTILE, 1.0)]),
        ]
    )
    assert "<img" not in page
    assert page.count("&lt;img") >= 5


def test_each_missing_unit_is_named_with_its_reason_once(analysis):
    lacking = replace(analysis, unavailable={"P": "No alignment.", "S": "No alignment.", "early": "It needs phones."}, notices=())
    notices = cards.write_notices(lacking)
    assert "phones and syllables: No alignment." in notices
    assert "early fusion: It needs phones." in notices


def test_reused_stages_say_so():
    line = cards.write_timings({"align": 0.0, "fuse": 0.25}, {"fuse": "cuda:0 (A <card>)"})
    assert "align <b>kept</b>" in line
    assert line.count("0.25") == 2
    assert line.endswith(" · on cuda:0 (A &lt;card&gt;)</p>")
