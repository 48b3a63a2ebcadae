"""The fingerprint of a partition as PostgreSQL computes it, in the snapshot in which it is read.

Its values are those that are declared: renamed, of the declared type, an instant without a zone
in UTC, the tenant's column before them. The server casts, encodes, hashes and sums on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from psycopg import sql

from messy_migration import c1
from messy_migration.model import Column, ColumnType, Fingerprint, Partition
from messy_migration_sql.postgres import asking, rows_of
from messy_migration_sql.sessions import Session
from messy_migration_sql.settings import Source, SqlSettings
from messy_migration_sql.wire import wire_type

__all__ = ["encoded", "fingerprint"]


def fingerprint(
    settings: SqlSettings,
    source: Source,
    columns: Sequence[Column],
    shared: Mapping[str, str],
    partition: Partition,
) -> Fingerprint | None:
    """The server's own fingerprint of what is extracted in frames; None where it has none.

    Args:
        settings: where this process keeps its connections.
        source: the database.
        columns: of the stream, with those of `shared`.
        shared: column -> the value that all rows of the tenant have.
        partition: with its bounds.

    Raises:
        SourceError: the source, or the snapshot, is gone.
    """
    with asking(settings, source, partition) as opened:
        connection = opened.connection
        # The texts of another encoding have another length.
        if connection.info.parameter_status("server_encoding") != "UTF8":
            return None
        rows = _declared(opened, columns, shared, partition).as_string(connection)
        answer = connection.execute(c1.postgresql(columns, rows))
        return c1.of_postgresql(answer.fetchone() or ())


def encoded(
    settings: SqlSettings,
    source: Source,
    columns: Sequence[Column],
    shared: Mapping[str, str],
    partition: Partition,
) -> Iterator[Sequence[str]]:
    """The rows behind `fingerprint`, each cell as its C1 field; arguments and errors likewise."""
    with asking(settings, source, partition) as opened:
        connection = opened.connection
        rows = _declared(opened, columns, shared, partition).as_string(connection)
        yield from connection.execute(c1.postgresql_fields(columns, rows))


def _declared(
    opened: Session, columns: Sequence[Column], shared: Mapping[str, str], partition: Partition
) -> sql.Composed:
    """A SELECT that gives the columns of the stream, without the rows that are rejected."""
    there = iter(partition.bounds["columns"])
    cells = [
        sql.SQL("{}::pg_catalog.{} AS {}").format(
            sql.Literal(shared[column.name])
            if column.name in shared
            else sql.Identifier(next(there)),
            sql.SQL(_postgres_type(column.type)),
            sql.Identifier(column.name),
        )
        for column in columns
    ]
    rows = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(cells), rows_of(opened, partition)
    )
    conditions = [part for column in columns for part in _conditions(column)]
    if not conditions:
        return rows
    return sql.SQL("SELECT * FROM ({}) AS declared WHERE {}").format(
        rows, sql.SQL(" AND ").join(conditions)
    )


def _postgres_type(kind: ColumnType) -> str:
    return "numeric" if kind.kind == "decimal" else wire_type(kind)


def _conditions(column: Column) -> list[sql.Composable]:
    """What a row has to be, so that its cell has a place in our type."""
    kind, name = column.type, sql.Identifier(column.name)
    if kind.kind == "decimal":
        # NaN is greater than all numbers, and so no number of the type.
        text = (
            "({x} IS NULL OR (pg_catalog.abs({x}) OPERATOR(pg_catalog.<)"
            " {limit}::pg_catalog.numeric"
            " AND (pg_catalog.scale({x}) OPERATOR(pg_catalog.<=) {scale}"
            " OR pg_catalog.round({x}, {scale}) OPERATOR(pg_catalog.=) {x})))"
        )
        limit = str(10 ** (kind.precision - kind.scale))
        return [
            sql.SQL(text).format(x=name, limit=sql.Literal(limit), scale=sql.Literal(kind.scale))
        ]
    if kind.kind not in ("date", "timestamp"):
        return []
    text = (
        "({x} IS NULL OR ({x} OPERATOR(pg_catalog.>=) {first}::pg_catalog.{type}"
        " AND {x} OPERATOR(pg_catalog.<) {end}::pg_catalog.{type}))"
    )
    zone = "+00" if kind.kind == "timestamp" else ""
    time = " 00:00:00" if zone else ""
    return [
        sql.SQL(text).format(
            x=name,
            first=sql.Literal(f"0001-01-01{time}{zone}"),
            end=sql.Literal(f"10000-01-01{time}{zone}"),
            type=sql.SQL(wire_type(kind)),
        )
    ]
