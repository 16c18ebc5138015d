"""What is said for a written word because of its neighbours or of signs within it, where the general rules would say something else."""

from __future__ import annotations

import re
import unicodedata

from mmer.transcript.spelling.numbers import cardinal, one_by_one, say_roman
from mmer.transcript.spelling.tables import COUNTED, CURRENCIES, SIGNS, UNITS

_POWER = re.compile(r"(\d+)([⁰¹²³⁴-⁹]+)")
_AMOUNT = re.compile(rf"([{SIGNS}])[\d,]+(?:k|m|mn|b|bn)?", re.IGNORECASE)
NO_NOUNS = {
    *("a", "an", "and", "as", "at", "but", "by", "for", "from", "if", "in", "is", "it", "of", "on", "or", "per", "so", "that", "the"),
    *("then", "to", "was", "were", "when", "with"),
}


def plain_roman(written: str, preceding: str) -> str:
    """Roman numerals of one character (Ⅳ), and small ones behind a word that is counted (scene ii), in plain capitals."""
    if re.fullmatch("[Ⅰ-ⅿ]+", written):
        return unicodedata.normalize("NFKC", written).upper()
    is_counted = preceding.lower().rstrip(".") in COUNTED and re.fullmatch("[ivx]{2,}", written)
    return written.upper() if is_counted and say_roman(written.upper()) else written


def say_beside(written: str, folded: str, preceding: str, following: str) -> tuple[str, ...]:
    """The words of what only its neighbours or signs make clear; () for anything else."""
    power = _POWER.fullmatch(written)
    if power:
        return tuple(f"{cardinal(power[1])} to the {cardinal(unicodedata.normalize('NFKC', power[2]))}".split())
    zone = re.fullmatch(r"(UTC|GMT)([-+])(\d{1,2})", folded)
    if zone:
        return (*zone[1].lower(), "plus" if zone[2] == "+" else "minus", *cardinal(zone[3].lstrip("0") or "0").split())
    if written in ("x", "X") and following[:1].isdigit() and (preceding[-1:].isnumeric() or _is_measure(preceding)):
        return ("by",)  # 5 mm x 3 mm
    return tuple(one_by_one(folded).split()) if is_code(folded, preceding) else ()


def is_code(folded: str, preceding: str) -> bool:
    """Whether five digits stand behind two capitals, as an American postal code does: CA 90210."""
    return bool(re.fullmatch(r"\d{5}", folded) and re.fullmatch("[A-Z]{2}", preceding))


def _is_measure(preceding: str) -> bool:
    unit = re.fullmatch(r"[\d.,]*([a-z]{1,3})\.?", preceding)
    return bool(unit and (unit[1] in UNITS or unit[1] == "in"))


def say_one_of(said: tuple[str, ...], folded: str, preceding: str, following: str) -> tuple[str, ...]:
    """`said`, an amount of money, with the currency in the singular where it stands before a noun: a $20 bill."""
    amount = _AMOUNT.fullmatch(folded)
    if not amount or preceding.lower() not in ("a", "an") or not following[:1].isalpha() or following.lower() in NO_NOUNS:
        return said
    one, many, *_ = CURRENCIES[amount[1]]
    return (*said[:-1], one) if said[-1:] == (many,) else said
