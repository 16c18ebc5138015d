"""The sums behind a decision, on predictions whose parts are known."""

import numpy as np
import pytest

from mmer.choices.emotions import EMOTIONS
from mmer.errors import HeadError
from mmer.explain import steps as explain
from mmer.explain.steps import centre, decision_steps, find_branch, flipping_part
from mmer.results import Analysis, BranchPrediction, Clip, Prediction, Transcript

LABELS = {"T": ("I", "am", "fine"), "F": ("0.01 s", "0.03 s"), "S": ("AY", "AE M")}


def make_prediction(role, logits, *, branches=None, temperature=1.0, members=(), units=("T", "F")):
    logits = np.asarray(logits, dtype=np.float64)
    z = np.exp(logits / temperature)
    fusion = {"late": "late", "early": "coattention", "combined": "combination"}[role]
    head, chances = f"{role}-head", z / z.sum()
    return Prediction(role, head, "0" * 64, fusion, units, EMOTIONS, logits, temperature, chances, branches, {}, members=members)


def make_branch(unit, seed):
    random = np.random.default_rng(seed)
    bias, contributions = random.normal(size=4), random.normal(size=(len(LABELS[unit]), 4))
    return BranchPrediction(unit, bias + contributions.sum(0), bias, contributions)


def make_analysis(late_units="TFS", unavailable=None, early=(2.0, -1.0, 0.5, 0.0)):
    branches = tuple(make_branch(u, seed) for seed, u in enumerate(late_units))
    late = make_prediction("late", sum(b.logits for b in branches), branches=branches, temperature=1.5, units=tuple(late_units))
    predictions = {"late": late}
    if early is not None:
        predictions["early"] = make_prediction("early", early)
        mean = (late.logits + predictions["early"].logits) / 2
        predictions["combined"] = make_prediction("combined", mean, temperature=2.0, members=("early", "late"))
    return Analysis(
        clip=Clip("a.wav", np.zeros(16000, np.float32), "0"),
        transcript=Transcript("I am fine", (), "typed"),
        alignment=None,
        labels=LABELS,
        starts={},
        ends={},
        words={},
        token_offsets=np.zeros((3, 2), int),
        predictions=predictions,
        unavailable=unavailable or {},
        preset="compact",
        heads=(),
        encoders={},
    )


def check_totals(steps):
    total = 0.0
    for step in steps[:-1]:
        total += step.value
        assert np.isclose(step.total, total, atol=1e-12)
    assert steps[-1].kind == "probability"


def test_centred_values_sum_to_zero_over_the_classes():
    values = centre(np.array([[1, 2, 3, 6]], dtype=np.float32))
    assert values.tolist() == [[-2, -1, 0, 3]]


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("role", ["late", "early", "combined"])
@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("unit_detail", [None, "T"])
def test_steps_add_up_to_logit_and_probability(centred, role, emotion, unit_detail):
    analysis = make_analysis()
    prediction = analysis.predictions[role]
    steps = decision_steps(analysis, emotion, role=role, centred=centred, unit_detail=unit_detail)
    check_totals(steps)
    index = EMOTIONS.index(emotion)
    logits = centre(prediction.logits) if centred else prediction.logits
    (total,) = [s for s in steps if s.kind == "total"]
    assert np.isclose(total.total, logits[index], atol=1e-9)
    assert steps[-2].kind == "temperature" and np.isclose(steps[-1].total, logits[index] / prediction.temperature, atol=1e-9)
    assert np.isclose(steps[-1].value, prediction.probabilities[index])


def test_softmax_of_the_last_totals_is_the_probability():
    analysis = make_analysis()
    totals = np.array([decision_steps(analysis, e)[-1].total for e in EMOTIONS])
    assert np.allclose(np.exp(totals) / np.exp(totals).sum(), analysis.best.probabilities)


def test_bias_is_a_part_of_its_own_and_branches_follow():
    steps = decision_steps(make_analysis(), "anger", role="late")
    assert [s.label for s in steps[:5]] == ["bias", "text", "frames", "syllables", "late logit"]


def test_combination_takes_half_of_each_late_part_and_half_of_early_in_one():
    analysis = make_analysis()
    whole, half = decision_steps(analysis, "anger", role="late"), decision_steps(analysis, "anger")
    assert [s.label for s in half[:5]] == ["bias / 2", "text / 2", "frames / 2", "syllables / 2", "early model, one part / 2"]
    assert np.allclose([s.value for s in half[:4]], [s.value / 2 for s in whole[:4]])


def test_detail_shows_the_segments_of_one_unit():
    analysis = make_analysis()
    steps = decision_steps(analysis, "anger", role="late", unit_detail="T")
    assert [s.label for s in steps if s.kind == "segment"] == ["I", "am", "fine"]
    values = [s.value for s in steps if s.kind == "segment"]
    assert np.allclose(values, centre(analysis.predictions["late"].branches[0].contributions)[:, 0])


def test_unit_without_branch_is_said_to_have_none():
    analysis = make_analysis("TF", {"S": "The words do not match the sound."})
    (absent,) = [s for s in decision_steps(analysis, "anger", role="late") if s.kind == "absent"]
    assert absent.label == "syllables: no branch in this sum. The words do not match the sound." and absent.value == 0
    with pytest.raises(HeadError, match="no branch for syllables here; it has text, frames"):
        find_branch(analysis.predictions["late"], "S")


def test_early_model_is_no_sum_of_branches():
    with pytest.raises(HeadError, match=r"early model \(coattention\) is no sum of branches"):
        find_branch(make_analysis().predictions["early"], "T")


def test_unknown_emotion_and_role_are_refused():
    with pytest.raises(HeadError, match="does not know the emotion 'joy'; it knows anger"):
        decision_steps(make_analysis(), "joy")
    with pytest.raises(HeadError, match="no early prediction: No words"):
        decision_steps(make_analysis(early=None, unavailable={"early": "No words."}), "anger", role="early")


def planted(*rows):
    """Branches T, F, ... with these logits."""
    zero = np.zeros(4)
    return tuple(BranchPrediction(u, np.array(r, float), zero, np.array([r], float)) for u, r in zip("TFS", rows))


def test_flipping_part_names_the_branch_that_decides():
    branches = planted([3, 0, 0, 0], [0, 1, 0, 0], [1, 0.5, 0, 0])
    late = make_prediction("late", sum(b.logits for b in branches), branches=branches)
    analysis = make_analysis(early=None)
    analysis.predictions["late"] = late
    (flip,) = flipping_part(analysis)
    assert (flip.part, flip.label) == ("T", "happiness")


def test_flipping_part_of_a_combination_may_be_a_whole_model():
    analysis = make_analysis(early=(0, 0, 5, 0))
    branches = planted([3, 0, 0, 0], [1, 0, 0, 0])
    analysis.predictions["late"] = make_prediction("late", [4, 0, 0, 0], branches=branches)
    analysis.predictions["combined"] = make_prediction("combined", [2, 0, 2.5, 0], members=("early", "late"))
    assert [(f.part, f.label) for f in flipping_part(analysis)] == [("early", "anger")]


def test_only_branch_of_a_model_cannot_be_removed():
    branches = planted([0, 3, 0, 0])
    analysis = make_analysis(early=None)
    analysis.predictions["late"] = make_prediction("late", [0, 3, 0, 0], branches=branches)
    assert flipping_part(analysis) == ()


def test_captions_are_one_line():
    captions = [v for name, v in vars(explain).items() if name.startswith("CAPTION_")]
    assert len(captions) == 6 and all("\n" not in c and c.endswith(".") for c in captions)
