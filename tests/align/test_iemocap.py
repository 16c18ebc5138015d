"""The sample files follow the corpus's format; their content is made up."""

import time

import pytest
from align_cases import SAMPLES, make_transcript

from mmer.align.iemocap import read_iemocap
from mmer.errors import AlignmentError

FOLDER = SAMPLES / "iemocap"
WORDS, PHONES, SYLLABLES = (FOLDER / f"utterance.{end}" for end in ("wdseg", "phseg", "syseg"))


def test_frames_with_inclusive_ends_become_seconds():
    alignment = read_iemocap(WORDS, PHONES, SYLLABLES)
    assert [(w.label, w.start, w.end) for w in alignment.words] == [("there's", 0.3, 0.46), ("singing", 0.5, 0.8), ("the", 1.0, 1.2)]
    assert alignment.words[1].score == pytest.approx(-451200 / 30)
    assert alignment.score is not None and alignment.source == "IEMOCAP"


def test_triphones_become_phones():
    alignment = read_iemocap(WORDS, PHONES)
    assert [p.label for p in alignment.phones] == ["DH", "EH", "R", "Z", "S", "IH", "NG", "IH", "NG", "DH", "AH"]
    assert [p.word for p in alignment.phones] == [0] * 4 + [1] * 5 + [2] * 2
    assert (alignment.phones[0].start, alignment.phones[0].end) == (0.3, 0.35)


def test_syllables_of_both_notations_and_without_the_file():
    given = read_iemocap(WORDS, PHONES, SYLLABLES).syllables
    cut = read_iemocap(WORDS, PHONES).syllables
    assert [s.label for s in given] == ["DH EH R Z", "S IH NG", "IH NG", "DH AH"]
    assert [(s.label, s.start, s.end, s.word) for s in cut] == [(s.label, s.start, s.end, s.word) for s in given]


def test_words_are_matched_to_the_transcript():
    alignment = read_iemocap(WORDS, PHONES, None, make_transcript("There's singing, the"))
    assert [w.label for w in alignment.words] == ["There's", "singing", "the"]
    with pytest.raises(AlignmentError, match="Word 2 of the transcript is “talking”"):
        read_iemocap(WORDS, PHONES, None, make_transcript("There's talking"))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(AlignmentError, match=r"other\.phseg can't be read: No such file"):
        read_iemocap(WORDS, tmp_path / "other.phseg")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SFrm", "Start", "must begin with “SFrm EFrm”"),
        ("50\t   79", "fifty\t   79", "line 5: expected two frames, a score and a label"),
        ("50\t   79", "40\t   79", "line 5: frame 40 lies before the end of the line above"),
        ("50\t   79", "79\t   50", "line 5: .* ends before it begins"),
        ("SINGING", "", "line 5: .* has no label"),
    ],
)
def test_broken_lines_are_named(tmp_path, old, new, message):
    path = tmp_path / "broken.wdseg"
    path.write_text(WORDS.read_text().replace(old, new))
    with pytest.raises(AlignmentError, match=r"broken\.wdseg") as error:
        read_iemocap(path, PHONES)
    assert error.match(message)


def test_phone_outside_words_and_unknown_phone(tmp_path):
    path = tmp_path / "broken.phseg"
    path.write_text(PHONES.read_text().replace("SIL\n\t   50", "AA SIL S b\n\t   50"))
    with pytest.raises(AlignmentError, match=r"the phone AA at 0\.46 s lies outside every word"):
        read_iemocap(WORDS, path)
    path.write_text(PHONES.read_text().replace("DH SIL EH b", "QQ SIL EH b"))
    alignment = read_iemocap(WORDS, path)
    assert "QQ" in [phone.label for phone in alignment.phones] and len(alignment.words) == len(read_iemocap(WORDS, PHONES).words)
    assert [notice.text for notice in alignment.notices] == ["broken.phseg has sounds that are not ARPAbet's: QQ."]


@pytest.mark.parametrize(("own", "phone"), [("AX", "AH"), ("IX", "IH"), ("AXR", "ER"), ("DX", "T"), ("TD", "T"), ("KD", "K"), ("DD", "D")])
def test_sounds_of_the_older_dictionary_are_arpabet_s(tmp_path, own, phone):
    path = tmp_path / "older.phseg"
    path.write_text(PHONES.read_text().replace("DH SIL EH b", f"{own} SIL EH b"))
    before, after = read_iemocap(WORDS, PHONES), read_iemocap(WORDS, path)
    expected = [phone if a.label == "DH" and a.start == 0.3 else a.label for a in before.phones]
    assert [p.label for p in after.phones] == expected and not after.notices


def test_only_silence_is_refused(tmp_path):
    path = tmp_path / "silent.wdseg"
    path.write_text("SFrm EFrm SegAScr Word\n0 10 -5 <s>\n11 20 -5 </s>\nTotal score: -10\n")
    with pytest.raises(AlignmentError, match=r"silent\.wdseg holds no words"):
        read_iemocap(path, PHONES)


def write_lines(path, label, count, frames):
    lines = [f"{i * frames:5d} {(i + 1) * frames - 1:5d} {-1000 * frames:9d} {label}" for i in range(count)]
    path.write_text("\n".join(["\t SFrm  EFrm    SegAScr", *lines, "Total score: -1"]), encoding="utf-8")
    return path


def test_the_time_to_read_grows_with_the_lines_and_not_with_their_square(tmp_path):
    def spend(words):
        files = (("w.wdseg", "A", words, 12), ("p.phseg", "AH", words * 12, 1), ("s.syseg", "AH", words * 12, 1))
        paths = [write_lines(tmp_path / name, label, count, frames) for name, label, count, frames in files]
        begun = time.process_time()
        alignment = read_iemocap(*paths)
        assert len(alignment.words) == words and len(alignment.syllables) == words * 12
        return time.process_time() - begun

    short = min(spend(250) for _ in range(3))
    assert spend(2000) < 24 * short + 0.2  # eight times as many; their square would be 64
