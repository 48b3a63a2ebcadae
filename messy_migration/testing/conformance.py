"""Does a dialect prove what it says? For authors of dialects.

Give it a reader (see `messy_migration.databases.dialect.Reader`) and a function that loads rows
into its database; it loads the nasty rows and compares what the database computes with what
the workers compute from Arrow, cell by cell and in sum:

    def test_my_dialect_conforms(my_engine):
        assert not departures(MyReader(), my_engine, load)

Run it once with 200,000 rows before a release: the special values are all in the first few
hundred, but their combinations are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from messy_migration.fingerprint.rows import fields, fingerprint
from messy_migration.model import Fingerprint
from messy_migration.testing.nasty_rows import hidden, nasty

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from messy_migration.databases.dialect import Reader
    from messy_migration.model import Table

__all__ = ["departures", "without"]

Load = Callable[["Table", pa.Table], None]
"""Creates the table with the types that the dialect maps ours to, and stores all rows."""

Unstorable = Callable[["Table", pa.Table], Mapping[str, Iterable[int]]]
"""Column -> places of rows whose value this kind of database cannot hold; as in `Dialect`."""

_MOST_LEFT_OUT = 0.15
_SHOWN = 60


def departures(
    reader: Reader,
    engine: Engine,
    load: Load,
    *,
    rows: int = 5_000,
    seed: int = 1,
    unstorable: Unstorable | None = None,
) -> list[str]:
    """Everything in which a dialect departs from encoding C1; empty if it conforms.

    Args:
        reader: of the dialect.
        engine: of an empty database.
        load: creates the table `nasty` there and stores the rows it is given.
        rows: how many; all special values of all types are among the first 400.
        seed: of the random ones.
        unstorable: names what the database cannot hold, which is left out.

    Returns:
        One line for each column that differs, with the first row that does, and for each sum.
    """
    table, data = nasty(rows, seed)
    kept = without(data, unstorable(table, data) if unstorable else {})
    if kept.num_rows < rows * (1 - _MOST_LEFT_OUT):
        return [f"{rows - kept.num_rows} of {rows} rows cannot be stored, which is too many"]
    # As slices and with values under NULLs, which no way of storing rows may let through.
    load(table, hidden(kept))
    with reader.reading(engine) as connection:
        return [*_cells(reader, connection, table, kept), *_sums(reader, connection, table, kept)]


def without(data: pa.Table, indices_of: Mapping[str, Iterable[int]]) -> pa.Table:
    """The rows but those of which any cell is named."""
    keep = np.ones(data.num_rows, dtype=bool)
    for indices in indices_of.values():
        keep[list(indices)] = False
    return data.filter(pa.array(keep))


def _cells(reader: Reader, connection: Connection, table: Table, data: pa.Table) -> list[str]:
    index_of = {number: index for index, number in enumerate(data.column("id").to_pylist())}
    wrong: dict[str, list[str]] = {}
    seen = 0
    for chunk in reader.row_fields(
        connection, table, f"{reader.rows_of(connection, table.name)} t"
    ):
        indices = [index_of[int(row[0])] for row in chunk]
        seen += len(indices)
        expected = fields(data.take(pa.array(indices, pa.int64())), table.columns)
        for name, ours, theirs in zip(table.names, expected, zip(*chunk, strict=True), strict=True):
            cells = [str(cell) for cell in ours.to_pylist()]
            wrong.setdefault(name, []).extend(_unlike(indices, cells, theirs))
    problems = [
        f"column {name} ({table.column(name).type}): {len(cells)} of {seen} fields differ;"
        f" first {cells[0]}"
        for name, cells in wrong.items()
        if cells
    ]
    if seen != data.num_rows:
        problems.append(f"{seen} rows came back, {data.num_rows} were loaded")
    return problems


def _unlike(numbers: list[int], ours: list[str], theirs: Sequence[bytes]) -> list[str]:
    return [
        f"row {number}: {_short(there)} instead of {_short(here.encode())}"
        for number, here, there in zip(numbers, ours, theirs, strict=True)
        if here.encode() != there
    ]


def _short(field: bytes) -> str:
    shown = repr(field)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}... ({len(field)} bytes)"


def _sums(reader: Reader, connection: Connection, table: Table, data: pa.Table) -> list[str]:
    half = data.num_rows // 2
    limit = data.column("id")[half].as_py()
    source = f"{reader.rows_of(connection, table.name)} t"
    first = reader.spelling.apply('t."id"', "<", str(limit))
    nobody = reader.spelling.equal("1", "0")
    expected_of = {
        source: fingerprint(hidden(data), table.columns),
        f"{source} WHERE {first}": fingerprint(data.slice(0, half), table.columns),
        f"{source} WHERE {nobody}": Fingerprint(),
    }
    problems = []
    for clause, expected in expected_of.items():
        actual = reader.fingerprint(connection, table, clause)
        if actual != expected:
            problems.append(f"the fingerprint of {clause}: {actual} instead of {expected}")
    return problems
