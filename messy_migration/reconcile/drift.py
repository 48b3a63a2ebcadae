"""After a cutover: rows that other programs wrote since the load, told apart from corruption.

PostgreSQL keeps with each row the transaction that wrote it, and the receipts keep ours. A row
that differs and was written by another transaction is drift; one that differs though only we
wrote it is corrupted. Where transaction ids cannot be trusted (before revision 0002, after a
dump and restore, after two thousand million transactions) it says so and guesses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from messy_migration.compare.findings import Difference, Findings
from messy_migration.compare.readable import readable
from messy_migration.databases.dialect import Reader
from messy_migration.databases.postgresql import xmin
from messy_migration.ledger import places
from messy_migration.ledger.xids import Transactions
from messy_migration.model import Table
from messy_migration.reconcile.verdict import Drift

_HALF = 1 << 31
_MOST = 200_000
"""Rows of others that are looked at one by one; of more only the number is told."""


@dataclass(frozen=True)
class Written:
    """Who wrote the rows of a table.

    Attributes:
        ours: rows of our transactions.
        before: rows older than the newest adoption: a baseline, or changes that were adopted.
        others: transactions of somebody else since then -> their rows.
        problem: why none of this can be said; empty if it can.
    """

    ours: int = 0
    before: int = 0
    others: Mapping[int, int] | None = None
    problem: str = ""


def written(connection: Connection, table: Table, transactions: Transactions) -> Written:
    """Sort the rows of a table (in its scope) by who wrote them.

    Args:
        connection: of a database that knows, in a snapshot.
        table: to look at.
        transactions: its transactions by the ledger.
    """
    now = xmin.current(connection)
    numbers = {
        *transactions.ours,
        *({transactions.adopted} if transactions.adopted is not None else ()),
    }
    if transactions.unknown:
        return Written(problem="rows were loaded before the ledger kept transaction ids")
    here = places.server(connection)
    if here is not None and transactions.servers - {here}:
        return Written(
            problem="the transaction ids are of another server: it was moved or restored"
        )
    if numbers and max(numbers) >= now:
        return Written(problem="the transaction ids are of another server: it was restored")
    if numbers and now - min(numbers) >= _HALF:
        return Written(problem="more than two thousand million transactions have passed")
    rows = xmin.rows_by_writer(connection, table)
    ours = {xmin.low(xid) for xid in transactions.ours}
    mine = sum(count for xid, count in rows.items() if xid in ours)
    before = 0
    others: dict[int, int] = {}
    for xid, count in rows.items():
        if xid in ours:
            continue
        if transactions.adopted is not None and xmin.whole(xid, now) <= transactions.adopted:
            before += count
        else:
            others[xid] = count
    if others and transactions.ours and not mine and not before:
        return Written(problem="no row has a transaction of ours: it was restored or rewritten")
    return Written(mine, before, others)


def drift(
    connection: Connection,
    reader: Reader,
    table: Table,
    transactions: Transactions,
    findings: Findings,
) -> tuple[Drift, Findings]:
    """How many rows others wrote and how many are corrupted; each difference with its writer.

    Args:
        connection: in a snapshot.
        reader: of the database; must be one that knows.
        table: to look at.
        transactions: its transactions by the ledger.
        findings: what differs, all of it listed as far as it is known.
    """
    rows = written(connection, table, transactions)
    if rows.others is None:
        return Drift(None, None, rows.problem), findings
    count = sum(rows.others.values())
    listed = sum(difference.rows for difference in findings.differences)
    is_whole = not findings.note and findings.is_exact and listed == findings.total
    if count == 0:
        marked = [_marked(difference, "load") for difference in findings.differences]
        wrong = sum(difference.rows for difference in marked if difference.kind != "missing")
        result = Drift(0, wrong if is_whole else None, "" if is_whole else findings.note)
        return result, replace(findings, differences=tuple(marked))
    if not table.key:
        return Drift(count, None, "without a key a row cannot be followed"), findings
    if count > _MOST:
        return Drift(
            count, None, f"more than {_MOST:,} rows are not looked at one by one"
        ), findings
    keys = _keys(connection, reader, table, rows.others)
    marked = [
        _marked(difference, "others" if difference.key in keys else "load")
        for difference in findings.differences
    ]
    wrong = sum(1 for difference in marked if difference.writer == "load")
    result = Drift(count, wrong if is_whole else None, "" if is_whole else "not all was located")
    return result, replace(findings, differences=tuple(marked))


def words(drift: Drift) -> str:
    """The counts as a verdict says them."""
    if drift.others is None:
        return f"who wrote them is not known ({drift.note})"
    text = f"cutover: {drift.others:,} rows written since by others"
    if drift.corrupted is None:
        return f"{text}, corrupted rows are not counted ({drift.note})"
    return f"{text}, {drift.corrupted:,} corrupted"


def _marked(difference: Difference, writer: str) -> Difference:
    """A row that is missing has nobody who wrote it."""
    if difference.kind == "missing":
        return difference
    return replace(difference, writer="others" if writer == "others" else "load")


def _keys(
    connection: Connection, reader: Reader, table: Table, others: Mapping[int, int]
) -> set[tuple[tuple[str, str], ...]]:
    """The keys of the rows of others, as differences write them."""
    key_indices = [table.names.index(name) for name in table.key]
    source = xmin.written_by(connection, table, others)
    return {
        tuple(
            (name, readable(table, name, row[index]))
            for name, index in zip(table.key, key_indices, strict=True)
        )
        for chunk in reader.row_fields(connection, table, source)
        for row in chunk
    }
