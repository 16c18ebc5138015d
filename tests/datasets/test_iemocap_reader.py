"""IEMOCAP's release: every trap of its formats, on made-up trees; and its counts."""

import json
from collections import Counter

import pytest
from iemocap_tree import SMALL, write_full_tree, write_small_tree

from mmer.align.iemocap import read_iemocap as read_alignment
from mmer.audio.load import load_audio
from mmer.datasets.describe import count_reasons, describe_dataset
from mmer.datasets.iemocap import (
    COUNTS,
    SESSION_COUNTS,
    RatedUtterance,
    describe_agreement,
    read_iemocap,
    read_turn,
    remove_marks,
)
from mmer.errors import DataError
from mmer.transcript.transcribe import read_transcript


@pytest.fixture
def tree(tmp_path):
    return write_small_tree(tmp_path / "IEMOCAP_full_release", sound="empty")


def find(dataset, name):
    return next(u for u in dataset.utterances if u.name == name)


@pytest.fixture(scope="module")
def full(full_root):
    return read_iemocap(full_root, audio=False)


def test_full_release_has_the_papers_5531_utterances(full):
    assert len(full.utterances) == 5531 == len({u.name for u in full.utterances})
    assert Counter(u.label for u in full.utterances) == COUNTS == {"anger": 1103, "happiness": 1636, "sadness": 1084, "neutral": 1708}
    assert Counter(u.session for u in full.utterances) == SESSION_COUNTS == {"1": 1085, "2": 1023, "3": 1151, "4": 1031, "5": 1241}
    assert full.speakers == tuple(f"Ses0{n}{letter}" for n in range(1, 6) for letter in "FM")
    assert len(full.left_out) == 10039 - 5531


def test_what_is_left_out_is_counted_by_reason(full):
    assert count_reasons(full.left_out) == {
        "labelled xxx (no majority among the raters)": 2507,
        "labelled fru (frustration)": 1849,
        "labelled sur (surprise)": 107,
        "labelled fea (fear)": 40,
        "labelled oth (another emotion)": 3,
        "labelled dis (disgust)": 2,
    }
    text = "\n".join(describe_dataset(full))
    assert "5,531 utterances of 10 speakers: anger 1103, happiness 1636, sadness 1084, neutral 1708" in text
    assert " 2507  labelled xxx" in text and full.notes == ()


@pytest.fixture(scope="module")
def full_root(tmp_path_factory):
    return write_full_tree(tmp_path_factory.mktemp("full"))


def test_its_other_labels_can_be_chosen(full_root):
    classes = ("frustration", "anger", "happiness", "excitement", "sadness", "neutral")
    found = read_iemocap(full_root, classes=classes, audio=False)
    counts = Counter(u.label for u in found.utterances)
    assert found.classes == classes and found.notes == ()
    assert counts == {"frustration": 1849, "anger": 1103, "happiness": 595, "excitement": 1041, "sadness": 1084, "neutral": 1708}
    assert count_reasons(found.left_out)["labelled sur (surprise)"] == 107
    calm = read_iemocap(full_root, classes=("happiness", "fear", "other"), audio=False)
    assert Counter(u.label for u in calm.utterances) == {"happiness": 1636, "fear": 40, "other": 3}  # excitement is not chosen, so merged
    without = read_iemocap(full_root, classes=("anger", "sadness"), audio=False)
    assert count_reasons(without.left_out)["labelled exc (excitement)"] == 1041


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("anger", "joy"), "no label 'joy'; choose 2 to 10 of anger, happiness"),
        (("anger",), "1 class .anger.; it must be 2 to 12"),
        (("anger", "anger"), "'anger' is named twice"),
    ],
)
def test_classes_that_it_does_not_have_are_refused(full_root, classes, words):
    with pytest.raises(DataError, match=words):
        read_iemocap(full_root, classes=classes, audio=False)


def test_small_tree_is_read_with_all_its_traps(tree):
    dataset = read_iemocap(tree)
    four = [turn for said in SMALL.values() for turn in said if turn.code not in ("xxx", "fru")]
    assert [u.name for u in dataset.utterances] == [t.name for t in four]
    assert all(u.has_audio and u.path.is_file() for u in dataset.utterances)
    assert dataset.sessions == ("1", "3", "5")
    assert sorted(dataset.left_out) == [
        "Ses01F_impro01.txt, line 5: a transcribed line without a turn's name",
        "Ses01F_impro01.txt, line 8: a transcribed line without a turn's name",
        "Ses01F_impro01_M001: labelled xxx (no majority among the raters)",
        "Ses01F_impro01_M002: labelled fru (frustration)",
        "Ses01F_impro01_MXX0: a transcribed turn that nobody rated",
    ]
    assert dataset.notes[1:] == (
        "Session2: not in IEMOCAP_full_release",
        "Ses03M_impro03_M001: no .wdseg, so no phones, syllables and words from the release",
        "Ses03M_impro05a_M001: no words, only [BREATHING]",
        "Session4: not in IEMOCAP_full_release",
    )
    assert "10 utterances: not the full release, which has 5531 (anger 1103" in "\n".join(describe_dataset(dataset))


def test_speaker_is_the_letter_before_the_turn_not_the_files_prefix(tree):
    dataset = read_iemocap(tree)
    lines = {name: find(dataset, name) for name in ("Ses05M_script01_1b_F001", "Ses05M_script01_1b_M000", "Ses03M_impro05a_F000")}
    assert [u.speaker for u in lines.values()] == ["Ses05F", "Ses05M", "Ses03F"]
    assert [u.extra["gender"] for u in lines.values()] == ["female", "male", "female"]
    assert [u.extra["kind"] for u in lines.values()] == ["scripted", "scripted", "improvised"]
    assert [u.dialogue for u in lines.values()] == ["Ses05M_script01_1b", "Ses05M_script01_1b", "Ses03M_impro05a"]


def test_turn_names_with_letters_and_xx(tmp_path):
    assert read_turn("Ses03M_impro08b_FXX0", tmp_path).speaker == "Ses03F"
    assert read_turn("Ses02F_script01_1_M012", tmp_path).dialogue == "Ses02F_script01_1"
    for name in ("Ses03M_impro08b", "Ses03M_impro08b_X001", "Ses03X_impro08b_F001"):
        with pytest.raises(DataError, match=f"{name!r} is not an utterance's name"):
            read_turn(name, tmp_path)


def test_metadata_votes_and_ratings(tree):
    dataset = read_iemocap(tree)
    first = find(dataset, "Ses01F_impro01_F000")
    assert (first.extra["valence"], first.extra["activation"], first.extra["dominance"]) == ("2.5", "3", "2.3333")
    assert json.loads(first.extra["votes"]) == {"E2": ["Neutral"], "F1": ["Neutral", "Anger"]}
    assert json.loads(first.extra["ratings"]) == {"E3": {"val": 3.0, "act": 2.0, "dom": 2.0}, "F1": {"val": 3.0, "act": 2.0}}
    assert first.extra["agreement"] == "1 of 1" and first.extra["emotion"] == "neu"
    gift = find(dataset, "Ses03M_impro05a_F000")
    assert gift.extra["agreement"] == "2 of 3" and gift.label == "happiness" and gift.extra["emotion"] == "hap"
    assert json.loads(gift.extra["ratings"])["E4"] == {"val": 2.0, "act": 4.0, "dom": 3.0}  # the comment's "val 5" is none
    assert find(dataset, "Ses01F_impro01_F003").label == "happiness"  # excitement


def test_agreement_counts_outside_raters_alone():
    votes = {"E1": ["Excited"], "E2": ["Happiness", "Excited"], "E3": ["Neutral state"], "M1": ["Excited"]}
    assert describe_agreement(RatedUtterance("n", "exc", 0, 1, (3, 3, 3), votes)) == "2 of 3"
    assert describe_agreement(RatedUtterance("n", "exc", 0, 1, (3, 3, 3), {"M1": ["Excited"]})) == ""


def test_marks_are_not_words_but_are_kept(tree):
    dataset = read_iemocap(tree)
    prize = find(dataset, "Ses01F_impro01_F003")
    assert (prize.text, prize.extra["transcript"]) == ("We won the prize.", "[LAUGHTER] We won the prize.")
    assert find(dataset, "Ses03M_impro05a_M001").text == ""
    assert "transcript" not in find(dataset, "Ses01F_impro01_F000").extra
    assert remove_marks("[LAUGHTER], That's it [BREATHING], ++GARBAGE++ no.") == "That's it, no."


def test_windows_text_and_line_ends(tree):
    texts = {u.name: u.text for u in read_iemocap(tree).utterances}
    assert texts["Ses05M_script01_1b_M000"] == "I\u2019d never said that."


def test_the_folder_above_the_release_will_do(tree):
    assert read_iemocap(tree.parent).utterances == read_iemocap(tree).utterances


def test_alignment_files_fit_the_words(tree):
    dataset = read_iemocap(tree)
    assert [u.name for u in dataset.utterances if u.alignment is None] == ["Ses03M_impro03_M001"]
    prize = find(dataset, "Ses01F_impro01_F003")
    files = [prize.alignment.with_suffix(suffix) for suffix in (".wdseg", ".phseg", ".syseg")]
    alignment = read_alignment(*files, read_transcript(prize.text))
    assert [(w.label, w.start, w.end) for w in alignment.words][:2] == [("We", 0.1, 0.4), ("won", 0.4, 0.7)]
    assert len(alignment.phones) == 12 and len(alignment.syllables) == 4


def test_words_alone_need_no_sound(tmp_path):
    tree = write_small_tree(tmp_path)
    with pytest.raises(DataError, match=r"no usable utterance; 15 were left out: 10 no sound file.*choose the unit T"):
        read_iemocap(tree)
    dataset = read_iemocap(tree, audio=False)
    assert len(dataset.utterances) == 10 and not any(u.has_audio for u in dataset.utterances)


def test_one_missing_sound_is_named(tree):
    (tree / "Session3/sentences/wav/Ses03M_impro03/Ses03M_impro03_M001.wav").unlink()
    dataset = read_iemocap(tree)
    assert len(dataset.utterances) == 9
    line = "Ses03M_impro03_M001: no sound file Session3/sentences/wav/Ses03M_impro03/Ses03M_impro03_M001.wav"
    assert line in dataset.left_out
    assert count_reasons(dataset.left_out)["no sound file"] == 1
    assert len(read_iemocap(tree, audio=False).utterances) == 10


def test_odd_lines_are_noted_not_dropped_silently(tree):
    evaluation = tree / "Session3/dialog/EmoEvaluation/Ses03M_impro03.txt"
    evaluation.write_text(evaluation.read_text().replace("C-E4:\tOther;", "E4 Other"))
    transcription = tree / "Session3/dialog/transcriptions/Ses03M_impro03.txt"
    transcription.write_text(transcription.read_text() * 2)
    notes = read_iemocap(tree).notes
    assert "Ses03M_impro03.txt, line 6: a rating that can't be understood, left out" in notes
    assert "Ses03M_impro03_M001: transcribed twice; line 2 of Ses03M_impro03.txt is not used" in notes
    transcription.write_text("M: Take a seat.\n")
    dataset = read_iemocap(tree)
    assert "Ses03M_impro03_M001: not in the transcription, so no words" in dataset.notes
    assert find(dataset, "Ses03M_impro03_M001").text == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("neu\t[2.5000,", "neu\t[two,", ["line 3", "valence, activation, dominance", "two"]),
        ("Ses03M_impro03_M001", "Ses03M_impro03_1", ["'Ses03M_impro03_1' is not an utterance's name"]),
        ("Ses03M_impro03_M001", "Ses04M_impro03_M001", ["Ses04M_impro03_M001 is of session 4", "Session3"]),
    ],
)
def test_broken_files_are_refused_with_their_place(tree, old, new, words):
    file = tree / "Session3/dialog/EmoEvaluation/Ses03M_impro03.txt"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DataError) as caught:
        read_iemocap(tree)
    assert all(word in str(caught.value) for word in [str(file), *words]), str(caught.value)


def test_same_utterance_twice_and_missing_files(tree, tmp_path):
    file = tree / "Session3/dialog/EmoEvaluation/Ses03M_impro03.txt"
    text = file.read_text()
    file.write_text(text + text)
    with pytest.raises(DataError, match=r"Ses03M_impro03\.txt, line 14: Ses03M_impro03_M001 stands twice"):
        read_iemocap(tree)
    file.write_text(text)
    (tree / "Session3/dialog/transcriptions/Ses03M_impro03.txt").unlink()
    with pytest.raises(DataError, match=r"transcriptions/Ses03M_impro03\.txt: can't be read \(No such file"):
        read_iemocap(tree)
    (tmp_path / "Session1").mkdir()
    with pytest.raises(DataError, match=r"EmoEvaluation: no \.txt files\. They hold the labels of Session1"):
        read_iemocap(tmp_path)
    with pytest.raises(DataError, match="no folder Session1 to Session5"):
        read_iemocap(tmp_path / "elsewhere")


def test_spoken_tree_can_be_heard(tmp_path):
    dataset = read_iemocap(write_small_tree(tmp_path, sound="espeak"))
    clips = [load_audio(u.path) for u in dataset.utterances]
    assert all(clip.duration > 0.3 for clip in clips)
    assert len({clip.sha256 for clip in clips}) == len(clips)
