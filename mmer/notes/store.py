"""Notes on disk: one SQLite file per experiment or batch. Every entry is a row of its own, so that two people at once lose nothing.

The file is in write-ahead mode and each entry is on the disk when the call returns: a process that is killed loses what it was writing, and
nothing that it had written.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from mmer.errors import DataError
from mmer.notes.entries import (
    MOST_ENTRIES,
    MOST_TAGS,
    NOTE,
    TAG,
    Entry,
    Notes,
    check_codebook,
    check_tag,
    check_text,
    make_entry,
    read_clock,
)

FILE = "notes.sqlite"  # in an experiment's folder
ELSEWHERE = ".notes"  # below the folder of experiments: of batches, and of experiments that lie elsewhere
VERSION = 1
WAIT_SECONDS = 15.0  # for another writer
COLUMNS = ", ".join(f'"{one.name}"' for one in fields(Entry))
SCHEMA = f"""
create table if not exists entries ("id" text primary key, "utterance" text not null, "coder" text not null, "kind" text not null,
  "value" text not null, "start" real, "end" real, "made" text not null, "gone" text not null);
create unique index if not exists once on entries ("utterance", "coder", "kind", "value") where "kind" <> '{NOTE}' and "gone" = '';
create table if not exists codebook ("tag" text primary key, "definition" text not null);
"""


def place_notes(runs: Path, experiment: Path) -> Path:
    """The file of an experiment's notes: in its own folder where that lies in the folder of experiments, else beside those, by its name
    and settings."""
    if os.path.realpath(experiment.parent) == os.path.realpath(runs):
        return experiment / FILE
    try:
        settings = (experiment / "config.json").read_bytes()
    except OSError:
        settings = b""
    return runs / ELSEWHERE / f"{experiment.name}-{hashlib.sha256(settings).hexdigest()[:8]}.sqlite"


def place_batch_notes(runs: Path, table: bytes) -> Path:
    """The file of the notes of a batch, which is known by the content of its table."""
    return runs / ELSEWHERE / f"batch-{hashlib.sha256(table).hexdigest()[:16]}.sqlite"


@dataclass(frozen=True)
class NotesFile:
    """The notes of one experiment or batch. Holds nothing open, so it may be made anew wherever it is wanted."""

    path: Path

    def read(self) -> Notes:
        """All that is noted; nothing where there is no file yet. Raises DataError for a damaged one."""
        if not self.path.exists():
            return Notes()
        with self._open() as connection:
            rows = connection.execute(f"select {COLUMNS} from entries order by made, id limit {MOST_ENTRIES}").fetchall()
            book = connection.execute("select tag, definition from codebook order by tag").fetchall()
        return Notes(tuple(Entry(*row) for row in rows), dict(book))

    def add(self, utterance: Any, coder: Any, kind: Any, value: Any = "", *, start: Any = None, end: Any = None) -> Entry:
        """A new entry; a tag or a mark that holds already is returned as it is. Raises DataError for what can't be one."""
        entry = make_entry(utterance, coder, kind, value, start=start, end=end)
        with self._write() as connection:
            known = _find_same(connection, entry)
            if known is None:
                _insert(connection, entry)
        return known or entry

    def take_back(self, identity: Any, coder: Any) -> None:
        """The coder's own entry holds no longer. Raises DataError where there is none, or it is somebody else's."""
        with self._write() as connection:
            self._take_back(connection, identity, coder)

    def change_note(self, identity: Any, coder: Any, text: Any, *, start: Any = None, end: Any = None) -> Entry:
        """A note in other words. Raises DataError where it was taken back or changed meanwhile, so that nobody writes over another's."""
        with self._write() as connection:
            old = self._take_back(connection, identity, coder)
            entry = make_entry(old.utterance, coder, NOTE, text, start=start, end=end)
            _insert(connection, entry)
        return entry

    def define(self, tag: Any, definition: Any) -> None:
        """What a tag means; a new one is added to the codebook. Raises DataError."""
        with self._write() as connection:
            _define(connection, check_codebook({tag: definition}), over=True)

    def merge(self, entries: Iterable[Entry], codebook: Mapping[str, str]) -> int:
        """Brings in entries of another file; how many are new. What one of the two took back is taken back; own definitions stay."""
        count = 0
        with self._write() as connection:
            for entry in entries:
                known = connection.execute('select "gone" from entries where "id" = ?', (entry.id,)).fetchone()
                if known is None and (not entry.holds or _find_same(connection, entry) is None):
                    _insert(connection, entry)
                    count += 1
                elif known is not None and not known[0] and entry.gone:
                    connection.execute('update entries set "gone" = ? where "id" = ?', (entry.gone, entry.id))
            _define(connection, codebook, over=False)
        return count

    def _take_back(self, connection: sqlite3.Connection, identity: Any, coder: Any) -> Entry:
        row = connection.execute(f'select {COLUMNS} from entries where "id" = ?', (str(identity)[:32],)).fetchone()
        entry = Entry(*row) if row else None
        if entry is None or not entry.holds:
            raise DataError("This entry was changed or taken back meanwhile; open the table anew to see how it reads now.")
        if entry.coder != check_text(coder, "The coder's name", 1000):
            raise DataError(f"This entry is {entry.coder}'s; only who wrote it can change it. Add your own.")
        connection.execute('update entries set "gone" = ? where "id" = ?', (read_clock(), entry.id))
        return entry

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One change: all of it is on the disk at the end, or none."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"Can't make the folder {self.path.parent} for notes: {error.strerror}.") from error
        with self._open() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = full")
                (version,) = connection.execute("pragma user_version").fetchone()
                if version > VERSION:
                    raise DataError(f"{self.path} was written by a newer version of mmer; update mmer to read it.")
                if version < VERSION:
                    connection.executescript(f"begin immediate;{SCHEMA}pragma user_version = {VERSION};commit;")
                yield connection
        except sqlite3.Error as error:
            raise DataError(f"The notes in {self.path} can't be used ({error}); restore the file, or move it away.") from error


def _find_same(connection: sqlite3.Connection, entry: Entry) -> Entry | None:
    """The tag or mark of the same person that holds already."""
    if entry.kind == NOTE:
        return None
    where = '"utterance" = ? and "coder" = ? and "kind" = ? and "value" = ? and "gone" = \'\''
    row = connection.execute(
        f"select {COLUMNS} from entries where {where}", (entry.utterance, entry.coder, entry.kind, entry.value)
    ).fetchone()
    return Entry(*row) if row else None


def _insert(connection: sqlite3.Connection, entry: Entry) -> None:
    (count,) = connection.execute("select count(*) from entries").fetchone()
    if count >= MOST_ENTRIES:
        raise DataError(f"There are {count:,} entries of notes, as many as one file may have; export them and begin another.")
    connection.execute(f"insert into entries ({COLUMNS}) values ({', '.join('?' * len(fields(Entry)))})", astuple(entry))
    if entry.kind == TAG:
        _define(connection, {entry.value: ""}, over=False)


def _define(connection: sqlite3.Connection, codebook: Mapping[str, str], *, over: bool) -> None:
    """Tags into the codebook; a definition that is there stays unless `over`."""
    for tag, definition in codebook.items():
        check_tag(tag)
        known = connection.execute("select definition from codebook where tag = ?", (tag,)).fetchone()
        if known is None:
            (count,) = connection.execute("select count(*) from codebook").fetchone()
            if count >= MOST_TAGS:
                raise DataError(f"The codebook has {MOST_TAGS} tags, as many as it may; use one of them.")
            connection.execute("insert into codebook values (?, ?)", (tag, definition))
        elif over or (not known[0] and definition):
            connection.execute("update codebook set definition = ? where tag = ?", (definition, tag))
