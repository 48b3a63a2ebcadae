"""Where the fast ways of the fingerprint end: lengths, pieces, slices, what lies under NULL."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from messy_migration.fingerprint import rows
from messy_migration.fingerprint.rows import fields, fingerprint, row_texts
from messy_migration.model import Column, ColumnType
from messy_migration.testing.nasty_rows import hidden, nasty

LENGTHS = [0, 1, 9, 10, 99, 100, 998, 999, 1_000, 1_001, 9_999, 10_000]


@pytest.mark.parametrize("longest", [999, 1_000, 1_001, 10_000])
@pytest.mark.parametrize("kind", ["text", "json", "bytes"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_cell_of_any_length_says_it(kind, longest, place):
    lengths = [length for length in LENGTHS if length <= longest]
    column = Column("x", ColumnType(kind))
    cells = [b"a" * length if kind == "bytes" else "a" * length for length in lengths]
    table = pa.table({"x": pa.array([*cells, None], column.type.arrow)})
    written = [
        f"{length}:{'61' * length if kind == 'bytes' else 'a' * length}" for length in lengths
    ]
    assert fields(table, [column])[0].to_pylist() == [*written, "~"]
    behind = row_texts(table.append_column("y", table["x"]), [column, Column("y", column.type)])
    expected = [*(f"{text}|{text}" for text in written), "~|~"]
    assert [text.decode() for text in behind.to_pylist()] == expected


def test_slices_and_what_lies_under_a_null_are_no_part_of_a_row():
    table, data = nasty(900, seed=5)
    same = hidden(data)
    assert same.equals(data) or same.schema == data.schema
    for column in table.columns[1:]:
        array = same.column(column.name).chunk(0)
        assert array.offset
        assert array.null_count
    for here, there in zip(fields(data, table.columns), fields(same, table.columns), strict=True):
        assert here.to_pylist() == there.to_pylist()
    assert fingerprint(same, table.columns) == fingerprint(data, table.columns)


def test_wide_rows_are_joined_in_pieces_of_so_many_bytes(monkeypatch):
    monkeypatch.setattr(rows, "_BYTES", 10_000)
    column = Column("x", ColumnType("text"))
    data = pa.table({"x": [f"{number:04}" * 250 for number in range(100)]})
    sizes = [piece.num_rows for piece in rows.pieces(data)]
    assert sum(sizes) == 100
    assert max(sizes) == 9
    whole = fingerprint(data, [column])
    digests = [hashlib.sha256(b"1000:" + text.encode()).digest() for text in data["x"].to_pylist()]
    assert whole.rows == 100
    assert whole.lane0 == sum(int.from_bytes(one[:8]) for one in digests) % 2**64
