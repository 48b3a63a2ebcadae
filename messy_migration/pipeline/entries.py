"""What goes to the quarantine of a batch: the records, each with its first reason and its key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa

from messy_migration.fingerprint.rows import fingerprint
from messy_migration.ledger.quarantine import Entry
from messy_migration.model import Stream, Table, Violation
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.identity import key_of_json, key_of_values, keys_of_refused
from messy_migration.pipeline.raw import extracted
from messy_migration.pipeline.records import only
from messy_migration.pipeline.rules import DUPLICATE_KEY

__all__ = ["displaced_entry", "entries_of", "rejected_entries"]


def rejected_entries(stream: Stream, cut: Cut) -> list[Entry]:
    """The records that `extract` itself could not make rows of."""
    return [
        Entry(
            rejected.where,
            rejected.rule,
            rejected.reason,
            rejected.raw,
            None,
            rejected.column,
            key=key_of_values(stream, rejected.key),
        )
        for rejected in cut.rejected
    ]


def entries_of(
    stream: Stream, cut: Cut, violations: list[Violation], tables: Mapping[str, pa.Table]
) -> list[Entry]:
    """One entry a record: its first violation, and the reasons of all."""
    by_record: dict[int, list[Violation]] = defaultdict(list)
    for violation in violations:
        by_record[violation.record].append(violation)
    keys = keys_of_refused(stream, cut, by_record, tables)
    entries = []
    for record, of_record in sorted(by_record.items()):
        origin = cut.origin(record)
        raw = origin.raw if origin else extracted(stream, cut, record)
        where = origin.where if origin else f"{stream.label}, batch {cut.ordinal}, record {record}"
        first = of_record[0]
        reasons = "; ".join(
            dict.fromkeys(
                f"{violation.column}: {violation.message}"
                if violation.column
                else violation.message
                for violation in of_record
            )
        )
        identity = ""
        if first.rule == DUPLICATE_KEY:
            # What was refused is the row: the same one met elsewhere is a mere repetition.
            rows = only(tables[first.table], [record])
            identity = fingerprint(rows, stream.table(first.table).columns).lanes
        key = keys.get(record, "")
        entries.append(
            Entry(where, first.rule, reasons, raw, first.table, first.column, identity, key)
        )
    return entries


def displaced_entry(table: Table, lanes: str, text: bytes) -> Entry:
    """What goes to quarantine of a row that was loaded and lost against another with its key."""
    return Entry(
        f"table {table.name}, loaded before by this run",
        DUPLICATE_KEY,
        "another record has the same key and other values",
        text,
        table.name,
        ", ".join(table.key),
        lanes,
        key_of_json(table, text),
    )
