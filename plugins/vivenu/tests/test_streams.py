from __future__ import annotations

import pytest

import messy_migration_vivenu as plugin
from messy_migration_vivenu.settings import VivenuSettings
from messy_migration_vivenu.words import DENY


def test_every_account_has_every_stream(settings):
    assert [stream.label for stream in plugin.streams(settings)] == [
        f"vivenu.{name}@{tenant}"
        for tenant in ("auckland", "frankfurt")
        for name in ("events", "customers", "coupons", "orders", "tickets")
    ]


def test_streams_are_the_same_whenever_they_are_asked_for(settings):
    assert plugin.streams(settings) == plugin.streams(settings)


def test_every_table_and_scope_has_one_owner(settings):
    owned = [(table.name, table.scope) for s in plugin.streams(settings) for table in s.tables]
    assert len(owned) == len(set(owned)) == 2 * 11


def test_foreign_keys_point_at_tables_of_the_same_account(settings):
    streams = plugin.streams(settings)
    names = {table.name for stream in streams for table in stream.tables}
    for stream in streams:
        for table in stream.tables:
            for key in table.foreign_keys:
                assert key.parent in names
                if key.stub:
                    assert dict(key.stub)["source_account"] == stream.tenant


def test_parents_come_first(settings):
    seen = set()
    for stream in plugin.streams(settings)[:5]:
        assert set(stream.depends_on) <= seen
        seen.add(stream.name)


def test_every_stream_lands_without_what_is_denied(settings):
    for stream in plugin.streams(settings):
        assert stream.lands
        assert stream.deny == DENY
        assert stream.bookmark == "source_updated_at"
        assert all(stream.bookmark in table.names for table in stream.tables)
        assert [column.name for column in stream.record] == ["id", "updated_at", "payload"]


def test_the_streams_of_other_plugins_are_left_alone(stream_of, partition_of):
    from dataclasses import replace

    other = replace(stream_of("orders"), name="eventcombo.orders")
    assert plugin.transform(other, None, None) is None
    assert plugin.validate(other, "orders", None) == []
    assert plugin.transform(stream_of("orders"), "orders", None) is None


def test_an_account_that_is_gone_from_the_settings_is_named(stream_of):
    from messy_migration.errors import ConfigurationError

    others = VivenuSettings.model_validate({"tenants": {"other": {"token": "key"}}})
    with pytest.raises(ConfigurationError, match="auckland"):
        plugin.partitions(stream_of("orders"), None, None, others)
