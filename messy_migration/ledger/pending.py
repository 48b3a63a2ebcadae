"""What lies behind the newest link that covers a range: the lanes of runs that are not closed.

A killed run leaves receipts and changes that no such link covers. Their lanes say whether each is
what its process wrote, and the links that were written meanwhile hold fast all but the last few
seconds of them. What lies behind those is unsealed: whoever can write the ledger could have
written it. Only a MAC of the `fingerprint_key` says that it was a run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import chain
from messy_migration.ledger.chain import Link, Row
from messy_migration.ledger.lanes import (
    Heads,
    Item,
    broken,
    change_digest,
    receipt_digest,
    revision_of,
)
from messy_migration.ledger.schema import HEAD
from messy_migration.ledger.tables import Ledger


@dataclass(frozen=True)
class Pending:
    """What no link covers by a range.

    Attributes:
        receipts: how many of these there are.
        changes: the same of rows of `change`.
        unsealed: receipts and changes that no link names either.
        reasons: why they are not what runs have written; empty if they are.
    """

    receipts: int = 0
    changes: int = 0
    unsealed: int = 0
    reasons: tuple[str, ...] = ()


def heads(links: Sequence[Link]) -> Heads:
    """How far links have named the lanes since the last one that covers a range.

    Args:
        links: all of them, or those from the last one on that covers a range.
    """
    newest: Heads = {}
    for link in links:
        if link.is_range:
            newest.clear()
        for lane, (number, digest) in json.loads(link.lanes or "{}").items():
            newest[lane] = (int(number), str(digest))
    return newest


def pending(
    connection: Connection,
    ledger: Ledger,
    links: Sequence[Link],
    ours: str = "",
    key: Key | None = None,
) -> Pending:
    """Read what lies behind the links, and hold it against its lanes and what they name.

    Args:
        connection: in a snapshot, or holding the run lock.
        ledger: of the target.
        links: all of them.
        ours: the lane of who asks, which is left out.
        key: that the ledger is under; what carries its MAC is sealed by it.
    """
    after = links[-1].last_seq if links else 0
    after_change = (links[-1].last_change or 0) if links else 0
    lanes, reasons = _lanes(connection, ledger, after, after_change)
    named = heads(links)
    for name, items in lanes.items():
        reasons += [why] if (why := broken(items)) else []
        number, digest = named.get(name, (0, ""))
        if 0 < number <= len(items) and items[number - 1].digest != digest:
            reasons.append(f"{items[number - 1].what} is not what a link of the chain sealed")
    for name, (number, _) in named.items():
        if number > len(lanes.get(name, ())):
            reasons.append("receipts or changes that a link of the chain sealed are gone")
    receipts, changes = (
        int(
            connection.execute(
                select(func.count()).where(
                    table.c.seq > seq, func.coalesce(table.c.lane, "-") != ours
                )
            ).scalar_one()
        )
        for table, seq in ((ledger.receipt, after), (ledger.change, after_change))
    )
    lanes.pop(ours, None)
    behind = sum(
        item.number > named.get(name, (0, ""))[0] and not (key and item.is_under(key))
        for name, items in lanes.items()
        for item in items
    )
    return Pending(receipts, changes, behind, tuple(reasons))


def torn(connection: Connection, ledger: Ledger, links: Sequence[Link], named: Heads) -> list[str]:
    """Why what lies behind the links is not what the processes of a run have sent.

    Args:
        connection: that sees what they committed.
        ledger: of the target.
        links: those from the last one on that covers a range.
        named: what the processes themselves say of their lanes.
    """
    last = next((link for link in reversed(links) if link.is_range), None)
    after = (last.last_seq, last.last_change or 0) if last else (0, 0)
    lanes, reasons = _lanes(connection, ledger, *after)
    reasons += [why for items in lanes.values() if (why := broken(items))]
    for name, (number, digest) in named.items():
        items = lanes.get(name, [])
        if number > len(items):
            reasons.append("receipts or changes that a process of this run committed are gone")
        elif items[number - 1].digest != digest:
            reasons.append(f"{items[number - 1].what} is not what its process sent")
    return reasons


def newest_items(connection: Connection, ledger: Ledger, last: Link | None, sealed: Heads) -> Heads:
    """The lanes that went on since links named them, with their newest items.

    Args:
        connection: any; what is committed is seen.
        ledger: of the target.
        last: the newest link.
        sealed: how far links have named the lanes.
    """
    newest: Heads = {}
    after = {
        ledger.receipt: last.last_seq if last else 0,
        ledger.change: (last.last_change or 0) if last else 0,
    }
    last_of_lane: dict[str, tuple[int, bool, int]] = {}
    for table, seq in after.items():
        query = select(table.c.lane, table.c.lane_number, table.c.seq).where(
            table.c.seq > seq, table.c.lane.is_not(None)
        )
        for lane, number, own in connection.execute(query):
            if number > max(sealed.get(lane, (0, ""))[0], last_of_lane.get(lane, (0,))[0]):
                last_of_lane[lane] = (int(number), table is ledger.receipt, int(own))
    for lane, (number, is_receipt, seq) in last_of_lane.items():
        read = receipt_items if is_receipt else change_items
        ((_, item),) = read(connection, ledger, seq - 1, seq)
        newest[lane] = (number, item.digest)
    return newest


def _lanes(
    connection: Connection, ledger: Ledger, after: int, after_change: int
) -> tuple[dict[str, list[Item]], list[str]]:
    lanes: dict[str, list[Item]] = defaultdict(list)
    reasons = []
    items_of_lanes = [
        *receipt_items(connection, ledger, after),
        *change_items(connection, ledger, after_change),
    ]
    for lane, item in items_of_lanes:
        if lane is None:
            reasons.append(f"{item.what} is in the lane of no process")
        else:
            lanes[lane].append(item)
    for items in lanes.values():
        items.sort(key=lambda item: item.number)
    return dict(lanes), reasons


def receipt_items(
    connection: Connection, ledger: Ledger, after: int, until: int | None = None
) -> list[tuple[str | None, Item]]:
    """(lane, receipt) of those in a range of their numbers."""
    table = ledger.receipt
    names = ("seq", "lane", "lane_number", "previous", "mac", "key_id")
    query = select(*(table.c[name] for name in names))
    query = query.where(table.c.seq > after)
    if until is not None:
        query = query.where(table.c.seq <= until)
    row_of = {int(row[0]): row for row in connection.execute(query)}
    if not row_of:
        return []
    end = max(row_of)
    held: dict[str, list[Row]] = defaultdict(list)
    for batch, row in chain.quarantined(connection, ledger, after, end):
        held[batch].append(row)
    revisions = {revision_of(row[1]) for row in row_of.values() if row[1]}
    items_of_lanes: list[tuple[str | None, Item]] = []
    for revision in sorted(revisions) or [HEAD]:
        for row in chain.receipts(connection, ledger, after, end, revision):
            lane_row = row_of.pop(int(str(row[0])), None)
            if lane_row is None:
                continue
            seq, lane, number, previous, mac, key_id = lane_row
            if lane is not None and revision_of(lane) != revision:
                row_of[seq] = lane_row
                continue
            digest = receipt_digest(row, held.get(str(row[1]), []))
            link = (int(number or 0), previous or "", digest)
            items_of_lanes.append(
                (lane, Item(*link, "receipt", int(seq), f"receipt {seq}", mac, key_id))
            )
    return items_of_lanes


def change_items(
    connection: Connection, ledger: Ledger, after: int, until: int | None = None
) -> list[tuple[str | None, Item]]:
    """(lane, change of current state) of those in a range of their numbers."""
    items_of_lanes: list[tuple[str | None, Item]] = []
    for row in chain.changes(connection, ledger, after, until):
        digest = change_digest(chain.change_row(row))
        what = f"change {row['seq']} of {row['table_name']}"
        link = (int(row["lane_number"]), row["previous"], digest)
        change = Item(*link, "change", int(row["seq"]), what, row["mac"])
        items_of_lanes.append((row["lane"], change))
    return items_of_lanes
