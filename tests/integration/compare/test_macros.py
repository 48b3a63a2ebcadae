"""Macros that are kept in a DuckDB file stand in for no function and no operator of ours."""

from __future__ import annotations

import pytest

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request

duckdb = pytest.importorskip("duckdb")

COLUMNS = (
    "id INTEGER PRIMARY KEY, name VARCHAR, amount DECIMAL(12,2), born DATE, changed TIMESTAMP,"
    " weight DOUBLE, token UUID, raw BLOB, paid BOOLEAN"
)
ROW = (
    "({n}, 'name {n}', {n}.50, '2024-02-29', '2024-03-10 02:30:00.123456', -0.0,"
    " '01234567-89ab-cdef-0123-456789abcdef', '\\x00\\xFF'::BLOB, true)"
)
MACROS = [
    *(f"{name}(x) AS 'same'" for name in ("sha256", "lower", "hex", "to_hex", "encode", "strlen")),
    *(f"{name}(x) AS 7" for name in ("sum", "count", "epoch_us", "octet_length")),
    *(f"{name}(x) AS true" for name in ("isnan", "isinf")),
    *(f"{name}(a, b) AS 'same'" for name in ("substr", "rtrim", "concat_ws")),
    *(f'"{sign}"(a, b) AS 99' for sign in ("+", "-", "&")),
    "\"||\"(a, b) AS 'same'",
    "lpad(a, b, c) AS 'same'",
    "contains(a, b) AS false",
    "starts_with(a, b) AS false",
    "current_database() AS 'another'",
    "current_schema() AS 'another'",
    "version() AS 'another'",
    "duckdb_columns() AS TABLE SELECT 1 AS none",
    "duckdb_constraints() AS TABLE SELECT 1 AS none",
    "duckdb_tables() AS TABLE SELECT 1 AS none",
]


def make(path, rows, *macros):
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE t ({COLUMNS})")
        connection.execute("INSERT INTO t VALUES " + ", ".join(ROW.format(n=n) for n in rows))
        for macro in macros:
            connection.execute(f"CREATE MACRO {macro}")


def test_g05_a_changed_amount_is_found_and_equal_rows_are_equal(tmp_path):
    left, right = tmp_path / "left.duckdb", tmp_path / "right.duckdb"
    make(left, range(50))
    make(right, range(50), *MACROS)

    def compared():
        urls = [f"duckdb:///{path}" for path in (left, right)]
        return api.compare(Request(), *urls, CompareOptions(), Budget())

    assert compared().verdict == "MATCH"
    with duckdb.connect(str(left)) as connection:
        connection.execute("UPDATE t SET amount = 9 WHERE id = 7")
    (found,) = compared().tables
    assert [(dict(item.key), item.columns) for item in found.findings.differences] == [
        ({"id": "7"}, ("amount",))
    ]
