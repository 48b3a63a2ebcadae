"""Who wrote the rows that were proven, where the database remembers it.

Sums of hashes without a key prove the absence of accident. Whoever knows how they are made can
change many rows so that the sums stay as they are; but on PostgreSQL the changed rows name
another transaction than those of the receipts, and the scan that sums them counts them too.

The number of a transaction says something only where it ran. On another server or timeline all
rows that were loaded before are one group, "before the move"; so are, in a table whose file was
rewritten, the rows whose transaction is not ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from messy_migration.databases.postgresql.xmin import Sums, low
from messy_migration.ledger.places import Place
from messy_migration.ledger.xids import Signed

_HALF = 1 << 31


@dataclass(frozen=True)
class Authors:
    """Who wrote the rows of a table (in its scope), in rows.

    Attributes:
        ours: written by transactions of the receipts.
        adopted: there before the first run, or signed for since.
        moved: loaded before the server or the table's file was another one.
        others: written by other transactions since the load; None if it cannot be told.
        note: why it cannot be told; empty if it can.
    """

    ours: int = 0
    adopted: int = 0
    moved: int = 0
    others: int | None = None
    note: str = ""

    @property
    def words(self) -> str:
        """What has to be said beside equal sums; empty where all rows are ours or adopted."""
        if self.note:
            return self.note
        said = []
        if self.moved:
            said.append(
                f"{self.moved:,} rows are from before the table or its server was moved: who "
                "wrote them since is not known"
            )
        if self.others:
            said.append(f"{self.others:,} rows were written by others since the load")
        return "; ".join(said)


def adopted_until(signed: Sequence[Signed], here: Place) -> int | None:
    """The newest transaction on this server that signed for rows of others; None without one."""
    xids = [one.xid for one in signed if one.is_adopting and _is_here(one, here)]
    return max((xid for xid in xids if xid is not None), default=None)


def authors(signed: Sequence[Signed], sums: Sums, here: Place, now: int) -> Authors:
    """Sort the rows of a table by who wrote them.

    Args:
        signed: its receipts.
        sums: its rows by the transactions of the receipts.
        here: where its rows are now.
        now: the number of the next transaction.
    """
    near = [one for one in signed if _is_here(one, here)]
    if any(one.xid is None and one.net.rows for one in signed):
        return Authors(note="rows were loaded before the ledger kept transaction ids")
    xids = [one.xid for one in near if one.xid is not None]
    if xids and max(xids) >= now:
        note = "the transaction ids are of another server: it was restored"
        return Authors(note=f"who wrote the rows is not known: {note}")
    if xids and now - min(xids) >= _HALF:
        return Authors(note="who wrote the rows is not known: their transaction ids are used up")
    lows = {low(xid) for xid in xids}
    ours = sum(net.rows for xid, net in sums.ours.items() if xid in lows)
    moved = sum(net.rows for xid, net in sums.ours.items() if xid not in lows)
    others = sums.others.rows
    nodes = {one.file_node for one in near if one.file_node is not None}
    if len(near) < len(signed) or nodes - {here.file_node}:
        moved, others = moved + others, 0
    return Authors(ours, sums.adopted.rows, moved, others)


def _is_here(one: Signed, here: Place) -> bool:
    """Was a receipt written on the server and timeline where the rows are now?

    Receipts of an older ledger, and a server that does not tell, leave it open.
    """
    return None in (one.server, here.server) or one.server == here.server
