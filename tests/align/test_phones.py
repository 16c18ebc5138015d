import pytest
from align_cases import read_dictionary

from mmer.align.phones import ARPABET, IPA, map_ipa, map_phone, name_phones


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


def test_stress_is_added_as_the_model_names_its_phones():
    known = frozenset(["Z", "AO0", "AO1", "R", "AH0", "AH1", "B"])
    assert name_phones(["Z", "AO", "R", "B", "AH"], known) == "Z AO1 R B AH0"
    assert name_phones(["B", "AH", "Z"], known) == "B AH1 Z"
    assert name_phones(["Z", "AO"], frozenset(["Z", "AO"])) == "Z AO"
    assert name_phones(["Z", "UW"], known) == ""
    assert name_phones([], known) == ""


# what english_us_mfa and english_mfa have, and more
IPA_MODEL = frozenset(
    "aj aw b bʲ c cʰ d dʒ ej f h i iː j k kʰ l m n ow p pʰ s t tʰ tʃ u uː v w z ç ð ŋ ɐ ɑ ɑː ɒ ɔj ə ɚ ɛ ɝ ɟ ɡ ɪ ɫ ɹ ɾ ʃ ʉ ʊ ʒ ʔ θ".split()  # noqa: SIM905
) | {"æ", "spn", "sil"}


def test_an_ipa_model_s_plainest_phones_stand_for_arpabet():
    assert name_phones(["K", "AA", "T"], IPA_MODEL) == "k ɑ t"
    assert name_phones(["B", "AH", "N", "AE", "N", "AH"], IPA_MODEL) == "b ə n æ n ə"
    assert name_phones(["K", "AH", "T"], IPA_MODEL) == "k ɐ t"
    assert name_phones(["HH", "AO", "R", "S"], IPA_MODEL) == "h ɑ ɹ s"  # an accent without ɔ
    assert name_phones(["CH", "ER", "CH", "IY"], IPA_MODEL) == "tʃ ɚ tʃ i"


@pytest.mark.parametrize("phone", sorted(ARPABET))
def test_every_phone_has_a_name_in_an_ipa_model_and_maps_back(phone):
    name = name_phones([phone], IPA_MODEL)
    assert map_phone(name) == ({"AO": "AA"}.get(phone, phone),)
