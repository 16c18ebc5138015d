"""What is said of a data set before anything is trained."""

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.describe import count_reasons, describe_dataset, list_reasons, word_missing_classes


def test_missing_classes_are_named_from_any_iterable():
    assert word_missing_classes(iter(EMOTIONS), EMOTIONS) == ""
    assert word_missing_classes((label for label in ("anger", "neutral", "anger")), EMOTIONS) == (
        "There is no utterance of happiness or sadness: no model can learn that, and UA is over the others."
    )


def test_reasons_are_counted_without_names(tmp_path):
    left_out = ("a: labelled xxx", "b: labelled xxx", "c: no sound file c.wav")
    assert count_reasons(left_out) == {"labelled xxx": 2, "no sound file": 1}
    assert list_reasons(left_out) == "2 labelled xxx, 1 no sound file" and list_reasons(()) == ""
    said = [Utterance(tmp_path / f"{i}.wav", "x", "anger", f"s{i}", name=str(i)) for i in range(3)]
    lines = describe_dataset(Dataset("small", tuple(said), left_out, tuple(f"{i}: odd" for i in range(12))))
    assert lines[:3] == [
        "small: 3 utterances of 3 speakers: anger 3, happiness 0, sadness 0, neutral 0",
        "not in the data set: 3",
        "      2  labelled xxx",
    ]
    assert lines[-1] == "  ... and 2 more"
