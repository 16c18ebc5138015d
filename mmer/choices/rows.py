"""Rows by key, in the order in which they are offered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, TypeVar


class Row(Protocol):
    """A frozen dataclass that says everything about one choice."""

    @property
    def key(self) -> str:
        """What is written in files, flags and links."""
        ...


AnyRow = TypeVar("AnyRow", bound=Row)


class Rows(Mapping[str, AnyRow]):
    """Key -> row. It can't be written to, but for `adding`; who derives a list from it does so when the list is asked for."""

    def __init__(self, *rows: AnyRow):
        self._rows = {row.key: row for row in rows}
        if len(self._rows) < len(rows):
            raise ValueError(f"two rows have the same key: {', '.join(row.key for row in rows)}")

    def __getitem__(self, key: str) -> AnyRow:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @contextmanager
    def adding(self, row: AnyRow) -> Iterator[AnyRow]:
        """One row more, behind the others, while the block lasts: a choice from outside the package, in this process."""
        if row.key in self._rows:
            raise ValueError(f"there is a row {row.key!r} already")
        self._rows[row.key] = row
        try:
            yield row
        finally:
            del self._rows[row.key]


def load_named(path: str) -> Any:
    """What "module:name" names; the module is imported when it is asked for, since rows are read where torch is not wanted."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
