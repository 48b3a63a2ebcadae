"""Receipts: what every committed batch did, and the sums that the target has to show."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Text, cast, func, insert, select, update

from messy_migration.ledger import money as amounts
from messy_migration.ledger import places
from messy_migration.ledger.chain import Row, reason_digest, receipt_row
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Signature, receipt_digest
from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Extraction, Fingerprint, Receipt, TableReceipt

Scope = tuple[tuple[str, str], ...]


def scope_text(scope: Scope) -> str:
    """A scope as the ledger writes it."""
    return json.dumps([list(pair) for pair in scope])


def scope_of(text: str) -> Scope:
    """The scope that `scope_text` wrote."""
    return tuple((name, value) for name, value in json.loads(text))


def write(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    receipt: Receipt,
    *,
    kind: str = "load",
    warnings: int = 0,
    reason: str | None = None,
    quarantined: Sequence[Row] = (),
) -> None:
    """Put a receipt into the ledger, on the connection of its batch.

    `quarantined` is what `quarantine.write` gave of the records that the batch left out.
    Kinds: `load`; `baseline` (what a table held before the first run); `foreign` (an adopted
    change of somebody else); `displaced` (a row of this run that lost against a later one with
    the same key); `late` (rows that lost like that when the key came after the load); `first`
    (rows that gave way to one of an earlier place in the plan); `stub` (rows that stand for
    parents that the source no longer has); `derived` (a table that is
    made from others); `rebase` (the same rows under another format);
    `superseded` (records that left the quarantine because a later run met them again); `found`
    (what somebody else did to rows that a repair puts right) and `repair` (what the repair did,
    the opposite of it); `rekey` (the keyed sum of a whole table).
    """
    table, slot = ledger.receipt, signature.lane.slot(connection)
    salt = None if reason is None else secrets.token_hex(8)
    row = {
        **_batch_row(receipt),
        "kind": kind,
        "warnings": warnings,
        "reason": reason,
        "salt": salt,
        "reason_digest": reason_digest(reason, salt),
        "committed_at": now(),
        **_process_row(connection, signature),
        **slot.as_row(),
    }
    inserted = insert(table).values({**row, "xid": _transaction(connection)})
    seq, xid = connection.execute(inserted.returning(table.c.seq, table.c.xid)).one()
    table_rows = _table_rows(connection, signature, receipt)
    if table_rows:
        connection.execute(insert(ledger.receipt_table), table_rows)
    sealed_row = receipt_row({**row, "seq": seq, "xid": xid}, table_rows)
    digest = receipt_digest(sealed_row, quarantined)
    if mac := signature.mac("receipt", digest):
        connection.execute(update(table).where(table.c.seq == seq).values(mac=mac))
    signature.lane.wrote(slot, digest)


def _batch_row(receipt: Receipt) -> dict[str, object]:
    """What the receipt says of its batch."""
    return {
        "batch_id": receipt.batch_id,
        "stream": receipt.stream,
        "tenant": receipt.tenant,
        "partition": receipt.partition,
        "ordinal": receipt.ordinal,
        "last": int(receipt.last),
        "extracted": receipt.extracted,
        "loaded": receipt.loaded,
        "quarantined": receipt.quarantined,
        "filtered": sum(receipt.filtered.values()),
        "filters": json.dumps(dict(receipt.filtered), sort_keys=True),
        **_extraction(receipt.extraction),
    }


def _process_row(connection: Connection, signature: Signature) -> dict[str, object]:
    """The process that writes the receipt, its run, and the server that it writes to."""
    return {
        "run_id": signature.run_id,
        "epoch": signature.epoch,
        "pid": signature.pid,
        "started_at": signature.started_at,
        "server": places.server(connection),
        "key_id": signature.key_id,
    }


def _table_rows(
    connection: Connection, signature: Signature, receipt: Receipt
) -> list[dict[str, object]]:
    """What the batch did to each of its tables."""
    nodes = places.file_nodes(connection, [part.table for part in receipt.tables])
    return [
        {
            "batch_id": receipt.batch_id,
            "table_name": part.table,
            "scope": scope_text(part.scope),
            "format_id": part.format_id,
            "inserted": part.inserted,
            "updated": part.updated,
            "unchanged": part.unchanged,
            "net_rows": part.net.rows,
            "net_lanes": part.net.lanes,
            "amounts": None if part.amounts is None else amounts.text_of(part.amounts),
            "losses": json.dumps(dict(part.losses), sort_keys=True) if part.losses else None,
            "file_node": nodes.get(part.table),
            "keyed_lanes": signature.masked(
                part.keyed, (receipt.batch_id, part.table, scope_text(part.scope))
            ),
        }
        for part in receipt.tables
    ]


def _extraction(extraction: Extraction) -> dict[str, object]:
    read, source = extraction.read, extraction.source
    return {
        "read_rows": read.rows if read else None,
        "read_lanes": read.lanes if read else None,
        "source_rows": source.rows if source else None,
        "source_lanes": source.lanes if source else None,
        "source_note": extraction.note or None,
    }


def _transaction(connection: Connection) -> ColumnElement[str] | None:
    """The number of the transaction, all of its 64 bits, where the database has one."""
    if connection.dialect.name != "postgresql":
        return None
    return cast(func.pg_current_xact_id(), Text)


def expected(connection: Connection, ledger: Ledger) -> dict[tuple[str, Scope, str], Fingerprint]:
    """(table, scope, format id) -> the sum of all receipts of all runs."""
    table = ledger.receipt_table
    sums: dict[tuple[str, Scope, str], Fingerprint] = {}
    query = select(
        table.c.table_name, table.c.scope, table.c.format_id, table.c.net_rows, table.c.net_lanes
    )
    with legible("table receipt_table"):
        for name, scope, format_id, rows, lanes in connection.execute(query):
            key = (name, scope_of(scope), format_id)
            sums[key] = sums.get(key, Fingerprint()) + Fingerprint.of(rows, lanes)
    return sums


def complete(connection: Connection, ledger: Ledger) -> set[tuple[str, str, str]]:
    """(stream, tenant, partition digest) of all partitions whose last batch is committed."""
    table = ledger.receipt
    query = select(table.c.stream, table.c.tenant, table.c.partition).where(
        table.c.kind == "load", table.c.last == 1
    )
    return {(stream, tenant, digest) for stream, tenant, digest in connection.execute(query)}


def batch_id(stream: str, tenant: str, plan_id: str, digest: str, ordinal: int) -> str:
    """The identity of a batch: the same work done again has the same id."""
    parts = [stream, tenant, plan_id, digest, ordinal]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def begun(connection: Connection, ledger: Ledger) -> set[tuple[str, str, str]]:
    """(stream, tenant, partition digest) of those whose first batch is committed."""
    table = ledger.receipt
    query = select(table.c.stream, table.c.tenant, table.c.partition).where(
        table.c.kind == "load", table.c.ordinal == 0
    )
    return {(stream, tenant, digest) for stream, tenant, digest in connection.execute(query)}


def batches(
    connection: Connection, ledger: Ledger, stream: str, tenant: str, digest: str
) -> dict[int, set[str]]:
    """The committed batches of a partition, whatever their plan: place -> identities.

    What was committed in parts has the identity that its parts have in common.
    """
    table = ledger.receipt
    query = select(table.c.ordinal, table.c.batch_id).where(
        table.c.kind == "load",
        table.c.stream == stream,
        table.c.tenant == tenant,
        table.c.partition == digest,
    )
    places: dict[int, set[str]] = {}
    for ordinal, identity in connection.execute(query):
        places.setdefault(ordinal, set()).add(identity.partition(".")[0])
    return places


def committed(connection: Connection, ledger: Ledger, batch_ids: Sequence[str]) -> set[str]:
    """Those of the batches that have a receipt."""
    table = ledger.receipt
    query = select(table.c.batch_id).where(table.c.batch_id.in_(batch_ids))
    return set(connection.execute(query).scalars())


def of_partition(
    connection: Connection, ledger: Ledger, stream: str, tenant: str, digest: str
) -> dict[str, tuple[int, Fingerprint | None]]:
    """The committed batches of a partition: place, and what each held before any hook, if known."""
    table = ledger.receipt
    query = select(table.c.batch_id, table.c.ordinal, table.c.read_rows, table.c.read_lanes).where(
        table.c.kind == "load",
        table.c.stream == stream,
        table.c.tenant == tenant,
        table.c.partition == digest,
    )
    with legible("table receipt"):
        return {
            identity: (ordinal, None if rows is None else Fingerprint.of(rows, lanes))
            for identity, ordinal, rows, lanes in connection.execute(query)
        }


def committed_by(
    connection: Connection, ledger: Ledger, stream: str, tenant: str, digest: str
) -> dict[str, str]:
    """The committed batches of a partition -> the run that committed each."""
    table = ledger.receipt
    query = select(table.c.batch_id, table.c.run_id).where(
        table.c.kind == "load",
        table.c.stream == stream,
        table.c.tenant == tenant,
        table.c.partition == digest,
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def has_one_row_a_record(connection: Connection, ledger: Ledger, table: str, scope: Scope) -> bool:
    """Did every record that was loaded into a table become exactly one row there?"""
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(func.count())
        .join(part, part.c.batch_id == head.c.batch_id)
        .where(
            head.c.kind == "load",
            part.c.table_name == table,
            part.c.scope == scope_text(scope),
            head.c.loaded != part.c.inserted,
        )
    )
    return not connection.execute(query.select_from(head)).scalar_one()


def reasons(
    connection: Connection, ledger: Ledger, kind: str, table: str, scope: Scope
) -> list[str]:
    """What was written down with the receipts of one kind for a table, oldest first."""
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(head.c.reason)
        .join(part, part.c.batch_id == head.c.batch_id)
        .where(head.c.kind == kind, part.c.table_name == table, part.c.scope == scope_text(scope))
        .where(head.c.reason.is_not(None))
        .order_by(head.c.seq)
    )
    return [str(reason) for reason in connection.execute(query).scalars()]


def receipt_of_table(batch_id: str, stream: str, tenant: str, part: TableReceipt) -> Receipt:
    """A receipt that moves a table's sum without any record: baseline, foreign, rebase."""
    return Receipt(
        batch_id=batch_id,
        stream=stream,
        tenant=tenant,
        partition="",
        ordinal=0,
        last=False,
        extracted=0,
        loaded=0,
        quarantined=0,
        filtered={},
        tables=(part,),
    )
