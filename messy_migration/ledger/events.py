"""Events that outlive their run, written by its parent only; and batches, which are none."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, func, insert, select

from messy_migration.ledger import changes
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger
from messy_migration.model.event import Event
from messy_migration.model.events import BatchCommitted

_OF_EVENT = ("name", "severity", "stream", "tenant", "batch", "at")
"""Columns that have the name of what they hold of an event."""


def write(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    events: Sequence[tuple[int, Event]],
) -> None:
    """Add events to those of a run; called again after a lost answer, it adds none twice.

    Args:
        connection: inside a transaction under the fence.
        ledger: of the target.
        signature: of the run.
        events: each with its number within the epoch.
    """
    if not events:
        return
    table, run, epoch = ledger.event, signature.run_id, signature.epoch
    query = select(func.max(table.c.number)).where(table.c.run_id == run, table.c.epoch == epoch)
    last = connection.execute(query).scalar_one_or_none() or 0
    for number, event in events:
        if number <= last:
            continue
        row = {name: getattr(event, name) for name in _OF_EVENT}
        facts = json.dumps(event.facts(), sort_keys=True)
        numbered = {"run_id": run, "epoch": epoch, "number": number}
        connection.execute(insert(table).values(**numbered, **row, facts=facts))
        changes.record(connection, ledger, signature, "event", (run, str(epoch), str(number)))


def untold(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    told_batches: Collection[str],
    names: Mapping[str, str],
) -> list[BatchCommitted]:
    """Batches that a run has committed in its epoch, and whose workers did not live to say so.

    Args:
        connection: any.
        ledger: of the target.
        signature: of the run.
        told_batches: ids of the batches that were told.
        names: digest of a partition -> its name.
    """
    table, part = ledger.receipt, ledger.receipt_table
    ours = (
        table.c.run_id == signature.run_id,
        table.c.epoch == signature.epoch,
        table.c.kind == "load",
    )
    if connection.execute(select(func.count()).where(*ours)).scalar_one() == len(told_batches):
        return []
    # A receipt has the facts of the event under the same names: of the batch, or of its tables.
    facts = [fact.name for fact in fields(BatchCommitted)]
    same = [name for name in facts if name in table.c]
    rows = [name for name in facts if name in part.c and name not in table.c]
    columns = [table.c.seq, table.c.batch_id, *(table.c[name] for name in same)]
    sums = [func.coalesce(func.sum(part.c[name]), 0).label(name) for name in rows]
    query = (
        select(*columns, *sums)
        .outerjoin(part, part.c.batch_id == table.c.batch_id)
        .where(*ours)
        .group_by(*columns)
        .order_by(table.c.seq)
    )
    batches: list[BatchCommitted] = []
    for row in connection.execute(query).mappings():
        if row["batch_id"] not in told_batches:
            values: dict[str, Any] = {name: row[name] for name in same}
            values |= {name: int(row[name]) for name in rows}
            values["partition"] = names.get(row["partition"], row["partition"])
            batches.append(BatchCommitted(batch=row["batch_id"], **values))
    return batches
