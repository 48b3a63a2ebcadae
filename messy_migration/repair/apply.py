"""Put right what differs: the rows of the input in the place of what the target holds instead.

Differences are found by value, and only where the input, read again, gives exactly the rows that
the receipts add up to. Missing rows are inserted and changed ones restored; a row whose bookmark
is newer than what was loaded is the application's, and stays. Each transaction signs twice: for
what somebody else had done, and for undoing it; the expected state stays what it was. A repair
that is killed is finished by the same command, because what it has put right differs no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.compare.buckets import Row
from messy_migration.compare.decode import decoded
from messy_migration.compare.values import Unequal, fingerprint_of
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.merge import merge
from messy_migration.databases.money import less, of_source
from messy_migration.databases.naming import scoped
from messy_migration.databases.remove import remove_equal, remove_keyed
from messy_migration.errors import MigrationError, TargetError
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import receipts
from messy_migration.ledger.clock import now
from messy_migration.model import RECORD, Fingerprint, TableReceipt, Totals
from messy_migration.repair.plan import Todo
from messy_migration.run.signals import StopSignals
from messy_migration.run.state import RunState

ROWS = 5_000
"""Rows of one transaction."""


@dataclass(frozen=True)
class RepairedTable:
    """What a repair did, or would do, to a table: rows; why it left others alone."""

    table: str
    scope: receipts.Scope
    inserted: int
    restored: int
    removed: int
    kept: tuple[tuple[str, int], ...]
    problem: str


@dataclass(frozen=True)
class Repaired:
    """A repair; `run_id` is empty where nothing had to be done or nothing was to be written."""

    tables: tuple[RepairedTable, ...]
    run_id: str = ""
    report: str = ""


def carry_out(state: RunState, todos: Sequence[Todo], stop: StopSignals) -> None:
    """Do it, in transactions of their own; what fails is a problem of the run.

    Extra rows leave last and children first, so that no row ever misses its parent on the way.
    """
    steps: list[tuple[Todo, Callable[[RunState, Todo, Sequence[Unequal]], None], list[Unequal]]]
    steps = [(todo, _put, todo.put) for todo in todos]
    steps += [(todo, _remove, todo.remove) for todo in reversed(todos)]
    for todo, act, rows in steps:
        for chunk in _chunks(rows):
            if stop.requested:
                return
            try:
                act(state, todo, chunk)
            except MigrationError as error:
                state.problems.append(error)
                break


def _chunks(rows: Sequence[Unequal]) -> Iterator[Sequence[Unequal]]:
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def _put(state: RunState, todo: Todo, chunk: Sequence[Unequal]) -> None:
    """Insert and restore the rows of a chunk; they have to be as they were found."""
    table, dialect = todo.state.table, state.workspace.target.dialect
    rows = [
        unequal.expected
        for unequal in chunk
        for _ in range(unequal.count)
        if unequal.expected is not None
    ]
    data = decoded(table, rows)
    change = fingerprint_of(rows) - fingerprint_of(_there(chunk))
    keyed = _keyed(state.signature().key, rows, list(_there(chunk)))
    with driver_errors_as_ours(f"table {table.name}"), state.writing() as connection:
        money = _totals(state, connection, todo)
        if table.key:
            numbered = pa.array(np.arange(data.num_rows, dtype=np.int32))
            written = merge(
                connection,
                dialect,
                table,
                data.append_column(RECORD, numbered),
                bookmark=None,
                is_first=False,
            )
            net, inserted, updated = written.net, written.inserted, written.updated
        else:
            dialect.insert(connection, table, data)
            net, inserted, updated = change, data.num_rows, 0
        _as_found(todo, net, change)
        part = TableReceipt(
            table.name, table.scope, todo.state.format_id, inserted, updated, 0, net, keyed=keyed
        )
        _sign(state, connection, todo, part, _change(state, connection, todo, money))


def _remove(state: RunState, todo: Todo, chunk: Sequence[Unequal]) -> None:
    """Remove the extra rows of a chunk; they have to be as they were found."""
    table, dialect = todo.state.table, state.workspace.target.dialect
    rows = [unequal.actual for unequal in chunk if unequal.actual is not None]
    try:
        data = decoded(table, rows)
    except ValueError:
        raise TargetError(
            "an extra row cannot be removed",
            f"table {table.name}",
            "it holds what is no value of its column",
            "remove it by hand",
        ) from None
    change = Fingerprint() - fingerprint_of(_there(chunk))
    with driver_errors_as_ours(f"table {table.name}"), state.writing() as connection:
        money = _totals(state, connection, todo)
        if table.key:
            net = Fingerprint() - remove_keyed(connection, dialect, table, data)
        else:
            counts = [unequal.count for unequal in chunk]
            net = Fingerprint() - remove_equal(connection, dialect, table, data, counts)
        _as_found(todo, net, change)
        keyed = _keyed(state.signature().key, (), list(_there(chunk)))
        part = TableReceipt(
            table.name, table.scope, todo.state.format_id, net.rows, 0, 0, net, keyed=keyed
        )
        _sign(state, connection, todo, part, _change(state, connection, todo, money))


def _there(chunk: Sequence[Unequal]) -> Iterator[Row]:
    for unequal in chunk:
        if unequal.actual is not None:
            for _ in range(unequal.count):
                yield unequal.actual


def _keyed(key: Key | None, put: Sequence[Row], gone: Sequence[Row]) -> Fingerprint | None:
    """The keyed sum of rows that are put minus those that go; None without a key."""
    if key is None:
        return None
    return key.fingerprint(map(b"|".join, put)) - key.fingerprint(map(b"|".join, gone))


def _as_found(todo: Todo, net: Fingerprint, change: Fingerprint) -> None:
    """The rows that were replaced are those that were looked at; the caller's transaction ends.

    Raises:
        TargetError: somebody wrote them in between.
    """
    if net != change:
        raise TargetError(
            "rows changed while they were being repaired",
            f"table {todo.state.table.name}",
            "somebody else writes to the table",
            "type the same command again",
        )


def _totals(state: RunState, connection: Connection, todo: Todo) -> Totals | None:
    table = todo.state.table
    if not table.amounts:
        return None
    dialect = state.workspace.target.dialect
    return of_source(connection, dialect, table, scoped(connection, dialect, table))


def _change(
    state: RunState, connection: Connection, todo: Todo, before: Totals | None
) -> Totals | None:
    return less(_totals(state, connection, todo), before)


def _sign(
    state: RunState, connection: Connection, todo: Todo, part: TableReceipt, money: Totals | None
) -> None:
    """Two receipts: for what somebody else did, and for undoing it. Their sum is nothing."""
    table = todo.state
    text = f"repair\n{state.run.run_id}\n{table.key}\n{part.net.lanes}\n{now()}"
    identity = hashlib.sha256(text.encode()).hexdigest()[:32]
    done = replace(part, amounts=money)
    undone = replace(
        part,
        inserted=0,
        updated=0,
        net=Fingerprint() - part.net,
        keyed=Fingerprint() - part.keyed if part.keyed else None,
        amounts=None if money is None else less({key: money[key] * 0 for key in money}, money),
    )
    for kind, signed in (("found", undone), ("repair", done)):
        receipts.write(
            connection,
            state.workspace.ledger,
            state.signature(),
            receipts.receipt_of_table(f"{identity}.{kind}", table.stream, table.tenant, signed),
            kind=kind,
        )
