"""The transactions in which receipts were written, where the database numbers them.

A number says something only on the server and its timeline where the transaction ran, which the
receipts name beside it.
"""

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
        servers: identifiers and timelines that the receipts name.
    """

    ours: frozenset[int]
    adopted: int | None
    unknown: int
    servers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Signed:
    """What one receipt says of one table.

    Attributes:
        batch_id, kind: of the receipt.
        xid: the transaction in which it was written; None where it has no number.
        net: rows added minus rows removed.
        format_id: of `net`.
        server: identifier and timeline of the server on which it was written, if it is known.
        file_node: the file in which the rows of the table were then, if it is known.
    """

    batch_id: str
    kind: str
    xid: int | None
    net: Fingerprint
    format_id: str = ""
    server: str | None = None
    file_node: str | None = None

    @property
    def is_adopting(self) -> bool:
        """It signs for rows that others wrote."""
        return self.kind in _ADOPTING


def of_table(connection: Connection, ledger: Ledger, table: str, scope: Scope) -> Transactions:
    """The transactions that wrote a table, as the receipts of all runs name them.

    Raises:
        TargetError: the ledger was edited by hand.
    """
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(head.c.kind, head.c.xid, part.c.inserted + part.c.updated, head.c.server)
        .join(part, part.c.batch_id == head.c.batch_id)
        .where(part.c.table_name == table, part.c.scope == scope_text(scope))
    )
    ours: set[int] = set()
    adopted: list[int] = []
    unknown = 0
    servers: set[str] = set()
    with legible("table receipt"):
        for kind, xid, written, server in connection.execute(query):
            servers.update([server] if server else [])
            if xid is None:
                unknown += kind in _ADOPTING or written > 0
            elif kind in _ADOPTING:
                adopted.append(int(xid))
            else:
                ours.add(int(xid))
    return Transactions(frozenset(ours), max(adopted, default=None), unknown, frozenset(servers))


def signed(connection: Connection, ledger: Ledger, table: str, scope: Scope) -> list[Signed]:
    """The receipts of one table and scope, in order.

    Raises:
        TargetError: the ledger was edited by hand.
    """
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(
            *(head.c.batch_id, head.c.kind, head.c.xid, part.c.net_rows, part.c.net_lanes),
            *(part.c.format_id, head.c.server, part.c.file_node),
        )
        .join(part, part.c.batch_id == head.c.batch_id)
        .where(
            part.c.table_name == table,
            part.c.scope == scope_text(scope),
        )
        .order_by(head.c.seq)
    )
    with legible("table receipt"):
        return [
            Signed(
                *(batch_id, kind, None if xid is None else int(xid), Fingerprint.of(rows, lanes)),
                *rest,
            )
            for batch_id, kind, xid, rows, lanes, *rest in connection.execute(query)
        ]
