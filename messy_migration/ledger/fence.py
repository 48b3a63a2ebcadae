"""One writer: the epoch that fences dead runs off, and the heartbeat that names the holder.

They are rows of two tables, because every batch holds the epoch's row until it commits and
would starve a heartbeat in the same row.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from messy_migration.errors import Locked
from messy_migration.ledger.clock import now
from messy_migration.ledger.tables import Ledger


@dataclass(frozen=True)
class Holder:
    """The process that held the target last."""

    run_id: str
    host: str
    pid: int
    started_at: str
    beat_at: str


def raise_epoch(connection: Connection, ledger: Ledger) -> int:
    """A new epoch; batches of all older ones can no longer commit."""
    table, epoch = ledger.epoch, current(connection, ledger)
    if not epoch:
        connection.execute(insert(table).values(id=1, epoch=1))
        return 1
    connection.execute(update(table).where(table.c.id == 1).values(epoch=epoch + 1))
    return epoch + 1


def current(connection: Connection, ledger: Ledger) -> int:
    """The epoch that the target is at; 0 before the first run."""
    table = ledger.epoch
    epoch_stored = connection.execute(
        select(table.c.epoch).where(table.c.id == 1)
    ).scalar_one_or_none()
    return int(epoch_stored or 0)


def check(connection: Connection, ledger: Ledger, epoch: int) -> None:
    """The last statement of a batch: is this still the epoch it began in?

    Args:
        connection: inside the batch's transaction.
        ledger: of the target.
        epoch: the one that the run raised.

    Raises:
        Locked: a newer run took the target over.
    """
    table = ledger.epoch
    # FOR SHARE holds the row until COMMIT; where there is one writer anyway it is left out.
    query = select(table.c.epoch).where(table.c.id == 1).with_for_update(read=True)
    epoch_stored = connection.execute(query).scalar_one()
    if epoch_stored != epoch:
        raise Locked(
            "a newer run took this target over",
            f"epoch {epoch}",
            f"the target is at epoch {epoch_stored}",
            "`migrate status`",
        )


def beat(connection: Connection, ledger: Ledger, holder: Holder) -> None:
    """Write down which process holds the target, and that it is alive."""
    table = ledger.heartbeat
    connection.execute(delete(table))
    connection.execute(
        insert(table).values(
            id=1,
            run_id=holder.run_id,
            host=holder.host,
            pid=holder.pid,
            started_at=holder.started_at,
            beat_at=now(),
        )
    )


def holder(connection: Connection, ledger: Ledger) -> Holder | None:
    """The process that wrote the last heartbeat."""
    row = connection.execute(select(ledger.heartbeat)).mappings().first()
    if row is None:
        return None
    return Holder(row["run_id"], row["host"], row["pid"], row["started_at"], row["beat_at"])
