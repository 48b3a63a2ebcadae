"""Records that were left out: raw, with their place, the rule they broke and the reason."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from messy_migration.ledger.chain import Row, payload_digest, quarantine_row
from messy_migration.ledger.clock import now
from messy_migration.ledger.tables import Ledger

CONTENT = 32
"""Characters of an identity that say what the record is; those of its key come behind them."""

KEYED = 64
"""Characters of an identity with a key. One without is as long and ends in the rest of a hash."""


@dataclass(frozen=True)
class Entry:
    """One quarantined record.

    Attributes:
        place: where the source has it.
        rule, reason: what it broke, and how.
        raw: what the source gave.
        table, column: where it broke.
        identity: what makes it the same record if met again; empty for its raw payload.
        key: the hash of the key that it is known by, in 32 characters; empty if it has none.
    """

    place: str
    rule: str
    reason: str
    raw: bytes
    table: str | None = None
    column: str | None = None
    identity: str = ""
    key: str = ""

    @property
    def known_by(self) -> str:
        """The identity as the ledger keeps it: of the content, and behind it of the key."""
        content = self.identity or hashlib.sha256(self.raw).hexdigest()
        return content[:CONTENT] + self.key if self.key else content


def known(
    connection: Connection,
    ledger: Ledger,
    run_id: str,
    stream: str,
    tenant: str,
    identities: Sequence[str],
) -> set[str]:
    """Those of the rows, by their lanes, that this run has in quarantine already."""
    table = ledger.quarantine
    known_identities: set[str] = set()
    for start in range(0, len(identities), 500):
        content = func.substr(table.c.identity, 1, CONTENT)
        query = select(content).where(
            table.c.run_id == run_id,
            table.c.stream == stream,
            table.c.tenant == tenant,
            content.in_(identities[start : start + 500]),
        )
        known_identities.update(connection.execute(query).scalars())
    return known_identities


def write(
    connection: Connection,
    ledger: Ledger,
    run_id: str,
    batch_id: str,
    stream: str,
    tenant: str,
    entries: Sequence[Entry],
) -> list[Row]:
    """Put records into quarantine, on the connection of their batch; as its receipt holds them."""
    rows = []
    moment = now()
    for entry in entries:
        payload, encoding = _payload(entry.raw)
        row: dict[str, str | None] = {
            "batch_id": batch_id,
            "run_id": run_id,
            "stream": stream,
            "tenant": tenant,
            "identity": entry.known_by,
            "place": entry.place,
            "table_name": entry.table,
            "column_name": entry.column,
            "rule": entry.rule,
            "reason": entry.reason,
            "payload": payload,
            "payload_encoding": encoding,
            "state": "open",
            "created_at": moment,
            "salt": secrets.token_hex(8),
            "payload_digest": None,
        }
        row["payload_digest"] = payload_digest(row)
        rows.append(row)
    if rows:
        connection.execute(insert(ledger.quarantine), rows)
    return [quarantine_row(row) for row in rows]


@dataclass(frozen=True)
class Refused:
    """A record that passed all hooks, and that the target refused.

    Attributes:
        run_id, batch_id: whose batch it was in.
        rule: why.
        identity: of the content of the record, or of the row that lost: 32 characters.
        is_open: nothing that was read later stands in its place.
    """

    run_id: str
    batch_id: str
    rule: str
    identity: str
    is_open: bool


def refused(
    connection: Connection,
    ledger: Ledger,
    stream: str,
    tenant: str,
    rules: Sequence[str],
    places: Collection[tuple[str, str, str]],
) -> list[Refused]:
    """The records of a stream that only the ledger knows to be refused.

    Args:
        connection: any.
        ledger: of the target.
        stream: whose.
        tenant: of the stream.
        rules: by which the target refuses.
        places: (stream, tenant, partition digest or run id) of what was not read again since.
    """
    table, head = ledger.quarantine, ledger.receipt
    query = (
        select(
            table.c.run_id,
            table.c.batch_id,
            table.c.rule,
            table.c.identity,
            table.c.state,
            head.c.partition,
        )
        .join(head, head.c.batch_id == table.c.batch_id)
        .where(table.c.stream == stream, table.c.tenant == tenant, table.c.rule.in_(rules))
    )
    return [
        Refused(
            run_id,
            batch_id,
            rule,
            identity[:CONTENT],
            state == "open" and (stream, tenant, digest or run_id) in places,
        )
        for run_id, batch_id, rule, identity, state, digest in connection.execute(query)
    ]


def batches_of(connection: Connection, ledger: Ledger, rule: str) -> set[str]:
    """The batches of which a rule sent records to quarantine."""
    table = ledger.quarantine
    query = select(table.c.batch_id).where(table.c.rule == rule)
    return set(connection.execute(query).scalars())


def partitions_of(connection: Connection, ledger: Ledger, rule: str) -> set[tuple[str, str, str]]:
    """A rule holds records of these partitions in quarantine: (stream, tenant, digest)."""
    table, receipt = ledger.quarantine, ledger.receipt
    query = (
        select(receipt.c.stream, receipt.c.tenant, receipt.c.partition)
        .join(table, table.c.batch_id == receipt.c.batch_id)
        .where(table.c.rule == rule, table.c.state == "open")
        .distinct()
    )
    return {(row[0], row[1], row[2]) for row in connection.execute(query)}


def reasons(
    connection: Connection, ledger: Ledger, run_id: str
) -> list[tuple[str, str, str, str | None, int]]:
    """(stream, tenant, rule, column, records) in quarantine by a run, most first."""
    table = ledger.quarantine
    count = func.count()
    query = (
        select(table.c.stream, table.c.tenant, table.c.rule, table.c.column_name, count)
        .where(table.c.run_id == run_id)
        .group_by(table.c.stream, table.c.tenant, table.c.rule, table.c.column_name)
        .order_by(count.desc(), table.c.rule)
    )
    return [(row[0], row[1], row[2], row[3], int(row[4])) for row in connection.execute(query)]


def _payload(raw: bytes) -> tuple[str, str]:
    """Text where the database can hold it as text, else base64."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return base64.b64encode(raw).decode("ascii"), "base64"
    return text, "utf-8"
