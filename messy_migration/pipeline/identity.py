"""By what a record is known again in a later run: the hash of its key, where it has one.

A record of an API is known by the first column of its stream, by which it is also counted; a
record that becomes one row of one table by the key of that row; a row that contradicts another
one by its own table's key. Of a record that becomes rows of several tables none is its own, since
others may share them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from messy_migration.fingerprint.rows import row_texts
from messy_migration.model import Stream, Table, Violation
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.records import numbers, only, present
from messy_migration.pipeline.rules import DUPLICATE_KEY
from messy_migration.pipeline.shape import frame_columns

_LENGTH = 32


def table_of(stream: Stream) -> Table | None:
    """The table whose key is that of a record, or None."""
    is_one = len(stream.tables) == 1 and not stream.lands
    return stream.tables[0] if is_one and stream.tables[0].key else None


def row_keys(table: Table, data: pa.Table) -> list[str]:
    """The hash of the key of each row; empty where a part of it is missing."""
    columns = [table.column(name) for name in table.key]
    missing = {
        index
        for column in columns
        for index, is_null in enumerate(data.column(column.name).is_null().to_pylist())
        if is_null
    }
    return [
        "" if index in missing else _hash(table.name, text.as_py())
        for index, text in enumerate(row_texts(data, columns))
    ]


def key_of_json(table: Table, row: bytes) -> str:
    """The hash of the key of a row that a database wrote as JSON; empty if that is not exact."""
    try:
        return _key_of(table, json.loads(row))
    except (ValueError, AttributeError):
        return ""


def keys_of(table: Table, data: pa.Table, records: Collection[int]) -> dict[int, str]:
    """Record -> hash of the key of its row, of records that have exactly one row in a table."""
    rows = only(data, records)
    of = numbers(rows)
    count = Counter(of)
    try:
        keys = row_keys(table, rows)
    except pa.ArrowException:
        return {}  # it was refused for what its columns hold
    return {record: key for record, key in zip(of, keys, strict=True) if count[record] == 1}


def keys_of_refused(
    stream: Stream,
    cut: Cut,
    by_record: Mapping[int, Sequence[Violation]],
    tables: Mapping[str, pa.Table],
) -> dict[int, str]:
    """Record -> hash of the key by which a later run will know it, of those that have one.

    Args:
        stream: of the records.
        cut: the batch that they were extracted in.
        by_record: record -> what it breaks, the first of which it is refused for.
        tables: table -> rows of the batch, these records among them.
    """
    if not by_record:
        return {}
    own = table_of(stream)
    in_table: dict[str, list[int]] = defaultdict(list)
    in_source: list[int] = []
    for record, violations in by_record.items():
        if violations[0].rule == DUPLICATE_KEY:
            in_table[violations[0].table].append(record)
        elif stream.lands:
            in_source.append(record)
        elif own is not None and own.name in tables:
            in_table[own.name].append(record)
    keys: dict[int, str] = {}
    for name, records in in_table.items():
        keys |= keys_of(stream.table(name), tables[name], records)
    if in_source:
        own_keys = source_keys(stream, cut)
        keys |= {record: own_keys[record] for record in in_source}
    return keys


def key_of_values(stream: Stream, values: Mapping[str, Any]) -> str:
    """The hash of a key whose values an `extract` gave with what it rejected; empty if unknown."""
    table = table_of(stream)
    return _key_of(table, {**values, **dict(table.scope)}) if table and values else ""


def _key_of(table: Table, values: Mapping[str, Any]) -> str:
    if any(values.get(name) is None for name in table.key):
        return ""
    try:
        cells = {
            name: pa.array([values[name]], table.column(name).type.arrow) for name in table.key
        }
        return row_keys(table, pa.table(cells))[0]
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return ""


def source_keys(stream: Stream, cut: Cut) -> list[str]:
    """The hash of what an API names each of its records by, in the order of their numbers."""
    name = frame_columns(stream)[0].name
    return [
        "" if value is None else _hash("", str(value).encode("utf-8", "surrogatepass"))
        for table in cut.tables
        for value in table.column(name).to_pylist()
    ]


def loaded_keys(stream: Stream, cut: Cut, tables: Mapping[str, pa.Table]) -> set[str]:
    """The hashes of all keys under which the records of a batch may be known."""
    identities = {
        key
        for name, data in tables.items()
        if stream.table(name).key and data.num_rows
        for key in row_keys(stream.table(name), data)
    }
    if stream.lands and cut.tables:
        own_keys = source_keys(stream, cut)
        identities.update(own_keys[record] for record in present(tables.values()))
    return identities - {""}


def _hash(of: str, text: bytes) -> str:
    return hashlib.sha256(of.encode() + b"\n" + text).hexdigest()[:_LENGTH]
