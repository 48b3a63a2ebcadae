"""Sketches computed by PostgreSQL itself: one scan, and only the cells are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from sqlalchemy import Connection

from messy_migration.model import Table
from messy_migration.target import postgresql_c1 as c1
from messy_migration.target.dialect import quote
from messy_migration.target.failures import refusals
from messy_migration.target.sketch import (
    Cells,
    Choice,
    FoundRow,
    Hashing,
    Sketch,
    View,
    signed,
    spelled_in,
)

ROWS_PER_FETCH = 5_000
_LANE = 1 << 64
_BARRIER = "OFFSET '0'"  # see postgresql_c1.aggregate
_TOGETHER = 12

# A value as it is hashed, by kind: equal where C1 fields are, and only there. The server's hashes
# of bigint and of instants fold 64 bits to 32, and that of numeric leaves out the sign, so these
# go in as they are sent; that of a float takes both zeros for one, and all NaNs. The type is
# written out, because the columns of the two sides may be of different ones.
_IMAGES = {
    "text": '{x}::text COLLATE "C"',
    "json": '{x}::text COLLATE "C"',
    "int16": "{x}::smallint",
    "int32": "{x}::integer",
    "int64": "int8send({x}::bigint)",
    "uuid": "{x}::uuid",
    "bool": "{x}::boolean",
    "decimal": "numeric_send(trim_scale({x}::numeric))",
    "float64": "{x}::float8",
    "date": "{x}::date",
    "timestamp": "timestamptz_send({x}::timestamptz)",
    "bytes": "{x}::bytea",
}
# One of each, by which servers are held against each other.
_KNOWN = {
    "text": "'é|~'",
    "json": """'{"a": 1}'""",
    "int16": "'-2'",
    "int32": "'-3'",
    "int64": "'-4'",
    "uuid": "'01234567-89ab-cdef-0123-456789abcdef'",
    "bool": "'t'",
    "decimal": "'-1.50'",
    "float64": "'0.1'",
    "date": "'2024-02-29'",
    "timestamp": "'2024-02-29 10:11:12.345678+00'",
    "bytes": r"'\x00ff'",
}


class PostgreSQLScans:
    """See `Scans`."""

    def sketch(self, connection: Connection, view: View, hashing: Hashing, cells: int) -> Sketch:
        """See `Scans`."""
        raw, number = _key(view, hashing)
        texts = f"SELECT {_row(view.table, hashing)} AS r, {raw} AS k {_from(view.from_clause())}"
        hashed = f"SELECT {_lanes(hashing)}, {number} AS k FROM ({texts}) AS texts {_BARRIER}"
        statement = (
            f"SELECT (lane1 & {cells - 1})::int, count(*), coalesce(sum(k), 0)::text,"
            f" sum(lane0)::text, sum(lane1)::text FROM ({hashed}) AS hashed GROUP BY 1"
        )
        found = Sketch.empty(cells)
        with refusals(f"table {view.table.name}"):
            rows = connection.exec_driver_sql(statement).all()
        for cell, count, *sums in rows:
            found.counts[cell] = count
            values = (np.uint64(int(one) % _LANE) for one in sums)
            found.keys[cell], found.lane0[cell], found.lane1[cell] = values
        return found

    def rows(
        self, connection: Connection, view: View, hashing: Hashing, choice: Choice
    ) -> Iterator[FoundRow]:
        """See `Scans`."""
        inside, outside = _conditions(view, hashing, choice)
        fields = [f"convert_to({one}, 'UTF8')" for one in c1.fields(view.table, "t")]
        names = [f"f{place}" for place in range(len(fields))]
        columns = ", ".join(f"{one} AS {name}" for one, name in zip(fields, names, strict=True))
        raw, number = _key(view, hashing)
        heads = f"{_row(view.table, hashing)} AS r, {raw} AS k"
        texts = f"SELECT {heads}, {columns} {_from(view.from_clause(inside))}"
        chosen = f"{_lanes(hashing)}, {number} AS k, {', '.join(names)}"
        hashed = f"SELECT {chosen} FROM ({texts}) AS texts {_BARRIER}"
        with refusals(f"table {view.table.name}"):
            result = connection.exec_driver_sql(
                f"SELECT * FROM ({hashed}) AS hashed {outside}",
                execution_options={"stream_results": True, "max_row_buffer": ROWS_PER_FETCH},
            )
            for lane0, lane1, key, *row in result:
                # A key may be NULL where it is unique on the other side only.
                head = (lane0 % _LANE, lane1 % _LANE, (key or 0) % _LANE)
                yield FoundRow(*head, tuple(map(bytes, row)))


def probe(connection: Connection, hashing: Hashing) -> tuple[int, ...]:
    """The lanes of a row with a value of each kind; two servers that agree on them hash alike."""
    images = (_IMAGES[kind].replace("{x}", value) for kind, value in _KNOWN.items())
    row = f"SELECT {_record(list(images), hashing.seed)} AS r"
    with refusals("the server"):
        lanes = connection.exec_driver_sql(f"SELECT {_lanes(hashing)} FROM ({row}) AS t").one()
    return tuple(lanes)


def _from(source: str) -> str:
    return f"FROM {source} {_BARRIER}"


def _row(table: Table, hashing: Hashing) -> str:
    """The hash of a row's columns, of which lanes are made: a bigint, or 32 bytes."""
    if hashing.seed is None:
        return c1.row_hash(table, "t")
    columns = ((_IMAGES[column.type.kind], quote(column.name)) for column in table.columns)
    return _record([image.replace("{x}", f"t.{name}") for image, name in columns], hashing.seed)


def _record(images: Sequence[str], seed: int | None) -> str:
    """The server's hash of many values as an SQL expression of type bigint.

    That of one record is the sum of its values' hashes (0 for NULL), times powers of 31, modulo
    2^64. Up to 13 values no exchange of values among columns cancels in it; beyond, some would
    under any seed. So a record takes twelve, and the hash of those before them.
    """
    found: list[str] = []
    for start in range(0, len(images), _TOGETHER):
        values = [*(f"int8send({one})" for one in found), *images[start : start + _TOGETHER]]
        found = [f"hash_record_extended(ROW({', '.join(values)}), {seed})"]
    return found[0]


def _lanes(hashing: Hashing) -> str:
    if hashing.seed is None:
        parts = [c1.lane("r", start) for start in (0, 8)]
    else:
        # The hash of a record is a sum: a sum of such would not say which row a value is in, so
        # it is mixed first. As a seed all its 64 bits count; as a value they would be folded.
        parts = [f"hashint4extended({place}, r)" for place in (0, 1)]
    return f"{parts[0]} AS lane0, {parts[1]} AS lane1"


def _key(view: View, hashing: Hashing) -> tuple[str, str]:
    """What a key's number is made of, and the number, a bigint, made of that as `k`."""
    if not view.table.key:
        return "0", "k::bigint"
    if view.is_spelled:
        return f"t.{quote(view.table.key[0])}", "k"
    return _row(_key_columns(view), hashing), c1.lane("k", 0) if hashing.seed is None else "k"


def _key_columns(view: View) -> Table:
    table = view.table
    return Table(table.name, tuple(table.column(name) for name in table.key))


def _conditions(view: View, hashing: Hashing, choice: Choice) -> tuple[str, str]:
    """What chooses rows before they are hashed, and what after."""
    if isinstance(choice, Cells):
        inside = f"(lane1 & {choice.of - 1}) = ANY ('{{{_listed(choice.numbers)}}}'::bigint[])"
        return "", f"WHERE {inside}"
    if view.is_spelled:
        return spelled_in(view, choice), ""
    hashed = _row(_key_columns(view), hashing)
    if hashing.seed is None:
        listed = ", ".join(f"{number:016x}" for number in sorted(choice.numbers))
        return f"encode(substr({hashed}, 1, 8), 'hex') = ANY ('{{{listed}}}'::text[])", ""
    listed = _listed(signed(number) for number in choice.numbers)
    return f"{hashed} = ANY ('{{{listed}}}'::bigint[])", ""


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
