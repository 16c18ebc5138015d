"""Text corpora: reading, and keeping validation and test sentences out of training."""

import pytest

from mmer.datasets.texts import LabelledText, drop_leaks, normalise_sentence, read_texts
from mmer.errors import DataError


def test_rows_become_texts(tmp_path):
    path = tmp_path / "show.csv"
    path.write_text('split,emotion,text\ntrain,anger,"No, no!"\ntest,neutral,Fine.\n')
    assert read_texts(path) == (LabelledText("show", "train", "anger", "No, no!"), LabelledText("show", "test", "neutral", "Fine."))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("split,text\n", ["'emotion'", "missing"]),
        ("", ["'split'", "missing"]),
        ("split,emotion,text\ntrain,anger,a\nvalid,anger,b\n", ["row 3", "'split'", "'valid'"]),
        ("split,emotion,text\ntrain,rage,a\n", ["row 2", "'emotion'", "'rage'"]),
        ("split,emotion,text\ntrain,anger, \n", ["row 2", "'text'", "empty"]),
        ("split,emotion,text\ntrain,anger,a,b\n", ["row 2", "1 cell more"]),
    ],
)
def test_bad_rows_are_refused_with_their_place(tmp_path, text, words):
    path = tmp_path / "show.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_texts(path)
    assert all(word in str(caught.value) for word in [str(path), *words]), str(caught.value)


def test_missing_corpus(tmp_path):
    with pytest.raises(DataError, match="can't be opened"):
        read_texts(tmp_path / "none.csv")


def test_normalised_sentences_differ_in_words_only():
    assert normalise_sentence("I DON’T know… really!?") == normalise_sentence("i don't know, really") == "i dont know really"
    assert normalise_sentence("I do know") != normalise_sentence("I don't know")


def test_sentences_of_another_corpus_test_split_leave_training():
    texts = [
        LabelledText("a", "train", "anger", "Get out!"),
        LabelledText("a", "train", "neutral", "Only here."),
        LabelledText("a", "dev", "anger", "oh no"),
        LabelledText("b", "dev", "anger", "And here."),
        LabelledText("b", "test", "anger", "get out"),
        LabelledText("b", "test", "sadness", "Oh, no."),
        LabelledText("b", "train", "neutral", "And here!"),
        LabelledText("a", "train", "neutral", "..."),
        LabelledText("b", "test", "neutral", "?"),
    ]
    kept, dropped = drop_leaks(texts)
    assert dropped == {"a train": 1, "a dev": 1, "b train": 1}
    assert [t.text for t in kept] == ["Only here.", "And here.", "get out", "Oh, no.", "...", "?"]
    train = {normalise_sentence(t.text) for t in kept if t.split == "train"} - {""}
    assert not train & {normalise_sentence(t.text) for t in kept if t.split != "train"}
