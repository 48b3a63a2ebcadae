"""PostgreSQL as a source: one exported snapshot for all workers, key ranges, binary COPY out.

A table with a key is cut into ranges of about one batch. The bounds are taken from a sample of
pages, in the order of the key's own index: exact bounds would need all of the index, which costs
more than it gives, and ranges of physical places (ctid) would lose rows that move between the
snapshot of a run and that of the run that resumes it. Rows come in the order in which they lie,
so that a range that is read twice in one snapshot is cut into the same batches.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from messy_migration.errors import SourceError
from messy_migration.model import Column, Extracted, Frame, Partition, Rejected
from messy_migration_sql.failures import reading
from messy_migration_sql.ranges import condition, from_clause
from messy_migration_sql.readable import as_json
from messy_migration_sql.sessions import Session, drop, engine, held, one, plan_for, session
from messy_migration_sql.settings import Source, SqlSettings
from messy_migration_sql.tables import Layout
from messy_migration_sql.wire import Chunk, Message, header_length, is_trailer, wire_type

__all__ = ["asking", "count", "cut", "engine", "read", "rows_of"]

_LOG = logging.getLogger(__name__)
_ROWS = 8_192
_BYTES = 8 << 20
# Of a batch, so that a range that comes out larger than the sample said is one batch still.
_FILL = 0.8
_SAMPLED = 2_500
_KIND = """
    SELECT c.relkind FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) %s AND c.relname OPERATOR(pg_catalog.=) %s
"""
# A function, an operator or a type that an index or a view names without its schema.
_UNPLANNED = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedObject,
)


def cut(
    settings: SqlSettings,
    source: Source,
    layout: Layout,
    since: datetime | None,
    planned: Sequence[Partition] | None,
    records: int,
) -> list[Partition]:
    """The partitions of a table, all in the snapshot that this process holds.

    Args:
        settings: where the snapshot is kept open.
        source: the database.
        layout: the table.
        since: only rows that changed at or after it, where the table has a bookmark.
        planned: what a resumed run planned before; it keeps its ranges.
        records: the most that one batch may hold.

    Raises:
        SourceError: the table cannot be read, or has no key and is not what it was.
    """
    where = f"{source.label}, table {layout.table}"
    # A savepoint: what one table refuses must not end the snapshot of all.
    with reading(where), (own := held(settings, source)).connection.transaction():
        table = _Table(own, source, layout, since)
        if not layout.stream.tables[0].key:
            return [table.whole(planned or (), own.snapshot)]
        if planned is not None:
            return [replace(part, held=own.snapshot, estimated=True) for part in planned]
        return table.ranges(records, own.snapshot)


def read(
    settings: SqlSettings, source: Source, columns: Sequence[Column], partition: Partition
) -> Iterator[Extracted]:
    """The rows of a partition, in the order in which they lie.

    Args:
        settings: where this process keeps its connections.
        source: the database.
        columns: of the stream, as the partition lists them.
        partition: with its bounds; outside of a run it is read in a snapshot of its own.

    Raises:
        SourceError: the source, or the snapshot, is gone.
    """
    bounds = partition.bounds
    where = f"{source.label}, table {bounds['table']}, {partition.name}"
    kinds = [column.type for column in columns]
    names = [column.name for column in columns]
    selected = sql.SQL(", ").join(
        sql.SQL("{}::pg_catalog.{}").format(sql.Identifier(name), sql.SQL(wire_type(kind)))
        for name, kind in zip(bounds["columns"], kinds, strict=True)
    )
    with reading(where):
        opened, done = _planned(settings, source, partition), False
        try:
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT BINARY)").format(
                selected, rows_of(opened, partition)
            )
            for rows, ends in _pieces(opened.connection, query):
                try:
                    chunk = Chunk(rows, ends, kinds)
                    arrays, refused = chunk.columns()
                except ValueError as error:
                    raise SourceError(
                        "the source sent what is no row of the table", where, str(error)
                    ) from error
                wrong = {refusal.row: refusal for refusal in reversed(refused)}
                for row, refusal in sorted(wrong.items()):
                    yield Rejected(
                        as_json(names, chunk.texts(row)),
                        f"{source.label}, table {bounds['table']}",
                        f"{names[refusal.column]}: {refusal.reason}",
                        "sql.value",
                        names[refusal.column],
                        {
                            name: arrays[names.index(name)][row].as_py()
                            for name in bounds["key"]
                            if name in names
                        },
                    )
                table = pa.Table.from_arrays(arrays, names)
                yield Frame(_without(table, wrong))
            done = True
        finally:
            if not done:
                # Its transaction is no longer usable, or still sends rows that nobody wants.
                drop(settings, opened)


def count(settings: SqlSettings, source: Source, partition: Partition) -> int:
    """How many rows the source itself says the partition has.

    Raises:
        SourceError: the source, or the snapshot, is gone.
    """
    with asking(settings, source, partition) as opened:
        query = sql.SQL("SELECT pg_catalog.count(*) FROM {}").format(rows_of(opened, partition))
        return int(one(opened.connection, query)[0])


@contextmanager
def asking(settings: SqlSettings, source: Source, partition: Partition) -> Iterator[Session]:
    """A session in the partition's snapshot, for anything but its rows.

    Raises:
        SourceError: the source, or the snapshot, is gone.
    """
    with reading(f"{source.label}, table {partition.bounds['table']}, {partition.name}"):
        opened = _planned(settings, source, partition, is_reading=False)
        try:
            yield opened
        except psycopg.Error:
            drop(settings, opened)
            raise


def rows_of(opened: Session, partition: Partition) -> sql.Composed:
    """What follows FROM: the table of a partition, and its rows."""
    bounds = partition.bounds
    return sql.SQL("{}{}").format(from_clause(opened, bounds), condition(opened, bounds))


def _planned(
    settings: SqlSettings, source: Source, partition: Partition, *, is_reading: bool = True
) -> Session:
    """A session in which the server can plan how to read a partition.

    An expression of an index may name a function without its schema, which only the role's own
    path finds. What is asked stays the same, named in full.
    """
    bounds = partition.bounds
    opened = session(settings, source, partition.held)
    query = sql.SQL("EXPLAIN SELECT FROM {}")
    try:
        with opened.connection.transaction():
            plan_for(opened.connection, is_reading=is_reading)
            opened.connection.execute(query.format(rows_of(opened, partition)))
    except _UNPLANNED as error:
        _LOG.warning(
            "%s, table %s is read under the role's own search_path: %s",
            source.label,
            bounds["table"],
            error.diag.message_primary,
        )
        opened = session(settings, source, partition.held, has_own_path=True)
        plan_for(opened.connection, is_reading=is_reading)
    return opened


class _Table:
    """A table to be cut, on a connection in the run's snapshot."""

    def __init__(
        self, opened: Session, source: Source, layout: Layout, since: datetime | None
    ) -> None:
        self.opened = opened
        self.connection = opened.connection
        self.layout = layout
        names = [source.schema or opened.home, layout.table]
        kind = self.connection.execute(_KIND, names).fetchone()
        since = since if layout.bookmark else None
        self.since = since.astimezone(UTC).isoformat() if since else None
        self.bounds: dict[str, Any] = {
            "schema": source.schema,
            "table": layout.table,
            # Children that inherit are tables of their own; partitions are not.
            "only": kind is not None and kind[0] != "p",
            "columns": list(layout.columns),
            "key": list(layout.key),
            "bookmark": layout.bookmark,
            "since": self.since,
            "after": None,
            "through": None,
        }

    def whole(self, planned: Sequence[Partition], snapshot: str) -> Partition:
        """A table without a key: its digest is of its content, so that it is loaded once."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self.layout.columns))
        row = sql.SQL("ROW({})::pg_catalog.text").format(columns)
        rows, content, identity = one(
            self.connection,
            sql.SQL(
                "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum("
                "pg_catalog.hashtextextended({row}, 0)), 0)::pg_catalog.text,"
                " coalesce(pg_catalog.sum(pg_catalog.hashtextextended("
                "tableoid::pg_catalog.text OPERATOR(pg_catalog.||) ctid::pg_catalog.text"
                " OPERATOR(pg_catalog.||) {row}, 0)), 0)::pg_catalog.text FROM {table}"
            ).format(row=row, table=from_clause(self.opened, self.bounds)),
        )
        digest = _digest([self.layout.table, self.layout.columns, rows, content])
        for part in planned:
            if part.digest == digest and part.bounds["places"] != identity:
                raise SourceError(
                    "a table without a key was rewritten since the run began",
                    f"table {self.layout.table}",
                    "its rows lie in another order, and which of them are loaded cannot be told",
                    "declare a `key` of the table, or start over in an empty target",
                )
        bounds = {**self.bounds, "places": identity}
        return Partition("all", digest, bounds, int(rows), held=snapshot)

    def ranges(self, records: int, snapshot: str) -> list[Partition]:
        """Ranges of the key of about one batch each; one for all where the key may miss rows."""
        rows = self._estimate()
        until = self._until()
        goal = -(-rows // max(1, int(records * _FILL))) if self.layout.key else 1
        inner = self._sampled(goal, rows) if goal > 1 else []
        limits = [None, *inner, None]
        nonce = uuid.uuid4().hex
        ending = f" since {self.since}" if self.since else ""
        return [
            Partition(
                f"range {number + 1}{ending}",
                _digest([nonce, number]),
                {**self.bounds, "after": after, "through": through},
                rows // (len(limits) - 1),
                until,
                snapshot,
                estimated=True,
            )
            for number, (after, through) in enumerate(pairwise(limits))
        ]

    @property
    def _selected(self) -> tuple[sql.Composed, sql.Composed]:
        """What stands behind FROM, and the condition."""
        return from_clause(self.opened, self.bounds), condition(self.opened, self.bounds)

    def _estimate(self) -> int:
        """How many rows the planner expects; it knows the table's size as it is now."""
        query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {}{}")
        (explained,) = one(self.connection, query.format(*self._selected))
        plan = explained if isinstance(explained, list) else json.loads(explained)
        return int(plan[0]["Plan"]["Plan Rows"])

    def _sampled(self, goal: int, rows: int) -> list[list[str]]:
        """The keys that cut a sample of the table into equal parts."""
        percent = min(100.0, 100.0 * goal * _SAMPLED / max(rows, 1))
        keys = [sql.Identifier(name) for name in self.layout.key]
        query = sql.SQL(
            "SELECT {texts} FROM (SELECT {keys},"
            " pg_catalog.row_number() OVER (ORDER BY {keys}) AS _place,"
            " pg_catalog.count(*) OVER () AS _total"
            " FROM {table} TABLESAMPLE pg_catalog.SYSTEM ({percent}) REPEATABLE (0){where}) AS s"
            # The last place of each part: there the part of the next place is another.
            " WHERE ((_place OPERATOR(pg_catalog.*) {wanted}) OPERATOR(pg_catalog./) _total)"
            " OPERATOR(pg_catalog.<>) (((_place OPERATOR(pg_catalog.-) 1)"
            " OPERATOR(pg_catalog.*) {wanted}) OPERATOR(pg_catalog./) _total)"
            " AND _place OPERATOR(pg_catalog.<) _total ORDER BY _place"
        ).format(
            texts=sql.SQL(", ").join(sql.SQL("{}::pg_catalog.text").format(key) for key in keys),
            keys=sql.SQL(", ").join(keys),
            table=self._selected[0],
            percent=sql.Literal(percent),
            where=self._selected[1],
            wanted=sql.Literal(goal),
        )
        return [list(row) for row in self.connection.execute(query)]

    def _until(self) -> str | None:
        """Where the bookmark stands once all is read: never ahead of the source's own clock."""
        if self.layout.bookmark is None:
            return None
        query = sql.SQL(
            "SELECT pg_catalog.to_char(least(pg_catalog.max({b})::pg_catalog.timestamptz,"
            " pg_catalog.transaction_timestamp()), 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
            " FROM {table} WHERE pg_catalog.isfinite({b})"
        ).format(b=sql.Identifier(self.layout.bookmark), table=self._selected[0])
        (moment,) = one(self.connection, query)
        return f"{moment}+00:00" if moment else self.since


def _pieces(
    connection: psycopg.Connection[Any], query: sql.Composed
) -> Iterator[tuple[bytearray, list[int]]]:
    """Some thousand rows on the wire at a time, and where each of them ends."""
    rows, ends = bytearray(), list[int]()
    has_begun, received = False, connection.pgconn.get_copy_data
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for message in copy:
            row: Message = message
            if not has_begun:
                has_begun, row = True, message[header_length(bytes(message)) :]
            while row and not is_trailer(row):
                rows += row
                ends.append(len(rows))
                if len(ends) == _ROWS or len(rows) >= _BYTES:
                    yield rows, ends
                    rows, ends = bytearray(), []
                # What has come already, without the way through the driver for each row.
                size, row = received(1)
                if size < 0:
                    raise _given_up(connection.pgconn)
    if ends:
        yield rows, ends


def _given_up(connection: psycopg.pq.abc.PGconn) -> psycopg.Error:
    """Why the server ended a COPY before its trailer."""
    reason = connection.get_result()
    while connection.get_result():
        pass  # until the server has said all
    if reason is None:
        return psycopg.OperationalError("the server ended a COPY without a word")
    return psycopg.errors.error_from_result(reason)


def _without(table: pa.Table, rows: Mapping[int, object]) -> pa.Table:
    if not rows:
        return table
    keep = [row for row in range(table.num_rows) if row not in rows]
    return table.take(pa.array(keep, pa.int64()))


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
