"""The rows of one batch into their tables, each by what its table says of a key that is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.databases.first import Origin, take
from messy_migration.databases.merge import Written, add, merge
from messy_migration.databases.open import Target
from messy_migration.databases.retry import Patience
from messy_migration.errors import PluginError
from messy_migration.fingerprint.keyed import Key, sums
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
        patience: how long a target that is away, busy or full is waited for.
        waiting: what earlier runs left in quarantine of the stream that is written.
        masked: takes secrets out of what a plugin says of a record.
    """

    target: Target
    ledger: Ledger
    signature: Signature
    registry: Registry
    fresh: frozenset[tuple[str, receipts.Scope]]
    patience: Patience = field(default_factory=Patience)
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
    dialect, key = writer.target.dialect, writer.signature.key
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
            result = _loaded(table, data, counts, key)
        elif table.conflict == "first":
            start, _ = prepared.cut.span or (0, 0)
            origin = Origin(writer.signature.run_id, partition.digest, prepared.cut.ordinal, start)
            is_first = writer.is_first(table)
            result = take(connection, dialect, table, data, origin, is_first=is_first, key=key)
        elif not table.key or (writer.is_first(table) and not merging):
            result = add(connection, dialect, table, data, prepared.sent.get(table.name), key)
        else:
            result = merge(
                connection,
                dialect,
                table,
                data,
                bookmark=stream.bookmark if stream.bookmark in table.names else None,
                is_first=writer.is_first(table),
                key=key,
                quarantines_older=table.conflict == "record",
            )
        if result.beaten:
            raise Beaten([contradiction(table, record) for record in result.beaten])
        written[table.name] = result
    return written


def _loaded(table: Table, data: pa.Table, counts: LoadCounts, key: Key | None) -> Written:
    """A plugin wrote the rows; the ones it replaced, and their keyed sum, it alone can know."""
    net, fingerprint = counts.net, None
    if net is None or key is not None:
        added, keyed = sums(data, table.columns, key)
        net = net or added
        fingerprint = keyed if net == added else None
    return Written(counts.inserted, counts.updated, counts.unchanged, net, keyed=fingerprint)
