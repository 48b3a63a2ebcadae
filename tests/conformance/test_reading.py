"""What only one kind of database can hold or say, and how it refuses."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pyarrow as pa
import pymysql
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from messy_migration.databases import open as databases
from messy_migration.databases.naming import scoped
from messy_migration.databases.open import open_database
from messy_migration.errors import ConfigurationError, TargetError, TargetUnavailable
from messy_migration.fingerprint.rows import fields, fingerprint
from messy_migration.model import Column, ColumnType, Table
from messy_migration.testing.servers.throwaway import free_port


def table_of(kinds, name="cells", key=(), scope=()):
    columns = tuple(Column(one, ColumnType.parse(kind)) for one, kind in kinds.items())
    return Table(name, columns, key, scope)


def opened(database):
    return database.reader.reading(database.engine)


def found_in(place, table):
    """The C1 fields of all rows, in order, and the fingerprint."""
    database = place.open()
    with opened(database) as connection:
        rows = [
            tuple(field.decode() for field in row)
            for chunk in database.reader.row_fields(
                connection, table, scoped(connection, database.reader, table)
            )
            for row in chunk
        ]
        return sorted(rows), database.reader.fingerprint(
            connection, table, scoped(connection, database.reader, table)
        )


@contextmanager
def raised(kind, database, match=None):
    """The reader and a connection, for a block that has to end with an error."""
    with (
        pytest.raises(kind, match=match),
        database.reader.reading(database.engine) as connection,
    ):
        yield database.reader, connection


def arrow(table, **cells):
    return pa.table(cells, schema=table.arrow_schema())


def test_infinite_dates_are_equal_where_there_are_any(place_of):
    table = table_of({"d": "date", "t": "timestamp"})
    rows = (
        "('infinity', '-infinity'), ('-infinity', 'infinity'), (NULL, NULL),"
        " ('0044-03-15 BC', NULL)"
    )
    postgres, duck = place_of("postgresql"), place_of("duckdb")
    postgres.run("CREATE TABLE cells (d date, t timestamptz)", f"INSERT INTO cells VALUES {rows}")
    duck.run(
        "CREATE TABLE cells (d DATE, t TIMESTAMP)",
        f"INSERT INTO cells VALUES {rows.replace('BC', '(BC)')}",
    )
    here, there = found_in(postgres, table), found_in(duck, table)
    assert here == there
    assert ("7fffffff", "8000000000000000") in here[0]
    assert len(set(here[0])) == 4


def test_a_scope_narrows_what_is_read(place):
    table = table_of({"shop": "text", "n": "int32"}, scope=(("shop", "it's 100%: a\\b"),))
    rows = arrow(table, shop=["it's 100%: a\\b", "other", None], n=[1, 2, 3])
    place.load(table, rows)
    cells, found = found_in(place, table)
    assert cells == [("14:it's 100%: a\\b", "1")]
    assert found == fingerprint(rows.slice(0, 1), table.columns)


def test_counts_types_and_keys_are_read(place):
    table = table_of({"a": "int32", "b": "text", "c": "json"}, "things")
    place.run(
        "CREATE TABLE things (a int PRIMARY KEY, b varchar(10) UNIQUE, c varchar(10))",
        "INSERT INTO things VALUES (1, 'x', '{}'), (2, 'y', NULL)",
    )
    database = place.open()
    with opened(database) as connection:
        assert database.reader.check(connection).split()[0] in (
            "PostgreSQL", "SQLite", "MariaDB", "MySQL", "DuckDB",
        )  # fmt: skip
        assert list(database.reader.columns(connection, "things")) == ["a", "b", "c"]
        assert database.reader.columns(connection, "thing") is None
        keys = database.reader.unique_keys(connection, "things")
        assert {frozenset(key) for key in keys} == {frozenset("a"), frozenset("b")}
        source = scoped(connection, database.reader, table)
        assert database.reader.fingerprint(connection, table, source).rows == 2
        in_database = place.kind in ("postgresql", "sqlite")
        assert database.reader.streamed(table) == (() if in_database else ("c",))


def test_nothing_can_be_written(place):
    table = table_of({"a": "int32"})
    place.load(table, arrow(table, a=[1]))
    database = place.open()
    with opened(database) as connection:
        name = database.reader.place(connection, "cells")
    with opened(database) as connection, pytest.raises(DBAPIError):
        connection.exec_driver_sql(f"INSERT INTO {name} VALUES (2)")
    assert found_in(place, table)[0] == [("1",)]


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_rows_that_come_later_are_not_in_the_snapshot(place):
    table = table_of({"a": "int32"})
    place.load(table, arrow(table, a=[1]))
    database = place.open()
    with opened(database) as connection:
        place.run("INSERT INTO cells VALUES (2)")
        assert (
            database.reader.fingerprint(
                connection, table, scoped(connection, database.reader, table)
            ).rows
            == 1
        )


def test_columns_of_any_width_and_collation_are_one_text_in_mariadb(place_of):
    place = place_of("mariadb")
    table = table_of({"a": "text", "b": "text", "c": "text", "d": "text", "e": "decimal(20,0)"})
    place.run(
        "CREATE TABLE cells (a VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_swedish_ci,"
        " b CHAR(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci,"
        " c TEXT CHARACTER SET utf16, d ENUM('x', 'é'), e BIGINT UNSIGNED) CHARSET utf8mb4",
        "INSERT INTO cells VALUES ('é', 'é  ', '😀', 'é', 18446744073709551600)",
    )
    rows = arrow(table, a=["é"], b=["é"], c=["😀"], d=["é"], e=[18446744073709551600])
    cells, found = found_in(place, table)
    assert cells == [tuple(one[0].as_py() for one in fields(rows, table.columns))]
    assert found == fingerprint(rows, table.columns)


@pytest.mark.parametrize(
    "spelled, kind, value, field",
    [
        ("DECIMAL(10,0)", "decimal(12,2)", "100", "100"),
        ("DECIMAL(10,4)", "decimal(12,2)", "100.5", "100.5"),
        ("DECIMAL(38,38)", "decimal(38,38)", "-0.5", "-0.5"),
        ("FLOAT", "float64", "0.1", "3fb99999a0000000"),
        ("DATETIME", "timestamp", "'2000-01-01'", "0" * 16),
        ("BIT(1)", "bool", "b'1'", "1"),
        ("UUID", "uuid", "'0197F3C2-89AB-7DEF-8123-456789ABCDEF'", None),
        ("BINARY(4)", "bytes", "'ab'", "4:61620000"),
        ("YEAR", "int16", "1999", "1999"),
        ("INT(5) ZEROFILL", "int64", "42", "42"),
        ("BIGINT UNSIGNED", "decimal(20,0)", "18446744073709551615", "18446744073709551615"),
        ("DECIMAL(10,2) ZEROFILL", "decimal(10,2)", "12.5", "12.5"),
    ],
)
def test_types_of_mariadb_are_read_as_what_they_hold(place_of, spelled, kind, value, field):
    place = place_of("mariadb")
    place.run(f"CREATE TABLE cells (x {spelled})", f"INSERT INTO cells VALUES ({value}), (NULL)")
    cells, _ = found_in(place, table_of({"x": kind}))
    assert cells == sorted([(field or value.strip("'").lower(),), ("~",)])


@pytest.mark.parametrize(
    "spelled, kind, value",
    [
        ("DATE NOT NULL", "date", "'0000-00-00'"),
        ("DATE NOT NULL", "date", "'2023-00-10'"),
        ("DATETIME(6) NOT NULL", "timestamp", "'0000-00-00'"),
        ("VARCHAR(36)", "uuid", "'1|2'"),
        ("CHAR(36)", "uuid", "'~'"),
        # As a day that the calendar has, each would be another one.
        ("DATE NOT NULL", "date", "'2024-02-30'"),
        ("DATE NOT NULL", "date", "'2023-02-29'"),
        ("DATE NOT NULL", "date", "'1900-02-29'"),
        ("DATE NOT NULL", "date", "'2024-04-31'"),
        ("DATE NOT NULL", "date", "'2024-02-00'"),
        ("DATE NOT NULL", "date", "'0000-01-01'"),
        ("DATE NOT NULL", "date", "'0000-03-01'"),
        ("DATETIME(6) NOT NULL", "timestamp", "'2024-02-30 10:00:00'"),
        ("DATETIME NOT NULL", "timestamp", "'2023-11-31'"),
        ("DATETIME(6) NOT NULL", "timestamp", "'0000-02-28 23:59:59'"),
        ("TIMESTAMP(6) NOT NULL", "timestamp", "'0000-00-00'"),
    ],
)
def test_g02_what_no_value_is_in_mariadb_passes_for_none(place_of, spelled, kind, value):
    place = place_of("mariadb")
    place.run(
        f"CREATE TABLE cells (x {spelled})",
        "SET sql_mode = 'ANSI_QUOTES,ALLOW_INVALID_DATES'",
        f"INSERT INTO cells VALUES ({value})",
    )
    (((field,),), _) = found_in(place, table_of({"x": kind}))
    assert field.startswith("!")
    assert "|" not in field


def test_json_of_mariadb_and_duckdb_is_equal_however_it_is_spelled(place_of):
    table = table_of({"x": "json"})
    document = '{ "b":1.50, "a":[1e2,  null], "c": -0.0 }'
    for kind in ("mariadb", "duckdb"):
        place = place_of(kind)
        place.run("CREATE TABLE cells (x JSON)", f"INSERT INTO cells VALUES ('{document}'), (NULL)")
        assert found_in(place, table)[0] == [
            ('39:{"a": [100, null], "b": 1.50, "c": 0.0}',), ("~",)
        ]  # fmt: skip


@pytest.mark.parametrize("document", ["{", "~", '{"a":1, "a":1}', r'"\u0000"', r'["\ud800"]'])
def test_g03_what_is_no_document_of_one_meaning_keeps_its_own_text(place_of, document):
    table = table_of({"x": "json"})
    for kind in ("mariadb", "duckdb"):
        place = place_of(kind)
        place.run(
            "CREATE TABLE cells (x LONGTEXT)"
            if kind == "mariadb"
            else "CREATE TABLE cells (x TEXT)",
            f"INSERT INTO cells VALUES ('{document}')",
        )
        assert found_in(place, table)[0] == [(f"{len(document)}:{document}",)]


def test_a_row_longer_than_the_packet_is_refused_in_mariadb(place_of):
    place = place_of("mariadb")
    size = 600_000
    place.run(
        "CREATE TABLE cells (a LONGTEXT, b LONGTEXT)",
        f"INSERT INTO cells VALUES (repeat('a', {size}), repeat('b', {size})), ('a', 'b')",
        "SET GLOBAL max_allowed_packet = 1048576",
    )
    try:
        table = table_of({"a": "text", "b": "text"})
        with raised(TargetError, place.open(), match="1 rows are longer") as (reader, connection):
            reader.fingerprint(connection, table, scoped(connection, reader, table))
    finally:
        place.run("SET GLOBAL max_allowed_packet = 67108864")


def test_g04_a_limit_of_the_server_hides_no_row_in_mariadb(place_of):
    place = place_of("mariadb")
    table = table_of({"a": "int32", "b": "json"})
    place.load(table, arrow(table, a=range(10), b=["1"] * 10))
    place.run("SET GLOBAL sql_select_limit = 4", "SET GLOBAL sql_auto_is_null = 1")
    try:
        assert len(found_in(place, table)[0]) == 10
    finally:
        place.run("SET GLOBAL sql_select_limit = DEFAULT", "SET GLOBAL sql_auto_is_null = 0")


def test_fractions_without_a_whole_number_are_read_in_duckdb(place_of):
    place = place_of("duckdb")
    table = table_of({"x": "decimal(38,38)", "y": "decimal(12,2)", "z": "text"})
    place.run(
        "CREATE TABLE cells (x DECIMAL(38,38), y HUGEINT, z ENUM('a', 'b'))",
        "INSERT INTO cells VALUES (-0.5, 100, 'b'), (0, -0, NULL)",
    )
    assert found_in(place, table)[0] == [("-0.5", "100", "1:b"), ("0", "0", "~")]


def test_a_password_that_is_wrong_is_one_line_without_it(mariadb_server):
    url = make_url(mariadb_server.url).set(password="hunter2", database="mysql")
    database = open_database(url, "mm:read")
    with pytest.raises(TargetError, match="refused") as caught, opened(database):
        pass
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in database.label


def test_a_server_that_is_not_there_is_unavailable():
    url = make_url(f"mysql://somebody:secret@127.0.0.1:{free_port()}/shop")
    database = open_database(url, "mm:read")
    with pytest.raises(TargetUnavailable, match="nobody answers"), opened(database):
        pass


def test_a_killed_connection_is_unavailable(place_of):
    place = place_of("mariadb")
    table = table_of({"a": "json"})
    place.load(table, arrow(table, a=["1"] * 3))
    database = place.open()
    with raised(TargetUnavailable, database) as (reader, connection):
        number = connection.exec_driver_sql("SELECT connection_id()").scalar_one()
        place.run(f"KILL {number}")
        reader.fingerprint(connection, table, scoped(connection, reader, table))


def test_a_table_that_is_gone_is_one_line(place):
    database = place.open()
    table = table_of({"a": "int32", "b": "json"}, "gone")
    with raised(TargetError, database) as (reader, connection):
        reader.fingerprint(connection, table, scoped(connection, reader, table))
    with raised(TargetError, database) as (reader, connection):
        list(reader.row_fields(connection, table, scoped(connection, reader, table)))


def test_a_file_that_is_no_duckdb_is_one_line(tmp_path):
    path = tmp_path / "shop.duckdb"
    path.write_text("no database" * 1_000)
    database = open_database(make_url(f"duckdb:///{path}"), "mm:read")
    with pytest.raises(TargetError, match="not a valid DuckDB"), opened(database):
        pass
    with pytest.raises(ConfigurationError, match="no such database"):
        open_database(make_url(f"duckdb:///{path}x"), "mm:read")


def test_a_duckdb_that_another_program_writes_is_unavailable(tmp_path):
    path = tmp_path / "shop.duckdb"
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        database = open_database(make_url(f"duckdb:///{path}"), "mm:read")
        with pytest.raises(TargetUnavailable, match="locked"), opened(database):
            pass
        holder.communicate(b"\n")


def test_a_driver_that_is_missing_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(databases, "find_spec", lambda name: None)
    for kind, extra in (("mysql", "mysql"), ("mariadb", "mysql"), ("duckdb", "duckdb")):
        with pytest.raises(ConfigurationError, match=rf"messy-migration\[{extra}\]"):
            open_database(make_url(f"{kind}://somewhere/else"), "mm:read")


def test_an_old_server_is_refused(place_of, monkeypatch):
    from messy_migration.databases.mysql import reader as mysql

    monkeypatch.setattr(mysql, "MINIMUM_MARIADB", (99, 0))
    database = place_of("mariadb").open()
    with raised(TargetError, database, match=r"oldest supported is 99\.0") as (reader, connection):
        reader.check(connection)


def test_a_lost_connection_is_told_from_a_refusal():
    from messy_migration.databases.errors import _optional as refused

    lost = refused(pymysql.err.OperationalError(2013, "Lost connection: 'row data'"), "x")
    assert isinstance(lost, TargetUnavailable)
    assert "row data" not in str(lost)
    other = refused(pymysql.err.IntegrityError(1062, "Duplicate entry 'Ada' for key"), "x")
    assert not isinstance(other, TargetUnavailable)
    assert "Ada" not in str(other)
    assert refused(ValueError("x"), "x") is None
