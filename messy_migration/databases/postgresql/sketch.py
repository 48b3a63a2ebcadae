"""Sketches computed by PostgreSQL itself: one scan, and only the cells are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import quote
from messy_migration.databases.postgresql import encoding as c1
from messy_migration.databases.postgresql.spelling import SPELLING
from messy_migration.databases.sketch import (
    Cells,
    Choice,
    FoundRow,
    Hashing,
    Sketch,
    View,
    signed,
    spelled_in,
)
from messy_migration.model import Column, ColumnType, Table

ROWS_PER_FETCH = 5_000
_LANE = 1 << 64
_BARRIER = "OFFSET '0'"  # see postgresql_c1.aggregate

# The server's own hash of a value, by kind, where it is equal for equal C1 fields and only there;
# of other kinds the field is hashed. Not so: hashes of bigint and of instants fold 64 bits to 32
# (as a seed a bigint counts in full), that of numeric leaves out the sign. The types are written
# out, because the columns of the two sides may be of different ones.
_TEXT = 'pg_catalog.hashtextextended({x}::pg_catalog.text COLLATE pg_catalog."C", {seed})'
_INT4 = "pg_catalog.hashint4extended"
_HASHES = {
    "text": _TEXT,
    "json": _TEXT,
    "int16": f"{_INT4}({{x}}::pg_catalog.int4, {{seed}})",
    "int32": f"{_INT4}({{x}}::pg_catalog.int4, {{seed}})",
    "int64": f"{_INT4}({{place}}, {{x}}::pg_catalog.int8 OPERATOR(pg_catalog.#) {{seed}})",
    "uuid": "pg_catalog.uuid_hash_extended({x}::pg_catalog.uuid, {seed})",
    "bool": f"{_INT4}({{x}}::pg_catalog.bool::pg_catalog.int4, {{seed}})",
    "float64": "pg_catalog.hashfloat8extended({x}::pg_catalog.float8, {seed})",
}
_KNOWN = {
    "text": "'é|~'",
    "int32": "-2",
    "int64": "-3",
    "uuid": "'01234567-89ab-cdef-0123-456789abcdef'",
    "bool": "true",
    "float64": "0.1",
}
"""A value of each kind that has a hash of its own, by which servers are told apart."""


class PostgreSQLScans:
    """See `Scans`."""

    def sketch(self, connection: Connection, view: View, hashing: Hashing, cells: int) -> Sketch:
        """See `Scans`."""
        raw, number = _key(view, hashing)
        texts = f"SELECT {_row(view.table, hashing)} AS r, {raw} AS k {_from(view.from_clause())}"
        hashed = f"SELECT {_lanes(hashing)}, {number} AS k FROM ({texts}) AS texts {_BARRIER}"
        statement = (
            f"SELECT (lane1 OPERATOR(pg_catalog.&) {cells - 1})::pg_catalog.int4,"
            " pg_catalog.count(*), coalesce(pg_catalog.sum(k), 0)::pg_catalog.text,"
            " pg_catalog.sum(lane0)::pg_catalog.text, pg_catalog.sum(lane1)::pg_catalog.text"
            f" FROM ({hashed}) AS hashed GROUP BY 1"
        )
        filled = Sketch.empty(cells)
        with driver_errors_as_ours(f"table {view.table.name}"):
            rows = connection.exec_driver_sql(statement).all()
        for cell, count, *sums in rows:
            filled.counts[cell] = count
            values = (np.uint64(int(one) % _LANE) for one in sums)
            filled.keys[cell], filled.lane0[cell], filled.lane1[cell] = values
        return filled

    def rows(
        self, connection: Connection, view: View, hashing: Hashing, choice: Choice
    ) -> Iterator[FoundRow]:
        """See `Scans`."""
        inside, outside = _conditions(view, hashing, choice)
        fields = [c1.as_bytes(one) for one in c1.fields(view.table, "t")]
        names = [f"f{ordinal}" for ordinal in range(len(fields))]
        columns = ", ".join(f"{one} AS {name}" for one, name in zip(fields, names, strict=True))
        raw, number = _key(view, hashing)
        heads = f"{_row(view.table, hashing)} AS r, {raw} AS k"
        texts = f"SELECT {heads}, {columns} {_from(view.from_clause(inside))}"
        chosen = f"{_lanes(hashing)}, {number} AS k, {', '.join(names)}"
        hashed = f"SELECT {chosen} FROM ({texts}) AS texts {_BARRIER}"
        with driver_errors_as_ours(f"table {view.table.name}"):
            result = connection.exec_driver_sql(
                f"SELECT * FROM ({hashed}) AS hashed {outside}",
                execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
            )
            for lane0, lane1, key, *row in result:
                # A key may be NULL where it is unique on the other side only.
                head = (lane0 % _LANE, lane1 % _LANE, (key or 0) % _LANE)
                yield FoundRow(*head, tuple(map(bytes, row)))


def probe(connection: Connection, hashing: Hashing) -> tuple[int, ...]:
    """The lanes of a row of known values; two servers that agree on them hash alike."""
    table = Table("known", tuple(Column(kind, ColumnType(kind)) for kind in _KNOWN))
    values = ", ".join(f"{value} AS {quote(kind)}" for kind, value in _KNOWN.items())
    row = f"SELECT {_row(table, hashing)} AS r FROM (SELECT {values}) AS t"
    with driver_errors_as_ours("the server"):
        lanes = connection.exec_driver_sql(f"SELECT {_lanes(hashing)} FROM ({row}) AS rows").one()
    return tuple(lanes)


def _from(source: str) -> str:
    return f"FROM {source} {_BARRIER}"


def _row(table: Table, hashing: Hashing) -> str:
    """The hash of a row's columns, of which lanes are made: a bigint, or 32 bytes."""
    if hashing.seed is None:
        return c1.row_hash(table, "t")
    fields = zip(table.columns, c1.fields(table, "t"), strict=True)
    hashes = (
        _value(column, field, ordinal, hashing.seed)
        for ordinal, (column, field) in enumerate(fields)
    )
    return f"({' OPERATOR(pg_catalog.#) '.join(hashes)})"


def _value(column: Column, field: str, ordinal: int, seed: int) -> str:
    """The hash of a value, 0 for NULL, under the seed of its column.

    Those seeds have nothing to do with each other, or hashes of two columns could cancel.
    """
    digest = hashlib.sha256(f"{seed}|{ordinal}".encode()).digest()
    own = int.from_bytes(digest[:8], "big") >> 1
    form = _HASHES.get(column.type.kind)
    if form is None:
        return f'pg_catalog.hashtextextended({field} COLLATE pg_catalog."C", {own})'
    return f"coalesce({form.format(x=f't.{quote(column.name)}', seed=own, place=ordinal)}, 0)"


def _lanes(hashing: Hashing) -> str:
    if hashing.seed is None:
        parts = [c1.lane("r", start) for start in (0, 8)]
    else:
        # As a seed all 64 bits of a row's hash count; as a value they would be folded to 32.
        parts = [f"{_INT4}({half}, r)" for half in (0, 1)]
    return f"{parts[0]} AS lane0, {parts[1]} AS lane1"


def _key(view: View, hashing: Hashing) -> tuple[str, str]:
    """What a key's number is made of, and the number, a bigint, made of that as `k`."""
    if not view.table.key:
        return "0", "k::pg_catalog.int8"
    if view.is_spelled:
        return f"t.{quote(view.table.key[0])}", "k"
    return _row(_key_columns(view), hashing), c1.lane("k", 0) if hashing.seed is None else "k"


def _key_columns(view: View) -> Table:
    table = view.table
    return Table(table.name, tuple(table.column(name) for name in table.key))


def _conditions(view: View, hashing: Hashing, choice: Choice) -> tuple[str, str]:
    """What chooses rows before they are hashed, and what after."""
    if isinstance(choice, Cells):
        cell = f"(lane1 OPERATOR(pg_catalog.&) {choice.of - 1})"
        return "", f"WHERE {SPELLING.among(cell, sorted(choice.numbers))}"
    if view.is_spelled:
        return spelled_in(SPELLING, view, choice), ""
    hashed = _row(_key_columns(view), hashing)
    if hashing.seed is None:
        listed = ", ".join(f"{number:016x}" for number in sorted(choice.numbers))
        head = f"pg_catalog.encode(pg_catalog.substr({hashed}, 1, 8), 'hex')"
        array = f"'{{{listed}}}'::pg_catalog.text[]"
        return f"{head} OPERATOR(pg_catalog.=) ANY ({array})", ""
    return SPELLING.among(hashed, sorted(signed(number) for number in choice.numbers)), ""
