"""Which streams a database offers, and what is refused before anything is read."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.model import ForeignKey
from messy_migration_sql.names import acyclic, plain_name

NORTHWIND = [
    'CREATE TABLE "Customers" ("CustomerID" char(5) PRIMARY KEY, "Name" varchar(40) NOT NULL)',
    """CREATE TABLE "Orders" ("OrderID" integer PRIMARY KEY, "Order Date" timestamp,
        "CustomerID" char(5) REFERENCES "Customers" ("CustomerID"))""",
    """CREATE TABLE "Order Details" (
        "OrderID" integer NOT NULL REFERENCES "Orders" ("OrderID"),
        "ProductID" integer NOT NULL, "Unit Price" numeric,
        PRIMARY KEY ("OrderID", "ProductID"))""",
    'CREATE TABLE "Region" ("RegionID" integer)',
]


@pytest.mark.parametrize(
    "name, plain",
    [
        ("CustomerID", "customerid"),
        ("Order Details", "order_details"),
        ("Größe (cm)", "groe_cm"),
        ("2fa", "_2fa"),
        ("_id", "_id"),
        ("a--b", "a_b"),
        ("品名", ""),
    ],
)
def test_a_name_becomes_one_that_nobody_has_to_quote(name, plain):
    assert plain_name(name) == plain


def test_only_what_goes_in_a_circle_is_taken_out():
    edges = {"a": {"b"}, "b": {"a"}, "c": {"a", "c"}, "d": set()}
    left = acyclic(edges)
    assert left["c"] == {"a"}
    assert left["a"] | left["b"] != {"a", "b"}
    assert acyclic({"a": {"b"}, "b": set()}) == {"a": {"b"}, "b": set()}


def test_tables_become_streams_with_keys_and_parents(source, open_plugin):
    source.run(*NORTHWIND)
    streams = open_plugin(source).streams()
    assert list(streams) == ["customers", "order_details", "orders", "region"]
    details = streams["order_details"]
    assert details.depends_on == ("sql.orders",)
    (table,) = details.tables
    assert table.names == ("orderid", "productid", "unit_price")
    assert table.key == ("orderid", "productid")
    assert table.foreign_keys == (ForeignKey(("orderid",), "orders", ("orderid",)),)
    assert str(table.column("unit_price").type) == "decimal(38,18)"
    assert streams["region"].tables[0].key == ()
    assert [c.name for c in streams["customers"].tables[0].columns if c.required] == [
        "customerid",
        "name",
    ]
    lines = " ".join((*streams["orders"].assumed, *details.assumed))
    assert "times without a zone in Orders are UTC" in lines
    assert "Unit Price of Order Details without a size" in lines


def test_settings_choose_rename_and_leave_out(source, open_plugin):
    source.run(*NORTHWIND)
    plugin = open_plugin(
        {
            "url": source.url,
            "include": ["*O*", "Cust*"],
            "exclude": ["Orders"],
            "prefix": "nw_",
            "leave_out": ["Customers.N*"],
            "tables": {
                "Order Details": {"target": "lines", "rename": {"Unit Price": "price"}},
                "Customers": {"types": {"CustomerID": "text"}},
            },
        }
    )
    streams = plugin.streams()
    assert list(streams) == ["customers", "lines"]
    assert streams["lines"].tables[0].name == "nw_lines"
    assert streams["lines"].tables[0].names == ("orderid", "productid", "price")
    assert streams["lines"].tables[0].foreign_keys == ()
    assert streams["customers"].tables[0].names == ("customerid",)
    assert streams["customers"].deny == ("Name",)


def test_foreign_keys_can_be_left_unproven(source, open_plugin):
    source.run(*NORTHWIND)
    streams = open_plugin({"url": source.url, "foreign_keys": False}).streams()
    assert all(not stream.tables[0].foreign_keys for stream in streams.values())
    assert all(not stream.depends_on for stream in streams.values())


def test_a_declared_key_is_one_without_ranges(source, open_plugin):
    source.run("CREATE TABLE t (a integer, b integer)", "INSERT INTO t VALUES (1, 2), (NULL, 3)")
    plugin = open_plugin({"url": source.url, "tables": {"t": {"key": ["b"]}}})
    stream = plugin.streams()["t"]
    assert stream.tables[0].key == ("b",)
    assert plugin.extract(stream, plugin.partitions(stream, records=1)).sizes == [2]


@pytest.mark.parametrize(
    "create, section, words",
    [
        ("CREATE TABLE t (a integer, how interval)", {}, "t.how is interval"),
        ('CREATE TABLE t ("a b" integer, "a-b" integer)', {}, "'a b' and 'a-b' would both be"),
        ('CREATE TABLE t ("品" integer)', {}, "nothing is left of '品'"),
        ("CREATE TABLE t (_record integer)", {}, "name of ours.*rename"),
        ("CREATE TABLE pg_t (a integer)", {}, "belongs to the database.*target"),
        ("CREATE TABLE t (a integer)", {"tables": {"tt": {}}}, "did you mean 't'"),
        ("CREATE TABLE t (abc int)", {"tables": {"t": {"types": {"abd": "text"}}}}, "mean 'abc'"),
        ("CREATE TABLE t (abc int)", {"tables": {"t": {"bookmark": "x"}}}, "column.*'x'"),
        ("CREATE TABLE t (a int)", {"leave_out": ["t.a"]}, "every column of a table is left out"),
    ],
)
def test_what_cannot_be_named_or_typed_is_refused_by_name(
    source, open_plugin, create, section, words
):
    if source.kind == "postgresql" and "pg_t" in create:
        create = create.replace("pg_t", '"pg t"')
    source.run(create)
    plugin = open_plugin({"url": source.url, **section})
    with pytest.raises(ConfigurationError) as caught:
        plugin.streams()
    assert re.search(words, str(caught.value), re.IGNORECASE)


def test_two_tables_that_differ_in_case_only_need_names(postgres, open_plugin):
    postgres.run("CREATE TABLE t (a integer)", 'CREATE TABLE "T" (a integer)')
    with pytest.raises(ConfigurationError, match="would both be 't'"):
        open_plugin(postgres).streams()
    section = {"url": postgres.url, "tables": {"T": {"target": "large_t"}}}
    assert set(open_plugin(section).streams()) == {"t", "large_t"}


def test_a_source_without_tables_is_an_error(source, open_plugin):
    source.run("CREATE TABLE t (a integer)")
    with pytest.raises(SourceError, match="no table to read"):
        open_plugin({"url": source.url, "exclude": ["*"]}).streams()


FAR = "postgresql://reader:pw123456@db.example.org/shop"
BARE = "postgresql://reader@db.example.org/shop"


@pytest.mark.parametrize(
    "section, written, words",
    [
        ({}, [], "either url or databases"),
        ({"url": BARE, "databases": {"a": {"url": BARE}}}, [], "either url or databases"),
        ({"url": FAR}, ["url"], "url holds a password.*env://NAME"),
        ({"databases": {"a": {"url": FAR}}}, ["databases.a.url"], "databases.a.url holds"),
        ({"url": BARE, "password": "pw123456"}, ["password"], "must be a reference"),
        ({"url": FAR, "password": "pw123456"}, [], "both hold a password"),
        ({"url": BARE + "?password=x"}, [], "after the \\?"),
        ({"url": "mysql://root@h/d"}, [], "cannot be read"),
        ({"url": "sqlite://"}, [], "names no database"),
        ({"url": "sqlite://host/file.db"}, [], "three slashes"),
        ({"url": "not a url"}, [], "no database URL"),
        ({"url": "sqlite:///a.db", "password": "pw123456"}, [], "takes none"),
        ({"url": BARE, "tenant_column": "shop"}, [], "several databases"),
        ({"url": BARE, "leave_out": ["password"]}, [], "table.column"),
        ({"url": BARE, "tables": {"t": {"types": {"a": "varchar"}}}}, [], "unknown column type"),
        ({"url": BARE, "tables": {"t": {"target": "Bad Name"}}}, [], "target"),
        ({"url": BARE, "nonsense": 1}, [], "nonsense"),
    ],
)
def test_settings_that_cannot_be_meant(open_plugin, section, written, words):
    with pytest.raises(ValidationError, match=f"(?s){words}") as caught:
        open_plugin(section, written)
    if "?" not in str(section):
        told = " ".join(item["msg"] for item in caught.value.errors())
        assert "pw123456" not in told


def test_a_password_may_come_from_elsewhere_or_stay_on_the_machine(open_plugin):
    assert open_plugin({"url": FAR}).settings.of("").url.password == "pw123456"
    near = "postgresql://reader:pw123456@127.0.0.1/shop"
    assert open_plugin({"url": near}, ["url"]).settings.of("").url.password == "pw123456"
    apart = open_plugin({"url": BARE, "password": "pw123456"}).settings
    assert apart.of("").url.password == "pw123456"
    assert "pw123456" not in repr(apart)
