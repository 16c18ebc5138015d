"""Syllables by maximal onset over ARPAbet phones.

Consonants between two vowels go to the later one, as many as English words can begin with.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mmer.align.phones import VOWELS

# legal English word-initial clusters of two or three consonants (cmudict)
_CLUSTERS = """
    P R|P L|P Y|T R|T W|K R|K L|K W|K Y|B R|B L|B Y|D R|D W|G R|G L|G W|F R|F L|F Y|V Y|TH R|TH W|SH R|HH Y|M Y|N Y|
    S P|S T|S K|S M|S N|S L|S W|S F|S P R|S P L|S P Y|S T R|S K R|S K W|S K Y|S K L
"""
ONSETS = frozenset(tuple(cluster.split()) for cluster in _CLUSTERS.split("|"))


def syllabify(phones: Sequence[str]) -> list[tuple[int, int]]:
    """Half open index ranges into `phones` (ARPAbet without stress), one per vowel; phones without any vowel are one syllable."""
    if not phones:
        return []
    vowels = [i for i, phone in enumerate(phones) if phone in VOWELS]
    cuts = [0] + [_onset_start(phones, previous, vowel) for previous, vowel in pairwise(vowels)] + [len(phones)]
    return list(pairwise(cuts))


def _onset_start(phones: Sequence[str], previous: int, vowel: int) -> int:
    """Where the syllable of `vowel` begins: one consonant is taken unless it is NG, more only as a legal cluster."""
    start = vowel
    while start - 1 > previous and phones[start - 1] != "NG" and (start == vowel or tuple(phones[start - 1 : vowel]) in ONSETS):
        start -= 1
    return start
