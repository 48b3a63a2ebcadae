"""Make the derived tables, once what they are made from is loaded."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import closing
from dataclasses import replace

from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.keyed import sums_of
from messy_migration.databases.naming import scoped
from messy_migration.errors import (
    ConfigurationError,
    Locked,
    MigrationError,
    PluginError,
    ProofError,
    TargetBusy,
    TargetFull,
    TargetUnavailable,
)
from messy_migration.fingerprint.keyed import sums
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.ledger import known_tables, receipts
from messy_migration.ledger.known_tables import TableState
from messy_migration.model import Derived, Fingerprint, TableReceipt, stream_label
from messy_migration.reconcile.made import KIND, States, Sums, basis, made
from messy_migration.run.state import RunState
from messy_migration.streams import derivations

_LOG = logging.getLogger(__name__)
_AGAIN = (Locked, TargetBusy, TargetFull, TargetUnavailable)
"""What no derived table is at fault for."""


def derivable(state: RunState, connection: Connection) -> list[Derived]:
    """The derived tables whose bases are there, or are going to be.

    Raises:
        PluginError: a plugin breaks the contract of `derive`.
    """
    workspace = state.workspace
    derivations_due = derivations(workspace.registry)
    if not derivations_due:
        return []
    there = {name for name, _ in known_tables.all_states(connection, workspace.ledger)}
    there.update(table.name for stream in state.streams for table in stream.tables)
    makeable = []
    for derived in derivations_due:
        missing = [name for name in derived.bases if name not in there]
        if missing:
            _LOG.warning(
                "derived table %s is not made: %s was never loaded",
                derived.table.name,
                ", ".join(missing),
            )
            continue
        there.add(derived.table.name)
        makeable.append(derived)
    return makeable


def make_derived(state: RunState, *, again: bool = False) -> None:
    """Make every derived table whose bases have changed; what fails is a problem of the run.

    Args:
        state: the run.
        again: also those that are not as their receipts say, for a repair.
    """
    for derived in state.derived:
        why = _unread(state, derived)
        if why:
            state.unfinished.setdefault(derived.label, why)
            continue
        try:
            with (
                driver_errors_as_ours(f"derived table {derived.table.name}"),
                state.writing() as connection,
            ):
                _make(state, connection, derived, again=again)
        except _AGAIN:
            raise
        except MigrationError as error:
            state.problems.append(error)
            state.unfinished[derived.label] = f"it could not be made: {error.what}"


def _unread(state: RunState, derived: Derived) -> str:
    """Which base was not all read, in words; empty if all were."""
    for stream in [*state.streams, *(one.stream for one in state.derived)]:
        names = {table.name for table in stream.tables}.intersection(derived.bases)
        label = stream_label(stream.name, stream.tenant)
        if names and label in state.unfinished:
            return f"its base {min(names)} is not complete"
    return ""


def _make(state: RunState, connection: Connection, derived: Derived, *, again: bool) -> None:
    workspace, table = state.workspace, derived.table
    dialect, ledger = workspace.target.dialect, workspace.ledger
    table_states = known_tables.all_states(connection, ledger)
    expected = receipts.expected(connection, ledger)
    table_state = table_states[table.name, table.scope]
    before = expected.get((*table_state.key, table_state.format_id), Fingerprint())
    reason = json.dumps(basis(workspace.registry, derived, table_states, expected), sort_keys=True)
    is_same = reason in receipts.reasons(connection, ledger, KIND, *table_state.key)[-1:]
    if is_same and not again:
        return
    source = scoped(connection, dialect, table)
    removed, removed_keyed = sums_of(connection, dialect, table, source, state.key)
    if is_same and removed == before:
        return
    _refuse_others(table_state, is_changed=removed != before and not again)
    if again:
        _refuse_changed_bases(state, connection, derived, table_states, expected)
    added, keyed = _replace(state, connection, derived, table_states)
    signature = state.signature()
    text = f"{KIND}\n{state.run.run_id}\n{state.briefing.epoch}\n{table.name}\n{reason}"
    identity = hashlib.sha256(text.encode()).hexdigest()[:32]
    part = TableReceipt(table.name, table.scope, table_state.format_id, 0, 0, 0, removed - before)
    if removed != before:
        as_found = receipts.receipt_of_table(f"{identity}.found", derived.label, "", part)
        receipts.write(connection, ledger, signature, as_found, kind="found")
    part = replace(
        part,
        inserted=added.rows,
        net=added - removed,
        keyed=keyed - removed_keyed if keyed and removed_keyed else None,
    )
    receipt = receipts.receipt_of_table(identity, derived.label, "", part)
    receipts.write(connection, ledger, signature, receipt, kind=KIND, reason=reason)


def _refuse_others(state: TableState, *, is_changed: bool) -> None:
    """Nothing that somebody else put there is thrown away without a word."""
    if state.baseline_rows:
        raise ConfigurationError(
            "a derived table is there already, with rows that no run has made",
            f"table {state.table.name}",
            next="give the derived table another name",
        )
    if is_changed:
        raise ProofError(
            "another program changed a derived table",
            f"table {state.table.name}",
            "it is not what was made, and would be thrown away",
            "migrate reconcile --repair makes it again",
        )


def _refuse_changed_bases(
    state: RunState, connection: Connection, derived: Derived, table_states: States, expected: Sums
) -> None:
    """From a base that is not as its receipts say nothing is made in their name."""
    dialect = state.workspace.target.dialect
    for table_state in table_states.values():
        if table_state.table.name not in derived.bases:
            continue
        source = scoped(connection, dialect, table_state.table)
        stored = dialect.fingerprint(connection, table_state.table, source)
        if stored != expected.get((*table_state.key, table_state.format_id), Fingerprint()):
            raise ProofError(
                "a derived table is not made again",
                f"table {derived.table.name}",
                f"its base {table_state.table.name} is not as it was loaded",
                "migrate reconcile names the rows of the base",
            )


def _replace(
    state: RunState, connection: Connection, derived: Derived, table_states: States
) -> tuple[Fingerprint, Fingerprint | None]:
    """Make the rows twice under different plans, and replace those of the table with them."""
    workspace, table = state.workspace, derived.table
    dialect = workspace.target.dialect
    first = Fingerprint()
    for data in made(workspace, connection, derived, table_states):
        first += fingerprint(data, table.columns)
    connection.exec_driver_sql(f"DELETE FROM {dialect.rows_of(connection, table.name)}")
    added, keyed = Fingerprint(), Fingerprint()
    with closing(made(workspace, connection, derived, table_states, otherwise=True)) as chunks:
        for data in chunks:
            dialect.insert(connection, table, data)
            net, keyed_net = sums(data, table.columns, state.key)
            added += net
            keyed += keyed_net or Fingerprint()
    if added != first:
        raise PluginError(
            "a derived table is another each time that it is made",
            f"plugin {derived.plugin}, derived table {table.name}",
            f"{first.rows:,} rows at first and {added.rows:,} the second time, or other values",
            "let it depend on no order of rows and on no clock; round floats to a decimal",
        )
    return added, keyed if state.key else None
