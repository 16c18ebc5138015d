"""The language of filters: what it takes, what it refuses, that each prints itself back, and which rows it finds."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmer.error_table.filters import MOST_FILTERS, MOST_VALUES, Filter, find_rows, parse_filter, parse_filters, sort_rows
from mmer.error_table.table import Column, UtteranceTable, read_texts, write_number
from mmer.errors import DataError

CASES = json.loads((Path(__file__).parent / "filter_cases.json").read_text(encoding="utf-8"))


def describe(one):
    if one.sign == ":":
        return [one.column, ":", *(None if math.isinf(end) else end for end in (one.low, one.high))]
    return [one.column, one.sign, list(one.values)]


@pytest.mark.parametrize("case", CASES["read"], ids=lambda case: case["text"])
def test_a_filter_is_read_and_prints_itself_back(case):
    if case["filter"] is None:
        with pytest.raises(DataError):
            parse_filter(case["text"])
        return
    found = parse_filter(case["text"])
    assert describe(found) == case["filter"]
    assert str(found) == case["again"]
    assert parse_filter(str(found)) == found


@pytest.mark.parametrize("text", CASES["refused"])
def test_what_is_no_filter_is_refused_in_one_sentence(text):
    with pytest.raises(DataError) as refused:
        parse_filter(text)
    assert len(str(refused.value)) < 400


def test_filters_are_bounded():
    with pytest.raises(DataError, match="at most 4,000 are read"):
        parse_filter("text~" + "a" * 4000)
    with pytest.raises(DataError, match=f"more than {MOST_VALUES} values"):
        parse_filter("a=" + ",".join(map(str, range(MOST_VALUES + 1))))
    with pytest.raises(DataError, match=f"at most {MOST_FILTERS} are read"):
        parse_filters(["a=b"] * (MOST_FILTERS + 1))


@pytest.fixture
def table():
    frame = pd.DataFrame(
        {
            "utterance": ["a", "b", "c", "d"],
            "text": ["No never", "NEVER", "so what", ""],
            "gender": ["f", "", "m", "f"],
            "loss": [0.5, 2, math.nan, 1],
        }
    )
    columns = tuple(Column(name, "number" if name == "loss" else "text", "") for name in frame)
    return UtteranceTable("four", frame, columns, ("x", "y"), pd.DataFrame())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gender=f", "ad"),
        ("gender=", "b"),
        ("gender!=f", "bc"),
        ("gender=m,", "bc"),
        ("text~never", "ab"),
        ("loss:0.5..1", "ad"),
        ("loss:1..", "bd"),
        ("loss=2,0.50", "ab"),
        ("loss=", "c"),
        ("loss!=", "abd"),
        ("loss!=2", "acd"),
    ],
)
def test_the_rows_that_a_filter_finds(table, text, found):
    rows = find_rows(table, [parse_filter(text)])
    assert "".join(table.keep(rows).frame["utterance"]) == found


def test_several_filters_hold_together(table):
    assert find_rows(table, parse_filters(["gender=f", "loss:1.."])).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nobody=1", "no column 'nobody'.*it has utterance, text, gender, loss"),
        ("gender:1..2", "gender holds texts"),
        ("loss~1", "loss holds numbers"),
        ("loss=high", "loss holds numbers, and 'high' is none"),
    ],
)
def test_a_filter_of_another_kind_of_column_says_what_to_do(table, text, said):
    with pytest.raises(DataError, match=said):
        find_rows(table, [parse_filter(text)])


def test_rows_are_sorted_with_what_is_unknown_last(table):
    assert "".join(sort_rows(table, "loss").frame["utterance"]) == "adbc"
    assert "".join(sort_rows(table, "loss:down").frame["utterance"]) == "bdac"
    assert "".join(sort_rows(table, "gender").frame["utterance"]) == "adcb"
    with pytest.raises(DataError, match="no column 'height'"):
        sort_rows(table, "height:down")


def test_any_value_can_be_filtered_by():
    rng = np.random.default_rng(3)
    letters = list('ab=!:~," \t\nÜ.')
    for _ in range(500):
        column = "".join(rng.choice(letters, rng.integers(1, 6)))
        values = tuple("".join(rng.choice(letters, rng.integers(0, 6))) for _ in range(rng.integers(1, 4)))
        one = Filter(column, "=", tuple(dict.fromkeys(values)))
        assert parse_filter(str(one)) == one, str(one)


def test_only_plain_numbers_make_a_column_of_numbers():
    assert read_texts("a", ["1", "", "-2.5"], "")[0].kind == "number"
    assert read_texts("a", ["007", "8"], "")[0].kind == "text"
    assert read_texts("a", ["nan", "8"], "")[0].kind == "text"
    assert read_texts("a", ["1e3"], "")[0].kind == "text"
    assert read_texts("a", ["", " "], "")[0].kind == "text"
    assert [write_number(v) for v in (3.0, 0.1 + 0.2, -1e-9, math.inf, 123456789.5)] == ["3", "0.3", "-1e-09", "", "1.234568e+08"]
