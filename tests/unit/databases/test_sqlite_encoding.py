"""What SQLite says of a row is what is said of it in flight, and of damage that it is none."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from messy_migration.databases.sqlite import encoding
from messy_migration.fingerprint.rows import fields, fingerprint
from messy_migration.model import RECORD
from messy_migration.testing.nasty_rows import nasty

from ..sqlite_site import data_of, site_in, table_of

KINDS = {
    "t": "text", "n": "int32", "b": "bool", "f": "float64", "m": "decimal(9,2)", "d": "date",
    "at": "timestamp", "u": "uuid", "j": "json", "x": "bytes",
}  # fmt: skip
TABLE = table_of("t", KINDS)
ROW = (
    "é|", -5, True, -0.0, Decimal("1.50"), date(1999, 12, 31),
    datetime(1970, 1, 1, 0, 0, 0, 1, UTC), "01234567-89ab-cdef-0123-456789abcdef", "[1, 2]", b"\0a",
)  # fmt: skip


@pytest.fixture
def site(tmp_path):
    return site_in(tmp_path)


def stored(site, table, where="t", order="rowid"):
    """The fields of each row as the database spells them."""
    cells = ", ".join(f"CAST({one} AS BLOB)" for one in encoding.fields(table, where))
    with site.reading() as connection:
        found = connection.exec_driver_sql(f'SELECT {cells} FROM "{table.name}" t ORDER BY {order}')
        return [tuple(bytes(cell).decode() for cell in row) for row in found]


def test_nasty_rows_have_the_same_fields_there_as_here(site):
    table, data = nasty(1_500, seed=23)
    places = encoding.unstorable(data, table.columns)
    gone = {place for column in places.values() for place in column}
    data = data.take([place for place in range(data.num_rows) if place not in gone])
    site.create(table)
    with site.begin() as connection:
        site.dialect.insert(connection, table, data)
    here = zip(*(one.to_pylist() for one in fields(data, table.columns)), strict=True)
    assert sorted(stored(site, table)) == sorted(here)
    assert site.fingerprint(table) == fingerprint(data, table.columns)


def test_only_what_the_database_cannot_hold_is_named(site):
    table, data = nasty(1_500, seed=23)
    columns = {column.name: column.type.kind for column in table.columns}
    for name, places in encoding.unstorable(data, table.columns).items():
        assert columns[name] in ("float64", "date", "timestamp")
        if columns[name] == "float64":
            cells = data.column(name).to_pylist()
            nans = [
                place for place, cell in enumerate(cells) if cell is not None and math.isnan(cell)
            ]
            assert places == nans
    good = data_of(TABLE, ROW, (None,) * 10)
    assert encoding.unstorable(good, TABLE.columns) == {}


def test_the_first_and_the_last_instant_and_day_can_be_held(site):
    table = table_of("t", {"d": "date", "at": "timestamp", "f": "float64"})
    ends = data_of(
        table,
        (date(1, 1, 1), datetime(1, 1, 1, tzinfo=UTC), math.inf),
        (date(9999, 12, 31), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC), -math.inf),
        (None, None, math.nan),
    )
    assert encoding.unstorable(ends, table.columns) == {"f": [2]}


@pytest.mark.parametrize(
    "kind, first, last",
    [
        ("date", -719_162, 2_932_896),
        ("timestamp", -719_162 * 86_400_000_000, 2_932_897 * 86_400_000_000 - 1),
    ],
)
def test_a_day_and_an_instant_beyond_the_years_of_four_digits_are_named(kind, first, last):
    table = table_of("t", {"x": kind})
    numbers = [first - 1, first, last, last + 1, None]
    column = table.columns[0].type.arrow
    width = pa.int32() if kind == "date" else pa.int64()
    data = pa.table({"x": pa.array(numbers, width).cast(column)})
    assert encoding.unstorable(data, table.columns) == {"x": [0, 3]}


def test_values_are_stored_as_the_table_says(site):
    data = data_of(TABLE, ROW, (None,) * 10)
    stored_rows = list(encoding.storage(data.drop_columns([RECORD]), TABLE.columns))
    assert stored_rows[0] == (
        "é|", -5, 1, -0.0, "1.5", "1999-12-31", "1970-01-01T00:00:00.000001Z", ROW[7], "[1, 2]",
        b"\0a",
    )  # fmt: skip
    assert stored_rows[1] == (None,) * 10
    # A column that nobody declared is bound as it is.
    assert [row[-1] for row in encoding.storage(data, TABLE.columns)] == [0, 1]
    types = [encoding.column_type(column) for column in TABLE.columns]
    assert types == [
        "TEXT", "INTEGER", "INTEGER", "REAL", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT", "BLOB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "column, value, field",
    [
        ("n", "'5'", "!text:35"),
        ("n", "5.5", "!real:5.5"),
        ("b", "x'01'", "!blob:01"),
        ("f", "'1.5x'", "!text:312E3578"),
        ("t", "x'61'", "!blob:61"),
        ("m", "1", "1"),
        ("m", "'1|2'", "!text:317C32"),
        ("m", "'~'", "!text:7E"),
        ("u", "'!x'", "!text:2178"),
        ("d", "'1999-12-31 '", "!text:313939392D31322D333120"),
        ("d", "'1999-02-30'", "!text:313939392D30322D3330"),
        ("at", "'1999-12-31T00:00:00Z'", "!text:313939392D31322D33315430303A30303A30305A"),
        ("x", "'a'", "!text:61"),
        ("x", "NULL", "~"),
    ],
)
def test_a_cell_that_somebody_stored_in_another_way_is_no_value(site, column, value, field):
    # Without a type the database leaves what is stored as it is given.
    site.run(f"CREATE TABLE t ({', '.join(KINDS)})", f"INSERT INTO t ({column}) VALUES ({value})")
    (row,) = stored(site, TABLE)
    found = dict(zip(KINDS, row, strict=True))
    if (column, value) == ("m", "1"):
        assert found["m"].startswith("!integer:")
    else:
        assert found[column] == field


@pytest.mark.parametrize("count", [1, 2, 3, 1_000])
def test_any_number_of_columns_is_joined(site, count):
    table = table_of("wide", {f"c{number}": "int32" for number in range(count)})
    site.create(table, tuple(range(count)))
    with site.reading() as connection:
        text = connection.exec_driver_sql(f"SELECT {encoding.row_text(table)} FROM wide").scalar()
    assert text == "|".join(map(str, range(count)))


@pytest.mark.parametrize(
    "value, bits",
    [(-0.0, "0" * 16), (0.0, "0" * 16), (1.0, "3ff0000000000000"), (-math.inf, "fff0000000000000")],
)
def test_the_bits_of_a_number_are_those_of_its_value(value, bits):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        encoding.register(connection)
        ((found,),) = connection.execute(f"SELECT {encoding.FLOAT}(?)", (value,))
    assert found == bits
    assert encoding._float(math.nan) == encoding._float(-math.nan) == "7ff8000000000000"
