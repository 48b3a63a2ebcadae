"""The command that the README shows, on an empty folder: everything, proven; and then again."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from importlib import import_module

import pytest

from messy_migration.run.sandbox import SEED
from messy_migration.testing.result import fingerprints
from messy_migration_ticketing import uid

from .site import PLUGINS

STREAMS = ("events", "customers", "coupons", "orders", "tickets")
OTHERS = ("events", "ticket_types", "promo_codes", "orders", "attendees")


@pytest.fixture(scope="module")
def full(new_site):
    """The command on an empty folder: its site, what it printed, and its evidence."""
    site = new_site("sqlite:///sandbox.db")
    result = site.migrate("run", *PLUGINS, "--sandbox")
    return site, result, site.report()


@pytest.fixture(scope="module")
def truth():
    """What the sandboxes of the command serve: plugin -> manifest."""
    names = {name: f"messy_migration_{name}.sandbox" for name in ("eventcombo", "vivenu")}
    return {name: import_module(module).build(SEED).manifest for name, module in names.items()}


@pytest.fixture(scope="module")
def again(full):
    """The same command a second time, with its JSON."""
    site, _, _ = full
    return site.migrate("run", *PLUGINS, "--sandbox", "--json")


def served(truth):
    """(stream, tenant) -> what the manifests say about it."""
    vivenu, other = truth["vivenu"]["streams"], truth["eventcombo"]["streams"]
    found = {
        (name, tenant): counts
        for name, stream in vivenu.items()
        for tenant, counts in stream["tenants"].items()
    }
    return found | {(name, "default"): counts for name, counts in other.items()}


def test_it_ends_with_match_and_0(full):
    _, result, report = full
    assert result.code == 0, result.text
    assert result.out.count("MISMATCH") == result.out.count("UNKNOWN") == 0
    told = "MATCH of what was loaded; 127 of 26,019 records are in quarantine; "
    assert any(line.startswith(told) for line in result.out.splitlines())
    assert (report["verdict"], report["exit_code"]) == ("MATCH", 0)
    assert {table["verdict"] for table in report["tables"]} == {"MATCH"}


def test_it_fills_at_least_eight_tables_from_two_tenants_and_six_events(full):
    site, _, report = full
    assert len({table["table"] for table in report["tables"] if table["actual_rows"]}) >= 8
    assert site.count("tickets") >= 12_000
    assert site.query("SELECT count(DISTINCT event_id) FROM tickets")[0][0] >= 6
    accounts = site.query("SELECT DISTINCT source_system, source_account FROM tickets")
    assert {system for system, _ in accounts} == {"vivenu", "eventcombo"}
    assert len([account for system, account in accounts if system == "vivenu"]) >= 2


def test_every_stream_gives_what_the_manifest_says_and_loses_nothing(full, truth):
    site, _, report = full
    expected = served(truth)
    assert {(it["stream"], it["tenant"]) for it in report["streams"]} == set(expected)
    assert len(expected) == len(STREAMS) * 2 + len(OTHERS)
    rules = site.rules()
    for stream in report["streams"]:
        label = stream["stream"], stream["tenant"]
        counts = expected[label]
        assert stream["extracted"] == counts["extracted"], label
        assert rules.get(label, Counter()) == counts["quarantined"], label
        assert stream["quarantined"] == sum(counts["quarantined"].values()), label
        assert stream["filters"] == counts["filtered"], label
        left = stream["extracted"] - stream["quarantined"] - stream["filtered"]
        assert stream["loaded"] == left, label


def test_bad_records_stay_under_the_limit_and_there_are_bad_ones(truth):
    for label, counts in served(truth).items():
        share = sum(counts["quarantined"].values()) / counts["extracted"]
        assert share <= 0.01, label
    for name in ("vivenu.tickets", "eventcombo.attendees"):
        kinds = [
            set(it["quarantined"]) for (stream, _), it in served(truth).items() if stream == name
        ]
        assert all(len(rules) >= 4 for rules in kinds), name


def test_every_table_holds_the_good_records_and_a_stub_for_each_missing_parent(full, truth):
    site, _, _ = full
    for tenant in ("auckland", "frankfurt"):
        where = f"source_system = 'vivenu' AND source_account = '{tenant}'"
        for table, about in truth["vivenu"]["tables"].items():
            counts = about["tenants"][tenant]
            assert site.count(table, where) == counts["rows"] + counts["stubs"], (tenant, table)
            if table != "custom_field_values":
                found = site.count(table, f"{where} AND is_stub")
                assert found == counts["stubs"], (tenant, table)
    where, other = "source_system = 'eventcombo'", truth["eventcombo"]
    for table, rows in other["tables"].items():
        stubs = other["stubs"].get(table, [])
        assert site.count(table, where) == rows + len(stubs), table
        ids = {uid("eventcombo", "default", table, key) for key in stubs}
        if ids:
            found = site.query(f"SELECT id FROM {table} WHERE {where} AND is_stub")
            assert {key for (key,) in found} == ids, table


def test_sums_of_money_are_those_of_the_source(full, truth):
    site, _, _ = full
    for name, sums in truth["vivenu"]["money"].items():
        for currency, expected in sums.items():
            tenant = {"NZD": "auckland", "EUR": "frankfurt"}[currency]
            assert total(site, name, "vivenu", tenant) == Decimal(expected), (name, tenant)
    for name, expected in truth["eventcombo"]["money"].items():
        assert total(site, name, "eventcombo", "default") == Decimal(expected), name


def total(site, name, system, account):
    """The exact sum of `table.column` over one account."""
    table, column = name.split(".")
    where = f"source_system = '{system}' AND source_account = '{account}'"
    rows = site.query(f"SELECT {column} FROM {table} WHERE {where} AND {column} IS NOT NULL")
    return sum((Decimal(str(cell)) for (cell,) in rows), Decimal(0))


def test_what_is_assumed_about_a_source_is_said_at_the_start_and_kept_in_the_evidence(full):
    _, result, report = full
    said = [
        line.removeprefix("assumed: ")
        for line in result.err.splitlines()
        if line.startswith("assumed: ")
    ]
    assert sorted(said) == report["assumed"]
    paths = ("/Tickets", "/Order/List", "/Attendee/List", "/PromoCode/List")
    for path in paths:
        assert any(line.startswith("GET ") and path in line for line in said), path
    lines = result.err.splitlines()
    (plan,) = [place for place, line in enumerate(lines) if "partitions to read" in line]
    assert max(place for place, line in enumerate(lines) if line.startswith("assumed: ")) < plan


def test_a_second_time_nothing_is_inserted_or_updated(full, again):
    _, _, report = full
    again.matched()
    for table in again.json["tables"]:
        assert (table["inserted"], table["updated"]) == (0, 0), table
    assert again.fingerprints == fingerprints(report)


def test_postgres_holds_what_sqlite_holds_of_the_whole_sandbox(full, new_site, postgres_url):
    _, _, report = full
    site = new_site(postgres_url)
    arguments = ("--sandbox", "--target", postgres_url, "--workers", "4", "--json")
    result = site.migrate("run", *PLUGINS, *arguments).matched()
    assert result.json["workers"] == 4
    assert result.fingerprints == fingerprints(report)
    assert [about["refused_writes"] for about in result.json["sandbox"].values()] == [0, 0]
    for name, extracted in ((it["stream"], it["extracted"]) for it in result.json["streams"]):
        assert extracted > 0, name
    assert not (site.folder / "sandbox.db").exists()


def test_nothing_was_written_to_a_sandbox(again):
    sandbox = again.json["sandbox"]
    assert set(sandbox) == {"eventcombo", "vivenu"}
    for about in sandbox.values():
        assert about["refused_writes"] == 0
        assert about["requests"] > 5


def test_the_output_names_no_key_and_no_password(full, again):
    site, result, _ = full
    sections = [
        import_module(f"messy_migration_{name}.sandbox").build(SEED).section("http://127.0.0.1")
        for name in ("eventcombo", "vivenu")
    ]
    secrets = [sections[0]["password"], *(it["token"] for it in sections[1]["tenants"].values())]
    texts = [result.text, again.text, *(it.read_text() for it in site.folder.glob("*.json"))]
    for secret in (*secrets, "sandbox-token-"):
        assert not any(secret in text for text in texts)
