"""Windows of time: closed at both ends, so that reading one twice gives the same records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from messy_migration.model import Partition, Stream
from messy_migration_vivenu.context import bounds_of
from messy_migration_vivenu.settings import Tenant


def windows(
    stream: Stream, tenant: Tenant, since: datetime | None, now: datetime
) -> list[Partition]:
    """What to ask for by `updatedAt`, from `since` (None: from the beginning) to just before now.

    The first window of a first run has no lower bound: whatever the settings say, nothing is
    left out.
    """
    until = _until(tenant, now)
    if since is not None and since >= until:
        return []
    edges = [*_edges(tenant, since, until), until]
    return [
        _partition(stream, tenant, None if start is None else iso(start), iso(end))
        for start, end in zip([since, *edges], edges, strict=False)
    ]


def again(stream: Stream, tenant: Tenant, planned: Iterable[Partition]) -> list[Partition]:
    """The windows that a run planned, read with the settings of today."""
    return [_partition(stream, tenant, part.bounds["from"], part.bounds["to"]) for part in planned]


def snapshot(stream: Stream, tenant: Tenant, now: datetime) -> list[Partition]:
    """The whole of a stream that cannot be asked for changes."""
    return [_partition(stream, tenant, None, iso(_until(tenant, now)))]


def iso(moment: datetime) -> str:
    """An instant as the API writes it: UTC, milliseconds (cut off), Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _until(tenant: Tenant, now: datetime) -> datetime:
    return (now - timedelta(seconds=tenant.lag)).astimezone(UTC)


def _edges(tenant: Tenant, since: datetime | None, until: datetime) -> Iterator[datetime]:
    """Where one window ends and the next begins."""
    length = timedelta(days=tenant.window_days)
    edge = tenant.first_bound if since is None else since + length
    while edge < until:
        yield edge
        edge += length


def _partition(stream: Stream, tenant: Tenant, start: str | None, end: str) -> Partition:
    bounds: Mapping[str, Any] = {"from": start, "to": end, **bounds_of(tenant)}
    text = json.dumps([stream.name, stream.tenant, bounds], sort_keys=True)
    return Partition(
        name=f"{bounds['from'] or 'beginning'} to {bounds['to']}",
        digest=hashlib.sha256(text.encode()).hexdigest(),
        bounds=bounds,
        until=bounds["to"],
    )
