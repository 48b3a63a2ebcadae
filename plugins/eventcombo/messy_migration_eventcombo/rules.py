"""From payloads to rows, and what rows say about each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from messy_migration.model import RECORD, Batch, Stream, Transformed, Violation
from messy_migration_eventcombo import attendees, events, orders, promo_codes, ticket_types
from messy_migration_eventcombo.reading import SOURCE, Reading
from messy_migration_ticketing import Record, check, transform

_READERS: Mapping[str, Callable[[dict[str, Any], Record, Reading], None]] = {
    "eventcombo.events": events.read,
    "eventcombo.ticket_types": ticket_types.read,
    "eventcombo.promo_codes": promo_codes.read,
    "eventcombo.orders": orders.read,
    "eventcombo.attendees": attendees.read,
}
# Numbers that people take for unique: the platform hands them out without a lock.
_REPEATED = {
    "orders": ("order_number", "repeated_order_number"),
    "tickets": ("barcode", "repeated_barcode"),
    "coupons": ("code_key", "repeated_code"),
}


def rows(stream: Stream, batch: Batch) -> Transformed | None:
    """The rows of all records of a batch; None for a stream that is not ours."""
    read = _READERS.get(stream.name)
    if read is None:
        return None
    reading = Reading.from_bounds(stream.tenant, batch.partition.bounds["reading"])
    return transform(stream, batch, lambda document, record: read(document, record, reading))


def broken(stream: Stream, table: str, batch: Batch) -> list[Violation]:
    """What rows of ours break: the rules of the unified schema, and repeated numbers."""
    if stream.plugin != SOURCE:
        return []
    return [*check(table, batch), *_repeated(table, batch)]


def _repeated(table: str, batch: Batch) -> Iterator[Violation]:
    """Warnings, since the keys are others: two orders may well have one number."""
    if table not in _REPEATED:
        return
    column, rule = _REPEATED[table]
    values = batch.table.column(column).to_pylist()
    # A record that the source holds twice repeats its key too, and is no news.
    pairs = set(zip(values, batch.table.column("id").to_pylist(), strict=True))
    often = {value for value, count in Counter(value for value, _ in pairs).items() if count > 1}
    records = batch.table.column(RECORD).to_numpy().tolist()
    for record, value in zip(records, values, strict=True):
        if value is not None and value in often:
            why = "another record has the same"
            yield Violation(record, table, column, f"{SOURCE}.{rule}", why, "warning")
