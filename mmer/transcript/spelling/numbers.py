"""Numbers as they are said: plain ones, years, money, dates, times, telephone numbers, fractions, ranges and units."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from mmer.transcript.spelling.tables import (
    ATTACHED,
    CAPITAL_UNITS,
    COUNTRIES,
    CURRENCIES,
    LETTER_MAGNITUDES,
    MAGNITUDES,
    MONEY_CODES,
    MONTHS,
    SHORT_MAGNITUDES,
    SIGNS,
    UNITS,
)

MAX_DIGITS = 15  # of one number; longer ones are read digit by digit
NUMBER = re.compile(rf"([A-Z]{{0,2}})(-?)([{SIGNS}#~]?)\s?(-?)([\d.,:/–~-]*\d)(.*)", re.DOTALL)
PHONE = re.compile(r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,5}|(?:\d{1,2}[ .-])?\(\d{3}\) ?\d{3}[ .-]\d{4}|(?:\d[.-])?\d{3}[.-]\d{3}[.-]\d{4}")
ROMAN = re.compile(r"(?=[IVXL])(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
SUPERSCRIPTS = {"²": "squared", "³": "cubed"}


def say_number(folded: str, following: str, *, say_letters: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    """The words of a written word that begins with a number, a sign or a currency; () for anything else.

    `say_letters` says what stands behind the number where that is no ending or unit.
    """
    kinds = (_say_phone, _say_date, _say_height, _say_area, _say_mixed, _say_power)
    special = next(filter(None, (say(folded) for say in kinds)), "")
    if re.fullmatch(r"1-[89]\d\d", folded) and following.isupper():
        special = one_by_one(folded)  # 1-800-FLOWERS
    if special:
        return tuple(special.split())
    match = NUMBER.fullmatch(folded)
    if match is None:
        return ()
    country, sign, mark, inner, digits, rest = match.groups()
    said = ["minus"] if sign or inner else []
    if mark in ("#", "~"):
        said.append("number" if mark == "#" else "about")
    mark = "R$" if (country, mark) == ("R", "$") else mark
    if rest.strip()[:1] in CURRENCIES:
        mark, rest = rest.strip()[0], rest.strip()[1:]
    digits = _plain_groups(re.sub(r",(?=\d\d?$)", ".", digits) if mark in CURRENCIES else digits)
    spread = re.fullmatch(r"([\d.,]+)[-–~]([\d.,]+)", digits) if mark in CURRENCIES else None
    if spread and (not rest or rest.lower() in LETTER_MAGNITUDES):
        said += [_say_compound(spread[1], bare=False), "to"]  # $5-10: five to ten dollars
        digits = spread[2]
    if mark in CURRENCIES and re.fullmatch(r"[\d,]+(\.\d+)?|\.\d+", digits) and (not rest or rest.lower() in LETTER_MAGNITUDES):
        said += _say_money(digits, mark, LETTER_MAGNITUDES.get(rest.lower(), ""), COUNTRIES.get(country, ""), following)
    else:
        said += _say_digits(digits, rest, following, say_letters)
    return tuple(word for word in " ".join(said).split() if word)


def say_unit(written: str, preceding: str) -> tuple[str, ...]:
    """The unit that stands behind a number and a space ("60 mph"); () where it is none."""
    if not re.fullmatch(rf"[-−~]?[\d.,/–~-]*\d[½⅓¼¾]?|[½⅓¼¾]|[{SIGNS}]?[\d.,]+", preceding):
        return ()
    many = preceding.lstrip("-−~") not in ("1", "½", "1/2", "¼", "1/4", "¾", "3/4")
    if written in MONEY_CODES:
        return tuple(MONEY_CODES[written][many].split())
    if written in CAPITAL_UNITS:
        return tuple(CAPITAL_UNITS[written][many].split())
    name = written.lower().rstrip(".")
    if name not in UNITS or (name in ATTACHED and not (name in "lhg" and written.islower())) or written in ("M", "MS", "MI", "H", "G", "S"):
        return ()
    return tuple(UNITS[name][many].split())


def say_roman(written: str) -> int:
    """The value of a Roman numeral up to 89 in capitals; 0 for anything else."""
    if not written or not ROMAN.fullmatch(written):
        return 0
    values = [{"I": 1, "V": 5, "X": 10, "L": 50}[c] for c in written]
    return sum(-v if any(v < w for w in values[i + 1 : i + 2]) else v for i, v in enumerate(values))


def is_guess(written: str) -> bool:
    """Whether a number is said in one of several ways: a day and month that may be either, metres or millions, a power, a version."""
    date = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})", written)
    if date:
        return date[1] != date[2] and max(int(date[1]), int(date[2])) <= 12
    pair = re.fullmatch(r"(\d{1,4})([-/])(\d{1,4})", written)
    if pair and written not in ("24/7", "9/11", "20/20", "50/50"):
        return _is_unclear_pair(pair[1], pair[2], pair[3])
    if re.fullmatch(r"\d+[BT]|\d+p|\d{7,}(?<!000)", written):
        return True  # a house or billions, pence or pages, a telephone number or millions
    return bool(
        re.fullmatch(
            r"\d+m|\d+(?:[-–/]\d+){2,}|[\d.]+[eE][-+]?\d+|\d{1,3}(?:[.,]\d{1,3}){2,}|[\d.]+\^-?\d+|\d{16,}|[1-9]\d{0,2}\.\d{3}", written
        )
        and not re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:\.\d{3})+,\d+", written)
        and not PHONE.fullmatch(written)
        and not _say_date(written)
    )


def _is_unclear_pair(first: str, sign: str, second: str) -> bool:
    """Two numbers that may be a range, a score or a month (3-0, 2019-06), a fraction or a date (12/31, 7/4)."""
    a, b = int(first), int(second)
    if sign == "-":
        return (a >= b and not (len(first) == 4 and len(second) == 2 and b > a % 100)) or (len(first) == 4 and second[0] == "0")
    return 4 in (len(first), len(second)) or a >= b or (b > 10 and a <= 12 and b <= 31)


# ---- telephone numbers, dates, heights, mixed fractions ----


def _say_phone(folded: str) -> str:
    return one_by_one(folded) if PHONE.fullmatch(folded) and sum(c.isdigit() for c in folded) >= 7 else ""


def _say_date(folded: str) -> str:
    """2020-12-25, 12/25/2020 (month first, as in American English, where it can be one), 25.12.2020."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", folded)
    if match:
        year, month, day = match.groups()
        said_last = False
    else:
        match = re.fullmatch(r"(\d{1,2})([/.])(\d{1,2})\2(\d{4}|\d\d(?<=/\d\d))", folded)
        if match is None:
            return ""
        first, sign, second, year = match.groups()
        month, day = (second, first) if sign == "." or int(first) > 12 else (first, second)
        said_last = True
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return ""
    date = f"{MONTHS[int(month) - 1]} {ordinal(day.lstrip('0'))}"
    spoken_year = cardinal(year, year=True) if len(year) == 4 else ("oh " + one_by_one(year[1]) if year[0] == "0" else cardinal(year))
    return f"{date} {spoken_year}" if said_last else f"{spoken_year} {date}"


def _say_height(folded: str) -> str:
    """5'10" and 5 ft 10 in; 5' alone, where the next word shows that it is a length."""
    if re.fullmatch(r"\d{1,2}'", folded):
        return cardinal(folded) + (" foot" if folded == "1'" else " feet")
    match = re.fullmatch(r"(\d{1,2})(?:'| ?ft\.?) ?(\d{1,2})(?:\"|''| ?in\.?)", folded)
    if match is None:
        return ""
    if "'" in folded:
        return f"{cardinal(match[1])} foot {cardinal(match[2])}"
    feet, inches = match.groups()
    return f"{cardinal(feet)} {'foot' if feet == '1' else 'feet'} {cardinal(inches)} {'inch' if inches == '1' else 'inches'}"


def _say_area(folded: str) -> str:
    """4x6: four by six."""
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", folded)
    return f"{cardinal(match[1])} by {cardinal(match[2])}" if match else ""


def _say_mixed(folded: str) -> str:
    """2 1/2: two and one half."""
    match = re.fullmatch(r"(\d{1,4}) (\d{1,2})/(\d{1,2})", folded)
    return f"{cardinal(match[1])} and {_fraction(match[2], match[3])}" if match else ""


def _say_power(folded: str) -> str:
    """2^10 and 1e5."""
    match = re.fullmatch(r"([\d.]+)(\^|[eE]\+?)(-?)(\d+)", folded)
    if match is None:
        return "nine one one" if folded == "911" else ""
    base, sign, minus, power = match.groups()
    times = "to the" if sign == "^" else "times ten to the"
    return f"{_say_compound(base, bare=False)} {times} {'minus ' * bool(minus)}{cardinal(power)}"


# ---- plain numbers, with what stands around them ----


def _plain_groups(digits: str) -> str:
    """Thousands grouped by full stops, where two groups or a decimal comma leave no doubt, as grouped by commas."""
    if re.fullmatch(r"\d{1,3}(\.\d{3}){2,}", digits):
        return digits.replace(".", ",")
    if re.fullmatch(r"\d{1,3}(\.\d{3})+,\d+", digits):
        return digits.replace(".", "").replace(",", ".")
    return digits


def _say_digits(digits: str, rest: str, following: str, say_letters: Callable[[str], tuple[str, ...]]) -> list[str]:
    """A number without its sign and currency, with what is written right behind it ("st", "%", "kg", "s")."""
    ending = rest.lower().replace("'", "").strip()
    if ending in ("st", "nd", "rd", "th") and digits.replace(",", "").isdigit():
        return [ordinal(digits)]
    if ending == "s" and digits.isdigit():
        return [plural(cardinal(digits, year=True))]
    half_day = following.lower().replace(".", "") in ("am", "pm") or ending in ("am", "pm")
    if half_day and re.fullmatch(r"\d{1,2}\.[0-5]\d", digits):
        digits = digits.replace(".", ":")  # 5.30 pm
    said = [_say_time(digits, half_day) if re.fullmatch(r"\d{1,2}(:\d\d){1,2}", digits) else _say_compound(digits, bare=not rest)]
    if ending in ("am", "pm"):
        return said + list(ending)
    if ending == "in":  # with a space it is mostly the word
        return [*said, "inch" if digits == "1" else "inches"]
    if rest in ("G", "K") and digits in ("1", "2", "3", "4", "5", "6", "8") and (rest == "G" or digits in "48"):
        return [*said, rest.lower()]  # a mobile network, a screen
    if rest in ("M", "B", "T") and not (rest == "T" and "." not in digits):
        return [*said, LETTER_MAGNITUDES[ending]]
    if ending in UNITS or rest in CAPITAL_UNITS:
        return [*said, (CAPITAL_UNITS.get(rest) or UNITS[ending])[digits != "1"]]
    if re.fullmatch(r" ?° ?[CFK]?", rest, re.IGNORECASE):
        scale = {"C": "celsius", "F": "fahrenheit", "K": "kelvin"}.get(rest[-1].upper(), "")
        return [*said, "degree" if digits == "1" else "degrees", scale]
    return [*said, *_say_rest(rest, say_letters)]


def _say_rest(rest: str, say_letters: Callable[[str], tuple[str, ...]]) -> list[str]:
    return [
        word
        for part in re.findall(r"[%°²³]|[^%°²³]+", rest)
        for word in ([SUPERSCRIPTS[part]] if part in SUPERSCRIPTS else say_letters(part))
    ]


def _say_compound(digits: str, *, bare: bool) -> str:
    """Digits with signs between them: a fraction, a range, a ratio, a telephone number, a decimal, a year, a plain number."""
    if re.fullmatch(r"(\d{3}[-.])?\d{3}[-.]\d{4}", digits):
        return one_by_one(digits)
    if "/" in digits:
        parts = digits.split("/")
        return _fraction(*parts) if len(parts) == 2 else " ".join(cardinal(p, year=True) for p in parts)
    for sign, word in (("-", " to "), ("–", " to "), ("~", " to "), (":", " to ")):
        if sign in digits:
            return word.join(_say_side(p, bare=bare) for p in digits.split(sign) if p)
    whole, *decimals = digits.replace(",", "").split(".") if not re.search(r",\d{1,2}$", digits) else digits.split(",")
    if not decimals:
        return cardinal(whole, year=bare and "," not in digits)
    return " point ".join([cardinal(whole or "0"), *(one_by_one(d) for d in decimals)])


def _say_side(digits: str, *, bare: bool) -> str:
    """One side of a range: a time, or any other number."""
    return _say_time(digits, half_day=True) if re.fullmatch(r"\d{1,2}:[0-5]\d", digits) else _say_compound(digits, bare=bare)


def _say_money(digits: str, mark: str, magnitude: str, country: str, following: str) -> list[str]:
    whole, _, part = digits.replace(",", "").partition(".")
    whole = whole or "0"
    one, many, cent, cents = CURRENCIES[mark]
    if following.lower() in MAGNITUDES or following in SHORT_MAGNITUDES:
        return [_say_compound(digits, bare=False)]  # "$5 million": the dollars come after the million
    if magnitude:
        return [f"{_say_compound(digits, bare=False)} {magnitude} {country} {many}"]
    said = [f"{cardinal(whole)} {country} {one if whole.lstrip('0') == '1' else many}"]
    if len(part) == 2 and part != "00" and cent:
        small = f"{cardinal(part.lstrip('0'))} {cent if part == '01' else cents}"
        return [*said, "and", small] if whole.strip("0") else [small]
    if part.strip("0"):
        return [f"{cardinal(whole)} point {one_by_one(part)} {country} {many}"]
    return said


def _say_time(digits: str, half_day: bool) -> str:
    hours, minutes, *seconds = digits.split(":")
    said = cardinal(hours.lstrip("0") or "0")
    if minutes != "00" or seconds:
        said += f" {'oh ' * (minutes[0] == '0' and minutes != '00')}{cardinal(minutes.lstrip('0') or '0')}"
    elif not half_day and 1 <= int(hours) <= 12:
        said += " o'clock"
    return " ".join([said, *(cardinal(s.lstrip("0") or "0") for s in seconds)])


def _fraction(above: str, below: str) -> str:
    if above.isdigit() and below.isdigit() and 2 <= int(below[:4]) <= 10 and len(below) <= 2 and 0 < int(above[:6]) < 20:
        name = {2: "half", 4: "quarter"}.get(int(below), ordinal(below))
        return f"{cardinal(above)} {name if int(above) == 1 else {'half': 'halves'}.get(name, name + 's')}"
    return f"{cardinal(above)} {cardinal(below)}"


@lru_cache(maxsize=4096)
def cardinal(digits: str, *, year: bool = False) -> str:
    from num2words import num2words

    digits = re.sub(r"\D", "", digits)
    if len(digits) > MAX_DIGITS or (len(digits) > 1 and digits[0] == "0") or not digits:
        return one_by_one(digits)
    number = int(digits)
    as_year = year and 1100 <= number <= 2099 and len(digits) == 4
    return _clean(num2words(number, to="year" if as_year else "cardinal"))


def ordinal(digits: str) -> str:
    from num2words import num2words

    digits = digits.replace(",", "")
    return _clean(num2words(int(digits), to="ordinal")) if len(digits) <= MAX_DIGITS else one_by_one(digits)


def one_by_one(digits: str) -> str:
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return " ".join(names[int(d)] for d in digits if d.isdigit())


def plural(said: str) -> str:
    return said[:-1] + "ies" if said.endswith("y") else said + ("es" if said.endswith("x") else "s")


def _clean(said: str) -> str:
    """num2words without hyphens, commas and the British "and", which American speech leaves out."""
    return " ".join(word for word in re.sub(r"[-,]", " ", said).split() if word != "and")
