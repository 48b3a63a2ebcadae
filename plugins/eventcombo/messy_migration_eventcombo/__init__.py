"""EventCombo as a source: events, ticket types, promo codes, orders and attendees.

Only the hooks are here. The way of a record: `client` asks for it, `envelope` unwraps it, `source`
yields it, `rules` has it read by the module of its entity, with the names of `fields` and the
dates of `reading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messy_migration.hookspecs import hookimpl
from messy_migration_eventcombo import rules, source
from messy_migration_eventcombo.sandbox import build
from messy_migration_eventcombo.settings import EventComboSettings

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
    "extract",
    "partitions",
    "sandbox_source",
    "settings_model",
    "streams",
    "transform",
    "validate",
]


@hookimpl
def settings_model() -> type[EventComboSettings]:
    """The section `[eventcombo]` of a profile."""
    return EventComboSettings


@hookimpl
def streams(settings: EventComboSettings) -> Sequence[Stream]:
    """Up to five streams per account; makes no call."""
    return source.declared(settings)


@hookimpl
def partitions(
    stream: Stream, planned: Sequence[Partition] | None, settings: EventComboSettings
) -> Sequence[Partition]:
    """One partition of events, and slices of events for all else; asks nobody."""
    return source.slices(stream, settings, planned)


@hookimpl
def extract(
    stream: Stream, partition: Partition, settings: EventComboSettings
) -> Iterator[Extracted]:
    """The records of a partition, denied fields dropped."""
    return source.records(stream, partition, settings)


@hookimpl
def transform(stream: Stream, table: str | None, batch: Batch) -> Transformed | None:
    """The rows that records make; frames of other plugins stay as they are."""
    return rules.rows(stream, batch) if table is None else None


@hookimpl
def validate(stream: Stream, table: str, batch: Batch) -> Sequence[Violation]:
    """The rules of the unified schema, and numbers that repeat."""
    return rules.broken(stream, table, batch)


@hookimpl(specname="sandbox")
def sandbox_source(seed: int) -> Sandbox:
    """A service on loopback that speaks this API over seeded, messy data."""
    return build(seed)
