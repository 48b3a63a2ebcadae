"""Files as a source: CSV, plain, gzip or zip, read exactly as a schema file declares them.

Only the hooks are here. The way of a file: `inputs` finds and opens it, `text` makes it UTF-8,
`records` cuts it into records, `csvfile` makes frames and rejected records of them, `convert`
gives every column its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messy_migration.hookspecs import hookimpl
from messy_migration_files import source
from messy_migration_files.settings import FilesSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from messy_migration.model import Extracted, Partition, Stream

__all__ = ["extract", "partitions", "settings_model", "streams", "unmapped"]

unmapped = source.unmapped


@hookimpl
def settings_model() -> type[FilesSettings]:
    """The section `[files]` of a profile."""
    return FilesSettings


@hookimpl
def streams(settings: FilesSettings) -> Sequence[Stream]:
    """One stream per entry of `files.streams`; reads the schema files, never the data."""
    return source.declared(settings)


@hookimpl
def partitions(stream: Stream, settings: FilesSettings) -> Sequence[Partition]:
    """One partition per file, and one per CSV member of a zip archive."""
    return source.slices(stream, settings)


@hookimpl
def extract(stream: Stream, partition: Partition, settings: FilesSettings) -> Iterator[Extracted]:
    """The records of one file as frames, rejected records and filtered blank lines."""
    return source.records(stream, partition, settings)
