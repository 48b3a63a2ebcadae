"""Which batches are as they were loaded, so that only the others have to be read again.

A receipt holds the sum of what its transaction did to a table, and on PostgreSQL a row names the
transaction that wrote it. Where the rows of a transaction add up to its receipts, both are left
out: the rest on either side differs by exactly as much as the whole. So no verdict rests on
transaction ids. In a restored table, or where a later run replaced rows, fewer batches add up,
and more is read; no difference is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from messy_migration.databases.postgresql.xmin import low
from messy_migration.ledger.xids import Signed
from messy_migration.model import Fingerprint

_READABLE = frozenset(("load", "stub"))
"""Kinds of receipts whose rows can be had again."""


@dataclass(frozen=True)
class UnsettledBatches:
    """What is left of a table without the batches that are as they were loaded.

    Attributes:
        settled: low 32 bits of the transactions of those batches.
        receipts: of all other batches.
        expected: their sum.
    """

    settled: frozenset[int]
    receipts: tuple[Signed, ...]
    expected: Fingerprint


def rest(
    receipts: Sequence[Signed], fingerprints: Mapping[int, Fingerprint]
) -> UnsettledBatches | None:
    """What differs batch by batch; None if reading the whole input again costs no more.

    Args:
        receipts: all that there are of the table.
        fingerprints: the rows of the table by our transactions.
    """
    sums: dict[int, Fingerprint] = {}
    for signed in receipts:
        if signed.xid is None:
            return None
        number = low(signed.xid)
        sums[number] = sums.get(number, Fingerprint()) + signed.net
    settled = {xid for xid, net in sums.items() if fingerprints.get(xid, Fingerprint()) == net}
    others = tuple(signed for signed in receipts if low(signed.xid or 0) not in settled)
    if any(signed.kind not in _READABLE for signed in others):
        return None
    unsettled = sum((signed.net for signed in others), Fingerprint())
    if 2 * unsettled.rows > sum(net.rows for net in sums.values()):
        return None
    return UnsettledBatches(frozenset(settled), others, unsettled)
