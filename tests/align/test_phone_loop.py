"""Words that are nearly right: their phones against a free phone loop."""

import numpy as np
import pytest
from align_cases import load_speech, make_clip, make_transcript, read_transcriptions

from mmer.align.phone_loop import DOUBT, DOUBTFUL, PhoneLoop, describe_doubt, find_worst_run
from mmer.align.sphinx import PIECE_MAX, SphinxAligner, to_pcm
from mmer.results import Segment

BOOK = read_transcriptions("librivox", "transcription")
YOUNG_MAN = "librivox/sense_and_sensibility_01_austen_64kb-0880.wav"


def make_phones(*scores, length=0.1):
    return tuple(Segment("AH", round(i * length, 2), round((i + 1) * length, 2), i // 2, s) for i, s in enumerate(scores))


def doubts(alignment):
    return [n.text for n in alignment.notices if n.text.startswith(DOUBT)]


def test_the_worst_four_phones_in_a_row_are_found():
    phones = make_phones(-10, -10, -50, -60, -50, -60, -10, -10)
    worst, run = find_worst_run(phones, np.full(100, -5.0))
    assert worst == pytest.approx(-50.0) and run == phones[2:6]


def test_hurried_phones_count_less():
    """Four phones in 0.12 s: their 12 frames stand for 25."""
    worst, _ = find_worst_run(make_phones(-50, -50, -50, -50, length=0.03), np.full(100, 0.0))
    assert worst == pytest.approx(-50 * 12 / 25)


def test_few_phones_and_phones_without_a_score_are_not_judged():
    assert find_worst_run(make_phones(-90, -90, -90), np.zeros(100)) == (0.0, ())
    assert find_worst_run(make_phones(-90, -90, -90, None), np.zeros(100)) == (0.0, ())


def test_the_words_of_the_worst_phones_are_named():
    phones = make_phones(-90, -90, -90, -90)
    (notice,) = describe_doubt(DOUBTFUL - 1, phones, make_transcript("kids are here"))
    assert notice.level == "info" and "than “kids are” from 0.00 to 0.40 s" in notice.text and "fit -36" in notice.text
    assert describe_doubt(DOUBTFUL, phones, make_transcript("kids are here")) == []
    assert describe_doubt(0.0, (), make_transcript("")) == []


@pytest.mark.parametrize("path", BOOK)
def test_right_words_are_not_doubted(sphinx, path):
    assert doubts(sphinx.align(load_speech(path), make_transcript(BOOK[path]))) == []


def test_near_wrong_words_are_doubted_and_named(sphinx):
    """Two words of eight are others; the sentence's mean score gives no warning."""
    text = BOOK[YOUNG_MAN].replace("disposed", "considered")
    alignment = sphinx.align(load_speech(YOUNG_MAN), make_transcript(text))
    assert len(doubts(alignment)) == 1 and "considered" in doubts(alignment)[0]
    assert sphinx.judge(load_speech(YOUNG_MAN), make_transcript(text))[0].text == doubts(alignment)[0]


def test_one_reason_is_said_once(sphinx):
    """A transcript of another sentence has a poor mean score; its words are not doubted one by one as well."""
    other = next(text for path, text in BOOK.items() if path != YOUNG_MAN and len(text.split()) < 10)
    notices = sphinx.judge(load_speech(YOUNG_MAN), make_transcript(other))
    assert len(notices) == 1


def test_without_the_check_nothing_is_doubted():
    text = BOOK[YOUNG_MAN].replace("disposed", "considered")
    plain = SphinxAligner(check_words=False)
    assert doubts(plain.align(load_speech(YOUNG_MAN), make_transcript(text))) == []


def test_a_clip_that_is_aligned_in_pieces_is_not_looked_at(sphinx):
    clip = load_speech(YOUNG_MAN)
    long = make_clip(np.concatenate([clip.samples, np.random.default_rng(0).normal(0, 1e-3, int(PIECE_MAX * 16000)).astype(np.float32)]))
    text = BOOK[YOUNG_MAN].replace("disposed", "considered")
    assert doubts(sphinx.align(long, make_transcript(text))) == []


def test_the_loop_gives_the_same_in_any_order():
    loop = PhoneLoop()
    one, other = (to_pcm(load_speech(path).samples) for path in list(BOOK)[:2])
    first = loop.score_frames(one)
    loop.score_frames(other)
    np.testing.assert_array_equal(loop.score_frames(one), first)
    assert np.isfinite(first).all()
