"""After the last batch: keys, first rows, stubs, derived tables, bookmarks, foreign keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set as AbstractSet
from datetime import datetime

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.money import of_rows
from messy_migration.fingerprint.keyed import sums
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger import bookmarks, quarantine, receipts, superseded
from messy_migration.model import ForeignKey, Receipt, Stream, Table, TableReceipt
from messy_migration.pipeline.rules import TARGET
from messy_migration.pipeline.stubs import stub_rows
from messy_migration.reconcile.parents import missing_parents
from messy_migration.run.derive import make_derived
from messy_migration.run.first import settle_firsts
from messy_migration.run.foreign_keys import add_foreign_keys
from messy_migration.run.keys import add_keys
from messy_migration.run.plan import StreamPlan
from messy_migration.run.state import RunState


def finish(state: RunState) -> None:
    """Add keys and stubs, close entries, move bookmarks; each may be done again without harm."""
    add_keys(state)
    settle_firsts(state)
    _stubs(state)
    make_derived(state, again=state.options.accept_foreign is not None)
    _close_replaced(state)
    _bookmarks(state)
    if state.options.final:
        add_foreign_keys(state)


def _stubs(state: RunState) -> None:
    for child in state.streams:
        for table in child.tables:
            for foreign_key in table.foreign_keys:
                parent = _owner(state, foreign_key.parent, table)
                if foreign_key.stub and parent and parent[0].label not in state.unfinished:
                    _stub(state, table, foreign_key, *parent)


def _owner(state: RunState, name: str, child: Table) -> tuple[Stream, Table] | None:
    """The selected stream that writes the parent, in the scope of the child."""
    for stream in state.streams:
        for table in stream.tables:
            if table.name == name and table.scope == child.scope:
                return stream, table
    return None


def _stub(
    state: RunState, child: Table, foreign_key: ForeignKey, stream: Stream, parent: Table
) -> None:
    workspace = state.workspace
    target = workspace.target
    where = f"stubs of table {parent.name}"
    with driver_errors_as_ours(where), state.writing() as connection:
        missing = missing_parents(connection, target.dialect, child, foreign_key)
        if not missing:
            return
        rows = stub_rows(parent, foreign_key, missing)
        target.dialect.insert(connection, parent, rows)
        written = json.dumps(
            {"child": child.name, "columns": list(foreign_key.columns), "rows": missing},
            sort_keys=True,
        )
        text = f"stub\n{state.run.run_id}\n{parent.name}\n{written}"
        net, keyed = sums(rows, parent.columns, state.key)
        money = of_rows(parent, rows) if parent.amounts else None
        count = rows.num_rows
        part = TableReceipt(
            parent.name, parent.scope, format_id(parent), count, 0, 0, net, money, keyed=keyed
        )
        receipt: Receipt = receipts.receipt_of_table(
            hashlib.sha256(text.encode()).hexdigest()[:32], stream.name, stream.tenant, part
        )
        receipts.write(
            connection, workspace.ledger, state.signature(), receipt, kind="stub", reason=written
        )


def _close_replaced(state: RunState) -> None:
    """Close what is in quarantine of inputs that were read again with other content."""
    ledger = state.workspace.ledger
    streams = {
        (stream.name, stream.tenant)
        for stream in state.streams
        if stream.label not in state.unfinished
    }
    with driver_errors_as_ours("quarantine"), state.writing() as connection:
        replaced = superseded.replaced(connection, ledger, streams)
        for stream_key, entries in replaced.items():
            why = "its input was read again with other content"
            superseded.close(connection, ledger, state.signature(), stream_key, entries, why)


def _reached(plan: StreamPlan, refused: AbstractSet[tuple[str, str, str]]) -> str:
    """How far a stream was read: before the first partition with a record that the target refused.

    What refused it may be gone tomorrow, and nobody would read the record again.
    """
    stream = plan.stream
    until = {part.digest: part.until for part in (*plan.partitions, *plan.skipped) if part.until}
    first = min(
        (end for digest, end in until.items() if (stream.name, stream.tenant, digest) in refused),
        default=None,
    )
    return max((end for end in until.values() if first is None or end < first), default="")


def _bookmarks(state: RunState) -> None:
    workspace = state.workspace
    with state.writing() as connection:
        positions = bookmarks.positions(connection, workspace.ledger)
        refused = quarantine.partitions_of(connection, workspace.ledger, TARGET)
        for plan in state.plans:
            stream = plan.stream
            position = _reached(plan, refused)
            before = positions.get((stream.name, stream.tenant), "")
            since = state.options.since
            # A run that began later than the bookmark stands has left something out.
            jumped = since is not None and (not before or since > datetime.fromisoformat(before))
            if stream.label in state.unfinished or not position or jumped:
                continue
            if position > before:
                bookmarks.move(
                    connection,
                    workspace.ledger,
                    state.signature(),
                    stream.name,
                    stream.tenant,
                    position,
                )
