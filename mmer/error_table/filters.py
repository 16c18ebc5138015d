"""The language of filters, the same in the shell, in the address of the page and on the page: one text for one condition.

    label=anger                   the column has this value
    label=anger,sadness           one of these
    answer!=anger,sadness         none of these
    loss:1..2.5                   a number from 1 to 2.5, both included; either end may be left out
    text~never                    the text holds these letters, in upper or lower case

A name or a value that holds one of = ! : ~ , " or begins or ends with a blank stands in double quotes, where "" is one quote. No value
(label=) is what is unknown. Several filters hold together. tests/error_table/filter_cases.json is read by this parser's tests and by those
of the page's script, so that both take the same language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmer.error_table.table import NUMBER, Column, UtteranceTable
from mmer.errors import DataError

LONGEST = 4000  # characters of a filter
MOST_VALUES = 500  # of one filter
MOST_FILTERS = 40
MOST_SHOWN = 12  # values of a column, where a filter names one that it has not
IS, IS_NOT, RANGE, HOLDS = "=", "!=", ":", "~"
FORMS = "Its form is column=value, column=a,b, column!=value, column:low..high or column~letters."
_QUOTED = r'"(?:[^"]|"")*"'
_NAME = re.compile(rf'\s*({_QUOTED}|[^=!:~,"]+)(!=|[=:~])', re.DOTALL)
_VALUE = re.compile(rf'\s*({_QUOTED})\s*(?=,|$)|([^,"]*)(?=,|$)', re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?", re.IGNORECASE)
_BARE = re.compile(r'[^=!:~,"\s](?:[^=!:~,"]*[^=!:~,"\s])?')


@dataclass(frozen=True)
class Filter:
    """One condition on one column."""

    column: str
    sign: str  # IS | IS_NOT | RANGE | HOLDS
    values: tuple[str, ...] = ()  # of IS and IS_NOT; the letters of HOLDS
    low: float = -math.inf  # of RANGE
    high: float = math.inf

    def __str__(self) -> str:
        """The text that parse_filter reads as this filter."""
        name = _quote(self.column)
        if self.sign == RANGE:
            return f"{name}:{_write_end(self.low)}..{_write_end(self.high)}"
        if self.sign == HOLDS:
            return f"{name}~{self.values[0]}"
        return f"{name}{self.sign}{','.join(map(_quote, self.values))}"


def _write_end(value: float) -> str:
    if math.isinf(value):
        return ""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _quote(text: str) -> str:
    return text if not text or _BARE.fullmatch(text) else '"{}"'.format(text.replace('"', '""'))


def _unquote(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text.strip()


def parse_filter(text: str) -> Filter:
    """The filter of one text. Raises DataError that names what is wrong with it."""
    if len(text) > LONGEST:
        raise DataError(f"The filter {text[:40]!r}… has {len(text):,} characters; at most {LONGEST:,} are read.")
    found = _NAME.match(text)
    if not found:
        raise DataError(f"{text[:100]!r} is not a filter. {FORMS}")
    column, sign, rest = _unquote(found[1]), found[2], text[found.end() :]
    if not column:
        raise DataError(f"{text[:100]!r} names no column. {FORMS}")
    if sign == RANGE:
        return Filter(column, RANGE, (), *_parse_range(rest, text))
    if sign == HOLDS:
        if not rest.strip():
            raise DataError(f"{text[:100]!r} names no letters to look for. {FORMS}")
        return Filter(column, HOLDS, (rest,))
    return Filter(column, sign, _parse_values(rest, text))


def _parse_range(rest: str, text: str) -> tuple[float, float]:
    low, dots, high = rest.partition("..")
    ends = [part.strip() for part in (low, high)]
    if not dots or not any(ends) or not all(not end or _NUMBER.fullmatch(end) for end in ends):
        raise DataError(f"{text[:100]!r} has no range of numbers such as 1..2.5, ..2.5 or 1.. after the colon.")
    bounds = float(ends[0] or "-inf"), float(ends[1] or "inf")
    if bounds[0] > bounds[1]:
        raise DataError(f"{text[:100]!r}: {ends[0]} is above {ends[1]}; name the lower end first.")
    return bounds


def _parse_values(rest: str, text: str) -> tuple[str, ...]:
    values: list[str] = []
    place = 0
    while True:
        found = _VALUE.match(rest, place)
        if not found:
            raise DataError(f'{text[:100]!r}: a value with a comma or a quote stands in double quotes, a quote in it twice: "a, ""b""".')
        values.append(_unquote(found[1] if found[1] is not None else found[2]))
        if len(values) > MOST_VALUES:
            raise DataError(f"The filter {text[:40]!r}… names more than {MOST_VALUES} values.")
        if found.end() >= len(rest):
            return tuple(dict.fromkeys(values))
        place = found.end() + 1


def parse_filters(texts: Sequence[str]) -> tuple[Filter, ...]:
    """Every filter of a list. Raises DataError for one that is none, or more than MOST_FILTERS."""
    if len(texts) > MOST_FILTERS:
        raise DataError(f"{len(texts):,} filters are given; at most {MOST_FILTERS} are read.")
    return tuple(dict.fromkeys(map(parse_filter, texts)))


def find_rows(table: UtteranceTable, filters: Sequence[Filter]) -> np.ndarray:
    """(utterances,) bool: which rows all filters hold for. Raises DataError for a column that is not there or is of another kind."""
    rows = np.ones(len(table.frame), bool)
    for one in filters:
        rows &= _find(table.find_column(one.column), table.frame[one.column].to_numpy(), one)
    return rows


def describe_absent(table: UtteranceTable, filters: Sequence[Filter]) -> tuple[str, ...]:
    """A sentence for each filter that names values which no row has, so that a slip of the pen is not taken for a finding."""
    said = []
    for one in filters:
        column = table.find_column(one.column)
        if one.sign not in (IS, IS_NOT) or column.kind == NUMBER:
            continue
        there = dict.fromkeys(sorted(cell for cell in table.frame[one.column].tolist() if cell))
        absent = [value for value in one.values if value and value not in there]
        if absent:
            shown = f"; it has {', '.join(there)}" if 0 < len(there) <= MOST_SHOWN else ""
            said.append(f"No row has {one.column}={', '.join(absent[:5])[:100]}{shown}.")
    return tuple(dict.fromkeys(said))


def _find(column: Column, cells: np.ndarray, one: Filter) -> np.ndarray:
    if one.sign == RANGE:
        if column.kind != NUMBER:
            raise DataError(f"{str(one)[:100]!r}: {column.name} holds texts, of which no range can be taken; use {column.name}=value.")
        found: np.ndarray = (cells >= one.low) & (cells <= one.high)
        return found
    if one.sign == HOLDS:
        if column.kind == NUMBER:
            raise DataError(f"{str(one)[:100]!r}: {column.name} holds numbers; use {column.name}:low..high.")
        letters = one.values[0].lower()
        return np.array([letters in cell.lower() for cell in cells.tolist()], bool)
    if column.kind == NUMBER:
        found = np.isin(cells, [_read_number(value, one) for value in one.values if value])
        if "" in one.values:
            found |= np.isnan(cells)
    else:
        wanted = set(one.values)
        found = np.array([cell in wanted for cell in cells.tolist()], bool)
    return found if one.sign == IS else ~found


def _read_number(value: str, one: Filter) -> float:
    if not _NUMBER.fullmatch(value):
        raise DataError(f"{str(one)[:100]!r}: {one.column} holds numbers, and {value[:40]!r} is none.")
    return float(value)


def sort_rows(table: UtteranceTable, order: str) -> UtteranceTable:
    """By a column, `loss` from the lowest, `loss:down` from the highest; what is unknown comes last, ties stay in their order."""
    name, down = order.removesuffix(":down"), order.endswith(":down")
    column = table.find_column(name.removesuffix(":up"))
    frame = table.frame
    key = frame[column.name] if column.kind == NUMBER else frame[column.name].replace("", np.nan)
    places = key.reset_index(drop=True).sort_values(ascending=not down, kind="stable", na_position="last").index
    return UtteranceTable(**{**vars(table), "frame": frame.iloc[places].reset_index(drop=True)})
