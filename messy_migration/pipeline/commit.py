"""One transaction: the rows, the quarantine, the receipt, and the fence as its last statement.

What the target answers decides what comes next: rows that it refuses are found by halving, a
target that is away, busy or full is waited for, and a COMMIT without an answer is looked up in
the ledger once nothing can change its outcome any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from messy_migration.databases.errors import KeyTaken, RowsRefused, driver_errors_as_ours
from messy_migration.databases.merge import Overtaken, Written
from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger import fence, quarantine, receipts, superseded
from messy_migration.model import (
    Extraction,
    Partition,
    Receipt,
    Stream,
    TableReceipt,
    Violation,
)
from messy_migration.pipeline import losses
from messy_migration.pipeline.attempt import Attempt, committing
from messy_migration.pipeline.bisect import culprits
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.entries import displaced_entry
from messy_migration.pipeline.halves import part_id
from messy_migration.pipeline.identity import loaded_keys
from messy_migration.pipeline.prepare import Prepared
from messy_migration.pipeline.records import count, numbers, only, present
from messy_migration.pipeline.rules import DUPLICATE, DUPLICATE_KEY, FIRST
from messy_migration.pipeline.sign import sign
from messy_migration.pipeline.write import Beaten, Writer, write

ATTEMPTS = 5
"""Times that a batch may be refused although none of its rows is, or be overtaken by another."""


def batch_id(stream: Stream, partition: Partition, plan_id: str, cut: Cut) -> str:
    """The identity of a batch, or of a part of one: the same work done again has the same id."""
    whole = receipts.batch_id(stream.name, stream.tenant, plan_id, partition.digest, cut.ordinal)
    return part_id(whole, cut)


def commit(
    writer: Writer, partition: Partition, plan_id: str, prepared: Prepared
) -> Receipt | None:
    """Write a batch exactly once; None if the ledger has its receipt already.

    Rows that the database refuses are found by halving, in transactions that are rolled back,
    and go to quarantine; then the whole batch is written as one.

    Raises:
        Locked: a newer run took the target over.
        TargetUnavailable, TargetBusy, TargetFull: the target stayed so beyond the deadline.
        TargetError: the target refuses the batch for another reason than its rows.
    """
    attempt = 0
    merging = False
    while True:
        attempted = partial(_transaction, writer, partition, plan_id, prepared, merging=merging)
        tables = list(prepared.tables)
        try:
            return writer.retry.call(Attempt(attempted, writer.target, writer.ledger, tables))
        except Beaten as beaten:
            prepared = prepared.without(beaten.violations)
        except (Overtaken, ReceiptRefused):
            attempt += 1
            if attempt == ATTEMPTS:
                raise
        except RowsRefused as error:
            if isinstance(error, KeyTaken) and not merging:
                merging = True
                continue
            violations = _culprits(writer, partition, prepared, merging=merging)
            prepared = prepared.without(violations)
            attempt += not violations
            if attempt == ATTEMPTS:
                raise


def _culprits(
    writer: Writer, partition: Partition, prepared: Prepared, *, merging: bool
) -> list[Violation]:
    def trial(records: list[int]) -> RowsRefused | None:
        return writer.retry.call(
            lambda: _trial(writer, partition, prepared, records, merging=merging)
        )

    return culprits(sorted(present(prepared.tables.values())), trial)


class ReceiptRefused(TargetError):
    """The ledger has a receipt of the batch, or its counts do not add up.

    The first is no fault where the worker before died with its COMMIT under way: the next
    attempt finds the receipt.
    """


def _transaction(
    writer: Writer, partition: Partition, plan_id: str, prepared: Prepared, *, merging: bool
) -> Receipt | None:
    stream = prepared.stream
    identity = batch_id(stream, partition, plan_id, prepared.cut)
    where = f"stream {stream.label}"
    with driver_errors_as_ours(where), writer.target.engine.connect() as connection:
        transaction = connection.begin()
        with transaction:
            if receipts.committed(connection, writer.ledger, [identity]):
                return None
            written = write(writer, connection, partition, prepared, merging=merging)
            prepared, echoes = _without_echoes(writer, connection, prepared)
            repeats = _repeats(prepared, written)
            receipt = _receipt(prepared, partition, identity, written, repeats, echoes)
            _record(writer, connection, prepared, receipt, written)
            _close_met(writer, connection, prepared, identity)
            fence.check(
                connection,
                writer.ledger,
                writer.signature.epoch,
            )
            session_id = writer.target.dialect.session(connection)
            with committing(where, session_id, receipt):
                transaction.commit()
    writer.signature.lane.settle()
    return receipt


def _repeats(prepared: Prepared, written: Mapping[str, Written]) -> Counter[str]:
    """Rule -> records of which no row was loaded: others of their keys had come before."""
    repeated: Counter[int] = Counter()
    for result in written.values():
        repeated.update((*result.repeated, *result.not_taken))
    if not repeated:
        return Counter()
    rows: Counter[int] = Counter()
    for data in prepared.tables.values():
        rows.update(numbers(data))
    beaten = {record for result in written.values() for record in result.not_taken}
    return Counter(
        FIRST if record in beaten else DUPLICATE
        for record, count in repeated.items()
        if rows[record] == count
    )


def _without_echoes(
    writer: Writer, connection: Connection, prepared: Prepared
) -> tuple[Prepared, int]:
    """Leave out what another batch of the run has put into quarantine for the same row."""
    refused = [entry.identity for entry in prepared.entries if entry.rule == DUPLICATE_KEY]
    if not refused:
        return prepared, 0
    writer.target.dialect.take_turns(connection)
    stream, run = prepared.stream, writer.signature.run_id
    identities = quarantine.known(
        connection, writer.ledger, run, stream.name, stream.tenant, refused
    )
    entries = tuple(
        entry
        for entry in prepared.entries
        if entry.rule != DUPLICATE_KEY or entry.identity not in identities
    )
    return replace(prepared, entries=entries), len(prepared.entries) - len(entries)


def _receipt(
    prepared: Prepared,
    partition: Partition,
    identity: str,
    written: Mapping[str, Written],
    whole_repeats: Counter[str],
    echoes: int,
) -> Receipt:
    stream = prepared.stream
    filtered = Counter(prepared.filtered)
    filtered.update(whole_repeats)
    if echoes:
        filtered[DUPLICATE] += echoes
    quarantined = len(prepared.entries)
    # Counted by itself, so that the ledger's CHECK has something to hold against the rest.
    loaded = count(prepared.tables.values()) - whole_repeats.total()
    parts = tuple(
        TableReceipt(
            name,
            stream.table(name).scope,
            format_id(stream.table(name)),
            result.inserted,
            result.updated,
            result.unchanged,
            result.net,
            result.amounts,
            losses.counts(prepared.changed, name, losses.names(prepared.tables[name])),
            result.keyed,
        )
        for name, result in written.items()
    )
    return Receipt(
        identity,
        stream.name,
        stream.tenant,
        partition.digest,
        prepared.cut.ordinal,
        prepared.cut.last,
        prepared.extracted,
        loaded,
        quarantined,
        dict(filtered),
        parts,
        prepared.extraction,
    )


def _record(
    writer: Writer,
    connection: Connection,
    prepared: Prepared,
    receipt: Receipt,
    written: Mapping[str, Written],
) -> None:
    """Quarantine and receipts; a doubled batch stops here."""
    stream = prepared.stream
    to = (connection, writer.ledger, writer.signature)
    try:
        entries = [
            replace(entry, place=writer.masked(entry.place), reason=writer.masked(entry.reason))
            for entry in prepared.entries
        ]
        sign(*to, receipt, entries, warnings=prepared.warnings)
        displaced = [
            displaced_entry(stream.table(name), lanes, text)
            for name, result in written.items()
            for lanes, text in result.displaced
        ]
        if displaced:
            correction = replace(
                receipt,
                batch_id=receipt.batch_id + ".displaced",
                last=False,
                extracted=0,
                loaded=-len(displaced),
                quarantined=len(displaced),
                filtered={},
                tables=(),
                extraction=Extraction(),
            )
            sign(*to, correction, displaced, kind="displaced")
    except IntegrityError as error:
        raise ReceiptRefused(
            "the ledger refused a receipt",
            f"stream {stream.label}, batch {receipt.ordinal}",
            "the batch is committed already, or its counts do not add up",
            "`migrate status`",
        ) from error


def _close_met(writer: Writer, connection: Connection, prepared: Prepared, identity: str) -> None:
    """Close what earlier runs left in quarantine of records that this batch holds."""
    if not writer.waiting:
        return
    stream = prepared.stream
    entries = writer.waiting.met(
        (entry.known_by for entry in prepared.entries),
        loaded_keys(stream, prepared.cut, prepared.tables),
    )
    if entries:
        stream_key = (stream.name, stream.tenant)
        superseded.close(connection, writer.ledger, writer.signature, stream_key, entries, identity)


def _trial(
    writer: Writer,
    partition: Partition,
    prepared: Prepared,
    records: list[int],
    *,
    merging: bool,
) -> RowsRefused | None:
    """How the database refuses some records; nothing stays written."""
    tables = {name: only(data, records) for name, data in prepared.tables.items()}
    trial, dialect = replace(prepared, tables=tables, sent={}), writer.target.dialect
    try:
        with (
            driver_errors_as_ours("trial"),
            writer.target.engine.connect() as connection,
            connection.begin() as transaction,
        ):
            before = dialect.deferred(connection)
            write(writer, connection, partition, trial, merging=merging)
            fails = dialect.deferred(connection) > before
            transaction.rollback()
    except RowsRefused as refusal:
        return refusal
    except (Beaten, Overtaken):
        return None
    return RowsRefused("the target refused a row", "", "a deferred constraint") if fails else None
