"""How times and lists are said."""

from mmer.phrasing import join_words, say_count, say_time


def test_times_are_no_more_exact_than_they_are_known():
    seconds = (0.4, 7.4, 61, 75, 119.4, 119.7, 200, 781, 3580, 3599.6, 5240, 7800)
    said = ["0 s", "7 s", "1 min 01 s", "1 min 15 s", "1 min 59 s", "2 min", "3 min", "13 min", "1 h 00 min", "1 h 00 min", "1 h 27 min"]
    assert [say_time(s) for s in seconds] == [*said, "2 h 10 min"]


def test_one_thing_is_no_plural():
    assert [say_count(n, "clip") for n in (0, 1, 2, 5531)] == ["0 clips", "1 clip", "2 clips", "5,531 clips"]
    assert say_count(2, "identity", "identities") == "2 identities"


def test_lists_end_with_and():
    assert [join_words("abc"[:n]) for n in (0, 1, 2, 3)] == ["", "a", "a and b", "a, b and c"]
