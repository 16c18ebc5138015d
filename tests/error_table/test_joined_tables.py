"""Two tables of the same clips: who flips, McNemar's test against other people's values, what can't be joined."""

import math

import pytest
from planted_predictions import plant_predictions
from scipy.stats import chi2

from mmer.error_table.experiment_table import make_table
from mmer.error_table.filters import find_rows, parse_filter
from mmer.error_table.joined import EXACT_UP_TO, count_flips, join_tables, measure_mcnemar, say_mcnemar
from mmer.error_table.summary import format_table
from mmer.errors import DataError


@pytest.fixture(scope="module")
def tables():
    first, second = plant_predictions(strength=1.0, seed=0), plant_predictions(strength=1.4, seed=1)
    lacking = second[second["utterance"] != "utterance0010"]
    return make_table(first, title="first"), make_table(lacking, title="second")


def test_flips_are_those_of_a_slow_loop(tables):
    joined = join_tables(*tables)
    a, b = (dict(zip(t.frame["utterance"], zip(t.frame["label"], t.frame["answer"]))) for t in tables)
    found = dict(zip(joined.frame["utterance"], joined.frame["flip"]))
    assert set(found) == set(a) - {"utterance0010"}
    counts = {"only A": 0, "only B": 0, "both right": 0}
    for name, flip in found.items():
        (label, said_a), (_, said_b) = a[name], b[name]
        expected = {(True, True): "both right", (True, False): "only A right", (False, True): "only B right"}.get(
            (said_a == label, said_b == label)
        )
        if expected is None:
            expected = "both wrong, the same answer" if said_a == said_b else "both wrong, other answers"
        assert flip == expected
        counts["only A"] += flip == "only A right"
        counts["only B"] += flip == "only B right"
        counts["both right"] += flip == "both right"
    test = count_flips(joined)
    assert (test.only_a, test.only_b, test.both_right) == tuple(counts.values())
    assert test.only_a and test.only_b
    assert test.only_a + test.only_b + test.both_right + test.both_wrong == len(joined.frame)
    assert "left out are 1 that only A has" in joined.notes[1]


def test_both_tables_columns_stand_beside_each_other_and_can_be_filtered(tables):
    joined = join_tables(*tables)
    assert {column.name for column in joined.columns} == set(joined.frame.columns)
    assert [c.name for c in joined.columns if c.name.startswith("loss")] == ["loss.a", "loss.b"]
    assert [c.name for c in joined.columns].count("speaker") == 1
    own = dict(zip(tables[1].frame["utterance"], tables[1].frame["loss"]))
    assert joined.frame["loss.b"].tolist() == [own[name] for name in joined.frame["utterance"]]
    one = parse_filter("flip=only A right")
    kept = joined.keep(find_rows(joined, [one]))
    assert set(kept.frame["outcome.a"]) == {"right"}
    assert set(kept.frame["outcome.b"]) == {"wrong"}
    assert "McNemar" in format_table(joined, [], rows=2, whole=143)
    assert "McNemar" not in format_table(kept, [one], rows=2, whole=143)


@pytest.mark.parametrize(("only_a", "only_b"), [(5, 5), (1, 9), (0, 6), (12, 30), (3, 2)])
def test_few_flips_have_the_exact_binomial_p(only_a, only_b):
    n, least = only_a + only_b, min(only_a, only_b)
    by_hand = min(1.0, 2 * sum(math.comb(n, k) for k in range(least + 1)) / 2**n)
    found = measure_mcnemar(only_a, only_b)
    assert found.exact
    assert found.p_value == pytest.approx(by_hand)


def test_many_flips_have_the_corrected_chi_squared_p_and_none_have_1():
    assert measure_mcnemar(0, 0).p_value == 1.0
    a, b = EXACT_UP_TO - 200, 320
    found = measure_mcnemar(a, b)
    assert not found.exact
    assert found.p_value == pytest.approx(chi2.sf((a - b - 1) ** 2 / (a + b), 1))
    assert measure_mcnemar(EXACT_UP_TO // 2 - 40, EXACT_UP_TO // 2 + 40).p_value == pytest.approx(chi2.sf(79**2 / EXACT_UP_TO, 1), rel=0.02)
    assert "independent" in say_mcnemar(found)


def test_other_labels_classes_or_data_can_t_be_joined(tables):
    other = plant_predictions(strength=1.4, seed=1)
    changed = other["utterance"] == tables[0].frame["utterance"][tables[0].frame["label"] != "neutral"].iloc[3]
    other.loc[changed, "label"] = "neutral"
    name = other["utterance"][changed].iloc[0]
    with pytest.raises(DataError, match=f"{name}.*'neutral' instead of"):
        join_tables(tables[0], make_table(other, title="second"))
    renamed = plant_predictions().rename(columns={"logit.neutral": "logit.calm"}).replace("neutral", "calm")
    with pytest.raises(DataError, match="other classes apart"):
        join_tables(tables[0], make_table(renamed, title="second"))
    elsewhere = plant_predictions()
    elsewhere["utterance"] = "x" + elsewhere["utterance"]
    with pytest.raises(DataError, match="no utterance in common"):
        join_tables(tables[0], make_table(elsewhere, title="second"))
