"""The rows of one batch into their tables, each by what its table says of a key that is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from messy_migration.databases.first import take
from messy_migration.databases.merge import Written, add, merge
from messy_migration.databases.met import Origin
from messy_migration.databases.open import Target
from messy_migration.databases.retry import Retry
from messy_migration.errors import PluginError
from messy_migration.fingerprint.keyed import sums
from messy_migration.ledger import receipts
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.superseded import Waiting
from messy_migration.ledger.tables import Ledger
from messy_migration.model import Batch, LoadCounts, Partition, Table, Violation
from messy_migration.pipeline.prepare import Prepared
from messy_migration.pipeline.rules import contradiction
from messy_migration.registry import Registry


@dataclass(frozen=True)
class Writer:
    """What a worker needs to commit batches.

    Attributes:
        target: where to.
        ledger: its ledger.
        signature: the run, its epoch and this process.
        registry: for plugins with a `load` of their own.
        fresh: names of (table, scope) pairs that this run found empty.
        retry: how long a target that is away, busy or full is waited for.
        waiting: what earlier runs left in quarantine of the stream that is written.
        masked: takes secrets out of what a plugin says of a record.
    """

    target: Target
    ledger: Ledger
    signature: Signature
    registry: Registry
    fresh: frozenset[tuple[str, receipts.Scope]]
    retry: Retry = field(default_factory=Retry)
    waiting: Waiting = field(default_factory=Waiting)
    masked: Callable[[str], str] = str

    def is_first(self, table: Table) -> bool:
        """Did this run find the table (or scope) empty?"""
        return (table.name, table.scope) in self.fresh


class Beaten(Exception):
    """Records of the batch lost against rows of this run with the same key."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__()
        self.violations = violations


def write(
    writer: Writer,
    connection: Connection,
    partition: Partition,
    prepared: Prepared,
    *,
    merging: bool,
) -> dict[str, Written]:
    """Write the rows of a batch into their tables, parents first as the stream declares them.

    Args:
        writer: where to.
        connection: inside the transaction of the batch.
        partition: of the batch.
        prepared: the batch.
        merging: some key is there already, though this run found the table empty.

    Raises:
        Beaten: records lost against rows of this run with the same key.
        RowsRefused: the database cannot store some value.
        Overtaken: another batch has come between.
    """
    stream = prepared.stream
    written: dict[str, Written] = {}
    for table in stream.tables:
        data = prepared.tables.get(table.name)
        if data is None or not data.num_rows:
            continue
        batch = Batch(stream, partition, prepared.cut.ordinal, data)
        result = _by_plugin(writer, connection, table, batch)
        if result is None:
            result = _by_conflict(writer, connection, table, batch, prepared, merging=merging)
        if result.beaten:
            raise Beaten([contradiction(table, record) for record in result.beaten])
        written[table.name] = result
    return written


def _by_conflict(
    writer: Writer,
    connection: Connection,
    table: Table,
    batch: Batch,
    prepared: Prepared,
    *,
    merging: bool,
) -> Written:
    """Write the rows of one table by what it says of a key that is there.

    Raises:
        RowsRefused: the database cannot store some value.
        Overtaken: another batch has come between.
    """
    dialect, key, data = writer.target.dialect, writer.signature.key, batch.table
    is_first = writer.is_first(table)
    if table.conflict == "first":
        start, _ = prepared.cut.span or (0, 0)
        digest = batch.partition.digest
        origin = Origin(writer.signature.run_id, digest, prepared.cut.ordinal, start)
        return take(connection, dialect, table, data, origin, is_first=is_first, key=key)
    if not table.key or (is_first and not merging):
        return add(connection, dialect, table, data, prepared.sent.get(table.name), key)
    bookmark = batch.stream.bookmark
    return merge(
        connection,
        dialect,
        table,
        data,
        bookmark=bookmark if bookmark in table.names else None,
        is_first=is_first,
        key=key,
        quarantines_older=table.conflict == "record",
    )


def _by_plugin(
    writer: Writer, connection: Connection, table: Table, batch: Batch
) -> Written | None:
    """A plugin wrote the rows; the ones it replaced, and their keyed sum, it alone can know.

    Returns:
        None if no plugin writes this table.

    Raises:
        PluginError: the plugin breaks the contract of `load`.
    """
    counts = writer.registry.first(
        "load", stream=batch.stream, table=table.name, batch=batch, connection=connection
    )
    if counts is None:
        return None
    if not isinstance(counts, LoadCounts):
        raise PluginError(
            "load returned something that is no LoadCounts",
            f"stream {batch.stream.label}, table {table.name}",
            f"it is a {type(counts).__name__}",
        )
    key, data = writer.signature.key, batch.table
    net, fingerprint = counts.net, None
    if net is None or key is not None:
        added, keyed = sums(data, table.columns, key)
        net = net or added
        fingerprint = keyed if net == added else None
    return Written(counts.inserted, counts.updated, counts.unchanged, net, keyed=fingerprint)
