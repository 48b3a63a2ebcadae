"""Rows of a table in which the first of each key stays, whatever the order in which they come.

A batch inserts the keys that are missing and takes nothing else over. Beside the table it notes
every content that it met of each key, with its place in the plan. When the stream is complete,
`settle` puts the row with the smallest place in, of those keys that this very run brought; a row
that was there before the run stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.databases.dialect import POSITION, Dialect
from messy_migration.databases.errors import driver_errors_as_ours
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
from messy_migration.databases.met import (
    BATCH,
    BROUGHT,
    HASH,
    KEY,
    ORDINAL,
    PARTITION,
    RANK,
    ROW,
    RUN,
    TIMES,
    Met,
    Origin,
    beside,
)
from messy_migration.databases.money import less, of_rows, of_source
from messy_migration.databases.naming import column_list, literal, quote
from messy_migration.fingerprint.keyed import Key, sums
from messy_migration.model import Fingerprint, Table, Totals


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
    others: int = 0


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
    met = Met.of(table, data)
    contents = data.take(met.rows)
    numbered = pa.array(np.arange(len(met.rows), dtype=np.int32))
    stage = dialect.stage(connection, table, contents.append_column(POSITION, numbered))
    there = _there(connection, dialect, table, stage, met.firsts)
    new = sorted(met.firsts - there.keys())
    forget(connection, dialect.spelling, stage, sorted(set(range(len(met.rows))) - set(new)))
    _insert(connection, dialect, table, stage, len(new))
    brought = np.isin(met.keys, met.keys[new])
    dialect.insert(connection, beside(table), met.noted(contents, origin, brought))
    added = contents.take(np.array(new, np.int64))
    net, keyed_net = sums(added, table.columns, key)
    equal = {number for number, differs in there.items() if not differs}
    taken = set(new) if is_first else {*new, *equal}
    repeated, beaten = met.left(data, taken, {*new, *equal})
    return Written(
        len(new),
        0,
        0 if is_first else len(equal),
        net,
        repeated,
        amounts=of_rows(table, added) if table.amounts else None,
        keyed=keyed_net,
        not_taken=beaten,
    )


def _there(
    connection: Connection, dialect: Dialect, table: Table, stage: str, firsts: frozenset[int]
) -> dict[int, bool]:
    """Number of a content whose key is in the table -> is the row there another one?"""
    source = dialect.rows_of(connection, table.name)
    look = (
        f"SELECT s.{quote(POSITION)}, CASE WHEN {changed(dialect, table, None)} THEN 1 ELSE 0 END"
        f" FROM {stage} s JOIN {source} t ON {keyed(connection, dialect, table)}"
    )
    there = _looked(connection, look)
    if firsts - there.keys():
        # Of two batches that bring one key the second has to see what the first has inserted.
        dialect.take_turns(connection)
        there = _looked(connection, look)
    return there


def _looked(connection: Connection, statement: str) -> dict[int, bool]:
    return {int(row[0]): bool(row[1]) for row in connection.exec_driver_sql(statement)}


def _insert(
    connection: Connection, dialect: Dialect, table: Table, stage: str, staged: int
) -> None:
    """Insert the rows that are staged, whose keys are not in the table.

    Raises:
        Overtaken: the database reports another count than `staged`.
    """
    rows = dialect.rows_of(connection, table.name)
    exists = f"SELECT 1 FROM {rows} t WHERE {keyed(connection, dialect, table)}"
    full_name = dialect.place(connection, table.name)
    inserted = insert_missing(connection, table, full_name, stage, exists) if staged else 0
    if inserted != staged:
        raise Overtaken(
            "the target took a different number of rows than it was sent",
            f"table {table.name}",
            f"inserted {inserted} of {staged}",
            "look for a trigger or rule on the table, or for two rows with one key",
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
    notes = f"{dialect.rows_of(connection, noted.name)} n"
    ours = dialect.spelling.equal(f"n.{quote(RUN)}", literal(run_id))
    with driver_errors_as_ours(f"table {table.name}"):
        if not _is_any(connection, f"{notes} WHERE {ours}"):
            return None
        first = f"({_firsts(dialect, table, notes, ours, ordinals)}) s"
        settled = _put_first(connection, dialect, table, first, key)
        met = f"(SELECT n.* FROM {notes} WHERE {ours}) s"
        settled = replace(settled, others=_unlike(connection, dialect, table, met))
        _forget(connection, dialect, noted, run_id)
    return settled


def _put_first(
    connection: Connection, dialect: Dialect, table: Table, first: str, key: Key | None
) -> Settled:
    """Set every row that differs from the first one of its key to that, and sum both.

    Args:
        connection: inside a transaction.
        dialect: of the target.
        table: whose stream is complete.
        first: SQL of a source `s`: the row of the smallest place of each key.
        key: as for `take`.

    Raises:
        Overtaken: the database reports another count than the comparison did.
    """
    rows = dialect.rows_of(connection, table.name)
    same_key, differs = keyed(connection, dialect, table), changed(dialect, table, None)
    going = f"{rows} t JOIN {first} ON {same_key} WHERE {differs}"
    coming = f"(SELECT s.* FROM {going}) t"
    hashes = connection.exec_driver_sql(f"SELECT s.{quote(HASH)} FROM {going}").scalars()
    added = sum((Fingerprint.of(1, lanes) for lanes in hashes), Fingerprint())
    removed, removed_keyed = sums_of(connection, dialect, table, going, key)
    before = of_source(connection, dialect, table, going) if table.amounts else None
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
    return Settled(
        updated,
        added - removed,
        added_keyed - removed_keyed if added_keyed and removed_keyed else None,
        less(after, before) if table.amounts else None,
    )


def _unlike(connection: Connection, dialect: Dialect, table: Table, met: str) -> int:
    """How many rows of the source `met` are unlike the row of their key in the table."""
    rows = dialect.rows_of(connection, table.name)
    same_key, differs = keyed(connection, dialect, table), changed(dialect, table, None)
    count = connection.exec_driver_sql(
        f"SELECT {dialect.spelling.call('sum', f's.{quote(TIMES)}')}"
        f" FROM {met} JOIN {rows} t ON {same_key} WHERE {differs}"
    ).scalar()
    return int(count or 0)


def _is_any(connection: Connection, source: str) -> bool:
    return connection.exec_driver_sql(f"SELECT 1 FROM {source} LIMIT 1").first() is not None


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
