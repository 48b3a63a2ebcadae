"""Decide what a repair would do to each table: which rows to put, to remove, to leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from messy_migration.compare.findings import Findings, Writer
from messy_migration.compare.tolerance import number
from messy_migration.compare.values import Compared, Unequal
from messy_migration.databases.postgresql import xmin
from messy_migration.ledger import receipts
from messy_migration.ledger import xids as transactions
from messy_migration.ledger.known_tables import TableState
from messy_migration.model.derived import is_derived
from messy_migration.pipeline.partitions import levels
from messy_migration.reconcile.by_value import by_value
from messy_migration.reconcile.drift import drift
from messy_migration.reconcile.options import Repair
from messy_migration.reconcile.prove import prove
from messy_migration.reconcile.reconcile import Tables, wanted_states
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.workspace import Workspace


@dataclass
class Todo:
    """What is to be done to one table.

    Attributes:
        state: the table.
        put: rows to be inserted or restored.
        remove: extra rows to be removed.
        kept: why rows are left as they are -> how many.
        is_made_again: a derived table, to be made from its bases once more.
        problem: why nothing is done here at all; empty otherwise.
    """

    state: TableState
    put: list[Unequal] = field(default_factory=list)
    remove: list[Unequal] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    is_made_again: bool = False
    problem: str = ""

    @property
    def is_any(self) -> bool:
        """Is anything to be done?"""
        return bool(self.put or self.remove or self.is_made_again)

    def count(self, kind: str) -> int:
        """Rows of a kind that are to be dealt with."""
        return sum(unequal.count for unequal in (*self.put, *self.remove) if unequal.kind == kind)


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
        states = _in_order(workspace, wanted_states(workspace, connection, tables))
        sums = receipts.expected(connection, workspace.ledger)
        verdicts = list(prove(connection, target.dialect, states, sums, incomplete))
        against = by_value(workspace, connection, states, verdicts, from_source=False)
        return [
            _todo(workspace, connection, state, before, after, compared, wish)
            for state, before, after, compared in zip(
                states, verdicts, against.verdicts, against.compared, strict=True
            )
        ]


def _in_order(workspace: Workspace, states: Sequence[TableState]) -> list[TableState]:
    """Tables of parents before those of children, as streams declare them."""
    order: dict[tuple[str, receipts.Scope], int] = {}
    for level in levels(workspace.streams()):
        for stream in level:
            for table in stream.tables:
                order[table.name, table.scope] = len(order)
    return sorted(states, key=lambda state: order.get(state.key, len(order)))


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
    if is_derived(state.stream):
        todo.is_made_again = before.actual != before.expected
    elif compared is None or after.verdict == "UNKNOWN":
        todo.problem = after.reason or before.reason
    elif not compared.total:
        pass
    elif compared.expected != before.expected:
        todo.problem = "the input read again does not give the rows that the receipts add up to"
    elif compared.total > sum(unequal.count for unequal in compared.rows):
        todo.problem = f"{compared.total:,} rows differ: load the table again"
    else:
        wrote = _writers(workspace, connection, state, compared)
        for unequal, writer in zip(compared.rows, wrote, strict=True):
            _sort(todo, unequal, compared, wish, writer)
    return todo


def _writers(
    workspace: Workspace, connection: Connection, state: TableState, compared: Compared
) -> list[Writer]:
    """Who wrote each row that differs; empty where nobody can tell, as of one that is gone."""
    reader = workspace.target.dialect
    if not xmin.are_known(reader):
        return [""] * len(compared.rows)
    xids = transactions.of_table(connection, workspace.ledger, *state.key)
    findings = Findings(state.table.name, tuple(compared.differences), compared.total, ())
    _, marked = drift(connection, reader, state.table, xids, findings)
    return [difference.writer for difference in marked.differences]


def _sort(todo: Todo, unequal: Unequal, compared: Compared, wish: Repair, writer: Writer) -> None:
    """Decide on one difference."""
    if unequal.is_doubled:
        todo.kept["rows share a key with another row"] += 1
    elif unequal.kind == "extra" and wish != "all":
        todo.kept["extra rows are only listed"] += unequal.count
    elif _is_newer(todo.state, unequal, compared):
        todo.kept["rows are newer than what was loaded"] += unequal.count
    elif wish == "corrupted" and writer != "load":
        todo.kept[_why_not(unequal, writer)] += unequal.count
    elif unequal.kind == "extra":
        todo.remove.append(unequal)
    else:
        todo.put.append(unequal)


def _why_not(unequal: Unequal, writer: Writer) -> str:
    """Why a row is not taken for corrupted."""
    if writer == "others":
        return "rows were written by others since the load"
    if unequal.kind == "missing":
        return "rows are gone, and no database keeps who deleted them"
    return "nobody can tell who wrote the rows"


def _is_newer(state: TableState, unequal: Unequal, compared: Compared) -> bool:
    """The row's own bookmark says that it was written after what was loaded."""
    if state.bookmark is None or unequal.actual is None:
        return False
    bookmark_index = state.table.names.index(state.bookmark)
    column = state.table.columns[bookmark_index]
    theirs = number(column, unequal.actual[bookmark_index])
    ours = (
        compared.newest
        if unequal.expected is None
        else number(column, unequal.expected[bookmark_index])
    )
    return theirs is not None and (ours is None or theirs > ours)
