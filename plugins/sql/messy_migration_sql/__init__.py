"""Databases as a source: PostgreSQL and SQLite, read only, all tables of one moment.

Only the hooks are here. The way of a table: `settings` says what is wanted, `tables` makes
streams of it with the names that `names` gives, `postgres` and `sqlite` cut it and read it,
`wire` and `cells` make Arrow arrays of what comes, `failures` says what went wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messy_migration.hookspecs import hookimpl
from messy_migration_sql import source
from messy_migration_sql.settings import SqlSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from messy_migration.model import Extracted, Fingerprint, Partition, Stream

__all__ = [
    "count",
    "extract",
    "omitted",
    "partitions",
    "release",
    "settings_model",
    "source_fingerprint",
    "source_rows",
    "streams",
]


@hookimpl
def settings_model() -> type[SqlSettings]:
    """The section `[sql]` of a profile."""
    return SqlSettings


@hookimpl
def streams(settings: SqlSettings) -> Sequence[Stream]:
    """One stream per table of each database; reads the catalogue, never the rows."""
    return source.offered(settings)


@hookimpl
def omitted(settings: SqlSettings) -> Sequence[str]:
    """The tables that `include` and `exclude` leave out."""
    return source.omitted(settings)


@hookimpl
def partitions(
    stream: Stream,
    since: datetime | None,
    planned: Sequence[Partition] | None,
    records: int,
    settings: SqlSettings,
) -> Sequence[Partition]:
    """Ranges of the key of about one batch each, all in one snapshot."""
    return source.slices(stream, since, planned, records, settings)


@hookimpl
def extract(stream: Stream, partition: Partition, settings: SqlSettings) -> Iterator[Extracted]:
    """The rows of one range as frames, and rejected records."""
    return source.records(stream, partition, settings)


@hookimpl
def count(stream: Stream, partition: Partition, settings: SqlSettings) -> int:
    """The database's own count of the rows of the range."""
    return source.counted(stream, partition, settings)


@hookimpl
def source_fingerprint(
    stream: Stream, partition: Partition, settings: SqlSettings
) -> Fingerprint | None:
    """The database's own fingerprint of the rows of the range, in the snapshot that is read."""
    return source.fingerprint(stream, partition, settings)


@hookimpl
def source_rows(
    stream: Stream, partition: Partition, settings: SqlSettings
) -> Iterator[Sequence[str]]:
    """The rows of the range as the database encodes them."""
    return source.encoded(stream, partition, settings)


@hookimpl
def release(settings: SqlSettings) -> None:
    """Let go of the snapshots and the connections."""
    settings.release()
