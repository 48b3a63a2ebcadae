"""What the hooks do: streams from tables, partitions from keys, records from partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import pyarrow as pa
from sqlalchemy import Engine

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.model import Column, Extracted, Fingerprint, Frame, Partition, Stream
from messy_migration.reflection import table_names
from messy_migration_sql import postgres, postgres_proof, sqlite, sqlite_proof
from messy_migration_sql.failures import reading
from messy_migration_sql.settings import Source, SqlSettings
from messy_migration_sql.tables import PLUGIN, Layout, layouts, streams

__all__ = ["counted", "encoded", "fingerprint", "offered", "omitted", "records", "slices"]


class _Kind(Protocol):
    """What the module of a kind of database does."""

    def engine(self, source: Source) -> Engine:
        """To read the catalogue with."""

    def cut(
        self,
        settings: SqlSettings,
        source: Source,
        layout: Layout,
        since: datetime | None,
        planned: Sequence[Partition] | None,
        records: int,
    ) -> list[Partition]:
        """The partitions of a table."""

    def read(
        self,
        settings: SqlSettings,
        source: Source,
        columns: Sequence[Column],
        partition: Partition,
    ) -> Iterator[Extracted]:
        """The rows of a partition."""

    def count(self, settings: SqlSettings, source: Source, partition: Partition) -> int:
        """The source's own count of them."""


class _Proof(Protocol):
    """What the module does that asks a kind of database for its own fingerprints."""

    def fingerprint(
        self,
        settings: SqlSettings,
        source: Source,
        columns: Sequence[Column],
        shared: Mapping[str, str],
        partition: Partition,
    ) -> Fingerprint | None:
        """Its own fingerprint of a partition's rows, without rejected records."""

    def encoded(
        self,
        settings: SqlSettings,
        source: Source,
        columns: Sequence[Column],
        shared: Mapping[str, str],
        partition: Partition,
    ) -> Iterator[Sequence[str]]:
        """The rows behind it, each cell as its C1 field."""


_KINDS: dict[str, _Kind] = {"postgresql": postgres, "sqlite": sqlite}
_PROOFS: dict[str, _Proof] = {"postgresql": postgres_proof, "sqlite": sqlite_proof}


def offered(settings: SqlSettings) -> list[Stream]:
    """The streams of all databases. Of several, one that does not answer stops no other.

    Raises:
        SourceError: the only database there is, or all of them, cannot be read.
        ConfigurationError: a setting names nothing, or a column has no type of ours.
    """
    return [layout.stream for layout in _all(settings)] + _silent(settings)


def omitted(settings: SqlSettings) -> list[str]:
    """The tables of all databases that `include` and `exclude` leave out.

    Raises:
        SourceError: a database cannot be read.
    """
    lines = []
    for tenant in settings.tenants:
        source = settings.of(tenant)
        engine = _KINDS[source.kind].engine(source)
        with reading(source.label), engine.connect() as connection:
            names = table_names(connection, source.schema)
        of_tenant = f" of {tenant}" if tenant else ""
        lines += [f"table {name}{of_tenant}" for name in names if not source.wants(name)]
    return lines


def slices(
    stream: Stream,
    since: datetime | None,
    planned: Sequence[Partition] | None,
    records: int,
    settings: SqlSettings,
) -> list[Partition]:
    """The ranges of a table in the snapshot that this process holds from now on.

    Raises:
        SourceError: the table cannot be read.
    """
    source = settings.of(stream.tenant)
    layout_of = {(layout.stream.name, layout.stream.tenant): layout for layout in _all(settings)}
    layout = layout_of.get((stream.name, stream.tenant))
    if layout is None:
        raise ConfigurationError(f"the stream {stream.label} is not configured", PLUGIN)
    return _KINDS[source.kind].cut(settings, source, layout, since, planned, records)


def records(stream: Stream, partition: Partition, settings: SqlSettings) -> Iterator[Extracted]:
    """The rows of a partition, and those that have no exact place in its types.

    Raises:
        SourceError: the source cannot be read, or what the parent held of it is gone.
    """
    source = settings.of(stream.tenant)
    table = stream.tables[0]
    shared = dict(table.scope)
    columns = [column for column in table.columns if column.name not in shared]
    for piece in _KINDS[source.kind].read(settings, source, columns, partition):
        if shared and isinstance(piece, Frame):
            (value,) = shared.values()
            cells = pa.repeat(pa.scalar(value, pa.string()), piece.table.num_rows)
            yield replace(piece, table=piece.table.add_column(0, next(iter(shared)), cells))
        else:
            yield piece


def counted(stream: Stream, partition: Partition, settings: SqlSettings) -> int:
    """How many rows the source says the partition has."""
    source = settings.of(stream.tenant)
    return _KINDS[source.kind].count(settings, source, partition)


def fingerprint(stream: Stream, partition: Partition, settings: SqlSettings) -> Fingerprint | None:
    """The source's own fingerprint of what `records` yields in frames.

    Raises:
        SourceError: the source cannot be read, or what the parent held of it is gone.
    """
    source, table = settings.of(stream.tenant), stream.tables[0]
    kind = _PROOFS[source.kind]
    return kind.fingerprint(settings, source, table.columns, dict(table.scope), partition)


def encoded(stream: Stream, partition: Partition, settings: SqlSettings) -> Iterator[Sequence[str]]:
    """The rows behind it, each cell as its C1 field; raises as `fingerprint`."""
    source, table = settings.of(stream.tenant), stream.tables[0]
    kind = _PROOFS[source.kind]
    return kind.encoded(settings, source, table.columns, dict(table.scope), partition)


def _all(settings: SqlSettings) -> list[Layout]:
    """What the databases have, asked once in a process."""
    if not settings.layouts:
        layouts_found: list[Layout] = []
        for tenant in settings.tenants:
            try:
                layouts_found += _of(settings.of(tenant))
            except SourceError as error:
                settings.problems[tenant] = error
        if not layouts_found:
            raise next(iter(settings.problems.values()))
        settings.layouts.extend(streams(layouts_found))
    return settings.layouts


def _silent(settings: SqlSettings) -> list[Stream]:
    """In the place of all streams of a database that cannot be read."""
    return [
        Stream(f"{PLUGIN}.all", (), tenant=tenant, problem=error)
        for tenant, error in settings.problems.items()
    ]


def _of(source: Source) -> list[Layout]:
    module = _KINDS[source.kind]
    with reading(source.label), module.engine(source).connect() as connection:
        layouts_read = layouts(connection, source)
    if source.kind == "sqlite":
        lines = sqlite.assumed(source)
        layouts_read = [
            replace(layout, stream=replace(layout.stream, assumed=(*layout.stream.assumed, *lines)))
            for layout in layouts_read
        ]
    return layouts_read
