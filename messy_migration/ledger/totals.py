"""Sums over receipts: what one run did, and what all runs did, per stream and per table."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from messy_migration.ledger.receipts import Scope, scope_of
from messy_migration.ledger.tables import Ledger

READING = ("load", "displaced", "late", "first")
"""Kinds of receipts that count records of a source."""

WRITING = ("load", "displaced", "late", "first", "stub", "derived", "repair")
"""Kinds of receipts whose run wrote rows."""


@dataclass(frozen=True)
class StreamTotals:
    """Sums over the receipts of one stream of one run, in records."""

    stream: str
    tenant: str
    extracted: int = 0
    loaded: int = 0
    quarantined: int = 0
    filtered: int = 0
    warnings: int = 0
    batches: int = 0
    filters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TableTotals:
    """Sums over the receipts of one table in one run, in rows."""

    table: str
    scope: Scope
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


def stream_totals(connection: Connection, ledger: Ledger, run_id: str) -> list[StreamTotals]:
    """What a run did, per stream."""
    table = ledger.receipt
    names = ("extracted", "loaded", "quarantined", "filtered", "warnings")
    counts = (*names, "batches")
    query = (
        select(
            table.c.stream,
            table.c.tenant,
            *(func.sum(table.c[name]) for name in names),
            func.count(),
        )
        .where(table.c.run_id == run_id, table.c.kind.in_(READING))
        .group_by(table.c.stream, table.c.tenant)
        .order_by(table.c.stream, table.c.tenant)
    )
    filters = _filters(connection, ledger, run_id)
    return [
        StreamTotals(
            row[0],
            row[1],
            **{name: int(value) for name, value in zip(counts, row[2:], strict=True)},
            filters=filters.get((row[0], row[1]), {}),
        )
        for row in connection.execute(query)
    ]


def standing(
    connection: Connection, ledger: Ledger, places: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """(stream, tenant) -> records extracted, loaded, quarantined and filtered, over all runs.

    Args:
        connection: any.
        ledger: of the target.
        places: (stream, tenant, partition digest or run id) of what was not read again since;
            what was repaired and read again counts no more.
    """
    table = ledger.receipt
    names = ("extracted", "loaded", "quarantined", "filtered")
    columns = (table.c.stream, table.c.tenant, table.c.partition, table.c.run_id)
    query = select(*columns, *(func.sum(table.c[name]) for name in names)).group_by(*columns)
    sums: dict[tuple[str, str], tuple[int, int, int, int]] = {}
    for stream, tenant, digest, run_id, *counts in connection.execute(query):
        if (stream, tenant, digest or run_id) in places:
            before = sums.get((stream, tenant), (0, 0, 0, 0))
            extracted, loaded, quarantined, filtered = (
                old + int(new) for old, new in zip(before, counts, strict=True)
            )
            sums[stream, tenant] = (extracted, loaded, quarantined, filtered)
    return sums


def warnings(connection: Connection, ledger: Ledger) -> dict[tuple[str, str], int]:
    """(stream, tenant) -> violations that stopped nothing, over all runs."""
    table = ledger.receipt
    query = select(table.c.stream, table.c.tenant, func.sum(table.c.warnings)).group_by(
        table.c.stream, table.c.tenant
    )
    return {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}


def table_totals(connection: Connection, ledger: Ledger, run_id: str) -> list[TableTotals]:
    """What a run did, per table and scope."""
    part, head = ledger.receipt_table, ledger.receipt
    query = (
        select(
            part.c.table_name,
            part.c.scope,
            *(func.sum(part.c[name]) for name in ("inserted", "updated", "unchanged")),
        )
        .join(head, head.c.batch_id == part.c.batch_id)
        .where(head.c.run_id == run_id, head.c.kind.in_(WRITING))
        .group_by(part.c.table_name, part.c.scope)
    )
    return [
        TableTotals(row[0], scope_of(row[1]), *(int(value) for value in row[2:]))
        for row in connection.execute(query)
    ]


def _filters(
    connection: Connection, ledger: Ledger, run_id: str
) -> dict[tuple[str, str], dict[str, int]]:
    table = ledger.receipt
    sums_of: dict[tuple[str, str], dict[str, int]] = {}
    query = select(table.c.stream, table.c.tenant, table.c.filters).where(
        table.c.run_id == run_id, table.c.filters != "{}", table.c.kind.in_(READING)
    )
    for stream, tenant, text in connection.execute(query):
        sums = sums_of.setdefault((stream, tenant), {})
        for rule, count in json.loads(text).items():
            sums[rule] = sums.get(rule, 0) + count
    return sums_of
