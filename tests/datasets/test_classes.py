"""Which labels become classes, in which order, and which are refused with a sentence."""

import pytest

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.classes import check_classes, clean_label, order_classes, parse_classes, say_own_classes
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.describe import describe_dataset
from mmer.datasets.manifest import read_manifest
from mmer.datasets.reading import read_dataset
from mmer.errors import DataError


def write(folder, labels):
    """A manifest without sound, a row for each label."""
    rows = [f'{i}.wav,"{label}",word {i},ann' for i, label in enumerate(labels)]
    (folder / "manifest.csv").write_text("\n".join(["path,label,text,speaker", *rows]) + "\n", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((), EMOTIONS),
        (("sadness",), EMOTIONS),
        (tuple(reversed(EMOTIONS)), EMOTIONS),
        (("positive", "negative", "neutral"), ("neutral", "negative", "positive")),
        (("surprise", "fear", "sadness", "anger"), ("anger", "sadness", "fear", "surprise")),
        (("b", "A", "ä", "a2"), ("A", "ä", "a2", "b")),
    ],
)
def test_the_paper_s_come_first_and_the_rest_by_name(labels, classes):
    assert order_classes(labels) == classes == order_classes(reversed(labels))


def test_a_manifest_s_labels_are_its_classes(tmp_path):
    dataset = read_dataset(write(tmp_path, ["fear", "joy ", "fear", "neutral"]), audio=False)
    assert dataset.classes == ("neutral", "fear", "joy") and dataset.numbers == (1, 2, 1, 0)
    text = "\n".join(describe_dataset(dataset))
    assert "neutral 1, fear 2, joy 1" in text and "3 classes of its own: neutral, fear, joy. Its scores can't be compared" in text


def test_the_paper_s_four_are_the_classes_where_there_are_no_others(tmp_path):
    dataset = read_dataset(write(tmp_path, ["anger", "neutral"]), audio=False)
    assert dataset.classes == EMOTIONS and say_own_classes(dataset.classes) == "" and len(describe_dataset(dataset)) == 1


def test_chosen_classes_keep_their_order_and_others_are_left_out_by_name(tmp_path):
    folder = write(tmp_path, ["bad", "good", "so so", "good"])
    dataset = read_dataset(folder, classes=("good", "bad"), audio=False)
    assert dataset.classes == ("good", "bad") and [u.label for u in dataset.utterances] == ["bad", "good", "good"]
    assert dataset.left_out == ("row 4: label 'so so', none of the classes",)
    mapped = read_dataset(folder, classes=("good", "bad"), labels={"so so": "bad"}, audio=False)
    assert [u.label for u in mapped.utterances] == ["bad", "good", "bad", "good"]  # a chosen class needs no mapping


def test_a_chosen_class_that_nobody_says_is_a_slip(tmp_path):
    folder = write(tmp_path, ["bad", "good", "good"])
    with pytest.raises(DataError, match=r"no utterance is labelled god\. Its labels are: good 2, bad 1"):
        read_dataset(folder, classes=("god", "bad", "good"), audio=False)
    nothing = read_dataset(write(tmp_path, ["furious"]), classes=EMOTIONS, audio=False)
    assert not nothing.utterances and nothing.left_out == ("row 2: label 'furious', none of the classes",)
    assert read_dataset(write(tmp_path, ["anger"]), classes=EMOTIONS, audio=False).classes == EMOTIONS


def test_more_than_twelve_labels_are_refused_with_the_most_frequent(tmp_path):
    labels = [f"label {i}" for i in range(13)] + ["label 5"] * 3
    with pytest.raises(DataError, match=r"it has 13 different labels \(label 5 4, label 0 1, .* at most 12 can be told apart"):
        read_manifest(write(tmp_path, labels), audio=False)
    assert len(read_manifest(write(tmp_path, labels[:12]), audio=False).classes) == 12


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("only", "1 class .only.; it must be 2 to 12"),
        (",".join("abcdefghijklm"), "13 classes"),
        ("a,b,a", "the class 'a' is named twice"),
        ("Joy,joy", "'Joy' and 'joy' would be two classes"),
        ("a,b\u202e", "can't be seen"),
        ("a," + "b" * 41, "it has 41 letters"),
        ("a=b,c", "holds '='"),
    ],
)
def test_classes_that_can_t_be_are_refused(told, words):
    with pytest.raises(DataError, match=words):
        parse_classes(told)


def test_typed_classes():
    assert parse_classes(" bad, so so ,good,") == ("bad", "so so", "good")
    assert parse_classes("  ") == ()
    check_classes([str(i) for i in range(12)], "here")
    assert clean_label(" cafe\u0301 ") == "caf\u00e9"


def test_a_data_set_made_by_hand_has_the_classes_of_its_labels(tmp_path):
    told = [Utterance(tmp_path / name, "", name, "ann") for name in ("up", "down")]
    assert Dataset("x", tuple(told)).classes == ("down", "up")
