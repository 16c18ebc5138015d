"""Whose each segment is, by hand: the sum holds for any owner, so every word's own numbers are fixed here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted_words import BIAS, PIECES, VALUES, plant_words

from mmer.explain.steps import centre
from mmer.exports.analysis_json import read_analysis
from mmer.results import Alignment, Segment, Word
from mmer.word_contributions import NOBODY, find_centres, name_rest, own_moments, own_segments, word_contributions

EXAMPLES = sorted(Path(__file__).parents[1].glob("assets/examples/*/analysis.json"))
# hundredths of a logit for anger, added up by hand from planted_words.VALUES
WHOLE = [10 + (2 + 4) + 100 + 11 - 60, -20 + 0 + 200 - 22 + 70, (30 - 7) + (8 + 16 + 32) + (-50 + 25) + 33 + 80, 40]
REST = (1 + 2) + (1 + 64 - 100 + 3 + 5) + 7


def anger(values):
    return np.round(100 * np.asarray(values)[..., 0], 6).tolist()


def test_every_word_s_contribution_is_the_one_added_up_by_hand():
    found = word_contributions(plant_words())
    assert found.texts == ("Oh", "no", "stop", "it") and found.role == "late" and found.share == 1
    assert anger(found.words) == [67, 228, 167, 40] == WHOLE
    assert anger(found.rest) == -17 == REST and anger(found.biases) == 1 == sum(BIAS.values())


def test_each_branch_s_part_of_each_word_is_named():
    found = word_contributions(plant_words())
    assert found.units == ("T", "F", "P", "S", "W")
    assert {unit: anger(part) for unit, part in found.parts.items()} == {
        "T": [10, -20, 23, 40],  # two pieces of "stop"; the comma and the question mark are nobody's
        "F": [6, 0, 56, 0],  # no centre lies in "no", whose pooled vector is its neighbour's frame; "it" is nowhere
        "P": [100, 200, -25, 0],
        "S": [11, -22, 33, 0],
        "W": [-60, 70, 80, 0],
    }
    assert {unit: anger(rest) for unit, rest in found.rests.items()} == {"T": 3, "F": -27, "P": 7, "S": 0, "W": 0}


def test_segments_that_straddle_have_one_owner_and_are_marked():
    analysis = plant_words()
    phones, frames = own_segments(analysis, "P"), own_segments(analysis, "F")
    assert phones.words.tolist() == [0, 1, 2, 2, NOBODY] and phones.straddles.tolist() == [False, True, True, False, False]
    assert frames.words.tolist() == [NOBODY, 0, 0, 2, 2, 2, NOBODY, NOBODY, NOBODY, NOBODY]
    assert frames.straddles.tolist() == [i == 3 for i in range(10)]  # "no" ends inside it
    found = word_contributions(analysis)
    assert found.straddling["P"].tolist() == [0, 1, 1, 0] and found.straddling["F"].tolist() == [0, 0, 1, 0]
    assert found.counts["F"].tolist() == [2, 0, 3, 0] and found.counts["P"].tolist() == [1, 1, 2, 0]


def test_a_word_that_is_not_in_the_sound_has_its_text_alone():
    found = word_contributions(plant_words())
    assert found.placed.tolist() == [True, True, True, False] and found.divided
    assert anger(found.words)[3] == anger(found.parts["T"])[3] == 40


def test_without_alignment_the_sound_is_not_divided():
    found = word_contributions(plant_words(aligned=False))
    assert not found.divided and not found.placed.any()
    assert anger(found.words) == [10, -20, 23, 40]
    assert anger(found.rests["F"]) == sum(VALUES["F"]) and anger(found.rests["T"]) == 3
    assert name_rest("F", divided=False) == "sound not divided" and name_rest("F", divided=True) == "between words"
    assert name_rest("T", divided=False) == name_rest("T", divided=True) == "punctuation"


@pytest.mark.parametrize("units", ["TFPSW", "F", "T", "PS"])
@pytest.mark.parametrize("aligned", [True, False])
def test_words_rest_and_biases_are_the_late_logits(units, aligned):
    if not aligned and units == "PS":
        return
    analysis = plant_words(units, aligned=aligned)
    found = word_contributions(analysis)
    np.testing.assert_allclose(found.words.sum(0) + found.rest + found.biases, analysis.predictions["late"].logits, atol=1e-12)


def test_a_combined_verdict_takes_half_and_the_temperature_is_its_own_step():
    analysis = plant_words(early=True)
    half = word_contributions(analysis, "combined")
    assert half.share == 0.5 and anger(half.words) == [33.5, 114, 83.5, 20] and anger(half.rest) == -8.5
    rest_of_it = 0.5 * analysis.predictions["early"].logits
    np.testing.assert_allclose(half.words.sum(0) + half.rest + half.biases + rest_of_it, analysis.predictions["combined"].logits)


def test_early_fusion_is_no_sum_over_words():
    analysis = plant_words(early=True)
    assert word_contributions(analysis, "early") is None
    assert word_contributions(replace(analysis, predictions={"early": analysis.predictions["early"]})) is None


def test_a_piece_over_two_words_goes_where_most_of_its_letters_are():
    analysis = plant_words("T")
    offsets = np.array([[a, b] for _, a, b in PIECES])
    offsets[2], offsets[3] = (4, 9), (9, 10)  # "no st"
    owners = own_segments(replace(analysis, token_offsets=offsets), "T")
    assert owners.words[2] == 1 and owners.straddles[2] and owners.straddles.sum() == 1
    offsets[2] = (5, 10)
    assert own_segments(replace(analysis, token_offsets=offsets), "T").words[2] == 2


def test_ranges_of_words_are_half_open_up_to_rounding():
    words = (Segment("a", 0.1 + 0.2, 0.5, 0), Segment("b", 0.5, 0.7, 1))  # 0.1 + 0.2 is a little above 0.3
    assert own_moments(np.array([0.3, 0.5, 0.7, 0.29]), words).tolist() == [0, 1, NOBODY, NOBODY]


def test_the_centre_of_a_first_frame_that_is_cut_off_is_where_the_encoder_put_it():
    starts, ends = np.array([0, 0.01, 0.03]), np.array([0.01, 0.03, 0.05])
    np.testing.assert_allclose(find_centres(starts, ends), [0, 0.02, 0.04], atol=1e-12)
    np.testing.assert_allclose(find_centres(np.array([0.0, 0.1]), np.array([0.1, 0.2])), [0.05, 0.15])


def test_words_of_another_text_own_nothing():
    analysis = plant_words("TFW")
    foreign = tuple(replace(s, word=-1 if s.word == 0 else 9) for s in analysis.alignment.words)
    words = {**analysis.words, "W": np.array([-1, 9, 9])}
    found = word_contributions(replace(analysis, alignment=Alignment(foreign, (), (), "other"), words=words))
    assert not found.divided and anger(found.words) == [10, -20, 23, 40] and anger(found.rests["W"]) == sum(VALUES["W"])


def test_no_words_leave_everything_undivided():
    analysis = plant_words("F", aligned=False)
    silent = replace(analysis, transcript=replace(analysis.transcript, text="", words=()), token_offsets=np.zeros((0, 2), int))
    found = word_contributions(silent)
    assert found.words.shape == (0, 4) and anger(found.rest) == sum(VALUES["F"])


def test_words_in_another_order_of_characters_are_no_crash():
    analysis = plant_words("T")
    strange = (*analysis.transcript.words[:3], Word("it", 0, 2, ("it",)))
    found = word_contributions(replace(analysis, transcript=replace(analysis.transcript, words=strange)))
    np.testing.assert_allclose(found.words.sum(0) + found.rest + found.biases, analysis.predictions["late"].logits)


# the examples that ship


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_add_up(path):
    analysis = read_analysis(path)
    found, late = word_contributions(analysis), analysis.predictions["late"]
    np.testing.assert_allclose(found.words.sum(0) + found.rest + found.biases, late.logits, atol=2e-6)


def test_cold_speaks_for_anger_as_a_whole_and_against_it_by_its_text():
    analysis = read_analysis(EXAMPLES[1])
    found, at = word_contributions(analysis), analysis.best.classes.index("anger")
    cold = found.texts.index("cold")
    parts = {unit: round(float(centre(part)[cold, at]), 3) for unit, part in found.parts.items()}
    assert parts == {"T": -0.03, "F": 0.087, "S": 0.188} and round(float(centre(found.words)[cold, at]), 3) == 0.244


def test_the_text_s_part_alone_has_the_wrong_sign_for_a_third_of_the_examples_words():
    wrong, count, strongest_differs = 0, 0, 0
    for path in EXAMPLES:
        analysis = read_analysis(path)
        found, at = word_contributions(analysis), analysis.best.classes.index(analysis.best.label)
        text, whole = centre(found.parts["T"])[:, at], centre(found.words)[:, at]
        wrong, count = wrong + int((np.sign(text) != np.sign(whole)).sum()), count + len(whole)
        strongest_differs += int(np.abs(text).argmax() != np.abs(whole).argmax())
    assert (wrong, count, strongest_differs) == (25, 69, 6)
