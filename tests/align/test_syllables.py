from itertools import pairwise

import pytest
from align_cases import read_dictionary

from mmer.align.phones import VOWELS
from mmer.align.syllables import ONSETS, syllabify


@pytest.mark.parametrize(
    ("phones", "expected"),
    [
        ("HH AE P IY N AH S", "HH AE|P IY|N AH S"),
        ("EH K S T R AH", "EH K|S T R AH"),  # "STR" begins words, "KSTR" does not
        ("S IH NG ER", "S IH NG|ER"),  # NG never begins a syllable
        ("S T R EH NG K TH S", "S T R EH NG K TH S"),
        ("AE NG Z AY AH T IY", "AE NG|Z AY|AH|T IY"),
        ("HH M", "HH M"),  # no vowel: one syllable
        ("IY", "IY"),
    ],
)
def test_known_words(phones, expected):
    phones = phones.split()
    assert "|".join(" ".join(phones[a:b]) for a, b in syllabify(phones)) == expected


def test_nothing_has_no_syllables():
    assert syllabify([]) == []


def test_whole_dictionary_keeps_phones_and_has_one_vowel_per_syllable():
    count = 0
    for word, phones in read_dictionary():
        ranges = syllabify(phones)
        assert [i for a, b in ranges for i in range(a, b)] == list(range(len(phones))), word
        vowels = [sum(p in VOWELS for p in phones[a:b]) for a, b in ranges]
        assert vowels == [1] * len(ranges) or (vowels == [0] and not VOWELS & set(phones)), word
        count += 1
    assert count > 130_000


def test_whole_dictionary_onsets_are_legal_and_maximal():
    """Independent of the code: cut before each later vowel and try every longer onset."""
    for word, phones in read_dictionary():
        for previous, (start, end) in pairwise(syllabify(phones)):
            vowel = next(i for i in range(start, end) if phones[i] in VOWELS)
            onset = tuple(phones[start:vowel])
            assert onset != ("NG",) and (len(onset) < 2 or onset in ONSETS), word
            longer = tuple(phones[start - 1 : vowel])
            if phones[start - 1] not in VOWELS and start - 1 > previous[0] and longer != ("NG",):
                assert len(longer) > 1 and longer not in ONSETS, (word, longer)
