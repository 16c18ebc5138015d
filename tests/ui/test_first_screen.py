"""What the page opens with, and what its cards say of the stored verdicts."""

from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
from sample_analysis import make_analysis

from mmer.ui.explore.cards import write_verdict, write_voice
from mmer.ui.explore.example_clip import ExampleClip
from mmer.ui.explore.examples import list_stored
from mmer.ui.explore.first_screen import choose_cards, plan_first_screen, read_stored, say_outcome
from mmer.ui.explore.handlers import ExploreHandlers
from mmer.ui.explore.session import Session
from mmer.ui.texts import explore as texts

ASSETS = Path(__file__).parents[2] / "assets" / "examples"
EMOTIONS = ("anger", "happiness", "sadness", "neutral")


def plant(name, kind, meant, said, share):
    """An example, and a stored analysis that says so: sure above 80 %."""
    example = ExampleClip(Path(name), name, kind, "Hello.", meant, meant, meant, "Look.", "planted", "CC0")
    analysis = make_analysis()
    probabilities = np.full(4, (1 - share) / 3)
    probabilities[EMOTIONS.index(said)] = share
    margin = 0.05 if share > 0.8 else 0.9
    best = replace(analysis.best, probabilities=probabilities, margin=margin)
    return example, replace(analysis, predictions={**analysis.predictions, "combined": best})


def plan(*planted, models=True):
    """What page opens with these; without `models` they were made by others."""
    return plan_first_screen([example for example, _ in planted], {example.folder.name: found for example, found in planted if models})


def test_the_page_opens_with_a_recorded_right_and_sure_verdict():
    found = plan(
        plant("wrong", "recorded", "neutral", "anger", 0.9),
        plant("synthetic", "synthesised", "happiness", "happiness", 0.95),
        plant("unsure", "recorded", "neutral", "neutral", 0.6),
        plant("sure", "recorded", "sadness", "sadness", 0.9),
    )
    assert found.first.folder.name == "sure" and found.analysis.best.label == "sadness"
    assert plan(plant("unsure", "recorded", "neutral", "neutral", 0.6)).first.folder.name == "unsure"


def test_a_wrong_verdict_opens_no_page_and_neither_does_one_of_other_models():
    wrong, right = plant("wrong", "recorded", "neutral", "anger", 0.9), plant("right", "recorded", "anger", "anger", 0.9)
    assert plan(wrong).first is None and plan(wrong).outcomes == {"wrong": "✗ wrong: anger 90 %, meant neutral"}
    others = plan(right, models=False)
    assert others.first is None and others.outcomes == {"right": ""} and others.cards == (right[0],)


def test_cards_show_voices_first_and_each_emotion_before_one_comes_again():
    kinds = [("a", "synthesised", "anger"), ("b", "recorded", "neutral"), ("c", "recorded", "neutral"), ("d", "recorded", "anger")]
    kinds += [("e", "recorded", "sadness"), ("f", "recorded", "happiness")]
    examples = [plant(name, kind, meant, meant, 0.9)[0] for name, kind, meant in kinds]
    assert "".join(e.folder.name for e in choose_cards(examples, examples[1])) == "bdef"
    assert choose_cards(examples[:2], None) == tuple(examples[:2]) and choose_cards([], None) == ()


def test_a_card_says_what_is_said_and_that_it_is_wrong():
    example, analysis = plant("one", "recorded", "neutral", "neutral", 0.9)
    assert say_outcome(analysis, example) == "✓ neutral 90 %, as meant"
    unknown = replace(analysis.best, novelty=3.0, novelty_threshold=2.0)
    assert "%" not in say_outcome(replace(analysis, predictions={"combined": unknown}), example)


def test_the_shipped_page_opens_with_a_verdict_that_is_right(stored_analyzer):
    examples = list_stored(ASSETS)
    found = plan_first_screen(examples, read_stored(examples, stored_analyzer))
    assert found.first is not None and found.analysis.best.label == found.first.emotion
    assert len(found.cards) == 4 and found.first in found.cards and not set(found.cards) & set(found.others)
    assert all(outcome[0] in "✓✗" for outcome in found.outcomes.values() if "%" in outcome)


def test_opening_leaves_the_recorder_to_the_visitor():
    example, analysis = plant("one", "recorded", "neutral", "neutral", 0.9)
    handlers, session = ExploreHandlers(analyzer=None, open_stored=lambda one: analysis), Session()
    shown = handlers.open_first(session, example)
    assert "audio" not in shown and "transcript" not in shown and analysis.transcript.text[:5] in shown["views"]
    assert handlers.open_first(session, example) == {}  # the page asks once; what came since stays
    assert handlers.clear_result(session) == {} and session.analysis is analysis  # the microphone empties an empty recorder
    handlers.take_clip(session, "clip.wav")
    assert not session.is_opening


def test_a_link_that_fails_hides_what_the_page_opened_with():
    update = ExploreHandlers(analyzer=None).show_link_problem(Session())
    assert update["body"].visible is False and update["empty"].visible is True
    assert isinstance(update["body"], gr.Column)


def test_a_verdict_says_why_and_folds_what_it_was_trained_on():
    analysis = make_analysis()
    page = write_verdict(analysis, None)
    before, fold = page.split("<details", 1)
    assert "mm-because" in before and "mm-roles" in fold and "mm-speakers" in fold
    assert "<summary>Trained on the same</summary>" in fold
    for term in ("late fusion", "early fusion", "combined"):
        assert f'data-hint="{texts.HINTS[term]}"'.replace("'", "&#x27;") in page


def test_one_line_says_where_the_sound_goes():
    page = write_voice()
    assert texts.SOUND_GOES in page and 'id="auto" checked' in page and "within an hour" in texts.SOUND_GOES
