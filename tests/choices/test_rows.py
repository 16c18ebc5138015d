"""Rows of choices: in order, read-only, one more for a while."""

from dataclasses import dataclass

import pytest

from mmer.choices.rows import Rows


@dataclass(frozen=True)
class Fruit:
    key: str


def test_rows_keep_their_order_and_can_not_be_written_to():
    rows = Rows(Fruit("pear"), Fruit("apple"))
    assert list(rows) == ["pear", "apple"]
    assert rows["apple"] == Fruit("apple")
    with pytest.raises(TypeError):
        rows["plum"] = Fruit("plum")


def test_a_row_is_there_while_its_block_lasts():
    rows = Rows(Fruit("pear"))
    with rows.adding(Fruit("plum")):
        assert list(rows) == ["pear", "plum"]
    assert "plum" not in rows
    with pytest.raises(ZeroDivisionError), rows.adding(Fruit("plum")):
        raise ZeroDivisionError
    assert "plum" not in rows


def test_no_two_rows_have_one_key():
    rows = Rows(Fruit("pear"))
    with pytest.raises(ValueError, match="pear"), rows.adding(Fruit("pear")):
        pass
    with pytest.raises(ValueError, match="pear"):
        Rows(Fruit("pear"), Fruit("pear"))
