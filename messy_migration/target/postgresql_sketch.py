"""Sketches computed by PostgreSQL itself: one scan, and only the cells are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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


class PostgreSQLScans:
    """See `Scans`."""

    def sketch(self, connection: Connection, view: View, hashing: Hashing, cells: int) -> Sketch:
        """See `Scans`."""
        raw, number = _key(view, hashing)
        texts = f"SELECT {_row(view, hashing)} AS r, {raw} AS k {_from(view.from_clause())}"
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
        heads = f"{_row(view, hashing)} AS r, {raw} AS k"
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
    """What the server makes of a known text; two that agree on it hash alike."""
    text = "SELECT 'C1|~|3:abc'::text COLLATE \"C\" AS r"
    with refusals("the server"):
        row = connection.exec_driver_sql(f"SELECT {_lanes(hashing)} FROM ({text}) AS t").one()
    return tuple(row)


def _from(source: str) -> str:
    return f"FROM {source} {_BARRIER}"


def _row(view: View, hashing: Hashing) -> str:
    """What the lanes are made of: the row's text, or its SHA-256."""
    if hashing.seeds is None:
        return c1.row_hash(view.table, "t")
    return f'{c1.row_text(view.table, "t")} COLLATE "C"'


def _lanes(hashing: Hashing) -> str:
    if hashing.seeds is None:
        parts = [c1.lane("r", start) for start in (0, 8)]
    else:
        parts = [f"hashtextextended(r, {seed})" for seed in hashing.seeds]
    return f"{parts[0]} AS lane0, {parts[1]} AS lane1"


def _key(view: View, hashing: Hashing) -> tuple[str, str]:
    """What a key's number is made of, and the number, a bigint, made of that as `k`."""
    if not view.table.key:
        return "0", "k::bigint"
    if view.is_spelled:
        return f"t.{quote(view.table.key[0])}", "k"
    text = _key_text(view)
    if hashing.seeds is None:
        return f"sha256(convert_to({text}, 'UTF8'))", c1.lane("k", 0)
    return f'{text} COLLATE "C"', f"hashtextextended(k, {hashing.seeds[0]})"


def _key_text(view: View) -> str:
    table = view.table
    return c1.row_text(Table(table.name, tuple(table.column(name) for name in table.key)), "t")


def _conditions(view: View, hashing: Hashing, choice: Choice) -> tuple[str, str]:
    """What chooses rows before they are hashed, and what after."""
    if isinstance(choice, Cells):
        inside = f"(lane1 & {choice.of - 1}) = ANY ('{{{_listed(choice.numbers)}}}'::bigint[])"
        return "", f"WHERE {inside}"
    if view.is_spelled:
        return spelled_in(view, choice), ""
    text = _key_text(view)
    if hashing.seeds is None:
        listed = ", ".join(f"{number:016x}" for number in sorted(choice.numbers))
        head = f"encode(substr(sha256(convert_to({text}, 'UTF8')), 1, 8), 'hex')"
        return f"{head} = ANY ('{{{listed}}}'::text[])", ""
    listed = _listed(signed(number) for number in choice.numbers)
    hashed = f'hashtextextended({text} COLLATE "C", {hashing.seeds[0]})'
    return f"{hashed} = ANY ('{{{listed}}}'::bigint[])", ""


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
