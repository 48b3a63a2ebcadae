"""What the hooks do: streams from schema files, partitions from files, records from partitions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.model import Extracted, Frame, Partition, Stream
from messy_migration_files.csvfile import BLOCK_SIZE, read_csv
from messy_migration_files.header import blank, header_of, is_blank
from messy_migration_files.inputs import CutOff, Input, find_files, opened, survey
from messy_migration_files.schema import Schema, load_schema
from messy_migration_files.settings import FilesSettings, FileStream
from messy_migration_files.spans import Span

PLUGIN = "files"
"""The name after `--plugins`; the streams are called `files.<entry>`."""
MOST_NAMED = 5
"""Files that one error names."""


def declared(settings: FilesSettings) -> list[Stream]:
    """The stream of every entry; ConfigurationError if a schema file is not usable."""
    streams = []
    for name, entry in settings.streams.items():
        schema = _schema(entry)
        streams.append(
            Stream(
                name=f"{PLUGIN}.{name}",
                tables=(schema.table,),
                bookmark=schema.bookmark,
                depends_on=schema.depends_on,
                settings=entry,
            )
        )
    return streams


def slices(stream: Stream, settings: FilesSettings) -> list[Partition]:
    """One partition per file, span of a large file or archive member, in the order of names.

    Raises:
        SourceError: no file matches, a file cannot be read or is empty, or two are the same.
    """
    entry = _entry(stream, settings)
    schema = _schema(entry)
    names: dict[str, str] = {}
    offered: list[Partition] = []
    empty: list[str] = []
    for about, spans in _inputs(entry, schema):
        if not spans and _is_blank(about, entry, schema):
            empty.append(about.shown)
            continue
        digest = hashlib.sha256(f"{about.digest}:{schema.digest}".encode()).hexdigest()
        if digest in names:
            raise SourceError(
                "two files of a stream have the same content",
                f"{names[digest]} and {about.shown}",
                "every record would be loaded twice",
                "remove one of them, or narrow `path`",
            )
        names[digest] = about.shown
        bounds: dict[str, Any] = {
            "path": about.path,
            "member": about.member,
            "digest": about.digest,
            "size": about.size,
            "mtime_ns": about.mtime_ns,
            "schema": schema.digest,
        }
        whole = Partition(name=about.shown, digest=digest, bounds=bounds)
        offered += _parts(whole, spans) or [whole]
    if empty:
        more = f" and {len(empty) - MOST_NAMED:,} more" if len(empty) > MOST_NAMED else ""
        raise blank(", ".join(empty[:MOST_NAMED]) + more)
    return offered


def _is_blank(about: Input, entry: FileStream, schema: Schema) -> bool:
    """Whether an input is empty. One that is damaged says so when its turn comes.

    Raises:
        CutOff: a compressed file is cut off before its first record.
    """
    try:
        with opened(about, entry.directory, _wanted(entry)) as (_, content):
            return is_blank(content.read, schema.format, about.shown)
    except CutOff:
        raise
    except SourceError:
        return False


def _parts(whole: Partition, spans: Sequence[Span]) -> list[Partition]:
    """A file in spans: each is known by the whole file and its place there."""
    shared = {**whole.bounds, "input": whole.name, "version": whole.digest}
    return [
        Partition(
            name=f"{whole.name} {number}/{len(spans)}",
            digest=hashlib.sha256(f"{whole.digest}:{span.start}:{span.stop}".encode()).hexdigest(),
            bounds={**shared, "span": asdict(span)},
        )
        for number, span in enumerate(spans, 1)
    ]


def records(
    stream: Stream, partition: Partition, settings: FilesSettings, block_size: int = BLOCK_SIZE
) -> Iterator[Extracted]:
    """The records of a partition, always the same and in the same order.

    Raises:
        SourceError: the file is damaged, does not fit its schema, or changes while it is read.
        ConfigurationError: the schema file is another one than when the run was planned.
    """
    entry = _entry(stream, settings)
    schema = _schema(entry)
    bounds = partition.bounds
    if schema.digest != bounds["schema"]:
        raise ConfigurationError(
            "the schema file changed since the run was planned", entry.schema_, next="run again"
        )
    about = Input(
        path=bounds["path"],
        member=bounds["member"],
        digest=bounds["digest"],
        size=bounds["size"],
        mtime_ns=bounds["mtime_ns"],
        span=Span(**bounds["span"]) if bounds.get("span") else None,
    )
    span = {"above": about.span.lines, "width": about.span.width} if about.span else {}
    with opened(about, entry.directory, _wanted(entry)) as (stored, content):
        for extracted in read_csv(content.read, schema, about.shown, block_size=block_size, **span):
            if isinstance(extracted, Frame):
                stored.check_unchanged()
            yield extracted
        stored.check_digest()


def unmapped(stream: Stream, settings: FilesSettings) -> tuple[str, ...]:
    """Columns that the files of a stream have and its schema does not read, as first met."""
    entry = _entry(stream, settings)
    schema = _schema(entry)
    mapped = {column.source for column in schema.columns}
    names: dict[str, None] = {}
    for about, _ in _inputs(entry, schema):
        with opened(about, entry.directory, _wanted(entry)) as (_, content):
            names |= dict.fromkeys(header_of(content.read, schema.format, about.shown))
    return tuple(name for name in names if name not in mapped)


def _inputs(entry: FileStream, schema: Schema) -> Iterator[tuple[Input, tuple[Span, ...]]]:
    for path, inside in find_files(entry.pattern, entry.path):
        yield from survey(path, entry.directory, inside, schema.format)


def _wanted(entry: FileStream) -> str | None:
    """The pattern of archive members, if the path has one."""
    if "!" not in entry.path or os.path.exists(entry.pattern):  # noqa: PTH110
        return None
    return entry.pattern.partition("!")[2]


def _entry(stream: Stream, settings: FilesSettings) -> FileStream:
    name = stream.name.removeprefix(f"{PLUGIN}.")
    if name not in settings.streams:
        raise ConfigurationError(
            f"the stream {stream.name!r} is not configured",
            f"{PLUGIN}.streams",
            f"the entries are {', '.join(settings.streams)}",
        )
    return settings.streams[name]


def _schema(entry: FileStream) -> Schema:
    return load_schema(entry.schema_file, entry.schema_)
