"""Reconcile a target with its ledger, and replay its inputs to name what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from messy_migration.errors import MigrationError, TargetError
from messy_migration.ledger import receipts, states, transactions
from messy_migration.ledger.states import TableState
from messy_migration.model import Fingerprint
from messy_migration.reconcile.drift import drift, words
from messy_migration.reconcile.locate import locate
from messy_migration.reconcile.prove import prove
from messy_migration.reconcile.quick import Untouched, untouched
from messy_migration.reconcile.verdict import Findings, TableVerdict
from messy_migration.runner.replay import replayed, stream_of
from messy_migration.runner.workspace import Workspace
from messy_migration.target import writers

LISTED = 50
"""Differences that are listed by default; all are counted."""

_MOST = 1_000_000
"""Differences that are held at once, to say who wrote each and which are waived."""


@dataclass(frozen=True)
class Proof:
    """A reconciliation: a verdict per table, and what was found behind each mismatch."""

    verdicts: tuple[TableVerdict, ...]
    findings: tuple[Findings, ...]


def reconcile(
    workspace: Workspace,
    tables: Sequence[tuple[str, receipts.Scope]] | None,
    incomplete: Mapping[str, str],
    limit: int = LISTED,
) -> Proof:
    """Prove tables in one snapshot of the target, and locate what differs.

    Args:
        workspace: with the plugins whose inputs are to be replayed.
        tables: (table, scope) pairs, or None for all that the ledger knows.
        incomplete: label of a stream -> why not all of it was read.
        limit: how many differences of a table to list.
    """
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        wanted = wanted_states(workspace, connection, tables)
        sums = receipts.expected(connection, workspace.ledger)
        verdicts = prove(connection, target.dialect, wanted, sums, incomplete)
        located = [
            explained(workspace, connection, state, verdict)
            for state, verdict in zip(wanted, verdicts, strict=True)
        ]
    findings = [shown(found, limit) for _, found in located if found is not None]
    return Proof(tuple(verdict for verdict, _ in located), tuple(findings))


def wanted_states(
    workspace: Workspace,
    connection: Connection,
    tables: Sequence[tuple[str, receipts.Scope]] | None,
) -> list[TableState]:
    """What the ledger knows of these tables, or of all."""
    known = states.all_states(connection, workspace.ledger)
    return [state for key, state in known.items() if tables is None or key in tables]


def quick(
    workspace: Workspace, tables: Sequence[tuple[str, receipts.Scope]] | None
) -> tuple[Untouched, ...]:
    """Ask only whether tables are untouched since the load; reads no value.

    Raises:
        TargetError: this kind of database keeps no transaction with its rows.
    """
    target = workspace.target
    if not writers.are_known(target.dialect):
        raise TargetError(
            "--quick needs a database that keeps the transaction of each row",
            target.label,
            f"{target.dialect.name} does not",
            "migrate reconcile, which reads every value",
        )
    with target.dialect.reading(target.engine) as connection:
        sums = receipts.expected(connection, workspace.ledger)
        return tuple(
            untouched(
                connection,
                state.table,
                transactions.of_table(connection, workspace.ledger, *state.key),
                sums.get((*state.key, state.format_id), Fingerprint()),
            )
            for state in wanted_states(workspace, connection, tables)
        )


def explained(
    workspace: Workspace, connection: Connection, state: TableState, verdict: TableVerdict
) -> tuple[TableVerdict, Findings | None]:
    """What is behind a table that differs: rows, columns, and who wrote them."""
    if verdict.actual is None or verdict.actual == verdict.expected or connection.invalidated:
        return verdict, None
    found = _located(workspace, connection, state, verdict)
    return with_drift(workspace, connection, state, verdict, found)


def with_drift(
    workspace: Workspace,
    connection: Connection,
    state: TableState,
    verdict: TableVerdict,
    found: Findings,
) -> tuple[TableVerdict, Findings]:
    """Tell rows that others wrote since the load from corrupted ones, where it can be told."""
    reader = workspace.target.dialect
    if not writers.are_known(reader) or connection.invalidated:
        return verdict, found
    known = transactions.of_table(connection, workspace.ledger, *state.key)
    try:
        with connection.begin_nested():
            told, found = drift(connection, reader, state.table, known, found)
    except TargetError:
        return verdict, found
    reason = f"{verdict.reason}; {words(told)}" if told.others else verdict.reason
    return replace(verdict, drift=told, reason=reason), found


def shown(found: Findings, limit: int) -> Findings:
    """With only the first differences; the total stays."""
    return replace(found, differences=found.differences[:limit])


def _located(
    workspace: Workspace, connection: Connection, state: TableState, verdict: TableVerdict
) -> Findings:
    try:
        stream = stream_of(workspace, state)
        with connection.begin_nested():
            return locate(
                connection,
                workspace.target.dialect,
                state.table,
                verdict.expected,
                lambda: replayed(workspace, connection, state),
                _MOST,
                stream.bookmark,
            )
    except MigrationError as error:
        return Findings(state.table.name, (), 0, (), str(error))
