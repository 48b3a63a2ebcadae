"""Put right what differs: the rows of the input in the place of what the target holds instead.

Differences are found by value, and only where the input, read again, gives exactly the rows that
the receipts add up to. Missing rows are inserted and changed ones restored; a row whose bookmark
is newer than what was loaded is the application's, and stays. Each transaction signs twice: for
what somebody else had done, and for undoing it; the expected state stays what it was. A repair
that is killed is finished by the same command, because what it has put right differs no more.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.errors import MigrationError, TargetError
from messy_migration.ledger import receipts, xids as transactions
from messy_migration.ledger.runs import now
from messy_migration.ledger.known_tables import TableState
from messy_migration.model import RECORD, Fingerprint, TableReceipt, Totals
from messy_migration.compare.decode import decoded
from messy_migration.reconcile.drift import drift
from messy_migration.reconcile.prove import prove
from messy_migration.compare.buckets import Row
from messy_migration.compare.tolerance import number
from messy_migration.compare.values import Compared, Unequal, fingerprint_of
from messy_migration.reconcile.verdict import Findings, TableVerdict
from messy_migration.reconcile.by_value import by_value
from messy_migration.reconcile.options import Repair
from messy_migration.run.plan import levels
from messy_migration.reconcile.reconcile import Tables, wanted_states
from messy_migration.run.state import RunState
from messy_migration.run.signals import StopSignals
from messy_migration.workspace import Workspace
from messy_migration.databases.postgresql import xmin as writers
from messy_migration.databases.money import less, of_source
from messy_migration.databases.dialect import scoped
from messy_migration.databases.errors import refusals
from messy_migration.databases.merge import merge
from messy_migration.databases.remove import remove_equal, remove_keyed

ROWS = 5_000
"""Rows of one transaction."""


@dataclass
class Todo:
    """What is to be done to one table.

    Attributes:
        state: the table.
        put: rows to be inserted or restored.
        remove: extra rows to be removed.
        kept: why rows are left as they are -> how many.
        problem: why nothing is done here at all; empty otherwise.
    """

    state: TableState
    put: list[Unequal] = field(default_factory=list)
    remove: list[Unequal] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    problem: str = ""

    def count(self, kind: str) -> int:
        """Rows of a kind that are to be dealt with."""
        return sum(item.count for item in (*self.put, *self.remove) if item.kind == kind)


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


def plan_repair(
    workspace: Workspace, tables: Tables | None, incomplete: dict[str, str], wish: Repair
) -> list[Todo]:
    """What a repair would do, parents before children; nothing is written.

    Args:
        workspace: with the plugins of the streams.
        tables: (table, scope) pairs, or None for all.
        incomplete: label of a stream -> why not all of it was read; its tables are left alone.
        wish: how far to go.
    """
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        wanted = _in_order(workspace, wanted_states(workspace, connection, tables))
        sums = receipts.expected(connection, workspace.ledger)
        verdicts = list(prove(connection, target.dialect, wanted, sums, incomplete))
        found = by_value(workspace, connection, wanted, verdicts, from_source=False)
        return [
            _todo(workspace, connection, state, before, after, compared, wish)
            for state, before, after, compared in zip(
                wanted, verdicts, found.verdicts, found.compared, strict=True
            )
        ]


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


def _in_order(workspace: Workspace, states: Sequence[TableState]) -> list[TableState]:
    """Tables of parents before those of children, as streams declare them."""
    order: dict[tuple[str, receipts.Scope], int] = {}
    for level in levels(workspace.streams()):
        for stream in level:
            for table in stream.tables:
                order[table.name, table.scope] = len(order)
    return sorted(states, key=lambda item: order.get(item.key, len(order)))


def _todo(
    workspace: Workspace,
    connection: Connection,
    state: TableState,
    before: TableVerdict,
    after: TableVerdict,
    compared: Compared | None,
    wish: Repair,
) -> Todo:
    todo = Todo(state)
    if compared is None or after.verdict == "UNKNOWN":
        todo.problem = after.reason or before.reason
    elif not compared.total:
        pass
    elif compared.expected != before.expected:
        todo.problem = "the input read again does not give the rows that the receipts add up to"
    elif compared.total > sum(item.count for item in compared.rows):
        todo.problem = f"{compared.total:,} rows differ: load the table again"
    else:
        by_others = _by_others(workspace, connection, state, compared)
        for item, is_foreign in zip(compared.rows, by_others, strict=True):
            _sort(todo, item, compared, wish, is_foreign=is_foreign)
    return todo


def _by_others(
    workspace: Workspace, connection: Connection, state: TableState, compared: Compared
) -> list[bool]:
    """Which differences somebody else wrote since the load; False where nobody can tell."""
    reader = workspace.target.dialect
    if not writers.are_known(reader):
        return [False] * len(compared.rows)
    known = transactions.of_table(connection, workspace.ledger, *state.key)
    found = Findings(state.table.name, tuple(compared.differences), compared.total, ())
    _, marked = drift(connection, reader, state.table, known, found)
    return [item.writer == "others" for item in marked.differences]


def _sort(todo: Todo, item: Unequal, compared: Compared, wish: Repair, *, is_foreign: bool) -> None:
    """Decide on one difference."""
    if item.is_doubled:
        todo.kept["rows share a key with another row"] += 1
    elif item.kind == "extra" and wish != "all":
        todo.kept["extra rows are only listed"] += item.count
    elif _is_newer(todo.state, item, compared):
        todo.kept["rows are newer than what was loaded"] += item.count
    elif is_foreign and wish == "corrupted":
        todo.kept["rows were written by others since the load"] += item.count
    elif item.kind == "extra":
        todo.remove.append(item)
    else:
        todo.put.append(item)


def _is_newer(state: TableState, item: Unequal, compared: Compared) -> bool:
    """The row's own bookmark says that it was written after what was loaded."""
    if state.bookmark is None or item.there is None:
        return False
    place = state.table.names.index(state.bookmark)
    column = state.table.columns[place]
    theirs = number(column, item.there[place])
    ours = compared.newest if item.mine is None else number(column, item.mine[place])
    return theirs is not None and (ours is None or theirs > ours)


def _chunks(rows: Sequence[Unequal]) -> Iterator[Sequence[Unequal]]:
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def _put(state: RunState, todo: Todo, chunk: Sequence[Unequal]) -> None:
    """Insert and restore the rows of a chunk; they have to be as they were found."""
    table, dialect = todo.state.table, state.workspace.target.dialect
    rows = [item.mine for item in chunk for _ in range(item.count) if item.mine is not None]
    data = decoded(table, rows)
    wanted = fingerprint_of(rows) - fingerprint_of(_there(chunk))
    with refusals(f"table {table.name}"), state.writing() as connection:
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
            net, inserted, updated = wanted, data.num_rows, 0
        _as_found(todo, net, wanted)
        part = TableReceipt(
            table.name, table.scope, todo.state.format_id, inserted, updated, 0, net
        )
        _sign(state, connection, todo, part, _change(state, connection, todo, money))


def _remove(state: RunState, todo: Todo, chunk: Sequence[Unequal]) -> None:
    """Remove the extra rows of a chunk; they have to be as they were found."""
    table, dialect = todo.state.table, state.workspace.target.dialect
    rows = [item.there for item in chunk if item.there is not None]
    try:
        data = decoded(table, rows)
    except ValueError:
        raise TargetError(
            "an extra row cannot be removed",
            f"table {table.name}",
            "it holds what is no value of its column",
            "remove it by hand",
        ) from None
    wanted = Fingerprint() - fingerprint_of(_there(chunk))
    with refusals(f"table {table.name}"), state.writing() as connection:
        money = _totals(state, connection, todo)
        if table.key:
            net = Fingerprint() - remove_keyed(connection, dialect, table, data)
        else:
            counts = [item.count for item in chunk]
            net = Fingerprint() - remove_equal(connection, dialect, table, data, counts)
        _as_found(todo, net, wanted)
        part = TableReceipt(table.name, table.scope, todo.state.format_id, net.rows, 0, 0, net)
        _sign(state, connection, todo, part, _change(state, connection, todo, money))


def _there(chunk: Sequence[Unequal]) -> Iterator[Row]:
    for item in chunk:
        if item.there is not None:
            for _ in range(item.count):
                yield item.there


def _as_found(todo: Todo, net: Fingerprint, wanted: Fingerprint) -> None:
    """The rows that were replaced are those that were looked at; the caller's transaction ends.

    Raises:
        TargetError: somebody wrote them in between.
    """
    if net != wanted:
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
    return of_source(connection, state.workspace.target.dialect, table, scoped(table))


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
