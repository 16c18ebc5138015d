"""Written words -> the words a person says: "21" -> twenty one, "Mr." -> mister, "$5.50" -> five dollars and fifty cents.

`split_words` finds the written words of a text with their places; each carries the lower-case English words it is said as, and
none where it is not said at all (an emoji) or has no Latin letters. Nothing here raises, whatever the text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

MAX_LETTERS = 60  # of one written word; longer ones are no words and are not said
MAX_DIGITS = 15  # of one number; longer ones are read digit by digit

TITLES = {"mr": "mister", "mrs": "missus", "ms": "ms", "dr": "doctor", "prof": "professor"}  # with and without a full stop
ABBREVIATIONS = TITLES | {  # with a full stop
    "jr": "junior",
    "sr": "senior",
    "st": "saint",
    "mt": "mount",
    "vs": "versus",
    "etc": "et cetera",
    "approx": "approximately",
    "dept": "department",
    "est": "established",
    "govt": "government",
    "ave": "avenue",
    "blvd": "boulevard",
    "rd": "road",
    "capt": "captain",
    "col": "colonel",
    "gen": "general",
    "gov": "governor",
    "lt": "lieutenant",
    "maj": "major",
    "pres": "president",
    "rev": "reverend",
    "sen": "senator",
    "sgt": "sergeant",
    "co": "company",
    "corp": "corporation",
    "inc": "incorporated",
    "ltd": "limited",
    "vol": "volume",
    "jan": "january",
    "feb": "february",
    "apr": "april",
    "aug": "august",
    "sept": "september",
    "oct": "october",
    "nov": "november",
    "dec": "december",
}
NUMBERED = {"no": "number", "nos": "numbers", "fig": "figure", "p": "page", "pp": "pages", "ch": "chapter"}  # only before a digit
PLAIN = {"vs": "versus", "etc": "et cetera", "e.g.": "for example", "i.e.": "that is", "tv": "t v", "ok": "okay"}
ACRONYMS = {  # with vowels, yet said letter by letter when written in capitals; likely shouted words (IT, AM) are not among them
    *("AC", "AI", "API", "ATM", "CEO", "CIA", "DIY", "DNA", "ETA", "EU", "FAQ", "FBI", "IBM", "ID", "IOU", "IQ"),
    *("UFO", "UK", "UN", "US", "USA", "USB", "UV"),
}
SOUNDS = {"hm", "hmm", "hmmm", "mhm", "mm", "mmm", "sh", "shh", "shhh", "pst", "psst", "pfft", "tsk", "brr", "grr", "zzz", "nth"}
SYMBOLS = {"&": "and", "+": "plus", "=": "equals", "%": "percent", "@": "at", "#": "hashtag", "°": "degrees"}
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
}
UNITS = {  # singular, plural; said so only right behind a number
    "kg": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "km": ("kilometer", "kilometers"),
    "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "ml": ("milliliter", "milliliters"),
    "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "ft": ("foot", "feet"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "mph": ("mile per hour", "miles per hour"),
    "hz": ("hertz", "hertz"),
    "khz": ("kilohertz", "kilohertz"),
    "mb": ("megabyte", "megabytes"),
    "gb": ("gigabyte", "gigabytes"),
    "k": ("thousand", "thousand"),
    "c": ("celsius", "celsius"),
    "f": ("fahrenheit", "fahrenheit"),
}
MAGNITUDES = {"hundred", "thousand", "million", "billion", "trillion"}
LATIN = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "th", "þ": "th", "ı": "i", "⁄": "/"}
FOLDED = str.maketrans(LATIN | {key.upper(): value.upper() for key, value in LATIN.items() if len(key.upper()) == 1})

_APOSTROPHES = "'’‘ʼ‛´`"
# combining marks, which `re` doesn't count as parts of a word: accents; Hebrew and Arabic points; Indic, Thai, Burmese and Khmer vowels
_MARKS = (
    r"\u0300-\u036f\u0591-\u05bd\u05bf\u05c1-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0e00-\u0e4e\u1000-\u1049\u1780-\u17d3"
)
_LETTER = rf"(?:[^\W\d_]|[{_MARKS}])"
_WORD = rf"[\w{_MARKS}]+"
_AROUND = ',;.!?"“”«»'  # may stand around a symbol that is said: "rock & roll, me & you."; "=)" is a face
_TOKEN = re.compile(
    rf"""
    (?P<number>
        (?:(?<![\w.,])[-−])? [$€£¥#]? (?:\d+(?:[.,:/–-]\d+)* | (?<![\w.])\.\d+) (?:[%°$€£¥]|['’]?(?:{_LETTER})+)? (?:(?<=°)[CF]\b)?
    )
  | (?P<dotted> (?<!\w) (?:[A-Za-z]\.){{2,}} (?:[A-Za-z](?!\w))? )
  | (?P<word> (?:[{_APOSTROPHES}](?=(?:cause|em|til|tis|twas|bout|n)\b))? {_WORD} (?:[{_APOSTROPHES}‐‑&@-]{_WORD})* )
  | (?P<symbol> [^\w\s{_MARKS}]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class WrittenWord:
    """A word as it stands in a text, and how it is said."""

    text: str
    start: int  # offsets into the text, half open
    end: int
    spoken: tuple[str, ...]


def split_words(text: str) -> tuple[WrittenWord, ...]:
    """The words of `text` in order, without the punctuation around them; emoji count as words that are not said."""
    spans = [span for match in _TOKEN.finditer(text) if (span := _span(match, text)) is not None]
    words = []
    for i, (start, end) in enumerate(spans):
        following = text[spans[i + 1][0] : spans[i + 1][1]] if i + 1 < len(spans) else ""
        preceding = text[spans[i - 1][0] : spans[i - 1][1]] if i else ""
        words.append(WrittenWord(text[start:end], start, end, _say(text[start:end], preceding, following)))
    return tuple(words)


def spell_word(written: str) -> tuple[str, ...]:
    """The spoken words of one written word, without knowledge of its neighbours."""
    return _say(written, "", "")


# ---- finding the words ----


def _span(match: re.Match[str], text: str) -> tuple[int, int] | None:
    start, end = match.span()
    if match.lastgroup == "symbol":
        return _symbol_span(text, start, end)
    if match.lastgroup == "word":
        while start < end and text[start] == "_":
            start += 1
        while end > start and text[end - 1] == "_":
            end -= 1
        word = text[start:end].lower()
        behind = re.match(r"\.\s*(\d?)", text[end:])
        if word.endswith("in") and len(word) > 4 and text[end : end + 1] in tuple(_APOSTROPHES):
            end += 1  # nothin'
        elif behind and (word in ABBREVIATIONS or (word in NUMBERED and behind[1])):
            end += 1
    return (start, end) if end > start else None


def _symbol_span(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The part of a run of signs that is a word: an emoji, or one symbol that is said; None for punctuation."""
    signs = [i for i in range(start, end) if text[i] in SYMBOLS or text[i] in CURRENCIES]
    pictures = [i for i in range(start, end) if unicodedata.category(text[i]) == "So" and text[i] not in SYMBOLS]
    if not pictures:
        return (signs[0], signs[0] + 1) if len(signs) == 1 and not text[start:end].strip(_AROUND + text[signs[0]]) else None
    last = pictures[-1] + 1
    while last < end and (text[last] in "\u200d\ufe0e\ufe0f" or unicodedata.category(text[last]) == "Sk"):
        last += 1  # variation selectors and skin tones
    return pictures[0], last


# ---- saying them ----


def _say(written: str, preceding: str, following: str) -> tuple[str, ...]:
    if len(written) > MAX_LETTERS:
        return ()
    folded = _fold(written)
    if following and following.lower() in MAGNITUDES and folded[:1] in CURRENCIES:
        return _say_number(folded[1:])  # "$5 million": the dollars come after the million
    if preceding and written.lower() in MAGNITUDES and preceding[0] in CURRENCIES and preceding[1:2].isdigit():
        return (written.lower(), CURRENCIES[preceding[0]][1])
    if folded.lower() in ("am", "pm") and preceding[-1:].isdigit():
        return tuple(folded.lower())
    if folded.lower() == "st." and not following[:1].isupper():
        return ("street",)
    if re.match(r"[-−]?[$€£¥#]?\.?\d", folded):
        return _say_number(folded, following)
    return _say_letters(folded)


def _fold(written: str) -> str:
    """Latin letters without accents, ASCII digits, plain apostrophes."""
    plain = unicodedata.normalize("NFKD", written.translate(FOLDED))
    plain = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in plain if not unicodedata.combining(c))
    return re.sub(f"[{_APOSTROPHES}]", "'", plain.translate(FOLDED)).replace("−", "-")


def _say_letters(folded: str) -> tuple[str, ...]:
    lower = folded.lower()
    if lower in PLAIN:
        return tuple(PLAIN[lower].split())
    if lower.rstrip(".") in TITLES or (lower.endswith(".") and lower[:-1] in ABBREVIATIONS | NUMBERED):
        return tuple((ABBREVIATIONS | NUMBERED)[lower.rstrip(".")].split())
    if re.fullmatch(r"[A-Z]{1,2}(&[A-Z]{1,2})+", folded):  # AT&T
        return tuple(" and ".join(" ".join(part) for part in lower.split("&")).split())
    if re.fullmatch(r"(?:[a-z]\.)+[a-z]?", lower):
        return tuple(lower.replace(".", ""))
    if any(c.isalpha() and not c.isascii() for c in folded):
        return ()  # another script
    said: list[str] = []
    for part in re.findall(r"'?[A-Za-z]+(?:'[A-Za-z]+)*(?:(?<=in)')?|\d+|[&+=%@#°$€£¥]", folded):
        if part in SYMBOLS:
            said += [SYMBOLS[part]]
        elif part in CURRENCIES:
            said += [CURRENCIES[part][0]]
        elif part.isdigit():
            said += _say_number(part)
        else:
            said += _say_latin(part)
    return tuple(said)


def _say_latin(part: str) -> tuple[str, ...]:
    """One run of ASCII letters: a word, or capitals that are said letter by letter."""
    plural = re.fullmatch(r"([A-Z]{2,5})'?s", part)
    capitals = plural[1] if plural else part
    vowels = set(capitals) & set("AEIOUY'")
    if capitals not in ACRONYMS and (vowels or not capitals.isupper() or not 1 < len(capitals) <= 5 or capitals.lower() in SOUNDS):
        return (part.lower(),)
    letters = list(capitals.lower())
    return (*letters[:-1], letters[-1] + "'s") if plural else tuple(letters)


# ---- numbers ----


def _say_number(folded: str, following: str = "") -> tuple[str, ...]:
    match = re.fullmatch(r"(-?)([$€£¥#]?)([\d.,:/–-]*\d)(.*)", folded, re.DOTALL)
    if match is None:
        return _say_letters(folded)
    sign, mark, digits, rest = match.groups()
    said = ["minus"] if sign else []
    if mark == "#":
        said.append("number")
    if rest[:1] in CURRENCIES:
        mark, rest = rest[0], rest[1:]
    if mark in CURRENCIES and re.fullmatch(r"[\d,]+(\.\d+)?", digits):
        said += _say_money(digits, CURRENCIES[mark])
    else:
        said += _say_digits(digits, rest, following)
    return tuple(word for word in " ".join(said).split() if word)


def _say_digits(digits: str, rest: str, following: str) -> list[str]:
    """A number without its sign and currency, with what is written right behind it ("st", "%", "kg", "s")."""
    ending = rest.lower().replace("'", "")
    if ending in ("st", "nd", "rd", "th") and digits.replace(",", "").isdigit():
        return [_ordinal(digits)]
    if ending == "s" and digits.isdigit():
        return [_plural(_cardinal(digits, year=True))]
    half_day = following.lower().replace(".", "") in ("am", "pm") or ending in ("am", "pm")
    said = [_say_time(digits, half_day) if re.fullmatch(r"\d{1,2}(:\d\d){1,2}", digits) else _say_compound(digits, bare=not rest)]
    if ending in ("am", "pm"):
        return said + list(ending)
    if ending in UNITS:
        return [*said, UNITS[ending][digits != "1"]]
    return said + [word for part in re.findall(r"[%°]|[^%°]+", rest) for word in _say_behind(part, rest)]


def _say_behind(part: str, rest: str) -> tuple[str, ...]:
    if rest.startswith("°") and part.lower() in ("c", "f"):
        return (UNITS[part.lower()][0],)
    return _say_letters(part)


def _say_compound(digits: str, *, bare: bool) -> str:
    """Digits with signs between them: a fraction, a range, a ratio, a telephone number, a decimal, a year, a plain number."""
    if re.fullmatch(r"(\d{3}[-.])?\d{3}[-.]\d{4}", digits):
        return _one_by_one(digits)
    if "/" in digits:
        parts = digits.split("/")
        return _fraction(*parts) if len(parts) == 2 else " ".join(_cardinal(p, year=True) for p in parts)
    for sign, word in (("-", " to "), ("–", " to "), (":", " to ")):
        if sign in digits:
            return word.join(_say_compound(p, bare=bare) for p in digits.split(sign) if p)
    whole, *decimals = digits.replace(",", "").split(".") if not re.search(r",\d{1,2}$", digits) else digits.split(",")
    if not decimals:
        return _cardinal(whole, year=bare and "," not in digits)
    return " point ".join([_cardinal(whole or "0"), *(_one_by_one(d) for d in decimals)])


def _say_money(digits: str, names: tuple[str, str, str, str]) -> list[str]:
    whole, _, part = digits.replace(",", "").partition(".")
    one, many, cent, cents = names
    said = [f"{_cardinal(whole)} {one if whole.lstrip('0') == '1' else many}"]
    if len(part) == 2 and part != "00" and cent:
        small = f"{_cardinal(part.lstrip('0'))} {cent if part == '01' else cents}"
        return [*said, "and", small] if whole.strip("0") else [small]
    if part.strip("0"):
        return [f"{_cardinal(whole)} point {_one_by_one(part)} {many}"]
    return said


def _say_time(digits: str, half_day: bool) -> str:
    hours, minutes, *seconds = digits.split(":")
    said = _cardinal(hours.lstrip("0") or "0")
    if minutes != "00" or seconds:
        said += f" {'oh ' * (minutes[0] == '0' and minutes != '00')}{_cardinal(minutes.lstrip('0') or '0')}"
    elif not half_day and 1 <= int(hours) <= 12:
        said += " o'clock"
    return " ".join([said, *(_cardinal(s.lstrip("0") or "0") for s in seconds)])


def _fraction(above: str, below: str) -> str:
    if above.isdigit() and below.isdigit() and 2 <= int(below[:4]) <= 10 and len(below) <= 2 and 0 < int(above[:6]) < 20:
        name = {2: "half", 4: "quarter"}.get(int(below), _ordinal(below))
        return f"{_cardinal(above)} {name if int(above) == 1 else {'half': 'halves'}.get(name, name + 's')}"
    return f"{_cardinal(above)} {_cardinal(below)}"


@lru_cache(maxsize=4096)
def _cardinal(digits: str, *, year: bool = False) -> str:
    from num2words import num2words

    digits = re.sub(r"\D", "", digits)
    if len(digits) > MAX_DIGITS or (len(digits) > 1 and digits[0] == "0") or not digits:
        return _one_by_one(digits)
    number = int(digits)
    as_year = year and 1100 <= number <= 2099 and len(digits) == 4
    return _clean(num2words(number, to="year" if as_year else "cardinal"))


def _ordinal(digits: str) -> str:
    from num2words import num2words

    digits = digits.replace(",", "")
    return _clean(num2words(int(digits), to="ordinal")) if len(digits) <= MAX_DIGITS else _one_by_one(digits)


def _one_by_one(digits: str) -> str:
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return " ".join(names[int(d)] for d in digits if d.isdigit())


def _plural(said: str) -> str:
    return said[:-1] + "ies" if said.endswith("y") else said + ("es" if said.endswith("x") else "s")


def _clean(said: str) -> str:
    """num2words without hyphens, commas and the British "and", which American speech leaves out."""
    return " ".join(word for word in re.sub(r"[-,]", " ", said).split() if word != "and")
