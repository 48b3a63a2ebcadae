"""The streams of every account, their partitions, and their records as the service sends them.

The service knows no filter by time of change, so every run reads everything. A stream that is
asked once per event is cut into slices of events: its worker asks for the list of events, and
then for the records of those in its slice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from messy_migration.http import Client, Page, dump
from messy_migration.model import (
    Column,
    ColumnType,
    Extracted,
    Filtered,
    Frame,
    Origin,
    Partition,
    Rejected,
    Stream,
    Table,
)
from messy_migration_eventcombo.client import connect, listed
from messy_migration_eventcombo.deny import DENY, without_denied
from messy_migration_eventcombo.fields import key_of
from messy_migration_eventcombo.reading import Reading
from messy_migration_eventcombo.settings import Entity, EventComboSettings
from messy_migration_ticketing import BOOKMARK, CUSTOM_FIELDS, stream_tables

PLUGIN = "eventcombo"
EVENTS = "eventcombo.events"
RECORD = tuple(Column(name, ColumnType("text")) for name in ("id", "payload"))

_SETTLING = timedelta(seconds=120)

# Entity -> the tables it fills, and the streams that have to be there before it.
_ENTITIES: Mapping[Entity, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "events": (("events",), ()),
    "ticket_types": (("ticket_types",), (EVENTS,)),
    "promo_codes": (("coupons",), (EVENTS,)),
    "orders": (
        ("orders", "order_items", "order_discounts", CUSTOM_FIELDS),
        (EVENTS, "eventcombo.ticket_types", "eventcombo.promo_codes"),
    ),
    "attendees": (("tickets",), (EVENTS, "eventcombo.ticket_types", "eventcombo.orders")),
}


def declared(settings: EventComboSettings) -> Sequence[Stream]:
    """The streams of all accounts that have an endpoint; makes no call."""
    offered = [entity for entity in _ENTITIES if getattr(settings, entity).path is not None]
    return [
        _stream(settings, tenant, entity, offered)
        for tenant in settings.accounts
        for entity in offered
    ]


def slices(
    stream: Stream, settings: EventComboSettings, planned: Sequence[Partition] | None = None
) -> Sequence[Partition]:
    """The partitions of a stream as of now, or those that a run planned; asks nobody.

    What the rows depend on beside the records travels in the bounds, so that a partition means
    the same wherever and whenever it is worked on.
    """
    account = settings.accounts[stream.tenant]
    until = (datetime.now(UTC) - _SETTLING).isoformat(timespec="seconds").replace("+00:00", "Z")
    reading = Reading.of(settings, account, _entity(stream)).as_bounds()
    if planned is not None:
        return [_partition(stream, {**part.bounds, "reading": reading}) for part in planned]
    count = 1 if stream.name == EVENTS else settings.slices
    return [
        _partition(stream, {"slice": number, "of": count, "until": until, "reading": reading})
        for number in range(count)
    ]


def records(
    stream: Stream, partition: Partition, settings: EventComboSettings
) -> Iterator[Extracted]:
    """The records of a partition, one frame for each page that the service sends.

    Raises:
        SourceError: the service cannot be read, or does not hold what it counts.
    """
    entity = _entity(stream)
    endpoint = getattr(settings, entity)
    aliases = settings.aliases.get(entity, {})
    with connect(settings, settings.accounts[stream.tenant]) as client:
        events = [""] if stream.name == EVENTS else _events(client, settings, partition.bounds)
        for event in events:
            for page in listed(
                client, settings, endpoint, lambda entry: key_of(entity, entry, aliases), event
            ):
                yield from _items(stream, page, aliases)
                if page.duplicates:
                    yield Filtered("core.duplicate", page.duplicates)


def _items(stream: Stream, page: Page, aliases: Mapping[str, Sequence[str]]) -> Iterator[Extracted]:
    keys, payloads = [], []
    for record, written in zip(page.records, page.texts, strict=True):
        # The client drops the denied names as they are written here, this one every spelling.
        kept = without_denied(record)
        payload = written if kept == record else dump(kept)
        key = key_of(_entity(stream), record, aliases)
        if key is None:
            yield Rejected(
                payload.encode(errors="replace"),
                f"{stream.label} record without an id",
                "the record has no id",
                f"{PLUGIN}.no_id",
                "source_id",
            )
        else:
            keys.append(key)
            payloads.append(payload)
    if keys:
        table = pa.table({"id": pa.array(keys, pa.string()), "payload": pa.array(payloads)})
        yield Frame(table, lambda row: _origin(stream, keys[row], payloads[row]))


def _origin(stream: Stream, key: str, payload: str) -> Origin:
    return Origin(payload.encode(), f"{stream.label} record {key}")


def _events(client: Client, settings: EventComboSettings, bounds: Mapping[str, Any]) -> list[str]:
    """The ids of the events in a slice; an id is in the same slice in every run."""
    aliases = settings.aliases.get("events", {})
    names: dict[str, None] = {}
    for page in listed(
        client, settings, settings.events, lambda entry: key_of("events", entry, aliases)
    ):
        for record in page.records:
            key = key_of("events", record, aliases)
            if key is not None and _slice_of(key, bounds["of"]) == bounds["slice"]:
                names[key] = None
    return list(names)


def _slice_of(key: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % int(count)


def _stream(
    settings: EventComboSettings, tenant: str, entity: Entity, offered: Sequence[Entity]
) -> Stream:
    names, parents = _ENTITIES[entity]
    written = {table for other in offered for table in _ENTITIES[other][0]}
    tables = stream_tables(PLUGIN, tenant, names)
    return Stream(
        name=f"{PLUGIN}.{entity}",
        tables=tuple(_pointing_at(table, written) for table in tables),
        tenant=tenant,
        record=RECORD,
        # Nothing but an event says when it was changed.
        bookmark=BOOKMARK if entity == "events" else None,
        depends_on=tuple(name for name in parents if name.split(".")[1] in offered),
        deny=DENY,
        lands=True,
        assumed=_assumed(settings, entity),
        settings=settings.rows_of(settings.accounts[tenant]),
    )


def _pointing_at(table: Table, written: Collection[str]) -> Table:
    """The table without foreign keys to tables that no stream of ours writes.

    The service has no list of customers, and an endpoint may be turned off.
    """
    kept = tuple(foreign_key for foreign_key in table.foreign_keys if foreign_key.parent in written)
    return replace(table, foreign_keys=kept)


def _assumed(settings: EventComboSettings, entity: Entity) -> tuple[str, ...]:
    if entity == "events":
        return ()
    endpoint = getattr(settings, entity)
    paged = f", in pages of {settings.paging.size}" if endpoint.paging == "page" else ""
    return (f"GET {endpoint.path}{paged}: no public document describes this endpoint",)


def _partition(stream: Stream, bounds: Mapping[str, Any]) -> Partition:
    identity = json.dumps([stream.name, stream.tenant, bounds], sort_keys=True)
    whole = bounds["of"] == 1
    return Partition(
        name="all" if whole else f"events {bounds['slice'] + 1} of {bounds['of']}",
        digest=hashlib.sha256(identity.encode()).hexdigest(),
        bounds=bounds,
        until=bounds["until"],
    )


def _entity(stream: Stream) -> Entity:
    name = stream.name.split(".")[1]
    return next(entity for entity in _ENTITIES if entity == name)
