"""The nasty rows are equal in every kind of database, and a dialect that is wrong is caught."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest

from messy_migration.databases.duckdb import encoding as duckdb_c1
from messy_migration.testing import conformance
from messy_migration.testing.conformance import departures
from messy_migration.testing.nasty_rows import nasty_table

ROWS = 5_000
ALL = 200_000


@pytest.fixture(autouse=True, scope="module")
def made_once():
    """The same rows serve many tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(conformance, "nasty", lru_cache(maxsize=2)(conformance.nasty))
        yield


def departing(place, rows, **how):
    database = place.open()
    return departures(
        database.reader, database.engine, place.load, rows=rows, unstorable=place.unstorable, **how
    )


def test_the_nasty_rows_are_equal(place):
    assert departing(place, ROWS) == []


@pytest.mark.sweep
def test_all_of_the_nasty_rows_are_equal(place):
    assert departing(place, ALL, seed=2) == []


WRONG = {
    "trims text": ("text", "strlen(rtrim({x})) || ':' || rtrim({x})"),
    "counts characters": ("text", "length({x}) || ':' || {x}"),
    "folds Unicode": ("text", "strlen(nfc_normalize({x})) || ':' || nfc_normalize({x})"),
    "takes empty text for NULL": ("text", "strlen(nullif({x}, '')) || ':' || {x}"),
    "has no lengths": ("text", "{x}"),
    "keeps -0.0": ("float64", "lower(lpad(to_hex({x}::BIT::BIGINT), 16, '0'))"),
    "prints floats": ("float64", "{x}::VARCHAR"),
    "keeps the zeros of a scale": ("decimal", "{x}::VARCHAR"),
    "trims the zeros of whole numbers": ("decimal", "rtrim(rtrim({x}::VARCHAR, '0'), '.')"),
    "counts seconds": (
        "timestamp",
        "lower(lpad(to_hex((epoch_us({x}) // 1000000) * 1000000 - 946684800000000), 16, '0'))",
    ),
    "counts days from 1970": (
        "date", "lower(lpad(to_hex(({x} - DATE '1970-01-01') & 4294967295), 8, '0'))"
    ),
    "says true": ("bool", "{x}::VARCHAR"),
    "shouts bytes": ("bytes", "octet_length({x})::VARCHAR || ':' || hex({x})"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_dialect_that_is_wrong_departs(place_of, monkeypatch, name):
    kind, expression = WRONG[name]
    monkeypatch.setitem(duckdb_c1._EXPRESSIONS, kind, expression)
    found = departing(place_of("duckdb"), 450)
    columns = [one.name for one in nasty_table().columns if one.type.kind == kind]
    assert any(line.startswith(f"column {column} (") for line in found for column in columns)
    others = [one.name for one in nasty_table().columns if one.type.kind != kind]
    assert not any(line.startswith(f"column {column} (") for line in found for column in others)
    assert any(line.startswith("the fingerprint of") for line in found)


@pytest.fixture
def reformatted(place_of):
    """A DuckDB in which somebody has spelled documents in another way."""
    place = place_of("duckdb")

    def load(table, data):
        place.load(table, data)
        place.run("UPDATE nasty SET document = ' ' || document WHERE document IS NOT NULL")

    return replace(place, load=load)


def test_documents_are_equal_however_they_are_spelled(reformatted):
    assert departing(reformatted, 450) == []


def test_a_dialect_that_leaves_documents_as_they_are_departs(reformatted, monkeypatch):
    monkeypatch.setattr(duckdb_c1, "STREAMED", frozenset())
    monkeypatch.setitem(duckdb_c1._EXPRESSIONS, "json", duckdb_c1._EXPRESSIONS["text"])
    found = departing(reformatted, 450)
    assert found[0].startswith("column document (json): ")
    assert all(line.startswith("the fingerprint of") for line in found[1:])


def test_a_sum_that_leaves_something_out_departs(place_of, monkeypatch):
    place = place_of("duckdb")
    reader = place.open().reader
    honest = type(reader).fingerprint

    def without_conditions(self, connection, table, source):
        return honest(self, connection, table, source.partition(" WHERE ")[0])

    monkeypatch.setattr(type(reader), "fingerprint", without_conditions)
    found = departing(place, 450)
    assert len(found) == 2
    assert all(line.startswith("the fingerprint of") for line in found)


def test_rows_that_are_missing_are_a_departure(place_of):
    place = place_of("duckdb")
    fewer = replace(place, load=lambda table, data: place.load(table, data.slice(1)))
    found = departing(fewer, 450)
    assert found[0] == "449 rows came back, 450 were loaded"


def test_a_dialect_that_can_hold_little_departs(place_of):
    place = replace(place_of("duckdb"), unstorable=lambda table, data: {"small": range(200)})
    assert departing(place, 450) == ["200 of 450 rows cannot be stored, which is too many"]
