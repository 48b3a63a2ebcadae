"""Entries of the quarantine that were set right since: found by what they are, and closed.

An entry is closed when a later run meets its record again: it loaded one with the same key, or
refused the same payload or the same key anew, so that one record never waits twice. It is closed
also when its whole input was read again with other content.

Closing writes a receipt of the kind `superseded`: for so many records `quarantined` goes down and
`filtered` up, under the rule `core.superseded`. So the counts over all runs follow from receipts
alone, which are never changed, and `quarantine.state` follows from them.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select, update

from messy_migration.ledger import receipts
from messy_migration.ledger.history import History
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.quarantine import CONTENT, KEYED
from messy_migration.ledger.tables import Ledger
from messy_migration.model import Receipt

SUPERSEDED = "core.superseded"
"""The rule under which a record that was set right is filtered."""

_CHUNK = 500
_MOST = 200_000
"""Entries of a stream that are looked for one by one; of more only whole inputs are closed."""


@dataclass(frozen=True)
class Waiting:
    """What earlier runs left in quarantine of one stream.

    Attributes:
        contents: the part of an identity that says what a record is -> the entries.
        keys: the part that says its key -> the entries.
    """

    contents: Mapping[str, Sequence[int]] = field(default_factory=dict)
    keys: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Is there any?"""
        return bool(self.contents)

    def met(self, refused: Iterable[str], loaded: Iterable[str]) -> list[int]:
        """The entries whose records were met again.

        Args:
            refused: identities of records that went to quarantine now.
            loaded: keys of records that were loaded now.
        """
        numbers: set[int] = set()
        for identity in refused:
            numbers.update(self.contents.get(identity[:CONTENT], ()))
            numbers.update(self.keys.get(identity[CONTENT:], ()))
        for key in loaded:
            numbers.update(self.keys.get(key, ()))
        return sorted(numbers)


def waiting(
    connection: Connection, ledger: Ledger, stream: str, tenant: str, run_id: str
) -> Waiting:
    """What runs other than this one left in quarantine of a stream; nothing if it is too much."""
    table = ledger.quarantine
    query = select(table.c.id, table.c.identity).where(
        table.c.stream == stream,
        table.c.tenant == tenant,
        table.c.state == "open",
        table.c.run_id != run_id,
    )
    rows = connection.execute(query.limit(_MOST + 1)).all()
    contents: dict[str, list[int]] = defaultdict(list)
    keys: dict[str, list[int]] = defaultdict(list)
    for entry, identity in rows if len(rows) <= _MOST else ():
        contents[identity[:CONTENT]].append(int(entry))
        if len(identity) == KEYED:
            keys[identity[CONTENT:]].append(int(entry))
    return Waiting(contents, keys)


def replaced(
    connection: Connection, ledger: Ledger, streams: Collection[tuple[str, str]]
) -> dict[tuple[str, str], list[int]]:
    """(stream, tenant) -> open entries of inputs that were read again with other content.

    Args:
        connection: any.
        ledger: of the target.
        streams: (stream, tenant) of those that are wanted.
    """
    table, head = ledger.quarantine, ledger.receipt
    columns = (table.c.stream, table.c.tenant, head.c.partition, table.c.run_id)
    entries = table.join(head, head.c.batch_id == table.c.batch_id)
    query = select(*columns).select_from(entries).where(table.c.state == "open").distinct()
    met = [row for row in connection.execute(query) if (row[0], row[1]) in streams]
    places = History.read(connection, ledger).standing_places() if met else set()
    entries_of: dict[tuple[str, str], list[int]] = defaultdict(list)
    for stream, tenant, digest, run_id in met:
        if (stream, tenant, digest or run_id) in places:
            continue
        query = (
            select(table.c.id)
            .select_from(entries)
            .where(
                table.c.state == "open",
                *(
                    column == value
                    for column, value in zip(columns, (stream, tenant, digest, run_id), strict=True)
                ),
            )
        )
        entries_of[stream, tenant] += map(int, connection.execute(query).scalars())
    return entries_of


def close(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    stream_key: tuple[str, str],
    entries: Sequence[int],
    reason: str,
) -> int:
    """Close entries in the transaction that sets them right; return how many were still open.

    Args:
        connection: inside that transaction.
        ledger: of the target.
        signature: of the run.
        stream_key: stream and tenant of the entries.
        entries: their numbers.
        reason: the batch that met them again, or what else replaced them.
    """
    closed = _closed(connection, ledger, entries)
    for partition, numbers in sorted(closed.items()):
        receipt, written = _receipt(signature, stream_key, partition, numbers, reason)
        receipts.write(connection, ledger, signature, receipt, kind="superseded", reason=written)
    return sum(map(len, closed.values()))


def _closed(connection: Connection, ledger: Ledger, entries: Sequence[int]) -> dict[str, list[int]]:
    """Close those that are open: digest of the partition, or run where it has none -> numbers."""
    table, head = ledger.quarantine, ledger.receipt
    closed: dict[str, list[int]] = defaultdict(list)
    for start in range(0, len(entries), _CHUNK):
        statement = (
            update(table)
            .where(table.c.id.in_(entries[start : start + _CHUNK]), table.c.state == "open")
            .values(state="superseded")
            .returning(table.c.id)
        )
        numbers = [int(number) for number in connection.execute(statement).scalars()]
        query = (
            select(table.c.id, head.c.partition, table.c.run_id)
            .join(head, head.c.batch_id == table.c.batch_id)
            .where(table.c.id.in_(numbers))
        )
        for number, digest, run_id in connection.execute(query):
            closed[digest or run_id].append(int(number))
    return closed


def _receipt(
    signature: Signature,
    stream_key: tuple[str, str],
    partition: str,
    numbers: Sequence[int],
    reason: str,
) -> tuple[Receipt, str]:
    """The receipt of closing entries of one partition, and what it says of them."""
    written = json.dumps({"by": reason, "entries": sorted(numbers)}, sort_keys=True)
    text = f"superseded\n{signature.run_id}\n{partition}\n{written}"
    stream, tenant = stream_key
    receipt = Receipt(
        batch_id=hashlib.sha256(text.encode()).hexdigest()[:32],
        stream=stream,
        tenant=tenant,
        partition=partition,
        ordinal=0,
        last=False,
        extracted=0,
        loaded=0,
        quarantined=-len(numbers),
        filtered={SUPERSEDED: len(numbers)},
        tables=(),
    )
    return receipt, written
