import numpy as np
from align_cases import make_clip

from mmer.align.fit import check_fit, uncovered_share
from mmer.results import Alignment, Segment


def make_words(*spans):
    return Alignment(tuple(Segment("word", start, end, i) for i, (start, end) in enumerate(spans)), (), (), "by hand")


def test_sound_outside_the_words_is_counted_and_silence_is_not():
    samples = np.zeros(32000, np.float32)
    samples[0:16000] = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    assert uncovered_share(samples, make_words((0.0, 1.0))) == 0
    assert abs(uncovered_share(samples, make_words((0.0, 0.25))) - 0.75) < 0.02
    assert not check_fit(make_clip(samples), make_words((0.0, 1.0)))
    assert "75% of the loud sound" in check_fit(make_clip(samples), make_words((0.0, 0.25)))[0].text


def test_silence_is_covered():
    assert uncovered_share(np.zeros(16000, np.float32), make_words((0.0, 0.1))) == 0
