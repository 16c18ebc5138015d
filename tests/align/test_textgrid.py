import json
import time
from itertools import pairwise

import pytest
from align_cases import SAMPLES, make_alignment, make_transcript
from praatio import textgrid as praatio_textgrid

from mmer.align.textgrid import read_textgrid, textgrid_transcript, write_textgrid
from mmer.align.textgrid_tiers import read_tiers
from mmer.errors import AlignmentError
from mmer.results import Alignment, Segment

SENTENCE = "He was not an ill disposed young man."
PHONES = "HH IY W AA Z|N AA T|AH N|IH L|D IH S P OW Z D|Y AH NG|M AE N".replace("|", " ").split()


@pytest.mark.parametrize(
    "name",
    ["align.long.TextGrid", "align.short.TextGrid", "align.json", "align_one.long.TextGrid", "align_one.short.TextGrid", "align_one.json"],
)
def test_real_files_of_every_format(name):
    alignment = read_textgrid(SAMPLES / name, make_transcript(SENTENCE), duration=2.99)
    assert [w.label for w in alignment.words] == SENTENCE.rstrip(".").split()
    assert [p.label for p in alignment.phones] == PHONES
    assert alignment.words[0].start == pytest.approx(0.29) and alignment.words[0].end == pytest.approx(0.34)
    assert [s.label for s in alignment.syllables if s.word == 5] == ["D IH", "S P OW Z D"]
    assert not alignment.notices


def test_word_tier_gives_the_transcript():
    transcript = textgrid_transcript(SAMPLES / "align.long.TextGrid")
    assert transcript.text == "he was not an ill disposed young man"
    assert transcript.text[transcript.words[5].start_char : transcript.words[5].end_char] == "disposed"
    alignment = read_textgrid(SAMPLES / "align.long.TextGrid")
    assert [w.word for w in alignment.words] == list(range(8))


def test_unknown_word_takes_its_name_from_the_transcript_and_has_no_phones():
    alignment = read_textgrid(SAMPLES / "align_one.oov.TextGrid", make_transcript("He was not an ill zorblatted young man"))
    assert alignment.words[5].label == "zorblatted"
    assert all(phone.word != 5 for phone in alignment.phones)


def test_round_trip_and_an_independent_reader(tmp_path):
    alignment = make_alignment()
    path = tmp_path / "clip.TextGrid"
    path.write_text(write_textgrid(alignment, 1.0), encoding="utf-8")
    back = read_textgrid(path, make_transcript("Say hello"), duration=1.0)
    for tier in ("words", "syllables", "phones"):
        ours, theirs = getattr(alignment, tier), getattr(back, tier)
        assert [(s.label, s.word) for s in ours] == [(s.label, s.word) for s in theirs]
        assert [t for s in ours for t in (s.start, s.end)] == pytest.approx([t for s in theirs for t in (s.start, s.end)])
    grid = praatio_textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    assert grid.tierNames == ("words", "syllables", "phones")
    for name in grid.tierNames:
        entries = grid.getTier(name).entries
        assert entries[0].start == 0 and entries[-1].end == 1.0
        assert all(a.end == b.start for a, b in pairwise(entries))


def test_quotes_and_other_scripts_survive():
    label = 'say "пока" 🙂'
    alignment = Alignment((Segment(label, 0.1, 0.5, 0),), (), (), "by hand")
    text = write_textgrid(alignment, 1.0)
    assert '"say ""пока"" 🙂"' in text and "phones" not in text
    assert read_tiers(text)[0].intervals[1] == (0.1, 0.5, label)


def test_speaker_prefix_case_and_utf16(tmp_path):
    text = (SAMPLES / "align.long.TextGrid").read_text().replace('"words"', '"Anna - Words"').replace('"phones"', '"Anna - PHONES"')
    path = tmp_path / "praat.TextGrid"
    path.write_bytes(text.encode("utf-16"))
    assert len(read_textgrid(path).phones) == len(PHONES)


def test_words_alone_are_taken_with_a_notice():
    alignment = Alignment((Segment("hello", 0.1, 0.5, 0),), (), (), "by hand")
    back = read_textgrid(write_textgrid(alignment, 1.0))
    assert not back.phones and not back.syllables
    assert "no phones and no syllables" in back.notices[0].text


def test_own_syllable_tier_wins():
    text = write_textgrid(make_alignment(), 1.0).replace('xmax = 0.6\n            text = "HH AH"', 'xmax = 0.6\n            text = "first"')
    assert "first" in text
    back = read_textgrid(text)
    assert [s.label for s in back.syllables] == ["S EY", "HH AH", "L OW"]


def make_grid(words=((0.0, 0.5, "say"), (0.5, 1.0, "hello")), phones=((0.0, 0.5, "S"), (0.5, 1.0, "OW")), names=("words", "phones")):
    tiers = [{"class": "IntervalTier", "name": n, "xmin": 0, "xmax": 1, "entries": e} for n, e in zip(names, (words, phones))]
    return json.dumps({"xmin": 0, "xmax": 1, "tiers": tiers})


LONG = (SAMPLES / "align.long.TextGrid").read_text()
SHORT = (SAMPLES / "align.short.TextGrid").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LONG[: len(LONG) // 2], "cut off: it ends where"),
        (SHORT[: len(SHORT) // 2], "cut off: it ends where"),
        (LONG.replace('"TextGrid"', '"Pitch 1"'), "not a TextGrid"),
        ("hello\nworld\n", "not a TextGrid: it doesn't begin with"),
        (LONG.replace("xmin = 0.29", "xmin = here", 1), "instead of a time of entry 2 in tier “words”"),
        (LONG.replace("size = 15", "size = 1.5"), "the size of tier “words” is 1.5"),
        (LONG.replace("IntervalTier", "StrangeTier", 1), "unknown class “StrangeTier”"),
        ("", "The TextGrid is empty"),
        ("/etc/hostname", "not a TextGrid: it doesn't begin with"),  # text is never taken for a path
        ('{"tiers": ', "not JSON (Expecting value in line 1"),
        ('{"tiers": [1]}', "not a TextGrid: it needs “tiers”"),
        ('{"start": 0}', "not a TextGrid: it needs “tiers”"),
        (make_grid(names=("Mary", "phones")), "no tier of words. Its tiers are: Mary, phones"),
        (make_grid(names=("words", "A - words")), "2 tiers of words"),
        (make_grid(words=((0.0, 0.6, "say"), (0.5, 1.0, "hello"))), "Interval 2 (“hello”) of the tier “words” begins at 0.500 s"),
        (make_grid(words=((0.5, 0.5, "say"),)), "Interval 1 (“say”) of the tier “words” has no length"),
        (make_grid(words=((0.0, 0.5, ""),)), "tier of words is empty"),
        (make_grid(words=((-1.0, 0.5, "say"),)), "begins at -1.000 s, before 0.000 s where the recording begins"),
        (make_grid(words=((0.0, 0.5, "say"),)), "The phone “OW” at 0.500 s lies outside every word"),
        (make_grid(phones=((0.0, 0.5, "§"),)), "“§” at 0.000 s in the tier of phones is neither"),
        (make_grid(words=((0.0, 0.5, "say"), (0.5, 3.0, "hello"))), "goes on to 3.00 s (“hello”), but the recording ends at 1.00 s"),
    ],
)  # fmt: skip
def test_broken_files_are_refused_with_a_reason(text, message):
    with pytest.raises(AlignmentError) as error:
        read_textgrid(text, duration=1.0 if "3.0" in text else None)
    assert message in str(error.value)


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(AlignmentError, match=r"“none\.TextGrid” can't be read: No such file"):
        read_textgrid(tmp_path / "none.TextGrid")
    (tmp_path / "empty.TextGrid").write_bytes(b"")
    with pytest.raises(AlignmentError, match=r"“empty\.TextGrid” is empty"):
        read_textgrid(tmp_path / "empty.TextGrid")
    for rest in (b"\xff\xfe\x00\x80", b"\x00\x00\x00\x00"):  # the second would be text in UTF-8
        (tmp_path / "binary.TextGrid").write_bytes(b"ooBinaryFile\x08TextGrid" + rest)
        with pytest.raises(AlignmentError, match=r"“binary\.TextGrid” is one of Praat's binary files\. Save it as a text file"):
            read_textgrid(tmp_path / "binary.TextGrid")
    with pytest.raises(AlignmentError, match="one of Praat's binary files"):
        read_textgrid("ooBinaryFile\x08TextGrid\x00\x00")


@pytest.mark.parametrize("name", ["align.long.TextGrid", "align.short.TextGrid"])
def test_times_that_count_from_a_longer_recording_are_named_with_their_offset(name):
    """A stretch that was cut out in Praat with its times kept begins where it began in the whole recording."""
    tiers = read_tiers(SAMPLES / name)
    words = tuple((start + 10, end + 10, label) for start, end, label in next(t for t in tiers if t.name == "words").intervals)
    duration = words[-1][1] - 10
    with pytest.raises(AlignmentError) as error:
        read_textgrid(make_grid(words=words, names=("words",)), duration=duration)
    assert f"times begin at 10.00 s and go on to {words_end(words):.2f} s, but the recording lasts {duration:.2f} s" in str(error.value)
    assert "Shift them by -10.00 s" in str(error.value)
    longer = read_textgrid(make_grid(words=words, names=("words",)), duration=duration + 10)  # of the whole recording they are right
    assert longer.words[0].start == pytest.approx(words_start(words))


def words_start(words):
    """Where the first interval that holds something begins."""
    return next(start for start, _, label in words if label)


def words_end(words):
    """Where the last interval that holds something ends."""
    return next(end for _, end, label in reversed(words) if label)


def test_other_words_than_the_transcript_are_refused():
    with pytest.raises(AlignmentError, match="Word 1 of the transcript is “Kids”"):
        read_textgrid(SAMPLES / "align.long.TextGrid", make_transcript("Kids are talking"))


def write_many(words, phones_each, seconds=300.0):
    """The text of a TextGrid in short form with syllables as fine as its phones: what a program, not a person, writes."""
    lines = ["ooTextFile", "TextGrid"]
    lines = [f'File type = "{lines[0]}"', f'Object class = "{lines[1]}"', "0", str(seconds), "<exists>", "3"]
    for name, label, count in (("words", "a", words), ("phones", "AH", words * phones_each), ("syllables", "a", words * phones_each)):
        step = seconds / count
        lines += ['"IntervalTier"', f'"{name}"', "0", str(seconds), str(count)]
        for i in range(count):
            lines += [f"{i * step:.6f}", f"{(i + 1) * step:.6f}", f'"{label}"']
    return "\n".join(lines)


def spend(work):
    """CPU seconds of this process, which other programs on the machine don't lengthen much."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_the_time_to_read_grows_with_the_intervals_and_not_with_their_square():
    few, many = write_many(250, 12), write_many(2000, 12)  # 6,250 and 50,000 intervals
    assert len(read_textgrid(many, duration=300.0).syllables) == 24_000
    short = min(spend(lambda: read_textgrid(few, duration=300.0)) for _ in range(3))
    assert spend(lambda: read_textgrid(many, duration=300.0)) < 24 * short + 0.2  # eight times as many; their square would be 64


def test_a_syllable_takes_the_phones_and_the_word_whose_middle_it_holds():
    alignment = read_textgrid(write_many(4, 3, seconds=1.2), duration=1.2)
    assert [s.label for s in alignment.syllables] == ["AH"] * 12
    assert [s.word for s in alignment.syllables] == [i // 3 for i in range(12)]


def make_tier(*words):
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0 9 <exists> 1 "IntervalTier" "words" 0 9 '
    return head + f"{len(words)} " + " ".join(f'{start} {end} "{label}"' for start, end, label in words)


def test_neighbours_that_overlap_by_a_rounding_are_trimmed():
    """The earlier word ends where the next begins; the next keeps its begin."""
    words = read_textgrid(make_tier((0.1, 0.30003, "unless"), (0.3, 2, "to")), duration=5.3).words
    assert [(w.label, w.start, w.end) for w in words] == [("unless", 0.1, 0.3), ("to", 0.3, 2)]
    (first, *_) = read_textgrid(make_tier((-0.00005, 0.2, "a"), (0.2, 0.4, "b"))).words
    assert (first.start, first.end) == (0, 0.2)


def test_a_pause_without_length_between_words_hides_no_overlap():
    words = read_textgrid(make_tier((0, 1, "a"), (0.99995, 0.99995, ""), (0.9999, 2, "b"))).words
    assert [(w.start, w.end) for w in words] == [(0, 0.9999), (0.9999, 2)]


@pytest.mark.parametrize(
    "words, message",
    [
        (((0, 0.3002, "a"), (0.3, 1, "b")), "Interval 2 (“b”) of the tier “words” begins at 0.300 s, before 0.300 s"),
        (((0.3, 0.30005, "a"), (0.3, 1, "b")), "Interval 1 (“a”) of the tier “words” has no length"),
        (((0, 2e6, "a"),), "at most 1,000,000"),
        (((0, "9" * 400, "a"),), "at most 1,000,000"),
    ],
)
def test_overlaps_that_are_no_rounding_are_refused(words, message):
    with pytest.raises(AlignmentError) as error:
        read_textgrid(make_tier(*words))
    assert message in str(error.value)


@pytest.mark.parametrize(("words", "phones_each", "kind"), [(3500, 2, "3,500 words"), (30, 12, "360 phones")])
def test_more_than_a_clip_can_hold_is_refused_before_it_is_worked_with(words, phones_each, kind):
    """3,500 words in 3 s took minutes of the models, which others waited for, and a page that its own visitor could not scroll."""
    grid = write_many(words, phones_each, seconds=3.0)
    with pytest.raises(AlignmentError, match=f"has {kind}, but the clip lasts 3.0 s: at most"):
        read_textgrid(grid, duration=3.0)
    assert len(read_textgrid(grid).words) == words
    if kind.endswith("words"):
        with pytest.raises(AlignmentError, match=f"has {kind}"):
            textgrid_transcript(grid, duration=3.0)
    assert len(read_textgrid(write_many(30, 10, seconds=3.0), duration=3.0).phones) == 300
