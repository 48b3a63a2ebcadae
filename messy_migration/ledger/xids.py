"""The transactions in which receipts were written, where the database numbers them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from messy_migration.ledger.receipts import Scope, scope_text
from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Fingerprint

_ADOPTING = ("baseline", "foreign", "rebase")


@dataclass(frozen=True)
class Transactions:
    """Those of one table and scope.

    Attributes:
        ours: numbers of the transactions that wrote rows.
        adopted: the newest transaction that signed for rows of somebody else; None without one.
        unknown: receipts that wrote rows and have no number.
    """

    ours: frozenset[int]
    adopted: int | None
    unknown: int


@dataclass(frozen=True)
class Signed:
    """What one receipt says of one table.

    Attributes:
        batch_id, kind: of the receipt.
        xid: the transaction in which it was written; None where it has no number.
        net: rows added minus rows removed.
    """

    batch_id: str
    kind: str
    xid: int | None
    net: Fingerprint


def of_table(connection: Connection, ledger: Ledger, table: str, scope: Scope) -> Transactions:
    """The transactions that wrote a table, as the receipts of all runs name them.

    Raises:
        TargetError: the ledger was edited by hand.
    """
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(head.c.kind, head.c.xid, part.c.inserted + part.c.updated)
        .join(part, part.c.batch_id == head.c.batch_id)
        .where(part.c.table_name == table, part.c.scope == scope_text(scope))
    )
    ours: set[int] = set()
    adopted: list[int] = []
    unknown = 0
    with legible("table receipt"):
        for kind, xid, written in connection.execute(query):
            if xid is None:
                unknown += kind in _ADOPTING or written > 0
            elif kind in _ADOPTING:
                adopted.append(int(xid))
            else:
                ours.add(int(xid))
    return Transactions(frozenset(ours), max(adopted, default=None), unknown)


def signed(
    connection: Connection, ledger: Ledger, table: str, scope: Scope, format_id: str
) -> list[Signed]:
    """The receipts of one table and scope under one format, in order.

    Raises:
        TargetError: the ledger was edited by hand.
    """
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(head.c.batch_id, head.c.kind, head.c.xid, part.c.net_rows, part.c.net_lanes)
        .join(part, part.c.batch_id == head.c.batch_id)
        .where(
            part.c.table_name == table,
            part.c.scope == scope_text(scope),
            part.c.format_id == format_id,
        )
        .order_by(head.c.seq)
    )
    with legible("table receipt"):
        return [
            Signed(batch_id, kind, None if xid is None else int(xid), Fingerprint.of(rows, lanes))
            for batch_id, kind, xid, rows, lanes in connection.execute(query)
        ]
