"""Fields become the values that they were made of, or none at all."""

from __future__ import annotations

import pytest

from messy_migration.compare.decode import decoded
from messy_migration.fingerprint.rows import fields
from messy_migration.model import Column, ColumnType, Table
from messy_migration.testing.nasty_rows import nasty


def test_every_nasty_row_comes_back_as_it_was():
    table, data = nasty(600, seed=11)
    cells = (column.to_pylist() for column in fields(data, table.columns))
    rows = [tuple(cell.encode() for cell in row) for row in zip(*cells, strict=True)]
    again = decoded(table, rows)
    # NaN is unlike itself, so fields are compared, and all but floats as values too.
    assert [one.to_pylist() for one in fields(again, table.columns)] == [
        one.to_pylist() for one in fields(data, table.columns)
    ]
    for column in table.columns:
        if column.type.kind != "float64":
            assert again.column(column.name).to_pylist() == data.column(column.name).to_pylist()


@pytest.mark.parametrize(
    "kind, cell",
    [
        ("text", b"3:ab"),
        ("text", b"2"),
        ("int32", b"!text:61"),
        ("int32", b"4294967296"),
        ("timestamp", b"zz"),
        ("float64", b"00"),
        ("decimal(5,2)", b"1.234"),
        ("bytes", b"1:zz"),
    ],
)
def test_what_is_no_value_of_the_column_is_refused(kind, cell):
    table = Table("t", (Column("x", ColumnType.parse(kind)),))
    with pytest.raises(ValueError):  # noqa: PT011  its text is the driver's
        decoded(table, [(cell,)])


@pytest.mark.parametrize("cell, value", [(b"1", True), (b"0", False), (b"~", None)])
def test_a_flag_is_what_it_says(cell, value):
    table = Table("t", (Column("x", ColumnType("bool")),))
    assert decoded(table, [(cell,)]).column("x").to_pylist() == [value]
