"""Rows of a table in which the first of each key stays, whatever the order in which they come.

A batch inserts the keys that are missing and takes nothing else over. Beside the table it notes
every content that it met of each key, with its place in the plan. When the stream is complete,
`settle` puts the row with the smallest place in, of those keys that this very run brought; a row
that was there before the run stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection

from messy_migration.databases.dialect import POSITION, Dialect
from messy_migration.databases.errors import refusals
from messy_migration.databases.keyed import sums_of
from messy_migration.databases.merge import (
    Overtaken,
    Written,
    changed,
    forget,
    insert_missing,
    keyed,
    update_from,
)
from messy_migration.databases.money import less, of_rows, of_source
from messy_migration.databases.naming import column_list, literal, quote
from messy_migration.fingerprint.arrays import as_numbers
from messy_migration.fingerprint.keyed import Key, sums
from messy_migration.fingerprint.rows import row_hashes, row_texts
from messy_migration.model import RECORD, Column, ColumnType, Fingerprint, Table, Totals

# No column of a stream has a blank in its name.
RUN, PARTITION, BATCH, ROW, KEY, HASH, TIMES, BROUGHT, ORDINAL, RANK = (
    f"mm {name}"
    for name in (
        "run",
        "partition",
        "batch",
        "row",
        "key",
        "hash",
        "times",
        "brought",
        "ordinal",
        "rank",
    )
)
_TEXT, _NUMBER = ColumnType("text"), ColumnType("int64")
_NOTED = (
    *(Column(name, _TEXT) for name in (RUN, PARTITION, KEY, HASH)),
    *(Column(name, _NUMBER) for name in (BATCH, ROW, TIMES, BROUGHT)),
)


@dataclass(frozen=True)
class Origin:
    """Where the rows of a batch come from: run, partition, batch, and the first row of it."""

    run_id: str
    partition: str
    batch: int
    start: int


@dataclass(frozen=True)
class Settled:
    """What became of the rows that a run has met of a table.

    Attributes:
        updated: rows that gave way to one of an earlier place in the plan.
        net: fingerprint added minus removed.
        keyed: as `net`, under the `fingerprint_key`; None without one.
        amounts: money added minus removed; None for a table that declares none.
        others: rows that were met and differ from the one that stays.
    """

    updated: int
    net: Fingerprint
    keyed: Fingerprint | None
    amounts: Totals | None
    others: int


def beside(table: Table) -> Table:
    """The table beside it that holds what was met until the run has settled it."""
    digest = hashlib.sha256(f"{table.name}\n{table.scope}".encode()).hexdigest()[:16]
    columns = (replace(column, required=False, loss="", tolerance="") for column in table.columns)
    return Table(f"mm_first_{digest}", (*columns, *_NOTED))


def take(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    data: pa.Table,
    origin: Origin,
    *,
    is_first: bool,
    key: Key | None,
) -> Written:
    """Insert the rows of keys that are not there, and note all that were met.

    Args:
        connection: inside the transaction of the batch.
        dialect: of the target.
        table: with a key.
        data: the rows, with the record column; a key may come more than once.
        origin: where they come from.
        is_first: this run found the table (or scope) empty.
        key: under which the rows that are added are summed a second time.

    Raises:
        RowsRefused: the database cannot store some value.
        Overtaken: the database reports other counts than the comparison did.
    """
    met = _Met.of(table, data)
    contents = data.take(met.rows)
    numbered = pa.array(np.arange(len(met.rows), dtype=np.int32))
    stage = dialect.stage(connection, table, contents.append_column(POSITION, numbered))
    source = dialect.rows_of(connection, table.name)
    same_key = keyed(connection, dialect, table)
    look = (
        f"SELECT s.{quote(POSITION)}, CASE WHEN {changed(dialect, table, None)} THEN 1 ELSE 0 END"
        f" FROM {stage} s JOIN {source} t ON {same_key}"
    )
    there = _looked(connection, look)
    if met.firsts - there.keys():
        # Of two batches that bring one key the second has to see what the first has inserted.
        dialect.take_turns(connection)
        there = _looked(connection, look)
    new = sorted(met.firsts - there.keys())
    forget(connection, dialect.spelling, stage, sorted(set(range(len(met.rows))) - set(new)))
    exists = f"SELECT 1 FROM {source} t WHERE {same_key}"
    full_name = dialect.place(connection, table.name)
    inserted = insert_missing(connection, table, full_name, stage, exists) if new else 0
    if inserted != len(new):
        raise Overtaken(
            "the target took a different number of rows than it was sent",
            f"table {table.name}",
            f"inserted {inserted} of {len(new)}",
            "look for a trigger or rule on the table, or for two rows with one key",
        )
    brought = np.isin(met.keys, met.keys[new])
    dialect.insert(connection, beside(table), met.noted(contents, origin, brought))
    added = contents.take(np.array(new, np.int64))
    net, keyed_net = sums(added, table.columns, key)
    equal = {number for number, differs in there.items() if not differs}
    taken = set(new) if is_first else {*new, *equal}
    repeated, beaten = met.left(data, taken, {*new, *equal})
    return Written(
        inserted,
        0,
        0 if is_first else len(equal),
        net,
        repeated,
        amounts=of_rows(table, added) if table.amounts else None,
        keyed=keyed_net,
        not_taken=beaten,
    )


def settle(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    run_id: str,
    ordinals: Mapping[str, int],
    key: Key | None,
) -> Settled | None:
    """Put in place what comes first in the plan, and forget what the run has noted.

    Args:
        connection: inside a transaction.
        dialect: of the target.
        table: whose stream is complete.
        run_id: of the run.
        ordinals: digest of a partition -> its place in the plan.
        key: as for `take`.

    Returns:
        None if the run has noted nothing.

    Raises:
        Overtaken: the database reports another count than the comparison did.
    """
    noted = beside(table)
    if dialect.columns(connection, noted.name) is None:
        return None
    spelling = dialect.spelling
    notes = f"{dialect.rows_of(connection, noted.name)} n"
    ours = spelling.equal(f"n.{quote(RUN)}", literal(run_id))
    rows = dialect.rows_of(connection, table.name)
    same_key, differs = keyed(connection, dialect, table), changed(dialect, table, None)
    with refusals(f"table {table.name}"):
        if not _is_any(connection, f"{notes} WHERE {ours}"):
            return None
        first = f"({_firsts(dialect, table, notes, ours, ordinals)}) s"
        going = f"{rows} t JOIN {first} ON {same_key} WHERE {differs}"
        hashes = connection.exec_driver_sql(f"SELECT s.{quote(HASH)} FROM {going}").scalars()
        added = sum((Fingerprint.of(1, lanes) for lanes in hashes), Fingerprint())
        removed, removed_keyed = sums_of(connection, dialect, table, going, key)
        before = of_source(connection, dialect, table, going) if table.amounts else None
        coming = f"(SELECT s.* FROM {going}) t"
        added_keyed = sums_of(connection, dialect, table, coming, key)[1] if key else None
        after = of_source(connection, dialect, table, coming) if table.amounts else None
        condition = f"{same_key} AND {differs}"
        updated = update_from(connection, table, rows, first, condition) if added.rows else 0
        if updated != removed.rows or updated != added.rows:
            raise Overtaken(
                "the target changed a different number of rows than it announced",
                f"table {table.name}",
                f"updated {updated} of {removed.rows}",
                "look for a trigger or rule on the table, or for two rows with one key",
            )
        mine = f"(SELECT n.* FROM {notes} WHERE {ours}) s"
        others = connection.exec_driver_sql(
            f"SELECT {spelling.call('sum', f's.{quote(TIMES)}')}"
            f" FROM {mine} JOIN {rows} t ON {same_key} WHERE {differs}"
        ).scalar()
        _forget(connection, dialect, noted, run_id)
    return Settled(
        updated,
        added - removed,
        added_keyed - removed_keyed if added_keyed and removed_keyed else None,
        less(after, before) if table.amounts else None,
        int(others or 0),
    )


def _is_any(connection: Connection, source: str) -> bool:
    return connection.exec_driver_sql(f"SELECT 1 FROM {source} LIMIT 1").first() is not None


def _looked(connection: Connection, statement: str) -> dict[int, bool]:
    """Number of a content whose key is in the table -> is the row there another one?"""
    return {int(row[0]): bool(row[1]) for row in connection.exec_driver_sql(statement)}


def _firsts(
    dialect: Dialect, table: Table, notes: str, ours: str, ordinals: Mapping[str, int]
) -> str:
    """The rows of the smallest place, of the keys that the run has brought."""
    spelling = dialect.spelling
    partition = f"n.{quote(PARTITION)}"
    whens = " ".join(
        f"WHEN {spelling.equal(partition, literal(digest))} THEN {ordinal}"
        for digest, ordinal in ordinals.items()
    )
    ordinal_of_batch = f"CASE {whens} ELSE {len(ordinals)} END" if ordinals else "0"
    names = column_list([*table.names, KEY, HASH], "n")
    placed = (
        f"SELECT {names}, n.{quote(BATCH)}, n.{quote(ROW)}, {ordinal_of_batch} AS {quote(ORDINAL)},"
        f" {spelling.call('max', f'n.{quote(BROUGHT)}')} OVER (PARTITION BY n.{quote(KEY)})"
        f" AS {quote(BROUGHT)} FROM {notes} WHERE {ours}"
    )
    order = column_list([ORDINAL, BATCH, ROW], "p")
    ranked = (
        f"SELECT p.*, {spelling.call('row_number')} OVER (PARTITION BY p.{quote(KEY)}"
        f" ORDER BY {order}) AS {quote(RANK)} FROM ({placed}) p"
    )
    is_first = spelling.equal(f"r.{quote(RANK)}", "1")
    is_brought = spelling.equal(f"r.{quote(BROUGHT)}", "1")
    return f"SELECT r.* FROM ({ranked}) r WHERE {is_first} AND {is_brought}"


def _forget(connection: Connection, dialect: Dialect, noted: Table, run_id: str) -> None:
    rows = dialect.rows_of(connection, noted.name)
    ours = dialect.spelling.equal(f"t.{quote(RUN)}", literal(run_id))
    connection.exec_driver_sql(f"DELETE FROM {rows} AS t WHERE {ours}")
    if not _is_any(connection, rows):
        connection.exec_driver_sql(f"DROP TABLE {dialect.place(connection, noted.name)}")


@dataclass(frozen=True)
class _Met:
    """The contents of a batch: each one once, in the order in which they come.

    Attributes:
        rows: the row of the batch in which each is met first.
        keys: what stands for the key of each.
        lanes: the hash of each, shape (n, 2).
        times: how many rows of the batch are like it.
        of_row: row of the batch -> number of its content.
        firsts: the contents that come first of their key.
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.int64]
    names: tuple[str, ...]
    lanes: NDArray[np.uint64]
    times: NDArray[np.int64]
    of_row: NDArray[np.int64]
    firsts: frozenset[int]

    @classmethod
    def of(cls, table: Table, data: pa.Table) -> _Met:
        keys = row_hashes(row_texts(data, [table.column(name) for name in table.key]))
        lanes = row_hashes(row_texts(data, table.columns))
        both = np.concatenate([keys, lanes], axis=1)
        _, index, inverse, times = np.unique(
            both, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(index)
        rows = index[order]
        _, first, numbers = np.unique(keys[rows], axis=0, return_index=True, return_inverse=True)
        return cls(
            rows,
            numbers.reshape(-1),
            tuple(f"{one:016x}{other:016x}" for one, other in keys[rows].tolist()),
            lanes[rows],
            times[order],
            np.argsort(order)[inverse.reshape(-1)],
            frozenset(first.tolist()),
        )

    def noted(self, contents: pa.Table, origin: Origin, brought: NDArray[np.bool_]) -> pa.Table:
        """What is written beside the table."""
        count = len(self.rows)
        cells: dict[str, Any] = {
            RUN: [origin.run_id] * count,
            PARTITION: [origin.partition] * count,
            KEY: self.names,
            HASH: [f"{one:016x}{other:016x}" for one, other in self.lanes.tolist()],
            BATCH: [origin.batch] * count,
            ROW: (self.rows + origin.start).tolist(),
            TIMES: self.times.tolist(),
            BROUGHT: brought.astype(np.int64).tolist(),
        }
        data = contents.drop_columns([RECORD])
        for column in _NOTED:
            data = data.append_column(column.name, pa.array(cells[column.name], column.type.arrow))
        return data

    def left(
        self, data: pa.Table, taken: set[int], equal: set[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Records whose row is there already, and those whose row is another than the one there.

        Args:
            data: the rows of the batch.
            taken: contents whose first row counts as loaded.
            equal: contents that are now in the table.
        """
        records = as_numbers(data.column(RECORD), np.int32)
        is_equal = np.isin(self.of_row, sorted(equal))
        is_taken = np.zeros(len(records), np.bool_)
        is_taken[self.rows[sorted(taken)]] = True
        return (
            tuple(records[is_equal & ~is_taken].tolist()),
            tuple(records[~is_equal].tolist()),
        )
