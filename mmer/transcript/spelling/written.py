"""Written words found in a text, each with the lower-case English words it is said as.

None where it is not said at all (an emoji) or has no Latin letters. Notes on sounds ("[laughter]", "(sighs)") are no words. Nothing here
raises, whatever the text; what may be said in another way as well is marked as a guess.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from mmer.transcript.spelling.beside import is_code, plain_roman, say_beside, say_one_of
from mmer.transcript.spelling.numbers import cardinal, is_guess, ordinal, plural, say_number, say_roman, say_unit
from mmer.transcript.spelling.tables import (
    ABBREVIATIONS,
    ACRONYMS,
    BETWEEN,
    COUNTED,
    COUNTRIES,
    CURRENCIES,
    DIRECTIONS,
    DOT_ENDINGS,
    LATIN,
    LETTER_MAGNITUDES,
    MAGNITUDES,
    MONEY_CODES,
    MONTHS,
    NUMBERED,
    PER,
    PLAIN,
    RULERS,
    SHARPS,
    SHORT_MAGNITUDES,
    SHORT_MONTHS,
    SIGNS,
    SOUNDS,
    SPANS,
    SYMBOLS,
    TITLES,
    UNITS,
)

MAX_LETTERS = 60  # of one written word; longer ones are no words and are not said

FOLDED = str.maketrans(LATIN | {key.upper(): value.upper() for key, value in LATIN.items() if len(key.upper()) == 1})

_APOSTROPHES = "'’‘ʼ‛´`′"
# combining marks, which `re` doesn't count as parts of a word: accents; Hebrew and Arabic points; Indic, Thai, Burmese and Khmer vowels
_MARKS = (
    r"\u0300-\u036f\u0591-\u05bd\u05bf\u05c1-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0e00-\u0e4e\u1000-\u1049\u1780-\u17d3"
)
_LETTER = rf"(?:[^\W\d_]|[{_MARKS}])"
_WORD = rf"[\w{_MARKS}]+"
_AROUND = ',;.!?"“”«»'  # may stand around a symbol that is said: "rock & roll, me & you."; "=)" is a face
_SPACE = "[ \u00a0\u2009\u202f]"
_NOTE = rf"(?:{DIRECTIONS})[a-z]*\b[^\n%s]{{0,25}}"
_DIRECTION = re.compile(
    rf"\[{{1,2}}[^\[\]\n]{{1,60}}\]{{1,2}}|\(\({_NOTE % '()'}\)\)|"
    rf"\({_NOTE % '()'}\)|<{_NOTE % '<>'}>|\*{_NOTE % '*'}\*|\{{{_NOTE % '{}'}\}}|(?-i:\{{[A-Z]{{2,12}}\}})",
    re.IGNORECASE,
)
_RATED = "km|m|cm|mm|mi|ft|l|ml|kg|g|mg|kb|mb|gb"  # what "/" is "per" behind, where a number is before it
_TOKEN = re.compile(
    rf"""
    (?P<direction> {_DIRECTION.pattern.replace(" ", "[ ]").replace("#", "[#]")} )
  | (?P<address>
        (?<![\w.])[\w.+-]{{1,64}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}} | (?:https?://|(?<!\w)www\.)[^\s<>"]{{0,300}}[\w/]
      | (?<![\w@.])[A-Za-z][\w-]{{0,62}}\.(?:(?:com|org|net|edu|gov|io|js|html|pdf|txt|csv|mp3|mp4|wav)|co\.uk)(?!\w)
    )
  | (?P<special>
        (?<!\w)(?: w/(?:o|out)?(?!\w) | b/c(?!\w) | n/a(?!\w) | i/o(?!\w) | [cg]\+\+ | [cfj][#](?!\w) )
      | (?<![\w.])\.net(?!\w) | (?-i:(?<!\w)(?: (?:Ph|Ed|Psy)\.D\.? | [BM]\.(?:Sc|Ed|Eng|Phil)\.? )(?!\w))
    )
  | (?P<number>
        (?<![\w(+-])(?: \+\d{{1,3}}(?:[ .-]?\(?\d{{1,5}}\)?){{2,5}} | (?:\d{{1,2}}[ .-])?\(\d{{3}}\)[ ]?\d{{3}}[ .-]\d{{4}}
          | (?:\d[.-])?\d{{3}}[.-]\d{{3}}[.-]\d{{4}} )(?![\w-])
      | (?<![\w.,/])\d{{1,2}}(?: ['’′][ ]?\d{{1,2}}(?:["″”]|['’′]{{2}}) | [ ]?ft\.?[ ]\d{{1,2}}[ ]?in\b\.? )
      | (?<![\w.,/])\d{{1,2}}['’′](?=[ ](?:tall|high|long|wide|deep)\b) | (?<![\w.,])\d{{1,5}}[x×]\d{{1,5}}(?!\w)
      | (?<![\w.,])\d+(?:\.\d+)?(?:\^-?\d+|e[+-]?\d+)(?!\w)
      | (?<![\w.,/])\d{{1,4}}[ ]\d{{1,2}}/\d{{1,2}}(?![\d/])
      | (?:(?<![\w.,%°{SIGNS}])[-−~])? (?-i:(?<!\w)(?:US|CA?|AU?|NZ|HK|S|R)(?=[$]))? (?:[{SIGNS}]{_SPACE}?[-−]?|[#])?
        (?: (?<![\w.,])\d{{1,3}}(?:[\u00a0\u2009\u202f]\d{{3}})+(?![\d]) | (?<![\w.,])\d{{1,3}}(?:[ ]\d{{3}}){{2,}}(?![\d.])
          | (?<![\w.,])(?<!\d[ ])[1-9]\d{{0,2}}[ ]000(?!\w|[.,]?\d|[ ]\d) | (?<![\w.,])\d{{1,3}}(?:['’]\d{{3}})+(?![\w'’])
          | (?<=[{SIGNS}])\d{{1,3}}(?:[ ]\d{{3}})+(?!\d) | \d+(?:[.,:/⁄–~-]\d+)* | (?<![\w.])\.\d+ )
        (?: [%$¢] | {_SPACE}?[{SIGNS.replace("$", "")}](?!\d) | {_SPACE}?°(?:{_SPACE}?[CFK]\b)? | {_SPACE}?(?:km/hr?|m/s|ft/s|mb/s)\b
          | ['’]?(?:{_LETTER})+ )?
    )
  | (?P<dotted> (?<!\w) (?:[A-Za-z]\.){{2,}} (?:[A-Za-z](?!\w))? )
  | (?P<version> (?<!\w)v\d+(?:\.\d+)+(?!\w) )
  | (?P<word> (?:[{_APOSTROPHES}](?=(?:cause|em|til|tis|twas|bout|n)\b))? {_WORD} (?:[{_APOSTROPHES}‐‑&@-]{_WORD})* )
  | (?P<symbol> [^\w\s{_MARKS}] (?: (?![{SIGNS}]{_SPACE}?[-−]?\.?\d | (?<=[(\["“‘])[-−][{SIGNS}]?\.?\d) [^\w\s{_MARKS}] )* )
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
    is_guess: bool = False  # whether it may well be said in another way


def split_words(text: str) -> tuple[WrittenWord, ...]:
    """The words of `text` in order, without the punctuation around them; emoji count as words that are not said."""
    spans = [span for match in _TOKEN.finditer(text) if (span := _span(match, text)) is not None]
    words = []
    for i, (start, end) in enumerate(spans):
        following = text[spans[i + 1][0] : spans[i + 1][1]] if i + 1 < len(spans) else ""
        preceding = text[spans[i - 1][0] : spans[i - 1][1]] if i else ""
        written = text[start:end]
        spoken = _say(written, preceding, following)
        is_guess = _is_guess(written, preceding) or _is_guess_there(text, start, end, preceding, following) or _is_shortened(spoken)
        words.append(WrittenWord(written, start, end, spoken, is_guess))
    return tuple(words)


def spell_word(written: str) -> tuple[str, ...]:
    """The spoken words of one written word, without knowledge of its neighbours."""
    return _say(written, "", "")


def find_directions(text: str) -> tuple[str, ...]:
    """Notes on sounds, and all else in square brackets: what stands in a text and is not said."""
    return tuple(match[0] for match in _TOKEN.finditer(text) if match.lastgroup == "direction" and re.search(r"\w", match[0]))


# ---- finding the words ----


def _span(match: re.Match[str], text: str) -> tuple[int, int] | None:
    start, end = match.span()
    if match.lastgroup == "direction":
        return None
    if match.lastgroup == "symbol":
        return _symbol_span(text, start, end)
    if match.lastgroup == "word":
        while start < end and text[start] == "_":
            start += 1
        while end > start and text[end - 1] == "_":
            end -= 1
        word = text[start:end].lower()
        behind = re.match(r"\.\s*(\d?)", text[end : end + 4])
        if word.endswith("in") and len(word) > 4 and text[end : end + 1] in tuple(_APOSTROPHES):
            end += 1  # nothin'
        elif behind and (word in ABBREVIATIONS or (word in NUMBERED and behind[1])):
            end += 1
    return (start, end) if end > start else None


def _symbol_span(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The part of a run of signs that is a word: an emoji, or one symbol that is said; None for punctuation."""
    before, after = text[max(start - 8, 0) : start], text[end : end + 12]
    if text[start:end] in ("-", "–") and _is_range(before, after):
        return start, end
    is_even = before[-1:].isspace() == after[:1].isspace()
    if (
        text[start:end] in BETWEEN
        and is_even
        and re.search(r"(?:^|\s)\w{1,9}\s?$", before)
        and re.match(r"\s?\w{1,9}(?!\w)(?![*^<>])", after)
    ):
        return start, end
    if (
        text[start:end] == "/"
        and re.search(rf"\d(?:[km%]|{_SPACE}?(?:{_RATED}){_SPACE}?)?$", before, re.IGNORECASE)
        and re.match(rf"{_SPACE}?(?:{PER})\b", after, re.IGNORECASE)
    ):
        return start, end
    signs = [i for i in range(start, end) if text[i] in SYMBOLS or text[i] in CURRENCIES]
    pictures = [i for i in range(start, end) if unicodedata.category(text[i]) == "So" and text[i] not in SYMBOLS]
    if not pictures:
        return (signs[0], signs[0] + 1) if len(signs) == 1 and not text[start:end].strip(_AROUND + text[signs[0]]) else None
    last = pictures[-1] + 1
    while last < end and (text[last] in "\u200d\ufe0e\ufe0f" or unicodedata.category(text[last]) == "Sk"):
        last += 1  # variation selectors and skin tones
    return pictures[0], last


def _is_range(before: str, after: str) -> bool:
    """Whether a dash between these stands for "to": "5 - 10", "9am-5pm", "$5-$10"."""
    is_spaced = re.search(r"\d\s$", before) and re.match(r"\s\d", after)
    has_halves = re.search(r"\d\s?(?:[ap]\.?m\.?|%|k|kg|km|cm|mm|m|ft|lbs?)\s?$", before, re.IGNORECASE) and re.match(r"\s?\d", after)
    return bool(is_spaced or has_halves or (re.search(r"\d[km]?\s?$", before, re.IGNORECASE) and re.match(rf"\s?[{SIGNS}]\d", after)))


# ---- saying them ----


def _say(written: str, preceding: str, following: str) -> tuple[str, ...]:
    if len(written) > MAX_LETTERS:
        return ()
    written = plain_roman(written, preceding)
    if written in SYMBOLS or written in BETWEEN:
        return tuple((SYMBOLS.get(written) or BETWEEN[written]).split())
    if (span := re.fullmatch(r"([A-Z][a-z]{2,4})-([A-Z][a-z]{2,4})", written)) and {span[1].lower(), span[2].lower()} <= SPANS.keys():
        return (SPANS[span[1].lower()], "to", SPANS[span[2].lower()])
    if written[-1:] in ("²", "³") and len(written) > 1 and written[-2] not in "⁰¹²³⁴⁵⁶⁷⁸⁹":
        return (*_say(written[:-1], preceding, following), "squared" if written[-1] == "²" else "cubed")
    folded = _fold(re.sub(r"(\d)([¼-¾⅐-⅞])", r"\1 \2", written))
    said = say_beside(written, folded, preceding, following) or _say_after(written, folded, preceding)
    if said:
        return said
    if _is_day(folded) and _is_month(preceding) and not _is_measured(following):
        return tuple(ordinal(folded).split())
    if _is_day(folded) and _is_month(following):
        return tuple(ordinal(folded).split())
    is_dated = re.match(r"\d{1,2}(?:st|nd|rd|th)?$", following) or _is_day(_fold(preceding))
    if written[:1].isupper() and folded.lower() in SHORT_MONTHS and is_dated:
        return (SHORT_MONTHS[folded.lower()],)
    if folded.lower() == "st." and not following[:1].isupper():
        return ("street",)
    if _is_address(folded):
        return _say_address(folded)
    if re.match(rf"(?:[A-Z]{{1,2}}(?=[$]))?[-~+(]?[{SIGNS}#]?\s?-?\.?\d", folded):
        said = say_number(re.sub(r"(?<=\d)[\s'](?=\d{3}(?!\d|/))", "", folded), following, say_letters=say_letters)
        return say_one_of(said, folded, preceding, following) or say_letters(folded)
    return say_letters(folded)


def _say_after(written: str, folded: str, preceding: str) -> tuple[str, ...]:
    """What depends on the word before: magnitudes and units behind numbers, Roman numerals behind names."""
    lower = folded.lower()
    if written in ("-", "–", "/"):
        return ("per",) if written == "/" else ("to",)
    if preceding and written in CURRENCIES:
        return (CURRENCIES[written][preceding.lower() in MAGNITUDES],)
    money = re.fullmatch(rf"-?([A-Z]{{0,2}})([{SIGNS}])\s?-?[\d.,–~-]+", preceding)
    if money and (lower in MAGNITUDES or written in SHORT_MAGNITUDES):
        return (*(LETTER_MAGNITUDES.get(lower, lower)).split(), *COUNTRIES.get(money[1], "").split(), CURRENCIES[money[2]][1])
    if lower in ("am", "pm") and preceding[-1:].isdigit():
        return tuple(lower)
    if preceding == "/" and (lower in UNITS or lower == "mo"):
        return tuple(["month"] if lower == "mo" else UNITS[lower][0].split())
    value = say_roman(written)
    if value and (said := _say_roman(written, value, preceding)):
        return said
    return say_unit(folded, _fold(preceding)) if preceding[-1:].isnumeric() else ()


def _is_day(folded: str) -> bool:
    return bool(re.fullmatch(r"[1-9]|[12]\d|3[01]", folded))


def _is_month(written: str) -> bool:
    name = written.lower().rstrip(".")
    return written[:1].isupper() and (name in MONTHS or name in SHORT_MONTHS)


def _is_measured(following: str) -> bool:
    """Whether this stands behind an amount, not behind a day."""
    return following.rstrip(".") in UNITS or following == "%"


def _say_roman(written: str, value: int, preceding: str) -> tuple[str, ...]:
    before = preceding.lower().rstrip(".")
    named = preceding[:1].isupper()
    if before in COUNTED and (len(written) > 1 or named):
        return tuple(cardinal(str(value)).split())
    if before in RULERS and named and (len(written) > 1 or written in "VX"):
        return ("the", *ordinal(str(value)).split())
    return tuple(cardinal(str(value)).split()) if _is_bare_roman(written) else ()


def _is_bare_roman(written: str) -> bool:
    """Two letters or more that are a numeral and hardly anything else."""
    return bool(re.fullmatch(r"X{0,3}(?:II|III|IV|VI|VII|VIII|IX)|X[IV]", written))


def _is_guess(written: str, preceding: str) -> bool:
    if len(written) > MAX_LETTERS or written in ("-", "–"):
        return len(written) == 1
    before = preceding.lower().rstrip(".")
    roman = _is_bare_roman(written) and not (before in COUNTED or (before in RULERS and preceding[:1].isupper()))
    return roman or is_guess(_fold(written)) or written.startswith(("http:", "https:"))


def _is_guess_there(text: str, start: int, end: int, preceding: str, following: str) -> bool:
    """Whether what stands around a word leaves open how it is said."""
    written, beside = text[start:end], text[start - 1 : start] == " " and text[: start - 1].endswith(preceding or "\0")
    if is_code(written, preceding) or (written[0].isdigit() and text[start - 1 : start] in ("<", ">", "⁻")):  # CA 90210; <3
        return True
    if written in BETWEEN or (_is_day(written) and _is_month(following)):  # 4 March: fourth march, the fourth of march
        return True
    if beside and written == "I" and preceding[:1].isupper() and preceding.lower() in RULERS:
        return True  # Elizabeth I: the first
    if beside and re.fullmatch(r"\d{3,4}", written) and re.fullmatch(r"\d{1,4}" if len(written) == 3 else r"\d{3,4}", preceding):
        return True  # 10 500, 0800 123 456: one number in groups, or several
    if (written in MONEY_CODES and following[:1].isdigit()) or (
        beside and re.fullmatch("[b-hj-z]|[B-HJ-Z]", written) and _is_unknown_unit(written, preceding)
    ):
        return True  # USD 50; 5 N
    sign = text[end : end + 1]
    is_open = text.count(sign, 0, start) % 2 if sign == '"' else sign == "'" and re.search(r"(?<!\w)'", text[:start])
    return written.isdigit() and sign in ('"', "'", "″", "′", "”") and not is_open and not (sign == "”" and "“" in text[:start])


def _is_unknown_unit(letter: str, preceding: str) -> bool:
    """Whether a letter stands behind a number and is no unit that we know."""
    return preceding.isdigit() and not say_unit(_fold(letter), preceding)


def _is_shortened(spoken: tuple[str, ...]) -> bool:
    """Whether one of the words has no vowel, as an abbreviation has that is in no table: "bldg", "kr"."""
    return any(re.fullmatch("[bcdfghjklmnpqrstvwxz]{2,}", word) and word not in SOUNDS and word != "ms" for word in spoken)


def _fold(written: str) -> str:
    """Latin letters without accents, ASCII digits, plain apostrophes."""
    plain = unicodedata.normalize("NFKD", written.translate(FOLDED))
    plain = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in plain if not unicodedata.combining(c))
    plain = re.sub(f"[{_APOSTROPHES}]", "'", plain.translate(FOLDED)).replace("−", "-")
    return re.sub(r"(?<=\d)['\"]?[″”]", '"', plain)


def say_letters(folded: str) -> tuple[str, ...]:
    """The words of anything that is no number."""
    lower = folded.lower()
    if lower in PLAIN or lower.replace(".", "") in ("phd", "bsc", "msc"):
        return tuple((PLAIN.get(lower) or PLAIN[lower.replace(".", "")]).split())
    if len(folded) == 2 and folded[1] == "#" and lower[0] in SHARPS:
        return (lower[0], "sharp")
    if lower.rstrip(".") in TITLES or (lower.endswith(".") and lower[:-1] in ABBREVIATIONS | NUMBERED):
        return tuple((ABBREVIATIONS | NUMBERED)[lower.rstrip(".")].split())
    if re.fullmatch(r"[A-Z]{1,2}(&[A-Z]{1,2})+", folded):  # AT&T
        return tuple(" and ".join(" ".join(part) for part in lower.split("&")).split())
    if re.fullmatch(r"(?:[a-z]\.)+[a-z]?", lower):
        return tuple(lower.replace(".", ""))
    if any(c.isalpha() and not c.isascii() and c not in SYMBOLS for c in folded):
        return ()  # another script
    said: list[str] = []
    for part in re.findall(
        rf"'?[A-Za-z]+(?:'[A-Za-z]+)*(?:(?<=in)')?|\d+(?:st|nd|rd|th)\b|\d+'?s\b|\d+(?:\.\d+)*|[&+=%@#°≈±×÷№π{SIGNS}]", folded
    ):
        if part in SYMBOLS:
            said += SYMBOLS[part].split()
        elif part in CURRENCIES:
            said += [CURRENCIES[part][0]]
        elif part[0].isdigit():
            said += _say_digits_within(part)
        elif part.lower() in ("am", "pm") and re.search(rf"\d{part}\b", folded):
            said += part.lower()
        else:
            said += _say_latin(part)
    return tuple(said)


def _say_digits_within(part: str) -> list[str]:
    """Digits within a word: the "20s" of "mid-20s", the "2" of "H2O"."""
    if part.endswith("s"):
        return plural(cardinal(part.rstrip("s'"), year=True)).split()
    if part[-1].isalpha():
        return ordinal(part[:-2]).split()
    return " point ".join(cardinal(piece, year=True) for piece in part.split(".")).split()


def _say_latin(part: str) -> tuple[str, ...]:
    """One run of ASCII letters: a word, or capitals that are said letter by letter."""
    several = re.fullmatch(r"([A-Z]{2,5})'?s", part)
    capitals = several[1] if several else part
    vowels = set(capitals) & set("AEIOUY'")
    if capitals not in ACRONYMS and (vowels or not capitals.isupper() or not 1 < len(capitals) <= 5 or capitals.lower() in SOUNDS):
        return (part.lower(),)
    letters = list(capitals.lower())
    return (*letters[:-1], letters[-1] + "'s") if several else tuple(letters)


# ---- addresses ----

_ADDRESS_SIGNS = {"@": "at", ".": "dot", "_": "underscore", "-": "dash", "+": "plus", "/": "slash"}


def _is_address(folded: str) -> bool:
    """An e-mail address, a web address, or a name with an ending such as "Node.js"."""
    end = re.search(r"\w\.([A-Za-z]{2,4}\d?)$", folded)
    has_dot = re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+|(?:https?://|www\.).+", folded, re.IGNORECASE)
    return bool(has_dot or (end and end[1].lower() in DOT_ENDINGS and re.fullmatch(r"[A-Za-z][\w.-]*", folded)))


def _say_address(folded: str) -> tuple[str, ...]:
    said: list[str] = []
    host = re.split(r"[?#]", re.sub(r"^https?://", "", folded, flags=re.IGNORECASE))[0].rstrip("/")
    pieces = re.findall(r"[A-Za-z]+\d?(?![A-Za-z\d])|[A-Za-z]+|\d+|[@._+/-]", host)
    for i, piece in enumerate(pieces):
        if piece in _ADDRESS_SIGNS:
            said.append(_ADDRESS_SIGNS[piece])
        elif piece.lower() == "www":
            said += list("www")
        elif i and pieces[i - 1] == "." and piece.lower() in DOT_ENDINGS:
            said += [word for word in DOT_ENDINGS[piece.lower()].split() for word in (say_letters(word) if word[0].isdigit() else (word,))]
        else:
            said += say_letters(piece)
    return tuple(said)
