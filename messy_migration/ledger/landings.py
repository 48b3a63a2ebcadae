"""Which partitions have landed, under which digest; and how far each stream has come."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from messy_migration.ledger import changes
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger


@dataclass(frozen=True)
class Landed:
    """A file that holds a partition, whole."""

    path: str
    sha256: str
    records: int


def find(
    connection: Connection, ledger: Ledger, stream: str, tenant: str, digest: str
) -> Landed | None:
    """The landed file of a partition, if it has landed."""
    table = ledger.landing
    row = (
        connection.execute(
            select(table).where(
                table.c.stream == stream, table.c.tenant == tenant, table.c.partition == digest
            )
        )
        .mappings()
        .first()
    )
    return Landed(row["path"], row["sha256"], row["records"]) if row else None


def newest(connection: Connection, ledger: Ledger, stream: str, tenant: str) -> Landed | None:
    """The file of a stream that landed last, if any has."""
    table = ledger.landing
    query = (
        select(table.c.path, table.c.sha256, table.c.records)
        .where(table.c.stream == stream, table.c.tenant == tenant)
        .order_by(table.c.landed_at.desc(), table.c.partition)
        .limit(1)
    )
    row = connection.execute(query).first()
    return Landed(*row) if row else None


def add(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    identity: tuple[str, str, str],
    landed: Landed,
) -> None:
    """Remember that (stream, tenant, partition digest) has landed; replaces an earlier file."""
    table = ledger.landing
    stream, tenant, digest = identity
    connection.execute(
        delete(table).where(
            table.c.stream == stream, table.c.tenant == tenant, table.c.partition == digest
        )
    )
    connection.execute(
        insert(table).values(
            stream=stream,
            tenant=tenant,
            partition=digest,
            run_id=signature.run_id,
            path=landed.path,
            sha256=landed.sha256,
            records=landed.records,
            landed_at=now(),
        )
    )
    changes.record(connection, ledger, signature, "landing", identity)
