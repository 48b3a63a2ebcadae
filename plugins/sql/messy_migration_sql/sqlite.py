"""An SQLite file as a source: opened read-only, and checked to be the same throughout.

SQLite has no snapshot that several processes could share. What a run reads is of one moment all
the same: the parent notes the state of the file (its change counter, and that of its write-ahead
log), and whoever reads compares it inside a transaction of its own. A file that somebody wrote to
meanwhile is an error; the run that resumes goes on with the file as it is then. Nobody is kept
from writing for longer than one range takes to be read.

A table with a key is cut into ranges of exactly one batch, by hopping along the key's index.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from messy_migration.errors import SourceError
from messy_migration.model import Column, Extracted, Frame, Partition, Rejected
from messy_migration_sql.cells import to_array
from messy_migration_sql.failures import reading
from messy_migration_sql.opened import connected, is_alone, path_of, transaction
from messy_migration_sql.readable import as_json
from messy_migration_sql.settings import Source, SqlSettings
from messy_migration_sql.tables import Layout

__all__ = ["asking", "assumed", "count", "cut", "engine", "quoted", "read", "selected"]

_ROWS = 8_192
_MASK = (1 << 64) - 1
# julianday() is exact to the millisecond only.
_BLUR = timedelta(milliseconds=10)


@dataclass
class Seen:
    """The state in which this process saw the file first; nothing of it stays open."""

    state: str

    def close(self) -> None:
        """Nothing to do."""


def engine(source: Source) -> Engine:
    """For reading the catalogue; every connection is closed after its use."""
    return create_engine("sqlite://", creator=lambda: connected(source), poolclass=NullPool)


def assumed(source: Source) -> tuple[str, ...]:
    """What the file alone cannot tell."""
    path = path_of(source)
    if is_alone(path):
        return (f"{source.label}: {path.name} keeps a write-ahead log and has none: it is whole",)
    return ()


def cut(
    settings: SqlSettings,
    source: Source,
    layout: Layout,
    since: datetime | None,
    planned: Sequence[Partition] | None,
    records: int,
) -> list[Partition]:
    """The partitions of a table, all of the file's present state.

    Args:
        settings: where the state of the file is kept.
        source: the file.
        layout: the table.
        since: only rows that changed at or after it, where the table has a bookmark.
        planned: what a resumed run planned before; it keeps its ranges.
        records: the most that one batch may hold.

    Raises:
        SourceError: the file cannot be read, or a table without a key is not what it was.
    """
    key = (source.tenant, "state")
    seen = settings.open.get(key)
    expected = seen.state if isinstance(seen, Seen) else None
    where = f"{source.label}, table {layout.table}"
    with reading(where), transaction(source, expected) as (connection, state):
        settings.open[key] = Seen(state)
        table = _Table(connection, layout, since)
        if not layout.stream.tables[0].key:
            return [table.whole(planned or (), state)]
        if planned is not None:
            return [replace(part, held=state) for part in planned]
        return table.ranges(records, state)


def read(
    settings: SqlSettings, source: Source, columns: Sequence[Column], partition: Partition
) -> Iterator[Extracted]:
    """The rows of a partition, in the order of its key.

    Args:
        settings: not needed, a file is opened anew each time.
        source: the file.
        columns: of the stream, as the partition lists them.
        partition: with its bounds.

    Raises:
        SourceError: the file cannot be read, or is not what it was when the run began.
    """
    del settings
    bounds = partition.bounds
    table_label = f"{source.label}, table {bounds['table']}"
    names = [column.name for column in columns]
    with (
        reading(f"{table_label}, {partition.name}"),
        transaction(source, partition.held) as (connection, _),
    ):
        for rows in _rows(connection, bounds):
            cells = list(zip(*rows, strict=True))
            arrays = []
            wrong: dict[int, tuple[str, str]] = {}
            for column, values in zip(columns, cells, strict=True):
                array, refused = to_array(values, column.type)
                arrays.append(array)
                for row, reason in refused:
                    wrong.setdefault(row, (column.name, reason))
            for row, (name, reason) in sorted(wrong.items()):
                raw = as_json(names, rows[row])
                key_cells = {
                    of: arrays[names.index(of)][row].as_py() for of in bounds["key"] if of in names
                }
                yield Rejected(raw, table_label, f"{name}: {reason}", "sql.value", name, key_cells)
            keep = [row for row in range(len(rows)) if row not in wrong]
            table = pa.Table.from_arrays(arrays, names)
            yield Frame(table.take(pa.array(keep, pa.int64())) if wrong else table)


def count(settings: SqlSettings, source: Source, partition: Partition) -> int:
    """How many rows the file itself says the partition has.

    Raises:
        SourceError: the file cannot be read, or is not what it was when the run began.
    """
    del settings
    with asking(source, partition) as connection:
        return int(selected(connection, ["count(*)"], partition).fetchone()[0])


@contextmanager
def asking(source: Source, partition: Partition) -> Iterator[sqlite3.Connection]:
    """A connection to the file in the state in which the partition is read.

    Raises:
        SourceError: the file cannot be read, or is not what it was when the run began.
    """
    where = f"{source.label}, table {partition.bounds['table']}, {partition.name}"
    with reading(where), transaction(source, partition.held) as (connection, _):
        yield connection


def selected(
    connection: sqlite3.Connection, expressions: Sequence[str], partition: Partition
) -> sqlite3.Cursor:
    """Expressions over the rows of a partition."""
    condition, values = _where(partition.bounds)
    rows = _rows_of(partition.bounds)
    return connection.execute(f"SELECT {', '.join(expressions)} FROM {rows}{condition}", values)


class _Table:
    """A table to be cut."""

    def __init__(
        self, connection: sqlite3.Connection, layout: Layout, since: datetime | None
    ) -> None:
        self.connection = connection
        self.layout = layout
        since = since if layout.bookmark else None
        self.since = since.astimezone(UTC).isoformat() if since else None
        self.bounds: dict[str, Any] = {
            "table": layout.table,
            "columns": list(layout.columns),
            "key": list(layout.key),
            "bookmark": layout.bookmark,
            "since": self.since,
            "after": None,
            "through": None,
        }

    def whole(self, planned: Sequence[Partition], state: str) -> Partition:
        """A table without a key: its digest is of its content, so that it is loaded once."""
        rows, content = 0, 0
        identity = hashlib.sha256()
        for chunk in _rows(self.connection, self.bounds):
            for row in chunk:
                hashed = hashlib.sha256(repr(row).encode("utf-8", "surrogateescape")).digest()
                content = (content + int.from_bytes(hashed[:8], "big")) & _MASK
                identity.update(hashed)
            rows += len(chunk)
        digest = _digest([self.layout.table, self.layout.columns, rows, content])
        for part in planned:
            if part.digest == digest and part.bounds["places"] != identity.hexdigest():
                raise SourceError(
                    "a table without a key was rewritten since the run began",
                    f"table {self.layout.table}",
                    "its rows lie in another order, and which of them are loaded cannot be told",
                    "declare a `key` of the table, or start over in an empty target",
                )
        bounds = {**self.bounds, "places": identity.hexdigest()}
        return Partition("all", digest, bounds, rows, held=state)

    def ranges(self, records: int, state: str) -> list[Partition]:
        """Ranges of the key of one batch each; one for all where the key may miss rows."""
        where, values = _where(self.bounds)
        query = f"SELECT count(*) FROM {_rows_of(self.bounds)}{where}"
        rows = int(self.connection.execute(query, values).fetchone()[0])
        inner = self._hopped(records) if self.layout.key and rows > records else []
        limits = [None, *inner, None]
        until = self._until()
        nonce = uuid.uuid4().hex
        ending = f" since {self.since}" if self.since else ""
        return [
            Partition(
                f"range {number + 1}{ending}",
                _digest([nonce, number]),
                {**self.bounds, "after": after, "through": through},
                min(records, rows - number * records) if inner else rows,
                until,
                state,
            )
            for number, (after, through) in enumerate(pairwise(limits))
        ]

    def _hopped(self, records: int) -> list[list[Any]]:
        """The key of every so many-th row; none if a key is NULL or of a kind JSON has not."""
        keys = ", ".join(map(quoted, self.layout.key))
        missing = " OR ".join(f"{quoted(name)} IS NULL" for name in self.layout.key)
        name = _rows_of(self.bounds)
        if self.connection.execute(f"SELECT 1 FROM {name} WHERE {missing} LIMIT 1").fetchone():
            return []
        limits: list[list[Any]] = []
        while True:
            where, values = _where({**self.bounds, "after": limits[-1] if limits else None})
            row = self.connection.execute(
                f"SELECT {keys} FROM {name}{where} ORDER BY {keys} LIMIT 1 OFFSET ?",
                [*values, records - 1],
            ).fetchone()
            if row is None:
                break
            if any(not isinstance(value, int | str) for value in row):
                return []
            limits.append(list(row))
        where, values = _where({**self.bounds, "after": limits[-1] if limits else None})
        if (
            limits
            and not self.connection.execute(
                f"SELECT 1 FROM {name}{where} LIMIT 1", values
            ).fetchone()
        ):
            limits.pop()  # the last range ends with the table
        return limits

    def _until(self) -> str | None:
        if self.layout.bookmark is None:
            return None
        column = quoted(self.layout.bookmark)
        (moment,) = self.connection.execute(
            f"SELECT strftime('%Y-%m-%dT%H:%M:%f', min(max(julianday({column})),"
            f" julianday('now'))) FROM {_rows_of(self.bounds)}"
        ).fetchone()
        return f"{moment}+00:00" if moment else self.since


def _rows(
    connection: sqlite3.Connection, bounds: Mapping[str, Any]
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in a stable order; text that is no UTF-8 comes with lone surrogates."""
    columns = ", ".join(map(quoted, bounds["columns"]))
    order = ", ".join(map(quoted, bounds["key"])) or _row_number(bounds["columns"])
    where, values = _where(bounds)
    query = f"SELECT {columns} FROM {_rows_of(bounds)}{where} ORDER BY {order}"
    connection.text_factory = str
    seen = 0
    cursor = connection.execute(query, values)
    while True:
        try:
            rows = cursor.fetchmany(_ROWS)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error) or connection.text_factory is not str:
                raise
            connection.text_factory = _lenient
            cursor = connection.execute(f"{query} LIMIT -1 OFFSET ?", [*values, seen])
            continue
        if not rows:
            return
        seen += len(rows)
        yield rows


def _rows_of(bounds: Mapping[str, Any]) -> str:
    """Qualify the table behind FROM, so that SQLite reads the one of the file itself.

    Without a key it is read from end to end, and never from an index that may lack rows.
    """
    return f"main.{quoted(bounds['table'])}{'' if bounds['key'] else ' NOT INDEXED'}"


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _row_number(columns: Sequence[str]) -> str:
    """A name of the row number that no column has taken."""
    taken = {name.lower() for name in columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), "1")


def _where(bounds: Mapping[str, Any]) -> tuple[str, list[Any]]:
    keys = ", ".join(map(quoted, bounds["key"]))
    parts = []
    values: list[Any] = []
    for word, operator in (("after", ">"), ("through", "<=")):
        if bounds[word] is not None:
            parts.append(f"({keys}) {operator} ({', '.join('?' for _ in bounds[word])})")
            values += bounds[word]
    if bounds["since"] is not None:
        column = quoted(bounds["bookmark"])
        since = datetime.fromisoformat(bounds["since"]) - _BLUR
        # What is no moment is never older than one.
        parts.append(f"(julianday({column}) >= julianday(?) OR julianday({column}) IS NULL)")
        values.append(since.strftime("%Y-%m-%d %H:%M:%S.%f"))
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def quoted(name: str) -> str:
    """A name as SQLite takes it."""
    return '"' + name.replace('"', '""') + '"'


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
