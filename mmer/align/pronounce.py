"""Words outside the dictionary -> ARPAbet phones: typed ones, or letters to sound by g2p2's English model, in its wheel."""

from __future__ import annotations

import functools
import importlib.util
import lzma
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer.align.phones import ARPABET, map_ipa, strip_stress
from mmer.errors import AlignmentError
from mmer.results import Notice

MAX_PHONES = 100  # of one word


def check_pronunciations(pronunciations: Mapping[str, Sequence[str] | str]) -> dict[str, tuple[str, ...]]:
    """Typed pronunciations with lower-case words and phones without stress.

    Raises AlignmentError naming the first phone that isn't one of the 39, or the word that has none.
    """
    checked = {}
    for word, phones in pronunciations.items():
        phones = phones.split() if isinstance(phones, str) else phones
        bare = tuple(strip_stress(phone.upper()) for phone in phones)
        if not bare:
            raise AlignmentError(f"The pronunciation of “{word}” is empty. Write its sounds in ARPAbet, for example HH AH L OW.")
        if len(bare) > MAX_PHONES:
            raise AlignmentError(f"The pronunciation of “{word}” has {len(bare):,} sounds; no word has more than {MAX_PHONES}.")
        for phone, typed in zip(bare, phones):
            if phone not in ARPABET:
                raise AlignmentError(
                    f"“{typed}” in the pronunciation of “{word}” is not an ARPAbet sound. Use these: {' '.join(sorted(ARPABET))}."
                )
        checked[word.lower()] = bare
    return checked


def guess_pronunciation(word: str) -> tuple[str, ...]:
    """ARPAbet phones of a word by its spelling; () when it has no Latin letters (another script, an emoji)."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if c.isascii() and c.isalpha())
    if not letters:
        return ()
    return restore_r(letters, map_ipa(_load_model().phonemize(letters)))


def describe_guesses(guessed: Mapping[str, str], silent: Sequence[str]) -> list[Notice]:
    """What the person should know: words pronounced by their spelling (word -> phones), and words that can't be said in English."""
    notices = []
    if guessed:
        said = "; ".join(f"“{word}” as {phones}" for word, phones in list(guessed.items())[:5])
        more = f" and {len(guessed) - 5} more" if len(guessed) > 5 else ""
        notices.append(Notice("alignment", f"Not in the dictionary, so pronounced by their spelling: {said}{more}.", "info"))
    if silent:
        notices.append(Notice("alignment", f"Left out of the alignment, no English pronunciation: {', '.join(silent[:5])}."))
    return notices


def restore_r(letters: str, phones: tuple[str, ...]) -> tuple[str, ...]:
    """The model's English is British: give the final r that is written back, since the dictionary and its acoustic model are American."""
    if letters.endswith(("r", "re")) and phones and "R" not in phones[-1:]:
        if phones[-1] == "AH":
            return (*phones[:-1], "ER")
        if phones[-1] in {"AA", "AO", "EH", "IH", "UH"}:
            return (*phones, "R")
    return phones


@functools.cache
def _load_model() -> Any:
    """The English model read from its wheel; g2p2's own way would write a copy into the user's cache, or download one."""
    from g2p2 import Model

    spec = importlib.util.find_spec("g2p2_group_germanic")
    if spec is None or not spec.submodule_search_locations:
        raise AlignmentError("Letters to sound needs the package g2p2-group-germanic. Install it with: pip install g2p2-group-germanic")
    packed = Path(spec.submodule_search_locations[0]) / "en.g2p.xz"
    return Model.from_bytes(lzma.decompress(packed.read_bytes()))
