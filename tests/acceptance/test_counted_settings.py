"""Every setting of every plugin changes rows, and so the plan id, or it changes none.

A new setting fails here until somebody decides.
"""

from __future__ import annotations

import sqlite3
from copy import deepcopy
from datetime import date
from types import SimpleNamespace

import pytest

from messy_migration.config.fields import settings_of
from messy_migration.config.problems import fill
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.plan_id import plan_id
from messy_migration.registry import build
from messy_migration.streams import offered

SCHEMA = """
table = "sales"
key = ["id"]
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = []
[columns]
id = { from = "id", type = "int32" }
"""

SAME, OTHER = False, True
"""Another value is the same plan; it is another one."""

HTTP = {
    name: (value, SAME)
    for name, value in {
        "tries": 2, "base": 1, "cap": 1, "asked": 1, "budget": 1, "connect": 1, "read": 1,
        "answer": 1, "body": 1, "breaker": 1,
    }.items()
}  # fmt: skip


def below(path, changes):
    return {f"{path}.{name}": change for name, change in changes.items()}


TENANT = {
    "token": ("rotated", SAME),
    "base_url": ("https://other.example/api", SAME),
    "top": (20, SAME),
    "floor": (20, SAME),
    "rate": (1.5, SAME),
    "begin": (date(2020, 1, 1), SAME),
    "window_days": (7, SAME),
    "lag": (1, SAME),
    "currency": ("USD", OTHER),
    "timezone": ("Pacific/Auckland", OTHER),
    "test_prefixes": (["TEST"], OTHER),
    "test_shops": (["shop"], OTHER),
    **below("http", HTTP),
}

ACCOUNT = {
    "username": ("other", SAME),
    "password": ("rotated", SAME),
    "base_url": ("https://other.example", SAME),
    "default_timezone": ("Pacific/Auckland", OTHER),
    "default_currency": ("EUR", OTHER),
}

PER_EVENT_LISTS = ("ticket_types", "orders", "attendees", "promo_codes")
PER_EVENT = {"path": ("/other?eventId={event_id}", SAME), "paging": ("none", SAME)}

EVENTCOMBO = {
    "base_url": ("https://other.example", SAME),
    **below("tenants.NAME", ACCOUNT),
    "token.path": ("/other", SAME),
    "token.field": ("other", SAME),
    "token.expires_field": ("other", SAME),
    "token.fallback_life": (1, SAME),
    "token.refresh_early": (1, SAME),
    "events.path": ("/other", SAME),
    "events.paging": ("page", SAME),
    **{
        name: change
        for entity in PER_EVENT_LISTS
        for name, change in below(entity, PER_EVENT).items()
    },
    "paging.page_param": ("other", SAME),
    "paging.size_param": ("other", SAME),
    "paging.size": (7, SAME),
    "paging.first": (1, SAME),
    "envelope.paths": (["Other"], OTHER),
    "envelope.totals": (["other"], SAME),
    "default_timezone": ("Pacific/Auckland", OTHER),
    "default_currency": ("EUR", OTHER),
    "slices": (7, SAME),
    "calls_per_second": (1.5, SAME),
    **below("http", HTTP),
    "local_orders_before": (date(2020, 1, 1), OTHER),
    "test_prefixes": (["TEST"], OTHER),
    "aliases": ({"orders": {"total": ["Sum"]}}, OTHER),
}

TABLE = {
    "target": ("other", OTHER),
    "rename": ({"name": "label"}, OTHER),
    "types": ({"name": "json"}, OTHER),
    "key": (["name"], OTHER),
    "bookmark": ("day", OTHER),
    "overlap": (1, SAME),
}

DATABASE = {
    "include": (["t", "u"], SAME),
    "exclude": (["u"], SAME),
    "leave_out": (["*.name"], OTHER),
    "prefix": ("other_", OTHER),
    "foreign_keys": (False, SAME),
    "insecure_reason": ("a test", SAME),
    **below("tables.NAME", TABLE),
}

FILES = {"streams.NAME.path": ("o*.csv", SAME), "streams.NAME.schema": ("other.toml", SAME)}

CASES = {
    "vivenu": ({"tenants": {"a": {"token": "key"}}}, {"NAME": "a"}, below("tenants.NAME", TENANT)),
    "eventcombo": (
        {
            "tenants": {"a": {"username": "me", "password": "key"}},
            **{name: {"path": f"/{name}?of={{event_id}}"} for name in PER_EVENT_LISTS},
        },
        {"NAME": "a"},
        EVENTCOMBO,
    ),
    "files": (
        {"streams": {"sales": {"path": "s*.csv", "schema": "sales.toml"}}},
        {"NAME": "sales"},
        FILES,
    ),
    "sql": ({"url": "sqlite:///one.db", "tables": {"t": {}}}, {"NAME": "t"}, DATABASE),
}

ELSEWHERE = {
    # What names the one account in place of `tenants`; what SQLite does not have.
    "eventcombo": {"username", "password"},
    "sql": {"url", "password", "schema", "tenant_column"},
}


@pytest.fixture
def plans(tmp_path, monkeypatch):
    """A function: the plan ids of a plugin's streams under a section of it."""
    monkeypatch.chdir(tmp_path)
    for name in ("one.db", "two.db"):
        with sqlite3.connect(tmp_path / name) as connection:
            connection.execute(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, day TIMESTAMP)"
            )
            connection.execute("CREATE TABLE u (id INTEGER PRIMARY KEY)")
    for name, table in (("sales.toml", "sales"), ("other.toml", "sales"), ("more.toml", "more")):
        (tmp_path / name).write_text(SCHEMA.replace("sales", table))

    def ids(plugin, section):
        registry = build([plugin])
        model = registry.call_one(plugin, "settings_model")
        registry.sections[plugin] = fill(model, section, {"directory": tmp_path})
        workspace = SimpleNamespace(registry=registry)
        try:
            return {
                stream.label: plan_id(workspace, stream, Cutting(10, 100))
                for stream in offered(registry)
            }
        finally:
            registry.call_one(plugin, "release")

    return ids


def with_value(section, path, value):
    changed = deepcopy(section)
    *above, last = path.split(".")
    node = changed
    for name in above:
        node = node.setdefault(name, {})
    node[last] = value
    return changed


@pytest.mark.parametrize("plugin", CASES)
def test_for_every_setting_it_is_decided_whether_it_changes_rows(plugin):
    model = build([plugin]).call_one(plugin, "settings_model")
    names = [setting.name for setting in settings_of(plugin, model)]
    leaves = {
        name for name in names if not any(other.startswith(f"{name}.") for other in names)
    } - ELSEWHERE.get(plugin, set())
    per_database = {name for name in leaves if name.startswith("databases.")}
    assert leaves - per_database == set(CASES[plugin][2])


@pytest.mark.parametrize(
    "plugin, name", [(plugin, name) for plugin, case in CASES.items() for name in case[2]]
)
def test_another_value_is_another_plan_only_where_it_changes_rows(plans, plugin, name):
    section, names, changes = CASES[plugin]
    value, is_counted = changes[name]
    path = name.replace("NAME", names["NAME"])
    before, after = plans(plugin, section), plans(plugin, with_value(section, path, value))
    shared = set(before) & set(after)
    differing = {label for label in shared if before[label] != after[label]}
    if not is_counted:
        assert not differing
        assert shared
    else:
        # A stream of another name is another one anyway.
        assert differing or set(before) != set(after)


@pytest.mark.parametrize(
    "plugin, path, value",
    [
        ("vivenu", "tenants.b", {"token": "key", "currency": "NZD"}),
        ("eventcombo", "tenants.b", {"username": "me", "password": "x", "default_currency": "NZD"}),
        ("files", "streams.more", {"path": "m*.csv", "schema": "more.toml"}),
        ("sql", "tables.u", {"types": {"id": "text"}}),
        ("sql", "url", "sqlite:///two.db"),
    ],
)
def test_one_more_account_or_stream_is_the_same_plan_of_all_others(plans, plugin, path, value):
    section = CASES[plugin][0]
    before = plans(plugin, section)
    after = plans(plugin, with_value(section, path, value))
    changed = {label for label in before if before[label] != after[label]}
    assert changed <= {"sql.u"}


def test_the_shared_default_of_an_account_is_its_own_where_it_says_none(plans):
    section = CASES["eventcombo"][0]
    own = with_value(section, "tenants.a.default_currency", "USD")
    assert plans("eventcombo", section) == plans("eventcombo", own)
