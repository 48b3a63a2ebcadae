"""The ledger tells how far a run is: what it planned beside what it has committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from messy_migration.ledger import fence
from messy_migration.ledger.tables import Ledger


@dataclass(frozen=True)
class Progress:
    """A run that goes on.

    Attributes:
        run_id: its id.
        done: records that it has committed.
        total: records that it is to read; None while a source does not say.
        partitions_done, partitions: pieces of its streams.
        rate: records a second since it was begun or resumed; None before the first batch.
        seconds_left: until the last batch, at this rate; None where it cannot be told.
    """

    run_id: str
    done: int
    total: int | None
    partitions_done: int
    partitions: int
    rate: float | None
    seconds_left: float | None


def progress(connection: Connection, ledger: Ledger, run_id: str, beat_at: str) -> Progress:
    """How far a run is.

    Args:
        connection: any.
        ledger: of the target.
        run_id: of the run.
        beat_at: its last heartbeat, as the ledger writes times.
    """
    done, expected, partitions, finished, is_whole = 0, 0, 0, 0, True
    for records, extracted, last in _partitions(connection, ledger, run_id):
        partitions += 1
        finished += bool(last)
        done += extracted
        is_whole = is_whole and (bool(last) or records is not None)
        expected += extracted if last or records is None else max(records, extracted)
    total = expected if is_whole and partitions else None
    rate = _rate(connection, ledger, run_id, beat_at)
    seconds = None if total is None or not rate else round((total - done) / rate, 1)
    return Progress(run_id, done, total, finished, partitions, rate, seconds)


def _partitions(
    connection: Connection, ledger: Ledger, run_id: str
) -> list[tuple[int | None, int, int]]:
    """Of each planned partition: its records if known, those committed, whether all are."""
    plan, receipt = ledger.partition, ledger.receipt
    same = and_(
        receipt.c.run_id == plan.c.run_id,
        receipt.c.stream == plan.c.stream,
        receipt.c.tenant == plan.c.tenant,
        receipt.c.partition == plan.c.digest,
        receipt.c.kind == "load",
    )
    query = (
        select(
            plan.c.records,
            func.coalesce(func.sum(receipt.c.extracted), 0),
            func.coalesce(func.max(receipt.c.last), 0),
        )
        .select_from(plan.outerjoin(receipt, same))
        .where(plan.c.run_id == run_id)
        .group_by(plan.c.stream, plan.c.tenant, plan.c.digest, plan.c.records)
    )
    return [(row[0], int(row[1]), int(row[2])) for row in connection.execute(query)]


def _rate(connection: Connection, ledger: Ledger, run_id: str, beat_at: str) -> float | None:
    table = ledger.receipt
    query = select(
        func.sum(table.c.extracted), func.min(table.c.started_at), func.max(table.c.committed_at)
    ).where(
        table.c.run_id == run_id,
        table.c.epoch == fence.current(connection, ledger),
        table.c.kind == "load",
    )
    records, began, committed = connection.execute(query).one()
    if began is None:
        return None
    until = max(datetime.fromisoformat(beat_at), datetime.fromisoformat(committed))
    seconds = (until - datetime.fromisoformat(began)).total_seconds()
    return round(int(records) / seconds, 1) if seconds > 0 else None
