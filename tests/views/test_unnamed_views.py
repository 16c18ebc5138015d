"""Where no emotion can be named, nothing in the linked views or in a saved picture names one at first reading."""

import re
from dataclasses import replace

import pytest
from planted_analysis import plant_analysis

from mmer.explain.verdict import FEW, HEADLINES, NO_SPEECH, UNFAMILIAR, read_headline
from mmer.exports.analysis_json import analysis_to_json
from mmer.results import Transcript

pytestmark = pytest.mark.browser
READ_BACKGROUNDS = "all => all.map((one) => getComputedStyle(one).backgroundColor)"


def plant_unnamed(state):
    """The planted analysis as one of a clip that is unlike everything known, or in which nobody speaks and no word is."""
    analysis = plant_analysis()
    far = {role: replace(prediction, novelty=9.0) for role, prediction in analysis.predictions.items()}
    analysis = replace(analysis, predictions=far)
    if state == UNFAMILIAR:
        return analysis
    late = far["late"]
    (frames,) = (branch for branch in late.branches if branch.unit == "F")
    late = replace(late, units=("F",), branches=(frames,), logits=frames.logits, layer_weights={"F": late.layer_weights["F"]})
    return replace(
        analysis,
        transcript=Transcript("", (), "whisper-tiny.en"),
        alignment=None,
        labels={"F": analysis.labels["F"]},
        starts={"F": analysis.starts["F"]},
        ends={"F": analysis.ends["F"]},
        words={"F": analysis.words["F"]},
        token_offsets=analysis.token_offsets[:0],
        predictions={"late": late},
        unavailable={"early": "There are no words."},
        speech_seconds=0.0,
    )


@pytest.fixture(params=[UNFAMILIAR, NO_SPEECH])
def unnamed(request):
    analysis = plant_unnamed(request.param)
    assert read_headline(analysis).state == request.param
    return analysis


def test_the_sum_is_folded_below_the_headline(open_report, unnamed):
    page = open_report(unnamed)
    panel = page.locator("[data-picture=evidence]")
    assert panel.locator("h2").inner_text() == "How the numbers add up"
    assert panel.locator("header p").inner_text() == "No emotion can be named in this clip, so there is no decision to explain."
    assert panel.locator(".mv-fold > summary").inner_text() == FEW
    shown = panel.inner_text()
    assert "%" not in shown and not any(emotion in shown for emotion in unnamed.best.classes)
    panel.locator(".mv-fold > summary").click()
    outcome = panel.locator("[data-step=probability]")
    assert "%" in outcome.inner_text() and int(outcome.evaluate("one => getComputedStyle(one).fontWeight")) < 500


def test_every_bar_and_word_is_grey(open_report, unnamed):
    page = open_report(unnamed)
    page.locator(".mv-fold > summary").click()
    colours = page.locator(".mv-bar, .mv-tile, .mv-piece").evaluate_all(READ_BACKGROUNDS)
    painted = [tuple(map(int, found[:3])) for colour in colours if len(found := re.findall(r"\d+", colour)) == 3]
    assert painted and all(max(colour) - min(colour) < 30 for colour in painted)


def test_saved_pictures_have_the_headline(open_report, unnamed):
    page, said = open_report(unnamed), read_headline(unnamed)
    for kind in ("player", "waterfall", "layers"):
        svg = page.evaluate(f"mmerViews.figure('{kind}')")
        assert said.text in svg and "Heard as" not in svg and "What decides" not in svg
        colours = {c.lower() for c in re.findall(r"#[0-9a-f]{6}", svg, re.IGNORECASE)}
        assert not {"#b4540a"} & colours or kind == "layers"  # the dotted line of equal weights


def test_texts_speak_of_words_where_there_are_words(open_report):
    wordless, spoken = (open_report(analysis).locator(".mv").inner_text() for analysis in (plant_unnamed(NO_SPEECH), plant_analysis()))
    assert "There are no words to colour here" in wordless and "Click the wave" in wordless
    assert not re.search(r"[Ee]ach word|a word|syllable|phone\b", wordless)
    assert "Each word has the colour of all that it adds to the chosen emotion, each syllable, phone and frame that of what" in spoken
    assert "Nothing selected. Click a word, a sound or a cell: it is played" in spoken


def test_speech_is_as_it_was(open_report):
    analysis = plant_analysis()
    page = open_report(analysis)
    assert page.locator(".mv-unnamed, .mv-fold").count() == 0
    assert page.locator("[data-picture=evidence] h2").inner_text() == "How the decision adds up"
    share = 100 * analysis_to_json(analysis)["predictions"]["combined"]["probabilities"][analysis.best.classes.index(analysis.best.label)]
    outcome = page.locator("[data-step=probability]")
    assert f"{share:.1f} %" in outcome.inner_text() and outcome.evaluate("one => getComputedStyle(one).fontWeight") == "600"
    assert f"Heard as {analysis.best.label}" in page.evaluate("mmerViews.figure('waterfall')")


def test_all_states_that_name_nothing_are_tried():
    assert set(HEADLINES) == {UNFAMILIAR, NO_SPEECH}
