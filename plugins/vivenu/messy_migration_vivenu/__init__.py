"""vivenu as a source: events, customers, coupons, orders and tickets of any number of accounts.

Only the hooks are here. The way of a record: `windows` says what to ask for, `source` asks,
`readers` makes rows of the unified ticketing schema; `catalogue` ties the three together.
"""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from messy_migration.hookspecs import hookimpl
from messy_migration_ticketing import check
from messy_migration_ticketing import transform as transformed
from messy_migration_vivenu import source, windows
from messy_migration_vivenu.catalogue import ENDPOINTS, streams_of, tenant_of
from messy_migration_vivenu.context import PLUGIN, Context
from messy_migration_vivenu.settings import VivenuSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from messy_migration.model import (
        Batch,
        Extracted,
        Partition,
        Sandbox,
        Stream,
        Transformed,
        Violation,
    )

__all__ = [
    "count",
    "extract",
    "partitions",
    "sandbox",
    "settings_model",
    "streams",
    "transform",
    "validate",
]


@hookimpl
def settings_model() -> type[VivenuSettings]:
    """The section `[vivenu]` of a profile."""
    return VivenuSettings


@hookimpl
def streams(settings: VivenuSettings) -> Sequence[Stream]:
    """Five streams for every account; makes no call."""
    return streams_of(settings)


@hookimpl
def partitions(
    stream: Stream,
    since: datetime | None,
    planned: Sequence[Partition] | None,
    settings: VivenuSettings,
) -> Sequence[Partition]:
    """Windows of time, or the whole where the API serves no changes; makes no call."""
    tenant, now = tenant_of(stream, settings), datetime.now(UTC)
    if planned is not None:
        return windows.again(stream, tenant, planned)
    if ENDPOINTS[stream.name].windowed:
        return windows.windows(stream, tenant, since, now)
    return windows.snapshot(stream, tenant, now)


@hookimpl
def extract(stream: Stream, partition: Partition, settings: VivenuSettings) -> Iterator[Extracted]:
    """The records of one window, page by page."""
    return source.records(stream, partition, settings)


@hookimpl
def count(stream: Stream, partition: Partition, settings: VivenuSettings) -> int | None:
    """The `total` that the API names for one window."""
    return source.total(stream, partition, settings)


@hookimpl
def transform(stream: Stream, table: str | None, batch: Batch) -> Transformed | None:
    """The rows of the unified schema; None for frames that are not ours or are made already."""
    if stream.plugin != PLUGIN or table is not None:
        return None
    context = Context.of(stream.tenant, batch.partition.bounds)
    read = ENDPOINTS[stream.name].read
    return transformed(stream, batch, lambda document, out: read(document, out, context))


@hookimpl
def validate(stream: Stream, table: str, batch: Batch) -> Sequence[Violation]:
    """The rules of the unified schema, for our own streams."""
    return check(table, batch) if stream.plugin == PLUGIN else []


@hookimpl(specname="sandbox")
def sandbox_source(seed: int) -> Sandbox:
    """A small vivenu with two accounts and all the mess of the real one."""
    # Nobody but --sandbox needs the server, so nobody else has to be able to import it.
    built: Sandbox = importlib.import_module(f"{__name__}.sandbox").build(seed)
    return built
