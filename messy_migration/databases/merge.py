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
from dataclasses import dataclass, replace

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
        not_taken: records whose row was left out, since the first of its key stays.
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
    not_taken: tuple[int, ...] = ()


def add(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    data: pa.Table,
    fingerprint: Fingerprint | None = None,
    key: Key | None = None,
) -> Written:
    """Insert all rows; `fingerprint` is theirs, where it was computed before.

    Under a key they are summed a second time.

    Raises:
        KeyTaken: some key is in the table already; roll back, then `merge`.
        RowsRefused: the database cannot store some value.
    """
    dialect.insert(connection, table, data)
    amounts = of_rows(table, data) if table.amounts else None
    if fingerprint is not None and key is None:
        return Written(data.num_rows, 0, 0, fingerprint, amounts=amounts)
    net, keyed_net = sums(data, table.columns, key)
    return Written(data.num_rows, 0, 0, net, amounts=amounts, keyed=keyed_net)


class Overtaken(TargetError):
    """The rows were not as they had been a moment before; another batch may have come between."""


@dataclass(frozen=True)
class _Match:
    """SQL that tells the staged rows `s` and the rows `t` of one key apart.

    Attributes:
        stage: the rows of the batch.
        rows: the rows of the table.
        same_key: are both of one key?
        differs: are they unlike, and is `s` not older?
        unlike: are they unlike, so that `s` is no repeat?
        tied: are they unlike, and is neither newer than the other?
        age: 1 where `s` is newer, 0 where both are as new, else -1.
    """

    stage: str
    rows: str
    same_key: str
    differs: str
    unlike: str
    tied: str
    age: str

    @property
    def both(self) -> str:
        """A source with the staged rows whose key is in the table, beside those."""
        return f"{self.stage} s JOIN {self.rows} t ON {self.same_key}"

    @property
    def replaced(self) -> str:
        """A source with the rows `t` that are to be updated."""
        return f"{self.rows} t JOIN {self.stage} s ON {self.same_key} WHERE {self.differs}"


def _match(
    connection: Connection, dialect: Dialect, table: Table, stage: str, bookmark: str | None
) -> _Match:
    differs = changed(dialect, table, bookmark)
    age = _age(dialect.spelling, bookmark, differs)
    return _Match(
        stage,
        dialect.rows_of(connection, table.name),
        keyed(connection, dialect, table),
        differs,
        unlike=differs,
        tied=f"{differs} AND {dialect.spelling.equal(age, '0')}",
        age=age,
    )


def merge(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    data: pa.Table,
    *,
    bookmark: str | None,
    is_first: bool,
    key: Key | None = None,
    quarantines_older: bool = False,
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
        quarantines_older: of two different rows of this run the older one is beaten, too.

    Raises:
        RowsRefused: the database cannot store some value.
        Overtaken: the database reports other counts than the comparison did.
    """
    positions = pa.array(np.arange(data.num_rows, dtype=np.int32))
    stage = dialect.stage(connection, table, data.append_column(POSITION, positions))
    match = _match(connection, dialect, table, stage, bookmark)
    if quarantines_older and is_first:
        anything = changed(dialect, table, None)
        match = replace(match, unlike=anything, tied=anything)
    repeats = f"SELECT s.{quote(POSITION)} FROM {match.both} WHERE NOT {match.unlike}"
    same = _numbers(connection, repeats)
    beaten: list[int] = []
    displaced: list[tuple[str, bytes]] = []
    if is_first:
        beaten, displaced = _contest(connection, dialect, table, data, match)
        forget(connection, dialect.spelling, stage, beaten)
    replaced, replaced_keyed = sums_of(connection, dialect, table, match.replaced, key)
    money = of_source(connection, dialect, table, match.replaced) if table.amounts else None
    announced = (replaced.rows, data.num_rows - len(same) - len(beaten) - replaced.rows)
    inserted, updated = _written(connection, dialect, table, match, announced)
    written = _without(data, [*same, *beaten])
    records = as_numbers(data.column(RECORD), np.int32)
    added, added_keyed = sums(written, table.columns, key)
    return Written(
        inserted,
        updated,
        0 if is_first else len(same),
        added - replaced,
        tuple(int(records[index]) for index in same) if is_first else (),
        tuple(int(records[index]) for index in beaten),
        tuple(displaced),
        less(of_rows(table, written), money) if table.amounts else None,
        added_keyed - replaced_keyed if added_keyed and replaced_keyed else None,
    )


def _written(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    match: _Match,
    announced: tuple[int, int],
) -> tuple[int, int]:
    """Update rows that differ and insert those that are not there; (inserted, updated).

    Args:
        connection: inside the transaction of the batch.
        dialect: of the target.
        table: with a key.
        match: of the table with the stage, which holds no row that was beaten.
        announced: (updated, inserted) by the comparison before.

    Raises:
        Overtaken: the database reports other counts.
    """
    updated = 0
    if announced[0]:
        to_update = f"{match.same_key} AND {match.differs}"
        updated = update_from(connection, table, match.rows, f"{match.stage} AS s", to_update)
    full_name = dialect.place(connection, table.name)
    there = f"SELECT 1 FROM {match.rows} t WHERE {match.same_key}"
    inserted = insert_missing(connection, table, full_name, match.stage, there)
    if (updated, inserted) != announced:
        raise Overtaken(
            "the target changed a different number of rows than it announced",
            f"table {table.name}",
            f"updated {updated} of {announced[0]}, inserted {inserted} of {announced[1]}",
            "look for a trigger or rule on the table, or for two rows with one key",
        )
    return inserted, updated


def keyed(connection: Connection, dialect: Dialect, table: Table) -> str:
    """Rows with one key; those of another scope are never ours to touch."""
    conditions = (dialect.same_key(connection, table), scope(dialect.spelling, table))
    return " AND ".join(filter(None, conditions))


def _age(spelling: Spelling, bookmark: str | None, differs: str) -> str:
    """SQL: 1 where the row `s` is newer than `t`, 0 where both are as new, else -1.

    Of rows that are unlike; `differs` says which of these are not older.
    """
    if bookmark is None:
        return "0"
    ours, theirs = f"s.{quote(bookmark)}", f"t.{quote(bookmark)}"
    same = f"{spelling.equal(ours, theirs)} OR ({ours} IS NULL AND {theirs} IS NULL)"
    return f"(CASE WHEN {same} THEN 0 WHEN {differs} THEN 1 ELSE -1 END)"


def changed(dialect: Dialect, table: Table, bookmark: str | None) -> str:
    """SQL: are the rows `t` and `s` of one key unlike, and is `s` not older by the bookmark?"""
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
    match: _Match,
) -> tuple[list[int], list[tuple[str, bytes]]]:
    """Places of rows that lose against the table, and the rows of the table that lose."""
    values = ", ".join(f"t.{quote(name)}" for name in table.names)
    rows = connection.exec_driver_sql(
        f"SELECT s.{quote(POSITION)}, {match.age}, {dialect.row_bytes(table, 't')}, {values}"
        f" FROM {match.both} WHERE {match.tied}"
    ).all()
    if not rows:
        return [], []
    indices = [int(row[0]) for row in rows]
    ages = [int(row[1]) for row in rows]
    there = [bytes(row[2]) for row in rows]
    ours = row_hashes(row_texts(data.take(indices), table.columns))
    theirs = row_hashes(pa.array(there, pa.large_binary()))
    wins = [(age, *mine) > (0, *other) for age, mine, other in zip(ages, ours, theirs, strict=True)]
    return (
        [index for index, won in zip(indices, wins, strict=True) if not won],
        [
            (total(theirs[number : number + 1]).lanes, row_json(table, rows[number][3:]))
            for number, won in enumerate(wins)
            if won
        ],
    )


def row_json(table: Table, values: Sequence[object]) -> bytes:
    """A row of the target as the quarantine keeps it."""
    row = dict(zip(table.names, values, strict=True))
    return json.dumps(row, default=str, ensure_ascii=False).encode()


def forget(connection: Connection, spelling: Spelling, stage: str, indices: Sequence[int]) -> None:
    """Take rows out of what is staged."""
    for start in range(0, len(indices), 500):
        chosen = spelling.among(quote(POSITION), indices[start : start + 500])
        connection.exec_driver_sql(f"DELETE FROM {stage} WHERE {chosen}")


def update_from(
    connection: Connection, table: Table, rows: str, source: str, condition: str
) -> int:
    """Set all but the key of the rows `t` to that of the rows `s`; return how many."""
    others = [name for name in table.names if name not in table.key]
    # Both databases want the updated table by its own name in SET, and take an alias for it.
    assignments = ", ".join(f"{quote(name)} = s.{quote(name)}" for name in others)
    return connection.exec_driver_sql(
        f"UPDATE {rows} AS t SET {assignments} FROM {source} WHERE {condition}"
    ).rowcount


def insert_missing(
    connection: Connection, table: Table, full_name: str, stage: str, there: str
) -> int:
    """Insert the staged rows for which the query `there` finds nothing; return how many."""
    names = ", ".join(quote(name) for name in table.names)
    staged = ", ".join(f"s.{quote(name)}" for name in table.names)
    return connection.exec_driver_sql(
        f"INSERT INTO {full_name} ({names})"
        f" SELECT {staged} FROM {stage} s WHERE NOT EXISTS ({there})"
    ).rowcount


def _numbers(connection: Connection, statement: str) -> list[int]:
    return [int(row[0]) for row in connection.exec_driver_sql(statement).all()]


def _without(data: pa.Table, indices: Sequence[int]) -> pa.Table:
    if not indices:
        return data
    keep = np.ones(data.num_rows, dtype=bool)
    keep[list(indices)] = False
    return data.filter(pa.array(keep))
