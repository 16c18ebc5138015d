"""Other phone alphabets -> the 39 ARPAbet phones without stress that every aligner of this package speaks.

ARPAbet with stress ("AH0") loses its digit. IPA covers the `_mfa` models of the Montreal Forced Aligner (dialect variants, palatalised
and aspirated consonants, syllabic sonorants) and the output of g2p2; a phone that English lacks takes its nearest neighbour.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

VOWELS = frozenset(["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"])
CONSONANTS = frozenset(
    ["B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"]
)
ARPABET = VOWELS | CONSONANTS

# Longest first. One IPA symbol may be two ARPAbet phones ("ɪə" is IH R in a rhotic accent).
IPA = {
    # diphthongs and r-coloured vowels
    "aɪ": "AY", "aj": "AY", "ɑɪ": "AY", "aʊ": "AW", "aw": "AW", "ɑʊ": "AW", "æʊ": "AW", "ɔɪ": "OY", "ɔj": "OY", "ɒɪ": "OY",
    "eɪ": "EY", "ej": "EY", "ɛɪ": "EY", "əʊ": "OW", "əw": "OW", "oʊ": "OW", "ow": "OW", "ɔʊ": "OW",
    "ɪə": "IH R", "iə": "IY AH", "ɛə": "EH R", "eə": "EH R", "ʊə": "UH R", "ɔə": "AO R",
    "ɚ": "ER", "ɝ": "ER", "ɜ": "ER", "əɹ": "ER", "ɜɹ": "ER", "ɜr": "ER",
    # vowels
    "i": "IY", "ɪ": "IH", "ɨ": "IH", "e": "EY", "ɛ": "EH", "æ": "AE", "a": "AA", "ɐ": "AH", "ɑ": "AA", "ɒ": "AA", "ɔ": "AO", "o": "OW",
    "ʊ": "UH", "u": "UW", "ʉ": "UW", "ʌ": "AH", "ə": "AH", "ᵊ": "AH", "ɵ": "UH", "y": "UW", "ø": "ER", "œ": "ER", "ɯ": "UW", "ɤ": "AH",
    # affricates before their parts
    "tʃ": "CH", "tɕ": "CH", "dʒ": "JH", "dʑ": "JH", "ts": "T S", "dz": "D Z",
    # consonants
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "g": "G", "ɡ": "G", "c": "K", "ɟ": "G", "q": "K", "ʔ": "T", "ʈ": "T", "ɖ": "D",
    "ɾ": "T", "f": "F", "v": "V", "ʋ": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ɕ": "SH", "ʂ": "SH", "ʒ": "ZH", "ʑ": "ZH",
    "ʐ": "ZH", "h": "HH", "ɦ": "HH", "ç": "HH", "x": "K", "χ": "K", "ɣ": "G", "ʁ": "R", "m": "M", "ɱ": "M", "n": "N", "ɲ": "N Y", "ŋ": "NG",
    "l": "L", "ɫ": "L", "ʎ": "L Y", "ɬ": "L", "r": "R", "ɹ": "R", "ɻ": "R", "w": "W", "ʍ": "W", "j": "Y",
}  # fmt: skip
# what the older CMU dictionaries of sphinx3 tell apart and ARPAbet's 39 do not: reduced vowels, the flap, stops before a pause
SPHINX3 = {
    "AX": "AH", "IX": "IH", "AXR": "ER", "DX": "T", "TS": "S",
    "BD": "B", "DD": "D", "GD": "G", "KD": "K", "PD": "P", "TD": "T",
}  # fmt: skip
_SYLLABIC = {"m": "AH M", "n": "AH N", "ŋ": "AH NG", "l": "AH L", "ɫ": "AH L", "ɹ": "ER", "r": "ER"}  # with U+0329 below
NOT_PHONES = frozenset(["", "sil", "sp", "spn", "nsn", "<eps>", "<p:>", "pau", "noise", "laughter", "breath"])
_LONGEST = max(map(len, IPA))
_SYLLABIC_MARK = "\u0329"


def strip_stress(phone: str) -> str:
    """ "AH0" -> "AH"."""
    return phone.rstrip("012")


def split_arpabet(text: str) -> tuple[str, ...] | None:
    """Phones of "Z AO1 R B" without stress, upper-cased; None when one of them isn't ARPAbet."""
    phones = tuple(strip_stress(phone.upper()) for phone in text.split())
    return phones if phones and all(phone in ARPABET for phone in phones) else None


def map_ipa(text: str) -> tuple[str, ...]:
    """ARPAbet phones of an IPA string or of one phone of an `_mfa` model ("tʲ", "ɑː", "n̩"). Unknown symbols are left out."""
    # length, stress, ties and diacritics carry nothing that ARPAbet keeps, but the syllabic mark does
    decomposed = unicodedata.normalize("NFD", text.replace("ç", "\ue000")).replace("\ue000", "ç")
    symbols = re.sub(r"[ːˑˈˌ.ʰʲʷʼˠ˞]", "", decomposed)
    symbols = "".join(c for c in symbols if c == _SYLLABIC_MARK or not unicodedata.combining(c))
    phones: list[str] = []
    at = 0
    while at < len(symbols):
        if symbols[at + 1 : at + 2] == _SYLLABIC_MARK and symbols[at] in _SYLLABIC:
            phones += _SYLLABIC[symbols[at]].split()
            at += 2
            continue
        for length in range(min(_LONGEST, len(symbols) - at), 0, -1):
            if symbols[at : at + length] in IPA:
                phones += IPA[symbols[at : at + length]].split()
                at += length
                break
        else:
            at += 1
    return tuple(phones)


def map_phone(label: str) -> tuple[str, ...]:
    """ARPAbet phones of one label of either alphabet; () for a label of neither (silence, `spn`, noise)."""
    bare = strip_stress(label)
    if bare in ARPABET:  # case matters: "B" is ARPAbet, "b" may be IPA and means the same
        return (bare,)
    if label.lower() in NOT_PHONES:
        return ()
    return map_ipa(label) or ((bare.upper(),) if bare.upper() in ARPABET else ())


def name_phones(phones: Sequence[str], known: frozenset[str]) -> str:
    """ARPAbet phones in the names of an acoustic model: with stress ("AA1"), or in IPA ("ɑ"); "" when it has no name for one of them."""
    stressed = next((i for i, phone in enumerate(phones) if phone in VOWELS and phone != "AH"), None)
    stressed = next((i for i, phone in enumerate(phones) if phone in VOWELS), None) if stressed is None else stressed
    named = [_name_phone(phone, known, stressed=i == stressed) for i, phone in enumerate(phones)]
    return " ".join(name for name in named if name) if all(named) else ""


def _name_phone(phone: str, known: frozenset[str], *, stressed: bool) -> str | None:
    marked = next((phone + digit for digit in (("1", "0", "") if stressed else ("0", "1", "")) if phone + digit in known), None)
    if marked is not None:
        return marked
    names = _list_names(known)
    if phone == "AH" and not stressed and "ə" in known:
        return "ə"
    return names.get(phone) or names.get(_NEAREST.get(phone, ""))


_NEAREST = {"AO": "AA", "AA": "AO"}  # accents in which they are one
_USUAL = ("ɑ", "ɐ")  # before others of the same ARPAbet phone in the table


@functools.lru_cache(maxsize=8)
def _list_names(known: frozenset[str]) -> dict[str, str]:
    """ARPAbet phone -> the plainest IPA phone of a model that stands for it alone."""
    order = {symbol: i for i, symbol in enumerate((*_USUAL, *(s for s in IPA if s not in _USUAL)))}
    names: dict[str, str] = {}
    for label in sorted(known, key=lambda label: (order.get(label, len(order)), len(label), label)):
        phones = map_ipa(label)
        if len(phones) == 1 and label.lower() not in NOT_PHONES:
            names.setdefault(phones[0], label)
    return names


SILENCE_LABELS = frozenset(["", "<eps>", "sil", "sp", "spn", "<p:>", "pau", "<s>", "</s>", "<sil>", "#"])


def is_silence(label: str) -> bool:
    """Whether a label means that nothing is said: silences and noises of the formats read here."""
    label = label.strip().lower()
    return label in SILENCE_LABELS or (label.startswith(("++", "[")) and label.endswith(("++", "]")))
