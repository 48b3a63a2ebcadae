"""Which transactions wrote the rows of a PostgreSQL table, by the system column `xmin`.

A row's xmin holds the low 32 bits of the transaction that wrote it; the ledger keeps all 64 bits
of ours. Freezing a row leaves its xmin as it is. Other kinds of databases tell nothing of this.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from messy_migration.databases.dialect import Reader
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import scope
from messy_migration.databases.postgresql import encoding as c1
from messy_migration.databases.postgresql.places import place, rows_of
from messy_migration.databases.postgresql.spelling import SPELLING
from messy_migration.model import Fingerprint, Table

_LOW = (1 << 32) - 1
_FROZEN = 2
"""The number that no row of PostgreSQL 9.4 and later has; it stands for rows that were adopted."""
_NAMED = text(
    "SELECT c.relkind OPERATOR(pg_catalog.=) 'r', coalesce(pg_catalog.array_agg("
    "DISTINCT a.xmin::pg_catalog.text::pg_catalog.int8), '{}'), pg_catalog.count(a.attname)"
    " FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_attribute a"
    " ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped"
    " AND a.attname OPERATOR(pg_catalog.=) ANY (:names ::pg_catalog.text[])"
    " WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)"
    " GROUP BY c.oid, c.relkind"
)


@dataclass(frozen=True)
class Sums:
    """Fingerprints of the rows of a table by who wrote them.

    Attributes:
        ours: low 32 bits of a transaction that was asked for -> its rows.
        adopted: rows of others that are no newer than the transaction that adopted them.
        others: all other rows.
    """

    ours: Mapping[int, Fingerprint]
    adopted: Fingerprint
    others: Fingerprint

    @property
    def all(self) -> Fingerprint:
        """The fingerprint of the table."""
        return sum(self.ours.values(), self.adopted + self.others)


@dataclass(frozen=True)
class Shape:
    """What the catalogue says of a table.

    Attributes:
        is_ordinary: it holds rows of its own.
        altered: transactions that wrote the columns of ours down last.
        missing: columns of ours that it has not.
    """

    is_ordinary: bool
    altered: frozenset[int]
    missing: int = 0


def are_known(reader: Reader) -> bool:
    """Does this kind of database remember which transaction wrote a row?"""
    return reader.name == "postgresql"


def current(connection: Connection) -> int:
    """The number of the next transaction, all 64 bits of it."""
    query = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text"
    return int(connection.exec_driver_sql(query).scalar_one())


def snapshot(connection: Connection) -> str:
    """The transactions that a snapshot sees, as PostgreSQL writes it: `xmin:xmax:xid,xid`."""
    query = "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text"
    return str(connection.exec_driver_sql(query).scalar_one())


def rows_by_writer(connection: Connection, table: Table) -> Mapping[int, int]:
    """Low 32 bits of a transaction -> how many rows of the table (in its scope) it wrote."""
    with driver_errors_as_ours(f"table {table.name}"):
        cursor = connection.exec_driver_sql(
            "SELECT t.xmin::pg_catalog.text, pg_catalog.count(*)"
            f" FROM {_rows(connection, table)} GROUP BY t.xmin"
        )
        return {int(xmin): int(count) for xmin, count in cursor}


def sums_by_writer(
    connection: Connection, table: Table, xids: Collection[int], adopted: int | None = None
) -> Sums:
    """Fingerprints of the rows of a table (in its scope) by who wrote them, in one scan.

    Args:
        connection: of a database that knows.
        table: an ordinary one.
        xids: low 32 bits of our transactions; those of all others are summed together.
        adopted: the newest transaction that signed for rows of others, all 64 bits of it.
    """
    # However many others there are, the groups are no more than ours and two.
    earlier = ""
    if adopted is not None:
        earlier = (
            f" WHEN {_no_newer(adopted, current(connection))} THEN '{_FROZEN}'::pg_catalog.xid"
        )
    group = f"CASE WHEN {_is_among(xids)} THEN t.xmin{earlier} END"
    with driver_errors_as_ours(f"table {table.name}"):
        source = _rows(connection, table)
        rows = connection.exec_driver_sql(c1.aggregate(table, "t", source, group)).all()
    ours: dict[int, Fingerprint] = {}
    others = Fingerprint()
    for *sums, xmin in rows:
        if xmin is None:
            others = c1.to_fingerprint(*sums)
        else:
            ours[int(xmin)] = c1.to_fingerprint(*sums)
    return Sums(ours, ours.pop(_FROZEN, Fingerprint()), others)


def shape(connection: Connection, table: Table) -> Shape:
    """The kind of the table, and the transactions that wrote its columns' definitions."""
    row = connection.execute(
        _NAMED, {"name": place(connection, table.name).full, "names": list(table.names)}
    ).one_or_none()
    return (
        Shape(bool(row[0]), frozenset(row[1]), len(table.names) - int(row[2]))
        if row
        else Shape(is_ordinary=False, altered=frozenset())
    )


def low(xid: int) -> int:
    """The part of a transaction's number that a row keeps."""
    return xid & _LOW


def whole(xmin: int, now: int) -> int:
    """The newest transaction before `now` that has these low 32 bits."""
    xid = now & ~_LOW | xmin
    return xid if xid < now else xid - _LOW - 1


def written_by(connection: Connection, table: Table, xmins: Collection[int]) -> str:
    """The FROM clause of the rows of a table (in its scope) that these transactions wrote."""
    word = "AND" if table.scope else "WHERE"
    return f"{_rows(connection, table)} {word} {_is_among(xmins)}"


def by_none_of(xmins: Collection[int]) -> str:
    """The condition on `t` that none of these transactions wrote a row."""
    return f"NOT {_is_among(xmins)}"


def _no_newer(xid: int, now: int) -> str:
    """The condition on `t` that a row is no newer than a transaction.

    In numbers: age(xid), which does the same, keeps parallel workers from the table.
    """
    number = "t.xmin::pg_catalog.text::pg_catalog.int8"
    age = f"('{now - 1}'::pg_catalog.int8 OPERATOR(pg_catalog.-) {number})"
    low = f"({age} OPERATOR(pg_catalog.&) '{_LOW}'::pg_catalog.int8)"
    return f"{low} OPERATOR(pg_catalog.>=) '{now - 1 - xid}'::pg_catalog.int8"


def _rows(connection: Connection, table: Table) -> str:
    source = f"{rows_of(connection, table.name)} t"
    condition = scope(SPELLING, table)
    return f"{source} WHERE {condition}" if condition else source


def _is_among(xmins: Collection[int]) -> str:
    listed = ",".join(str(xmin) for xmin in sorted(xmins))
    return f"(t.xmin OPERATOR(pg_catalog.=) ANY ('{{{listed}}}'::pg_catalog.xid[]))"
