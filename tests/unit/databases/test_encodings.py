"""The words of each kind of database for encoding C1; what they give, servers tell elsewhere."""

from __future__ import annotations

import hashlib

import duckdb
import pytest

from messy_migration.databases.duckdb import encoding as duckdb_encoding
from messy_migration.databases.mysql import encoding as mysql
from messy_migration.databases.postgresql import encoding as postgresql
from messy_migration.fingerprint.rows import fields as c1_fields
from messy_migration.fingerprint.rows import fingerprint, fingerprint_texts
from messy_migration.model import Column, ColumnType, Fingerprint, Table
from messy_migration.testing.nasty_rows import nasty


def table_of(count):
    return Table("t", tuple(Column(f"c{n}", ColumnType("int32")) for n in range(count)))


def sums(texts):
    """What a server answers: the sum of each of sixteen bytes over all hashes."""
    digests = [hashlib.sha256(text).digest() for text in texts]
    return [sum(digest[place] for digest in digests) for place in range(16)]


@pytest.mark.parametrize(
    "texts", [[], [b"a"], [b"a", b"b", b"b"], [bytes([n]) for n in range(256)]]
)
def test_sums_of_bytes_are_the_sums_of_the_lanes(texts):
    answer = postgresql.to_fingerprint(len(texts), *sums(texts))
    assert answer == fingerprint_texts(texts)


def test_sums_wrap_where_the_lanes_wrap():
    # 300 rows whose bytes are all 255: beyond 64 bits, which the lanes are taken modulo.
    lane = 300 * (2**64 - 1) % 2**64
    assert postgresql.to_fingerprint(300, *[300 * 255] * 16) == Fingerprint(300, lane, lane)


def nested(text):
    """The deepest and the widest call of a joining expression."""
    widest = depth = deepest = 0
    counts = []
    for character in text:
        if character == "(":
            depth += 1
            counts.append(1)
        elif character == ")":
            depth -= 1
            widest = max(widest, counts.pop())
        elif character == "," and counts:
            counts[-1] += 1
        deepest = max(deepest, depth)
    return deepest, widest


@pytest.mark.parametrize("count, deepest", [(1, 1), (99, 1), (100, 2), (250, 2), (10_000, 3)])
def test_postgresql_joins_any_number_of_fields_with_a_hundred_arguments_a_call(count, deepest):
    names = [f"f{number}" for number in range(count)]
    text = postgresql._joined(names)
    depth, widest = nested(text)
    assert (depth, widest <= 100) == (deepest, True)
    for word in ("concat_ws", "pg_catalog.", "'|'", "::text", "(", ")", ","):
        text = text.replace(word, " ")
    assert text.split() == names


@pytest.mark.parametrize("count, deepest", [(1, 1), (200, 1), (201, 2), (600, 2)])
def test_mysql_joins_any_number_of_fields(count, deepest):
    names = [f"f{number}" for number in range(count)]
    text = mysql.joined(names)
    depth, widest = nested(text)
    assert (depth, widest <= 201) == (deepest, True)
    for word in ("CONCAT_WS", "'|'", "(", ")", ","):
        text = text.replace(word, " ")
    assert text.split() == names


@pytest.mark.parametrize("kind", [postgresql, mysql])
def test_every_column_has_a_field_of_its_own_under_the_alias(kind):
    table = table_of(3)
    found = kind.fields(table, "s")
    assert len(found) == 3
    for number, text in enumerate(found):
        assert f's."c{number}"' in text


def test_mysql_fetches_documents_as_they_are_stored():
    table = Table("t", (Column("j", ColumnType("json")), Column("t", ColumnType("text"))))
    stored, field = mysql.fields(table)
    assert "OCTET_LENGTH" not in stored
    assert "OCTET_LENGTH" in field


def test_mysql_sums_both_lanes_of_a_hash():
    statement = mysql.aggregate(table_of(2), "t", "t")
    assert "SUBSTR(h, 1, 8)" in statement
    assert "SUBSTR(h, 9, 8)" in statement


def test_postgresql_sums_every_byte_of_both_lanes():
    statement = postgresql.aggregate(table_of(2), "t", "t")
    asked = {place for place in range(33) if f"get_byte(h, {place})" in statement}
    assert asked == set(range(16))
    assert "GROUP BY" not in statement
    assert " AS g" not in statement
    grouped = postgresql.aggregate(table_of(2), "t", "t", "c0")
    assert ", c0 AS g FROM t" in grouped
    assert grouped.endswith("GROUP BY g")


def test_a_lane_is_eight_bytes_the_first_of_them_the_highest():
    text = postgresql.lane("h", 8)
    shifts = {8 + place: 56 - 8 * place for place in range(8)}
    for place, shift in shifts.items():
        assert f"get_byte(h, {place})" in text
        assert f"OPERATOR(pg_catalog.<<) {shift})" in text
    assert text.count("get_byte") == 8


def test_duckdb_gives_every_nasty_row_the_field_that_it_has_in_flight():
    table, data = nasty(300, seed=7)
    kinds = [one for one in table.columns if one.type.kind not in ("json", "decimal")]
    table = Table("t", tuple(kinds))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    rows = data.select([one.name for one in kinds])
    connection.execute("CREATE TABLE t AS SELECT * FROM rows")
    cells = ", ".join(duckdb_encoding.fields(table, "t"))
    found = connection.execute(f"SELECT {cells} FROM t").fetchall()
    here = zip(*(one.to_pylist() for one in c1_fields(rows, table.columns)), strict=True)
    there = [
        tuple(cell.decode() if isinstance(cell, bytes) else cell for cell in row) for row in found
    ]
    assert sorted(there) == sorted(here)
    count, *sums = connection.execute(duckdb_encoding.aggregate(table, "t", "t")).fetchone()
    total = Fingerprint(count, *(int(one) % 2**64 for one in sums))
    assert total == fingerprint(rows, table.columns)
