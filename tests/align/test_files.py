"""One reader for every alignment file that a data set may name."""

import shutil

import pytest
from align_cases import SAMPLES, make_transcript

from mmer.align.files import read_alignment
from mmer.align.iemocap import iemocap_transcript, read_iemocap
from mmer.align.textgrid import read_textgrid, textgrid_transcript
from mmer.errors import AlignmentError

IEMOCAP = SAMPLES / "iemocap" / "utterance.wdseg"
TEXTGRID = SAMPLES / "align_one.long.TextGrid"


def test_each_format_finds_its_reader():
    files = [IEMOCAP.with_suffix(suffix) for suffix in (".wdseg", ".phseg", ".syseg")]
    assert read_alignment(IEMOCAP) == read_iemocap(*files)
    assert read_alignment(TEXTGRID) == read_textgrid(TEXTGRID)
    transcript = make_transcript("There's singing, the")
    assert read_alignment(IEMOCAP, transcript).words[0].label == "There's"


@pytest.mark.parametrize(("path", "read"), [(IEMOCAP, iemocap_transcript), (TEXTGRID, textgrid_transcript)])
def test_words_are_counted_in_the_files_own_transcript(path, read):
    own = read(path)
    assert all(own.words[w.word].text == w.label for w in read_alignment(path).words)


def test_syllables_may_be_missing_but_not_phones(tmp_path):
    for suffix in (".wdseg", ".phseg"):
        shutil.copy(IEMOCAP.with_suffix(suffix), tmp_path)
    assert len(read_alignment(tmp_path / "utterance.wdseg").syllables) == 4
    (tmp_path / "utterance.phseg").unlink()
    with pytest.raises(AlignmentError, match=r"utterance\.phseg can't be read"):
        read_alignment(tmp_path / "utterance.wdseg")


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(AlignmentError, match=r"a\.txt is neither"):
        read_alignment(tmp_path / "a.txt")
    with pytest.raises(AlignmentError, match=r"a\.TextGrid can't be read"):
        read_alignment(tmp_path / "a.TextGrid")
    with pytest.raises(AlignmentError, match=r"utterance\.wdseg: its last word ends at 1\.20 s, after the recording's 1\.00 s"):
        read_alignment(IEMOCAP, duration=1.0)
    assert read_alignment(IEMOCAP, duration=1.2)
