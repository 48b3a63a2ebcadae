"""One transaction: the rows, the quarantine, the receipt, and the fence as its last statement."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from messy_migration.errors import PluginError, TargetError, TargetUnavailable
from messy_migration.fingerprint import fingerprint, format_id
from messy_migration.ledger import fence, quarantine, receipts
from messy_migration.ledger.quarantine import Entry
from messy_migration.ledger.receipts import Signature
from messy_migration.ledger.tables import Ledger
from messy_migration.model import (
    Batch,
    LoadCounts,
    Partition,
    Receipt,
    Stream,
    Table,
    TableReceipt,
    Violation,
)
from messy_migration.pipeline import losses
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.parts import part_id
from messy_migration.pipeline.records import count, numbers, only, present
from messy_migration.pipeline.rules import DUPLICATE, DUPLICATE_KEY, TARGET, contradiction
from messy_migration.pipeline.stages import Prepared
from messy_migration.registry import Registry
from messy_migration.target.engine import Target
from messy_migration.target.failures import KeyTaken, RowsRefused, refusals
from messy_migration.target.merge import Written, add, merge

ATTEMPTS = 3
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Writer:
    """What a worker needs to commit batches.

    Attributes:
        target: where to.
        ledger: its ledger.
        signature: the run, its epoch and this process.
        registry: for plugins with a `load` of their own.
        fresh: names of (table, scope) pairs that this run found empty.
    """

    target: Target
    ledger: Ledger
    signature: Signature
    registry: Registry
    fresh: frozenset[tuple[str, receipts.Scope]]

    def is_first(self, table: Table) -> bool:
        """Did this run find the table (or scope) empty?"""
        return (table.name, table.scope) in self.fresh


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
        TargetUnavailable: the target stayed away.
        TargetError: the target refuses the batch for another reason than its rows.
    """
    attempt = 0
    merging = False
    while True:
        try:
            return _transaction(writer, partition, plan_id, prepared, merging=merging)
        except _Beaten as beaten:
            prepared = prepared.without(beaten.violations)
        except RowsRefused as error:
            if isinstance(error, KeyTaken) and not merging:
                merging = True
                continue
            culprits = _culprits(writer, partition, prepared, merging=merging)
            prepared = prepared.without(culprits)
            attempt += not culprits
            if attempt == ATTEMPTS:
                raise
        except TargetUnavailable:
            attempt += 1
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS * 2**attempt)


class _Beaten(Exception):
    """Records of the batch lost against rows of this run with the same key."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__()
        self.violations = violations


def _transaction(
    writer: Writer, partition: Partition, plan_id: str, prepared: Prepared, *, merging: bool
) -> Receipt | None:
    stream = prepared.stream
    identity = batch_id(stream, partition, plan_id, prepared.cut)
    with (
        refusals(f"stream {stream.label}"),
        writer.target.engine.connect() as connection,
        connection.begin(),
    ):
        if receipts.committed(connection, writer.ledger, [identity]):
            # The connection died while COMMIT was under way: the ledger knows the outcome.
            return None
        written = _write(writer, connection, partition, prepared, merging=merging)
        prepared, echoes = _without_echoes(writer, connection, prepared)
        repeats = _repeats(prepared, written)
        receipt = _receipt(prepared, partition, identity, written, repeats, echoes)
        _record(writer, connection, prepared, receipt, written)
        fence.check(
            connection,
            writer.ledger,
            writer.signature.epoch,
            writer.target.dialect.fence_suffix(),
        )
    return receipt


def _write(
    writer: Writer,
    connection: Connection,
    partition: Partition,
    prepared: Prepared,
    *,
    merging: bool,
) -> dict[str, Written]:
    stream = prepared.stream
    dialect = writer.target.dialect
    written: dict[str, Written] = {}
    for table in stream.tables:
        data = prepared.tables.get(table.name)
        if data is None or not data.num_rows:
            continue
        batch = Batch(stream, partition, prepared.cut.ordinal, data)
        counts = writer.registry.first(
            "load", stream=stream, table=table.name, batch=batch, connection=connection
        )
        if counts is not None:
            if not isinstance(counts, LoadCounts):
                raise PluginError(
                    "load returned something that is no LoadCounts",
                    f"stream {stream.label}, table {table.name}",
                    f"it is a {type(counts).__name__}",
                )
            net = counts.net or fingerprint(data, table.columns)
            result = Written(counts.inserted, counts.updated, counts.unchanged, net)
        elif not table.key or (writer.is_first(table) and not merging):
            result = add(connection, dialect, table, data)
        else:
            result = merge(
                connection,
                dialect,
                table,
                data,
                bookmark=stream.bookmark if stream.bookmark in table.names else None,
                is_first=writer.is_first(table),
            )
        if result.beaten:
            raise _Beaten([contradiction(table, record) for record in result.beaten])
        written[table.name] = result
    return written


def _repeats(prepared: Prepared, written: Mapping[str, Written]) -> int:
    """Records all of whose rows this run had written already."""
    repeated: Counter[int] = Counter()
    for result in written.values():
        repeated.update(result.repeated)
    if not repeated:
        return 0
    rows: Counter[int] = Counter()
    for data in prepared.tables.values():
        rows.update(numbers(data))
    return sum(1 for record, count in repeated.items() if rows[record] == count)


def _without_echoes(
    writer: Writer, connection: Connection, prepared: Prepared
) -> tuple[Prepared, int]:
    """Leave out what another batch of the run has put into quarantine for the same row."""
    refused = [entry.identity for entry in prepared.entries if entry.rule == DUPLICATE_KEY]
    if not refused:
        return prepared, 0
    writer.target.dialect.take_turns(connection)
    stream, run = prepared.stream, writer.signature.run_id
    known = quarantine.known(connection, writer.ledger, run, stream.name, stream.tenant, refused)
    entries = tuple(
        entry
        for entry in prepared.entries
        if entry.rule != DUPLICATE_KEY or entry.identity not in known
    )
    return replace(prepared, entries=entries), len(prepared.entries) - len(entries)


def _receipt(
    prepared: Prepared,
    partition: Partition,
    identity: str,
    written: Mapping[str, Written],
    whole_repeats: int,
    echoes: int,
) -> Receipt:
    stream = prepared.stream
    filtered = Counter(prepared.filtered)
    if whole_repeats or echoes:
        filtered[DUPLICATE] += whole_repeats + echoes
    quarantined = len(prepared.entries)
    # Counted by itself, so that the ledger's CHECK has something to hold against the rest.
    loaded = count(prepared.tables.values()) - whole_repeats
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
    )


def _record(
    writer: Writer,
    connection: Connection,
    prepared: Prepared,
    receipt: Receipt,
    written: Mapping[str, Written],
) -> None:
    """Quarantine and receipts; a doubled batch stops here."""
    stream, run = prepared.stream, writer.signature.run_id
    try:
        quarantine.write(
            connection,
            writer.ledger,
            run,
            receipt.batch_id,
            stream.name,
            stream.tenant,
            prepared.entries,
        )
        receipts.write(
            connection, writer.ledger, writer.signature, receipt, warnings=prepared.warnings
        )
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
            )
            quarantine.write(
                connection,
                writer.ledger,
                run,
                correction.batch_id,
                stream.name,
                stream.tenant,
                displaced,
            )
            receipts.write(
                connection, writer.ledger, writer.signature, correction, kind="displaced"
            )
    except IntegrityError as error:
        raise TargetError(
            "the ledger refused a receipt",
            f"stream {stream.label}, batch {receipt.ordinal}",
            "the batch is committed already, or its counts do not add up",
            "migrate status",
        ) from error


def displaced_entry(table: Table, lanes: str, text: bytes) -> Entry:
    """What goes to quarantine of a row that was loaded and lost against another with its key."""
    return Entry(
        f"table {table.name}, loaded before by this run",
        DUPLICATE_KEY,
        "another record has the same key and other values",
        text,
        table.name,
        ", ".join(table.key),
        lanes,
    )


def _culprits(
    writer: Writer,
    partition: Partition,
    prepared: Prepared,
    *,
    merging: bool,
) -> list[Violation]:
    """The records that the database refuses, found by halving; nothing stays written.

    None of them if it refuses nothing any more: another worker's row was in the way.
    """
    records = sorted(present(prepared.tables.values()))

    def refused(chosen: list[int]) -> RowsRefused | None:
        tables = {name: only(data, chosen) for name, data in prepared.tables.items()}
        trial = replace(prepared, tables=tables)
        try:
            with (
                refusals("trial"),
                writer.target.engine.connect() as connection,
                connection.begin() as transaction,
            ):
                _write(writer, connection, partition, trial, merging=merging)
                transaction.rollback()
        except RowsRefused as refusal:
            return refusal
        except _Beaten:
            return None
        return None

    error = refused(records)
    return _halve(records, refused, error) if error else []


def _halve(
    records: list[int], refused: Callable[[list[int]], RowsRefused | None], error: RowsRefused
) -> list[Violation]:
    if len(records) == 1:
        why = f"the target refused the row: {error.why}"
        return [Violation(records[0], error.where, None, TARGET, why)]
    found: list[Violation] = []
    middle = len(records) // 2
    for half in (records[:middle], records[middle:]):
        refusal = refused(half)
        if refusal is not None:
            found += _halve(half, refused, refusal)
    if not found:
        # Each half is taken alone, so rows refuse each other: the one that completes it goes.
        return _halve([_completing(records, refused)], refused, error)
    return found


def _completing(records: list[int], refused: Callable[[list[int]], RowsRefused | None]) -> int:
    """The last record of the shortest beginning that is refused."""
    low, high = 1, len(records)
    while low < high:
        middle = (low + high) // 2
        if refused(records[:middle]) is None:
            low = middle + 1
        else:
            high = middle
    return records[low - 1]
