import numpy as np

from mmer.encoders.features import extract_features
from mmer.results import Alignment, Segment, SpeechStates, TextStates


def _speech(frames=40):
    hidden = np.random.default_rng(0).normal(size=(2, frames, 3)).astype(np.float32)
    return SpeechStates(hidden, np.arange(frames) * 0.02, 0.02, "planted", ("1", "2"))


def _text():
    return TextStates(np.ones((2, 3, 3), np.float32), ("hi", "you", "!"), np.array([[0, 2], [3, 6], [6, 7]]), np.array([0, 1, -1]),
                      "planted", ("1", "2"))  # fmt: skip


def _alignment():
    words = (Segment("hi", 0.1, 0.3, 0), Segment("you", 0.4, 0.7, 1))
    phones = (Segment("HH", 0.1, 0.2, 0), Segment("AY", 0.2, 0.3, 0), Segment("Y", 0.4, 0.5, 1), Segment("UW", 0.5, 0.7, 1))
    syllables = (Segment("HH AY", 0.1, 0.3, 0), Segment("Y UW", 0.4, 0.7, 1))
    return Alignment(words, syllables, phones, "planted")


def test_all_five_units_with_their_labels():
    features = extract_features("compact", _speech(), _text(), _alignment())
    assert set(features.units) == set("TFPSW") and not features.absent
    assert features.units["P"].labels == ("HH", "AY", "Y", "UW")
    assert features.units["S"].states.shape == (2, 2, 3)
    assert features.units["W"].words.tolist() == [0, 1]
    np.testing.assert_allclose(features.units["W"].states[:, 0], _speech().hidden[:, 5:15].mean(1), atol=1e-6)


def test_frames_know_their_word_and_pauses_stay_in():
    frames = extract_features("compact", _speech(), _text(), _alignment()).units["F"]
    assert len(frames.labels) == 40
    assert frames.words[4] == -1 and frames.words[5] == 0 and frames.words[14] == 0
    assert frames.words[15] == -1 and frames.words[20] == 1 and frames.words[39] == -1
    assert frames.starts[0] == 0.0 and np.all(frames.ends > frames.starts)


def test_what_is_missing_is_named_and_not_filled():
    features = extract_features("compact", _speech(), None, None, absent={"S": "The aligner found no path.", "T": "Nothing was said."})
    assert set(features.units) == {"F"}
    assert features.absent["S"] == "The aligner found no path." and features.absent["T"] == "Nothing was said."
    assert "phones" in features.absent["P"] and set(features.absent) == set("TPSW")


def test_words_without_phones_leave_out_phones_and_syllables():
    words_only = Alignment(_alignment().words, (), (), "recogniser", approximate=True)
    assert set(extract_features("compact", _speech(), _text(), words_only).units) == {"T", "F", "W"}
