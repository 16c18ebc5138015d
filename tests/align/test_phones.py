import pytest
from align_cases import read_dictionary

from mmer.align.phones import ARPABET, IPA, map_ipa, map_phone


def test_alphabet_is_that_of_the_dictionary():
    used = {phone for _, phones in read_dictionary() for phone in phones}
    assert used == ARPABET
    assert len(ARPABET) == 39


def test_every_ipa_symbol_maps_into_the_alphabet():
    assert {phone for phones in IPA.values() for phone in phones.split()} <= ARPABET


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("AH0", "AH"), ("ER1", "ER"), ("B", "B"), ("sil", ""), ("spn", ""), ("<eps>", ""), ("", ""),
        # phones of english_mfa
        ("aj", "AY"), ("aw", "AW"), ("ej", "EY"), ("əw", "OW"), ("ow", "OW"), ("ɔj", "OY"), ("ɑː", "AA"), ("ɒ", "AA"), ("ɝ", "ER"),
        ("bʲ", "B"), ("cʰ", "K"), ("tʃ", "CH"), ("dʒ", "JH"), ("d̪", "D"), ("fʲ", "F"), ("pʰ", "P"), ("tʷ", "T"), ("ɫ̩", "AH L"),
        ("n̩", "AH N"),
        ("m̩", "AH M"), ("ɾ", "T"), ("ʔ", "T"), ("ç", "HH"), ("ɟ", "G"), ("ʎ", "L Y"), ("ɲ", "N Y"), ("ʉː", "UW"), ("iː", "IY"), ("ð", "DH"),
    ],
)  # fmt: skip
def test_labels_of_other_alphabets(label, expected):
    assert " ".join(map_phone(label)) == expected


def test_ipa_words():
    assert map_ipa("t͡ʃɜːt͡ʃ") == ("CH", "ER", "CH")
    assert map_ipa("ˈbʌtəɹ") == ("B", "AH", "T", "ER")
    assert map_ipa("hɛloʊ") == ("HH", "EH", "L", "OW")
