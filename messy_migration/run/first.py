"""Settle which row stays in tables whose `conflict` is `first`, once their stream is complete.

The workers have inserted whichever row came first to them. What is settled here depends on the
plan alone, so that any number of workers, and a run that was killed and resumed, end alike. All
of it is one transaction, and what it has done once it finds done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, select

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.first import Settled, settle
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger import receipts, runs
from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Stream, Table, TableReceipt
from messy_migration.pipeline.rules import DUPLICATE, FIRST
from messy_migration.run.state import RunState


def settle_firsts(state: RunState) -> None:
    """Put the rows in place that come first in the plan.

    Raises:
        TargetError: a table cannot be settled; the same command again does it.
        Locked: a newer run took the target over.
    """
    for stream in state.streams:
        for table in stream.tables:
            if table.conflict == "first" and stream.label not in state.unfinished:
                _settle(state, stream, table)


def _settle(state: RunState, stream: Stream, table: Table) -> None:
    ledger, run_id = state.workspace.ledger, state.run.run_id
    dialect = state.workspace.target.dialect
    with driver_errors_as_ours(f"first rows of table {table.name}"), state.writing() as connection:
        ordinals = _ordinals(connection, ledger, stream, run_id)
        settled = settle(connection, dialect, table, run_id, ordinals, state.key)
        if settled is None:
            return
        part = TableReceipt(
            table.name,
            table.scope,
            format_id(table),
            0,
            settled.updated,
            0,
            settled.net,
            settled.amounts,
            {FIRST: settled.others} if settled.others else {},
            settled.keyed,
        )
        # More of a stream may be planned by the same run when it is resumed.
        text = f"first\n{run_id}\n{state.briefing.epoch}\n{table.name}\n{table.scope}"
        identity = hashlib.sha256(text.encode()).hexdigest()[:32]
        receipt = receipts.receipt_of_table(identity, stream.name, stream.tenant, part)
        moved = _miscounted(connection, ledger, stream, run_id, settled)
        receipt = replace(receipt, filtered={FIRST: moved, DUPLICATE: -moved} if moved else {})
        receipts.write(connection, ledger, state.signature(), receipt, kind="first")


def _ordinals(
    connection: Connection, ledger: Ledger, stream: Stream, run_id: str
) -> Mapping[str, int]:
    """Digest of a partition -> its place in the plan.

    One that was read again under another digest keeps the place that it had at first.
    """
    ours = [
        planned
        for planned in runs.planned(connection, ledger)
        if (planned.run_id, planned.stream, planned.tenant) == (run_id, stream.name, stream.tenant)
    ]
    ordinals: dict[str, int] = {}
    for planned in ours:
        ordinals[planned.partition.name] = min(
            planned.ordinal, ordinals.get(planned.partition.name, planned.ordinal)
        )
    return {planned.partition.digest: ordinals[planned.partition.name] for planned in ours}


def _miscounted(
    connection: Connection, ledger: Ledger, stream: Stream, run_id: str, settled: Settled
) -> int:
    """Records that were counted as equal to the row that was there, and differ from the first.

    Known where a record is one row. Of a record with rows in several tables it is not known
    which of its rows have been left out.
    """
    if len(stream.tables) > 1:
        return 0
    table = ledger.receipt
    query = select(table.c.filters).where(
        table.c.run_id == run_id,
        table.c.stream == stream.name,
        table.c.tenant == stream.tenant,
        table.c.filters != "{}",
    )
    counted = {FIRST: 0, DUPLICATE: 0}
    with legible("table receipt"):
        for text in connection.execute(query).scalars():
            filters = json.loads(text)
            for rule in counted:
                counted[rule] += int(filters.get(rule, 0))
    moved = settled.others - counted[FIRST]
    return max(-counted[FIRST], min(moved, counted[DUPLICATE]))
