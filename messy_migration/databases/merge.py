"""Write the rows of one batch into one table, and say exactly what changed.

Two ways. `add` puts rows into a table (or scope) that this run found empty. `merge` compares
with what is there: equal rows stay, others are updated unless they are older, new ones are
inserted, and rows that are replaced are fingerprinted in the database before they change.

Where a run meets a key twice in a table that it found empty, the source itself repeats it.
Equal rows are dropped as duplicates. Of different rows one has to win, whatever the order in
which workers arrive: the newer by the stream's bookmark, and of two that are equally new the
one with the greater hash.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.databases.dialect import POSITION, Dialect
from messy_migration.databases.keyed import sums_of
from messy_migration.databases.money import less, of_rows, of_source
from messy_migration.databases.naming import Spelling, quote, scope
from messy_migration.errors import TargetError
from messy_migration.fingerprint.arrays import as_numbers
from messy_migration.fingerprint.keyed import Key, sums
from messy_migration.fingerprint.rows import row_hashes, row_texts, total
from messy_migration.model import RECORD, Fingerprint, Table, Totals


@dataclass(frozen=True)
class Written:
    """What happened to the rows of a batch in one table.

    Attributes:
        inserted, updated, unchanged: rows of the batch.
        net: rows and lanes added minus removed.
        repeated: records whose row was there already, written by this very run.
        beaten: records whose row lost against another row of this run with the same key.
        displaced: rows of this run that lost against a row of this batch: (lanes, as JSON).
        amounts: money added minus removed; None for a table that declares none.
        keyed: as `net`, under the `fingerprint_key`; None without one.
    """

    inserted: int
    updated: int
    unchanged: int
    net: Fingerprint
    repeated: tuple[int, ...] = ()
    beaten: tuple[int, ...] = ()
    displaced: tuple[tuple[str, bytes], ...] = ()
    amounts: Totals | None = None
    keyed: Fingerprint | None = None


def add(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    data: pa.Table,
    known: Fingerprint | None = None,
    key: Key | None = None,
) -> Written:
    """Insert all rows; `known` is their fingerprint, where it was computed before.

    Under a key they are summed a second time.

    Raises:
        KeyTaken: some key is in the table already; roll back, then `merge`.
        RowsRefused: the database cannot store some value.
    """
    dialect.insert(connection, table, data)
    amounts = of_rows(table, data) if table.amounts else None
    if known is not None and key is None:
        return Written(data.num_rows, 0, 0, known, amounts=amounts)
    net, keyed_net = sums(data, table.columns, key)
    return Written(data.num_rows, 0, 0, net, amounts=amounts, keyed=keyed_net)


class Overtaken(TargetError):
    """The rows were not as they had been a moment before; another batch may have come between."""


def merge(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    data: pa.Table,
    *,
    bookmark: str | None,
    is_first: bool,
    key: Key | None = None,
) -> Written:
    """Insert what is new and update what differs and is not older.

    Args:
        connection: inside the transaction of the batch.
        dialect: of the target.
        table: with a key.
        data: one row per key, with the record column.
        bookmark: the column that says which of two rows is newer, or None.
        is_first: this run found the table (or scope) empty.
        key: under which the rows that are added and replaced are summed a second time.

    Raises:
        RowsRefused: the database cannot store some value.
        Overtaken: the database reports other counts than the comparison did.
    """
    positions = pa.array(np.arange(data.num_rows, dtype=np.int32))
    stage = dialect.stage(connection, table, data.append_column(POSITION, positions))
    rows = dialect.rows_of(connection, table.name)
    same_key = keyed(connection, dialect, table)
    match = f"{stage} s JOIN {rows} t ON {same_key}"
    changed = _changed(dialect, table, bookmark)
    same = _numbers(connection, f"SELECT s.{quote(POSITION)} FROM {match} WHERE NOT {changed}")
    beaten: list[int] = []
    displaced: list[tuple[str, bytes]] = []
    if is_first:
        tied = f"{changed} AND {_same_age(dialect.spelling, bookmark)}"
        beaten, displaced = _contest(connection, dialect, table, data, match, tied)
        _forget(connection, dialect.spelling, stage, beaten)
    going = f"{rows} t JOIN {stage} s ON {same_key} WHERE {changed}"
    replaced, replaced_keyed = sums_of(connection, dialect, table, going, key)
    money = of_source(connection, dialect, table, going) if table.amounts else None
    to_update = f"{same_key} AND {changed}"
    updated = _update(connection, table, rows, stage, to_update) if replaced.rows else 0
    expected = data.num_rows - len(same) - len(beaten) - updated
    place = dialect.place(connection, table.name)
    there = f"SELECT 1 FROM {rows} t WHERE {same_key}"
    inserted = _insert(connection, table, place, stage, there)
    if (updated, inserted) != (replaced.rows, expected):
        raise Overtaken(
            "the target changed a different number of rows than it announced",
            f"table {table.name}",
            f"updated {updated} of {replaced.rows}, inserted {inserted} of {expected}",
            "look for a trigger or rule on the table, or for two rows with one key",
        )
    written = _without(data, [*same, *beaten])
    records = as_numbers(data.column(RECORD), np.int32)
    added, added_keyed = sums(written, table.columns, key)
    return Written(
        inserted,
        updated,
        0 if is_first else len(same),
        added - replaced,
        tuple(int(records[place]) for place in same) if is_first else (),
        tuple(int(records[place]) for place in beaten),
        tuple(displaced),
        less(of_rows(table, written), money) if table.amounts else None,
        added_keyed - replaced_keyed if added_keyed and replaced_keyed else None,
    )


def keyed(connection: Connection, dialect: Dialect, table: Table) -> str:
    """Rows with one key; those of another scope are never ours to touch."""
    conditions = (dialect.same_key(connection, table), scope(dialect.spelling, table))
    return " AND ".join(filter(None, conditions))


def _same_age(spelling: Spelling, bookmark: str | None) -> str:
    if bookmark is None:
        return spelling.equal("1", "1")
    ours, theirs = f"s.{quote(bookmark)}", f"t.{quote(bookmark)}"
    return f"({spelling.equal(ours, theirs)} OR ({ours} IS NULL AND {theirs} IS NULL))"


def _changed(dialect: Dialect, table: Table, bookmark: str | None) -> str:
    others = [name for name in table.names if name not in table.key]
    if not others:
        return dialect.spelling.equal("1", "0")
    differs = "(" + " OR ".join(dialect.differs(table, name) for name in others) + ")"
    if bookmark is None:
        return differs
    ours, theirs = f"s.{quote(bookmark)}", f"t.{quote(bookmark)}"
    # A row without a position is older than any row that has one.
    before, never = dialect.spelling.apply(ours, "<", theirs), dialect.spelling.equal("1", "0")
    older = f"(coalesce({before}, {never}) OR ({ours} IS NULL AND {theirs} IS NOT NULL))"
    return f"({differs} AND NOT {older})"


def _contest(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    data: pa.Table,
    match: str,
    tied: str,
) -> tuple[list[int], list[tuple[str, bytes]]]:
    """Places of rows that lose against the table, and the rows of the table that lose."""
    values = ", ".join(f"t.{quote(name)}" for name in table.names)
    rows = connection.exec_driver_sql(
        f"SELECT s.{quote(POSITION)}, {dialect.row_bytes(table, 't')}, {values}"
        f" FROM {match} WHERE {tied}"
    ).all()
    if not rows:
        return [], []
    places = [int(row[0]) for row in rows]
    there = [bytes(row[1]) for row in rows]
    ours = row_hashes(row_texts(data.take(places), table.columns))
    theirs = row_hashes(pa.array(there, pa.large_binary()))
    wins = [tuple(mine) > tuple(other) for mine, other in zip(ours, theirs, strict=True)]
    return (
        [place for place, won in zip(places, wins, strict=True) if not won],
        [
            (total(theirs[number : number + 1]).lanes, row_json(table, rows[number][2:]))
            for number, won in enumerate(wins)
            if won
        ],
    )


def row_json(table: Table, values: Sequence[object]) -> bytes:
    """A row of the target as the quarantine keeps it."""
    row = dict(zip(table.names, values, strict=True))
    return json.dumps(row, default=str, ensure_ascii=False).encode()


def _forget(connection: Connection, spelling: Spelling, stage: str, places: Sequence[int]) -> None:
    for start in range(0, len(places), 500):
        chosen = spelling.among(quote(POSITION), places[start : start + 500])
        connection.exec_driver_sql(f"DELETE FROM {stage} WHERE {chosen}")


def _update(connection: Connection, table: Table, rows: str, stage: str, condition: str) -> int:
    others = [name for name in table.names if name not in table.key]
    # Both databases want the updated table by its own name in SET, and take an alias for it.
    assignments = ", ".join(f"{quote(name)} = s.{quote(name)}" for name in others)
    return connection.exec_driver_sql(
        f"UPDATE {rows} AS t SET {assignments} FROM {stage} AS s WHERE {condition}"
    ).rowcount


def _insert(connection: Connection, table: Table, place: str, stage: str, there: str) -> int:
    names = ", ".join(quote(name) for name in table.names)
    staged = ", ".join(f"s.{quote(name)}" for name in table.names)
    return connection.exec_driver_sql(
        f"INSERT INTO {place} ({names}) SELECT {staged} FROM {stage} s WHERE NOT EXISTS ({there})"
    ).rowcount


def _numbers(connection: Connection, statement: str) -> list[int]:
    return [int(row[0]) for row in connection.exec_driver_sql(statement).all()]


def _without(data: pa.Table, places: Sequence[int]) -> pa.Table:
    if not places:
        return data
    keep = np.ones(data.num_rows, dtype=bool)
    keep[list(places)] = False
    return data.filter(pa.array(keep))
