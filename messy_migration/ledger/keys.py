"""The ledger says which `fingerprint_key` it is under, and what was written without that key.

A link of the kind `keyed` says from where on everything is under its key: each link, receipt and
change behind it carries the MAC of that key. What came before is held fast by the link itself,
whatever it was written under. So one link is enough to tell a ledger that never had a key from
one whose key is lost, and a key that was changed from a forger's.

Of a table whose state names the key, the keyed sums of its receipts add up to the whole table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, func, select

from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import chain
from messy_migration.ledger.chain import Link
from messy_migration.ledger.pending import change_items, receipt_items
from messy_migration.ledger.receipts import Scope, scope_of
from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Fingerprint

KEYED, REKEY = "keyed", "rekey"
"""The kind of a link from which on a key counts, and of a receipt from which on it does."""


@dataclass(frozen=True)
class KeyedSum:
    """What the receipts of a table add up to under the key, without its number of rows.

    Attributes:
        net: the sum.
        rows: that came with it, since the key began to count.
        unkeyed: receipts whose keyed sum is not known.
    """

    net: Fingerprint = field(default_factory=Fingerprint)
    rows: int = 0
    unkeyed: int = 0


def began(links: Sequence[Link]) -> Link | None:
    """The link from which on the key counts that counts now; None where none ever did."""
    return next((link for link in reversed(links) if link.kind == KEYED), None)


def newest(connection: Connection, ledger: Ledger) -> Link | None:
    """The same, read from the ledger."""
    ordinal = connection.execute(
        select(func.max(ledger.chain.c.ordinal)).where(ledger.chain.c.kind == KEYED)
    ).scalar_one()
    return None if ordinal is None else chain.links(connection, ledger, ordinal)[0]


def expected(
    connection: Connection, ledger: Ledger, key: Key
) -> dict[tuple[str, Scope, str], KeyedSum]:
    """(table, scope, format id) -> the sum of its receipts since the key began to count for it."""
    head, part = ledger.receipt, ledger.receipt_table
    names = ("batch_id", "table_name", "scope", "format_id", "net_rows", "keyed_lanes")
    query = (
        select(head.c.kind, *(part.c[name] for name in names))
        .join(head, head.c.batch_id == part.c.batch_id)
        .where(head.c.key_id == key.id)
        .order_by(head.c.seq)
    )
    sums: dict[tuple[str, Scope, str], KeyedSum] = {}
    with legible("table receipt_table"):
        for kind, batch, table, scope, format_id, rows, lanes in connection.execute(query):
            state_key = (table, scope_of(scope), format_id)
            before = KeyedSum() if kind == REKEY else sums.get(state_key, KeyedSum())
            if lanes is None:
                sums[state_key] = replace(before, unkeyed=before.unkeyed + 1)
            else:
                net = before.net + key.unmasked(lanes, (batch, table, scope))
                sums[state_key] = KeyedSum(net, before.rows + rows, before.unkeyed)
    return sums


def forged(
    connection: Connection, ledger: Ledger, links: Sequence[Link], key: Key, after: int = 0
) -> Iterator[str]:
    """What was written without the key since it counts, in words.

    Args:
        connection: in a snapshot, or holding the run lock.
        ledger: of the target.
        links: all of them.
        key: the one that counts.
        after: number of a link; receipts and changes that it covers are not looked at.
    """
    first = began(links)
    if first is None:
        return
    for link in links[links.index(first) :]:
        if link.key_id != key.id or not key.is_mac("link", link.head, link.mac):
            yield f"link {link.ordinal} is forged: it does not carry the MAC of {_name(key.id)}"
    last = next((link for link in links if link.ordinal == max(after, first.ordinal)), first)
    items = [
        *receipt_items(connection, ledger, last.last_seq),
        *change_items(connection, ledger, last.last_change or 0),
    ]
    for _, item in items:
        if not item.is_under(key):
            yield f"{item.what} is forged: it does not carry the MAC of {_name(key.id)}"


def torn(
    connection: Connection, ledger: Ledger, links: Sequence[Link], *, full: bool
) -> Iterator[str]:
    """Traces of a key whose beginning no link tells, in words; among all receipts if `full`."""
    if began(links) is not None:
        return
    tables = [(ledger.table_state, "tables"), *([(ledger.receipt, "receipts")] if full else [])]
    for table, what in tables:
        query = select(func.count()).select_from(table).where(table.c.key_id.is_not(None))
        if count := connection.execute(query).scalar_one():
            yield f"{count:,} {what} name a key, and the link that it began with is gone"
    if any(link.key_id is not None for link in links):
        yield "links of the chain name a key, and the one that it began with is gone"


def _name(key_id: str) -> str:
    return f"the fingerprint_key {key_id}"
