"""Databases of two kinds: types that differ are compared as what both hold, or refused."""

from __future__ import annotations

import duckdb
import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import CompareOptions, Request
from messy_migration.errors import UsageProblem

# What a shop would have: a file that binds nobody to its types, and a strict copy of it.
SHOP = {
    "Customers": (
        "CustomerID TEXT PRIMARY KEY, CompanyName TEXT, City VARCHAR(40), Since DATE",
        '"CustomerID" char(8) PRIMARY KEY, "CompanyName" text, "City" varchar(40), "Since" date',
    ),
    "Order Details": (
        (
            "OrderID INTEGER, Line INTEGER, UnitPrice NUMERIC, Quantity INTEGER, Discount REAL,"
            " PRIMARY KEY (OrderID, Line)"
        ),
        (
            '"OrderID" integer, "Line" smallint, "UnitPrice" numeric(10,4), "Quantity" bigint,'
            ' "Discount" double precision, PRIMARY KEY ("OrderID", "Line")'
        ),
    ),
    "Orders": (
        (
            "OrderID INTEGER PRIMARY KEY, CustomerID TEXT, OrderDate DATETIME, Freight NUMERIC,"
            " Paid TEXT, Token TEXT, Doc TEXT, Picture BLOB"
        ),
        (
            '"OrderID" integer PRIMARY KEY, "CustomerID" varchar(8), "OrderDate" timestamptz,'
            ' "Freight" numeric(12,2), "Paid" boolean, "Token" uuid, "Doc" jsonb, "Picture" bytea'
        ),
    ),
}


def shop_rows():
    token = "01234567-89ab-cdef-0123-4567890000{:02d}"
    yield (
        "Customers",
        [(f"C{n:04d}", f"Gößer & Søn {n}", "São Paulo", f"19{70 + n}-07-04") for n in range(25)],
    )
    yield (
        "Order Details",
        [(n // 3, n % 3, n * 7 % 100 + n / 4, n % 9, n % 4 * 0.05) for n in range(300)],
    )
    yield (
        "Orders",
        [
            (
                n,
                f"C{n % 25:04d}",
                f"1996-07-{n % 28 + 1:02d} {n % 24:02d}:30:00",
                n * 1.25,
                str(n % 2),
                token.format(n).upper(),
                '{"b":1, "a" : [1.0,"x"]}' if n % 3 else None,
                bytes([n, 255 - n]) if n % 5 else None,
            )
            for n in range(99)
        ],
    )


@pytest.fixture
def shop(file_and_postgres):
    two = file_and_postgres
    two.right.run("SET TimeZone = 'Asia/Tokyo'")
    for table, (loose, strict) in SHOP.items():
        two.left.run(f'CREATE TABLE "{table}" ({loose})')
        two.right.run(f'CREATE TABLE "{table}" ({strict})')
    for table, rows in shop_rows():
        two.left.fill(table, rows)
        copied = [
            tuple(
                cell.replace(":30:00", ":30:00+00") if isinstance(cell, str) else cell
                for cell in row
            )
            for row in rows
        ]
        two.right.fill(table, copied)
    return two


def test_a_file_equals_its_strict_copy(shop):
    result = shop.compare()
    assert {item.pair.label: item.verdict for item in result.tables} == dict.fromkeys(SHOP, "MATCH")
    notes = {item.pair.label: item.pair.compared_as for item in result.tables}
    assert "as bool" in notes["Orders"]["Paid"]
    assert "as uuid" in notes["Orders"]["Token"]


@pytest.mark.parametrize(
    "table, statement, key, column, rule",
    [
        ("Order Details", ('UPDATE "{}" SET "UnitPrice" = "UnitPrice" + 0.0001 WHERE "OrderID" = 7'
         ' AND "Line" = 1'), {"OrderID": "7", "Line": "1"}, "UnitPrice", "rounding"),
        ("Orders", ('UPDATE "{}" SET "OrderDate" = "OrderDate" - interval \'9 hours\''
         ' WHERE "OrderID" = 3'), {"OrderID": "3"}, "OrderDate", "shifted by 9 hours"),
        ("Customers", 'UPDATE "{}" SET "City" = \'SÃ£o Paulo\' WHERE "CustomerID" = \'C0003\'',
         {"CustomerID": "C0003"}, "City", "wrong encoding"),
        ("Orders", 'UPDATE "{}" SET "Paid" = NOT "Paid" WHERE "OrderID" = 8', {"OrderID": "8"},
         "Paid", "true and false exchanged"),
    ],
)  # fmt: skip
def test_one_changed_cell_is_found(shop, table, statement, key, column, rule):
    shop.right.run(statement.format(table))
    result = shop.compare()
    (found,) = [item for item in result.tables if item.verdict != "MATCH"]
    (difference,) = found.findings.differences
    assert (found.pair.label, dict(difference.key)) == (table, key)
    assert difference.columns == (column,)
    assert rule in dict(difference.rules)[column]


@pytest.mark.parametrize(
    "stored, rule",
    [
        ("'Yes'", "boolean spelling"),
        ("'maybe'", "stored as text, which is no bool"),
        ("2", "stored as text, which is no bool"),
        ("''", "null or empty"),
    ],
)
def test_a_cell_that_is_no_value_of_the_type_is_a_difference(shop, stored, rule):
    shop.left.run(f'UPDATE "Orders" SET Paid = {stored} WHERE OrderID = 8')
    found = next(item for item in shop.compare().tables if item.pair.label == "Orders")
    (difference,) = found.findings.differences
    assert difference.rules == (("Paid", rule),)


@pytest.mark.parametrize(
    "left, right, value",
    [
        ("smallint", "bigint", "7"),
        ("integer", "numeric(12,3)", "7"),
        ("boolean", "integer", "1"),
        ("varchar(20)", "char(20)", "'x'"),
        ("uuid", "text", "'01234567-89ab-cdef-0123-456789abcdef'"),
        ("jsonb", "json", "'{\"a\": 1}'"),
        ("timestamp", "timestamptz", "'2024-03-01 10:00:00+00'"),
        ("date", "timestamp", "'2024-03-01'"),
        ("numeric(10,2)", "numeric(20,6)", "'1.50'"),
        ("double precision", "numeric", "'0.1'"),
        ("real", "double precision", "'0.5'"),
        ("integer", "double precision", "'5'"),
        ("int[]", "int[]", "'{1,2,NULL}'"),
        ("interval", "interval", "'1 mon 2 days'"),
        ("time", "time(3)", "'10:11:12'"),
        ("inet", "text", "'10.0.0.1/32'"),
    ],
)
def test_types_that_hold_the_same_are_compared_by_value(two_postgres, left, right, value):
    two = two_postgres
    for side, kind in ((two.left, left), (two.right, right)):
        cast = f"{value}::boolean" if kind == "boolean" else value
        side.run(f"CREATE TABLE t (id integer PRIMARY KEY, x {kind})")
        side.run(f"INSERT INTO t VALUES (1, ({cast})::{kind}), (2, NULL)" if kind != "boolean"
                 else "INSERT INTO t VALUES (1, true), (2, NULL)")  # fmt: skip
    assert two.only().verdict == "MATCH"
    two.right.run("UPDATE t SET x = NULL WHERE id = 1")
    found = two.only()
    assert found.verdict == "MISMATCH"
    assert found.findings.differences[0].columns == ("x",)


@pytest.mark.parametrize(
    "left, right",
    [("text", "integer"), ("bytea", "text"), ("boolean", "date"), ("inet", "interval"),
     ("jsonb", "integer"), ("numeric", "timestamp")],
)  # fmt: skip
def test_types_that_have_nothing_in_common_are_refused_by_name(two_postgres, left, right):
    two = two_postgres
    two.left.run(f"CREATE TABLE t (id integer PRIMARY KEY, x {left})")
    two.right.run(f"CREATE TABLE t (id integer PRIMARY KEY, x {right})")
    with pytest.raises(UsageProblem, match=r"t\.x is .* on the left.* on the right") as caught:
        two.compare()
    assert "--ignore" in caught.value.next
    assert two.only(CompareOptions(ignored=(("t", "x"),))).verdict == "MATCH"


SAME = (
    "CREATE TABLE t (id integer PRIMARY KEY, name varchar(40), price decimal(12,2),"
    " day date, made timestamp, ratio double precision, note text)"
)
ROWS = [
    (n, f"né {n}|", f"{n}.50", "2024-02-03", f"2024-02-03 04:05:{n % 60:02d}", n / 3, None)
    for n in range(200)
]


def _strict(url):
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(SAME)
        cursor.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", ROWS)


def _named(first, second):
    result = api.compare(Request(), first, second)
    (found,) = result.tables
    return found.verdict, [
        (item.kind, dict(item.key), item.columns) for item in found.findings.differences
    ] if found.findings else []


def test_a_duckdb_file_is_compared_too(two_postgres, tmp_path):
    _strict(two_postgres.right.url)
    path = tmp_path / "left.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(SAME)
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", ROWS)
    url = f"duckdb:///{path}"
    assert _named(url, two_postgres.right.url) == ("MATCH", [])
    two_postgres.right.run("UPDATE t SET price = 9 WHERE id = 3", "DELETE FROM t WHERE id = 5")
    wanted = [("changed", {"id": "3"}, ("price",)), ("missing", {"id": "5"}, ())]
    assert _named(url, two_postgres.right.url) == ("MISMATCH", wanted)


def test_a_mariadb_is_compared_too(two_postgres, mariadb_url):
    import pymysql

    _strict(two_postgres.left.url)
    parts = make_url(mariadb_url)
    connection = pymysql.connect(
        host=parts.host, port=parts.port, user=parts.username, password=parts.password,
        database=parts.database, charset="utf8mb4", autocommit=True,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute(SAME.replace("timestamp", "datetime(6)"))
        cursor.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", ROWS)
        assert _named(two_postgres.left.url, mariadb_url) == ("MATCH", [])
        cursor.execute("UPDATE t SET name = upper(name) WHERE id = 3")
        wanted = [("changed", {"id": "3"}, ("name",))]
        assert _named(two_postgres.left.url, mariadb_url) == ("MISMATCH", wanted)
