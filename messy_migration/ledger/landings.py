"""Which partitions have landed, under which digest; and how far each stream has come."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from messy_migration.ledger.runs import now
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


def add(
    connection: Connection,
    ledger: Ledger,
    place: tuple[str, str, str],
    run_id: str,
    landed: Landed,
) -> None:
    """Remember that (stream, tenant, partition digest) has landed; replaces an earlier file."""
    table = ledger.landing
    stream, tenant, digest = place
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
            run_id=run_id,
            path=landed.path,
            sha256=landed.sha256,
            records=landed.records,
            landed_at=now(),
        )
    )


def bookmarks(connection: Connection, ledger: Ledger) -> dict[tuple[str, str], str]:
    """(stream, tenant) -> the upper bound of what was read, ISO 8601 in UTC."""
    table = ledger.bookmark
    query = select(table.c.stream, table.c.tenant, table.c.position)
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def move(
    connection: Connection, ledger: Ledger, stream: str, tenant: str, position: str, run_id: str
) -> None:
    """Put a stream's bookmark at a position."""
    table = ledger.bookmark
    connection.execute(delete(table).where(table.c.stream == stream, table.c.tenant == tenant))
    connection.execute(
        insert(table).values(stream=stream, tenant=tenant, position=position, run_id=run_id)
    )


def stamp(connection: Connection, ledger: Ledger, kind: str) -> str:
    """What the target is for, `real` or `sandbox`; the first run says."""
    table = ledger.stamp
    found = connection.execute(select(table.c.kind).where(table.c.id == 1)).scalar_one_or_none()
    if found is None:
        connection.execute(insert(table).values(id=1, kind=kind))
        return kind
    return str(found)
