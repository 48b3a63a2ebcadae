from __future__ import annotations

from pathlib import Path

import pytest

from messy_migration_ticketing import BOOKMARK, FIELDS, needed, stream_tables, tables, uid
from messy_migration_ticketing.__main__ import schema_markdown

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_holds_the_schema_as_it_is():
    assert README.read_text(encoding="utf-8").endswith("\n" + schema_markdown())


def test_every_foreign_key_points_at_the_key_of_a_table_that_exists():
    made = tables("vivenu", "auckland")
    assert sum(len(table.foreign_keys) for table in made.values()) == 16
    for table in made.values():
        for key in table.foreign_keys:
            parent = made[key.parent]
            assert key.parent_columns == parent.key == ("id",)
            assert {name for name, _ in key.stub} <= set(parent.names)


def test_a_stub_fills_whatever_the_database_requires_of_its_parent():
    made = tables("vivenu", "auckland")
    stubbed = 0
    for table in made.values():
        for key in table.foreign_keys:
            filled = {name for name, _ in key.stub}
            required = {column.name for column in made[key.parent].columns if column.required}
            if key.stub:
                stubbed += 1
                assert required <= filled
                assert dict(key.stub)["is_stub"] == "true"
                assert dict(key.stub)["source_account"] == "auckland"
    assert stubbed == 14


def test_what_is_needed_of_a_row_is_required_where_no_stub_can_be():
    line = tables("vivenu", "auckland")["order_items"]
    assert {column.name for column in line.columns if column.required} == set(needed("order_items"))


def test_every_table_has_the_bookmark_and_the_scope():
    for table in tables("vivenu", "auckland").values():
        assert table.column(BOOKMARK).type.kind == "timestamp"
        assert not table.column(BOOKMARK).required
        assert table.scope == (("source_system", "vivenu"), ("source_account", "auckland"))


def test_streams_of_one_account_own_different_custom_fields():
    orders = stream_tables("vivenu", "auckland", ("orders", "custom_field_values"))[1]
    tickets = stream_tables("vivenu", "auckland", ("tickets", "custom_field_values"))[1]
    assert dict(orders.scope)["owner_entity"] == "orders"
    assert orders.scope != tickets.scope
    assert orders.columns == tickets.columns


def test_tables_come_before_those_that_point_at_them():
    order = list(FIELDS)
    for name, fields in FIELDS.items():
        for field in fields:
            if field.parent and field.parent != name:
                assert order.index(field.parent) < order.index(name)


def test_a_key_is_the_same_in_every_run_and_differs_with_every_part():
    # Written down: another value would give every migrated row another key.
    assert uid("vivenu", "auckland", "tickets", "abc") == "05da3792-606d-5c64-9d59-43a3d047d1ec"
    others = {
        uid("vivenu", "auckland", "tickets", "abc"),
        uid("eventcombo", "auckland", "tickets", "abc"),
        uid("vivenu", "frankfurt", "tickets", "abc"),
        uid("vivenu", "auckland", "orders", "abc"),
        uid("vivenu", "auckland", "tickets", "abc "),
        uid("vivenu", "auckland", "tickets", "ABC"),
    }
    assert len(others) == 6


def test_parts_of_a_key_cannot_run_into_each_other():
    with pytest.raises(ValueError, match="may not hold"):
        uid("vivenu", "auck|land", "tickets", "abc")
