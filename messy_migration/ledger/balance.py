"""Find what no run of ours could have written: receipts that somebody edited by hand.

The CHECK constraints of the ledger may have been dropped, so they are held again here.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, func, select

from messy_migration.ledger import receipts
from messy_migration.ledger.tables import Ledger, legible

_ROWS_COME_IN = ("load", "stub", "late")


def contradictions(connection: Connection, ledger: Ledger) -> list[str]:
    """Receipts or parts of them that are gone, or do not add up, in words.

    Raises:
        TargetError: what is written there cannot be read.
    """
    with legible("table receipt"):
        problems = {
            "{} parts of receipts have no receipt": receipts.missing(connection, ledger),
            "the counts of {} receipts do not add up": _unbalanced(connection, ledger),
            "{} receipts say other rows than they inserted": _contradicting(connection, ledger),
            "batches are missing in {} partitions": _gaps(connection, ledger),
        }
    return [text.format(count) for text, count in problems.items() if count]


def _unbalanced(connection: Connection, ledger: Ledger) -> int:
    table = ledger.receipt
    counted = table.c.loaded + table.c.quarantined + table.c.filtered
    query = select(func.count()).select_from(table).where(table.c.extracted != counted)
    return int(connection.execute(query).scalar_one())


def _contradicting(connection: Connection, ledger: Ledger) -> int:
    """A batch adds exactly the rows that it inserts; an update replaces one by one."""
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(func.count())
        .select_from(part.join(head, head.c.batch_id == part.c.batch_id))
        .where(head.c.kind.in_(_ROWS_COME_IN), part.c.net_rows != part.c.inserted)
    )
    return int(connection.execute(query).scalar_one())


def _gaps(connection: Connection, ledger: Ledger) -> int:
    """Partitions whose last batch is committed, and one before it is not."""
    table = ledger.receipt
    query = select(
        table.c.stream, table.c.tenant, table.c.partition, table.c.ordinal, table.c.last
    ).where(table.c.kind == "load")
    ordinals: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    ends: dict[tuple[str, str, str], int] = {}
    for stream, tenant, partition, ordinal, last in connection.execute(query):
        place = (stream, tenant, partition)
        ordinals[place].add(int(ordinal))
        if last:
            ends[place] = max(ends.get(place, 0), int(ordinal))
    return sum(1 for place, end in ends.items() if len(ordinals[place]) <= end)
