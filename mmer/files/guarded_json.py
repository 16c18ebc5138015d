"""JSON that anybody may have written -> plain values, or one sentence: deep nesting, endless numbers and half characters are refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mmer.errors import DataError, MmerError
from mmer.files.encoding import decode_text

MAX_BYTES = 64 * 2**20  # of a file: an analysis of five minutes with sound and attention is below that
MAX_DEPTH = 60  # lists and objects in each other; ours have at most 8
MAX_DIGITS = 19  # of a whole number, which then fits into 64 bits
MAX_NAME, MAX_PATH = 255, 4096  # bytes that file systems take


def read_json(path: Path | str, *, error: type[MmerError] = DataError, limit: int = MAX_BYTES) -> Any:
    """The value in a file. Raises `error` naming the file when it can't be read, is too large or as parse_json does; FileNotFoundError."""
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as failed:
        raise error(f"{show(path)} can't be read: {failed.strerror}.") from failed
    except ValueError as failed:
        raise error(f"{show(path)}: {explain_name(str(path)) or failed}.") from failed
    if len(data) > limit:
        raise error(f"{show(path)} has more than {limit // 2**20} MB, too many for a JSON file of ours.")
    text = decode_text(data, f"{show(path)} is not a JSON file that can be read", error=error, advice="Save it as UTF-8.")
    return parse_json(text, show(path), error=error)


def read_text(path: Path, *, most: int, purpose: str) -> str:
    """The text of a file of at most `most` bytes; `purpose` ends the sentence about a larger one: "too many for notes"."""
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise DataError(f"{show(path)} can't be opened: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > most:
        raise DataError(f"{show(path)} has more than {most // 2**20} MB, {purpose}.")
    return decode_text(data, show(path))


def parse_json(text: str, where: str, *, error: type[MmerError] = DataError, key: str = "key", half_characters: bool = False) -> Any:
    """The value of JSON text. `where` names the file (and row) and `key` what its names are called, for the message.

    Raises `error` for what is no JSON, is nested too deeply, names a key twice in one object (of which only the last would count), or
    holds whole numbers of more than MAX_DIGITS digits or, unless `half_characters` are taken, half of a character (a surrogate alone),
    which can't be written anywhere.
    """
    try:
        value = json.loads(text, parse_int=_read_int, object_pairs_hook=_read_object)
    except _NamedTwice as failed:
        raise error(f"{where}: the {key} {failed.describe()}. Delete one of them.") from failed
    except RecursionError as failed:
        raise error(f"{where}: not JSON that can be read: it is nested too deeply.") from failed
    except json.JSONDecodeError as failed:
        raise error(f"{where}: not JSON ({failed.msg} in line {failed.lineno}, character {failed.colno}).") from failed
    problem = find_problem(value, key=key, half_characters=half_characters)
    if problem:
        raise error(f"{where}{problem}.")
    return value


class _NamedTwice(Exception):
    """An object names a key twice."""

    def __init__(self, name: str, before: Any, after: Any):
        self.name, self.values = name, (before, after)

    def describe(self) -> str:
        plain = [value for value in self.values if value is None or isinstance(value, str | int | float)]
        values = f" ({_quote(plain[0], 40)} and {_quote(plain[1], 40)})" if len(plain) == 2 else ""
        return f"{_quote(self.name, 60)} stands twice in one object{values}"


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: dict[str, Any] = {}
    for name, value in pairs:
        if name in seen:
            raise _NamedTwice(name, seen[name], value)
        seen[name] = value
    return found


def _quote(value: Any, most: int) -> str:
    return (repr(value) if is_whole(repr(value)) else ascii(value))[:most]


class _Digits(str):
    """A whole number of too many digits, as it was written."""


def _read_int(digits: str) -> Any:
    return int(digits) if len(digits) <= MAX_DIGITS + 1 else _Digits(digits)


def find_problem(value: Any, *, key: str = "key", half_characters: bool = False) -> str:
    """Where in a value something stands that no reader of ours takes, and what: ", column 'path': a number of 5,000 digits"; or ""."""
    waiting: list[tuple[Any, str, int]] = [(value, "", 1)]
    while waiting:
        item, place, depth = waiting.pop()
        if isinstance(item, _Digits):
            return f"{place}: a number of {len(item):,} digits"
        if isinstance(item, str) and not half_characters and not is_whole(item):
            return f"{place}: {item!a:.60} holds half of a character (a surrogate alone)"
        if not isinstance(item, dict | list):
            continue
        if depth > MAX_DEPTH:
            return f"{place}: lists or objects nested more than {MAX_DEPTH} deep"
        pairs = item.items() if isinstance(item, dict) else (("", part) for part in item)
        for name, part in pairs:
            if name and not is_whole(name):
                return f"{place}: the name {name!a:.60} holds half of a character (a surrogate alone)"
            waiting.append((part, place or (f", {key} {name!r:.60}" if name else ""), depth + 1))
    return ""


def is_whole(text: str) -> bool:
    """Whether `text` can be written as UTF-8: a surrogate alone can't."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def show(path: str | os.PathLike[str]) -> str:
    """A path for a message: an endless one is cut, what can't be printed is written as its number."""
    text = str(path)
    return text if len(text) <= 300 and text.isprintable() else f"{text[:80]!a}"


def explain_name(name: str) -> str:
    """Why no file can have this name or path; "" for one that could."""
    if "\0" in name:
        return "it holds a zero byte"
    try:
        size = len(os.fsencode(name))
        longest = max(len(os.fsencode(part)) for part in name.split("/"))
    except UnicodeEncodeError:
        return "it holds half of a character (a surrogate alone)"
    if size > MAX_PATH or longest > MAX_NAME:
        return f"it has {len(name):,} characters, more than a file's name can have"
    return ""
