"""What a rank correlation says: the same words in the lesson, the page and the shell, and no praise for what chance reaches."""

import dataclasses
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr

from mmer.commands.intervene import summarise_curve
from mmer.interventions import Curve, LeaveOneOut, describe_agreement, leave_one_out_to_json
from mmer.interventions.curves import describe_flips, find_flips, read_flips
from mmer.interventions.ranks import BY_CHANCE, chance_of, strongest_by_chance
from mmer.ui.claim import cards as claim_cards

CLASSES = ("anger", "happiness", "sadness", "neutral")
PRAISE = "the ranks agree well"


def spread(values):
    """(segments,) values of the first class -> (segments, classes) whose centred first column they are."""
    return np.array([[v, -v / 3, -v / 3, -v / 3] for v in values])


def plant_curve(drops, contributions, *, silence=None):
    """A curve over words whose drops of anger (against noise, and silence where it differs) and contributions are these."""
    n = len(drops)
    found = (Curve("silence", {"late": spread(drops if silence is None else silence)}), Curve("noise", {"late": spread(drops)}))
    starts = np.arange(n, dtype=float)
    return LeaveOneOut(
        tier="words",
        medium="both",
        classes=CLASSES,
        labels=tuple(f"word{i}" for i in range(n)),
        starts=starts,
        ends=starts + 0.5,
        words=np.arange(n),
        places=np.arange(n),
        curves=found,
        contributions=spread(contributions),
        outside=np.zeros(4),
        attention=None,
        left_out=(),
        parent="0" * 64,
    )


def ranks_with(rho, n):
    """An order of n things whose rank correlation with 1 ... n is rho."""
    one = np.arange(1, n + 1)
    return next(np.array(other) for other in permutations(one) if abs(spearmanr(one, other).statistic - rho) < 1e-9)


def test_what_chance_gives_is_what_permutations_give():
    assert chance_of(1.0, 3) == pytest.approx(2 / 6, abs=0.02)  # 2 of 6 orders of three are perfectly for or against
    assert chance_of(1.0, 4) == pytest.approx(2 / 24, abs=0.02)
    assert chance_of(0.0, 9) == 1
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(2, 30))
    known = spearmanr(x, y)
    assert chance_of(known.statistic, 30) == pytest.approx(known.pvalue, abs=0.03)
    assert chance_of(0.2, 200) == pytest.approx(0.0048, abs=0.002)


@pytest.mark.parametrize(
    ("rho", "n", "says"),
    [
        (0.75, 7, BY_CHANCE),
        (1.0, 4, BY_CHANCE),
        (-0.6, 7, BY_CHANCE),
        (0.9, 8, PRAISE),
        (0.5, 30, "the ranks agree in part"),
        (0.3, 200, "the ranks agree a little"),
        (-0.9, 8, "the ranks point the other way"),
    ],
)
def test_agreement_is_claimed_only_beyond_chance(rho, n, says):
    assert describe_agreement(rho, n) == says


def test_without_ranks_nothing_is_claimed():
    assert "nothing to rank" in describe_agreement(None, 2)


@pytest.mark.parametrize("n", [*range(2, 16), 50, 51, 300])
def test_the_bound_that_is_shown_is_the_one_that_is_judged_by(n):
    bound = strongest_by_chance(n)
    assert describe_agreement(bound - 1e-9, n) == BY_CHANCE
    assert bound == 1 or describe_agreement(bound + 1e-6, n) != BY_CHANCE


@pytest.mark.parametrize(("rho", "says"), [(0.75, BY_CHANCE), (27 / 28, PRAISE)])
def test_page_and_shell_say_the_same(rho, says):
    curve = plant_curve(np.arange(1.0, 8.0), ranks_with(rho, 7))
    page, shell = claim_cards.write_curve(curve, "anger", "late"), summarise_curve(curve, "anger", "late")
    for text in (page, shell):
        assert says in text and (PRAISE in text) == (says == PRAISE)
    assert {a["chance"] for a in leave_one_out_to_json(curve)["agreements"] if a["emotion"] == "anger"} == {chance_of(rho, 7)}


def test_a_sign_that_differs_between_silence_and_noise_is_marked_everywhere():
    drops = np.array([0.4, 0.2, -0.3, 0.1])
    curve = plant_curve(drops, drops, silence=np.array([0.3, -0.2, -0.1, 0.0001]))
    assert read_flips(curve, "anger", role="late").tolist() == [False, True, False, False]  # the last is 0 as it is printed
    text = describe_flips(["word1"])
    page, shell = claim_cards.write_curve(curve, "anger", "late"), summarise_curve(curve, "anger", "late")
    assert text in page and text in shell
    rows = page.split("<tbody>")[-1].split("<tr ")[1:]
    assert ["± sign differs" in row for row in rows] == [False, True, False, False]
    assert [line.endswith("±") for line in shell.splitlines() if line.startswith("word")] == [False, True, False, False]
    exported = leave_one_out_to_json(curve)["flips"]["late"]
    assert [row[0] for row in exported] == [False, True, False, False]


def test_one_baseline_has_no_sign_to_differ():
    assert not find_flips([np.array([[1.0, -1.0], [-1.0, 1.0]])]).any()
    alone = plant_curve(np.arange(1.0, 6.0), np.arange(1.0, 6.0))
    alone = dataclasses.replace(alone, curves=alone.curves[:1])
    assert "±" not in claim_cards.write_curve(alone, "anger", "late")


def test_many_names_are_cut():
    assert "and 4 more" in describe_flips([f"w{i}" for i in range(10)]) and describe_flips([]) == ""
