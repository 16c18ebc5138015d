import numpy as np
import pytest
from align_cases import make_transcript

from mmer.align.assemble import SpokenWord, align_from_recogniser, assemble_alignment, find_holders, match_labels
from mmer.errors import AlignmentError
from mmer.results import Segment, Transcript, Word


def test_spoken_words_of_one_written_word_are_one_segment_with_syllables_cut_within_each():
    transcript = make_transcript("21 eggs", {"21": ("twenty", "one")})
    phones = [(0, "T", "W", "EH", "N", "T", "IY"), (0, "W", "AH", "N"), (1, "EH", "G", "Z")]
    spoken, at = [], 0.0
    for index, *labels in phones:
        segments = tuple(Segment(label, at + 0.1 * i, at + 0.1 * (i + 1), index, -10.0 - index) for i, label in enumerate(labels))
        spoken.append(SpokenWord(index, at, segments[-1].end, segments, -10.0 - index))
        at = segments[-1].end + 0.1
    alignment = assemble_alignment(spoken, transcript, source="test")
    assert [(w.label, w.word) for w in alignment.words] == [("21", 0), ("eggs", 1)]
    assert alignment.words[0].end == pytest.approx(1.0)  # 6 + 1 + 3 phones and pause of 0.1 s
    assert [s.label for s in alignment.syllables] == ["T W EH N", "T IY", "W AH N", "EH G Z"]
    assert [s.word for s in alignment.syllables] == [0, 0, 0, 1]
    assert alignment.words[0].score == pytest.approx(-10)
    assert alignment.score == pytest.approx((-10 * 1.0 - 11 * 0.3) / 1.3)


@pytest.mark.parametrize(
    ("labels", "indices"),
    [
        ("there 's 21 eggs", [0, 0, 1, 2]),
        ("there's twenty one eggs", [0, 1, 1, 2]),
        ("<unk> twenty <unk> eggs", [0, 1, 1, 2]),
        ("THERE'S twenty-one <unk>", [0, 1, 2]),
    ],
)
def test_labels_find_their_written_words(labels, indices):
    transcript = make_transcript("There's 21 eggs 🙂", {"There's": ("there's",), "21": ("twenty", "one"), "🙂": ()})
    assert match_labels(labels.split(), transcript) == indices


def test_other_words_are_named():
    with pytest.raises(AlignmentError, match="Word 2 of the transcript is “eggs”, but the aligned words have “ham”"):
        match_labels(["two", "ham"], make_transcript("two eggs"))
    with pytest.raises(AlignmentError, match="have nothing more in its place"):
        match_labels(["two"], make_transcript("two eggs"))
    with pytest.raises(AlignmentError, match="go on after the last word of the transcript, with “now”"):
        match_labels(["two", "eggs", "now"], make_transcript("two eggs"))


def test_recogniser_times_are_marked_as_approximate():
    words = (Word("Two", 0, 3, ("two",), 0.1, 0.5), Word("eggs", 4, 8, ("eggs",), 0.45, 0.9), Word("!", 9, 10, (), 0.9, 0.9))
    alignment = align_from_recogniser(Transcript("Two eggs !", words, "whisper"))
    assert [(w.label, w.start, w.end) for w in alignment.words] == [("Two", 0.1, 0.5), ("eggs", 0.5, 0.9)]
    assert alignment.approximate and not alignment.phones and not alignment.syllables
    assert "approximate" in alignment.notices[0].text


def test_typed_words_have_no_times():
    with pytest.raises(AlignmentError, match="no word times"):
        align_from_recogniser(make_transcript("two eggs"))


def test_holders_are_those_that_a_look_at_every_span_finds():
    rng = np.random.default_rng(0)
    edges = np.sort(rng.integers(0, 400, 60)) / 100  # with gaps, and spans that touch
    spans = [(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2]) if b > a]
    times = [*(rng.integers(-20, 420, 500) / 100), *(edge for span in spans for edge in span)]
    slow = [next((i for i, (start, end) in enumerate(spans) if start <= time < end), -1) for time in times]
    assert find_holders(times, spans) == slow
    assert find_holders([1.0], []) == [-1]
