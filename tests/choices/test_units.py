"""The rows of units say what the rest of the package reads of them."""

import pytest

from mmer.choices.units import ALIGNMENT, TEXT, UNITS, Unit, aligned_by_name, aligned_units, list_units, name_unit, speech_units
from mmer.results import Alignment, Segment

ALIGNMENT_OF_TWO = Alignment(
    words=(Segment("a", 0.1, 0.2, 0), Segment("b", 0.6, 0.9, 1)), syllables=(), phones=(Segment("AH", 0.1, 0.2, 0),), source="test"
)


def merge_words(alignment):
    return [Segment("all", alignment.words[0].start, alignment.words[-1].end, -1)]


def test_the_paper_s_units():
    assert "".join(UNITS).startswith("TFPSW")
    assert speech_units()[:4] == ("F", "P", "S", "W") and aligned_units()[:3] == ("P", "S", "W")
    assert list(aligned_by_name())[-3:] == ["words", "syllables", "phones"]
    assert list_units().startswith("T F P S W") and ": text, frames, phones, syllables, words" in list_units()
    assert (name_unit("P"), name_unit("late"), name_unit("late", "late model")) == ("phones", "late", "late model")


def test_a_unit_s_segments_are_a_tier_or_made_of_one():
    assert [s.label for s in ALIGNMENT_OF_TWO.tier("W")] == ["a", "b"]
    assert ALIGNMENT_OF_TWO.tier("S") == ALIGNMENT_OF_TWO.tier("F") == ()
    with UNITS.adding(Unit("Z", "clauses", "clause", ALIGNMENT, spans=f"{__name__}:merge_words")):
        assert [(s.start, s.end) for s in ALIGNMENT_OF_TWO.tier("Z")] == [(0.1, 0.9)]


@pytest.mark.parametrize("wrong", [{"key": "zz"}, {"key": "z"}, {"source": TEXT}, {"spans": ""}], ids=str)
def test_a_row_that_can_not_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"a unit's key is one capital letter|spans go with the source"):
        Unit(**({"key": "Z", "name": "clauses", "one": "clause", "source": ALIGNMENT, "spans": "words"} | wrong))
