"""Whose data is read, with which key, and into which target."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import httpx2
import pytest

from messy_migration.run.sandbox import serve

from .conftest import QUICK
from .served import TOKEN
from .site import PLUGINS

WRONG = {"AUCKLAND_KEY": "not-the-key-7f3a9c", "EVENTCOMBO_PASSWORD": "not-the-password-51d0"}
SINCE = "2026-03-01"


@pytest.fixture(scope="module")
def locked_out(new_site, new_sources):
    """A run with a wrong key and a wrong password beside a right key, and the same repaired."""
    with new_sources() as sources:
        site = new_site().configure(sources, http=QUICK)
        wrong = site.run(**WRONG)
        calls = tuple(sources.calls)
        written = tuple(site.written())
        yield site, wrong, calls, written, site.run()


def test_a_wrong_key_and_a_wrong_password_are_tried_once_each(locked_out):
    _, result, calls, _, _ = locked_out
    result.ended(5, "UNKNOWN")
    refused = [call for call in calls if call.status != 200]
    assert sorted((call.plugin, call.status) for call in refused) == [
        ("eventcombo", 400),
        ("vivenu", 401),
    ]
    assert [call.path for call in calls if call.plugin == "eventcombo"] == [TOKEN]
    assert {call.tenant for call in calls if call.status == 200} == {"frankfurt"}
    problems = result.json["problems"]
    labels = ("eventcombo.events@default", "vivenu.events@auckland")
    assert len(problems) == 2
    for problem, label in zip(sorted(problems, key=lambda it: it["where"]), labels, strict=True):
        assert problem["where"].startswith(label)
        assert "check the key or the password" in problem["next"]


def test_beside_a_locked_account_the_others_are_read_and_proven(locked_out, undisturbed):
    _, result, *_ = locked_out
    _, expected, *_ = undisturbed
    for table in result.json["tables"]:
        is_right = table["scope"]["source_account"] == "frankfurt"
        assert table["verdict"] == ("MATCH" if is_right else "UNKNOWN"), table
    right = {key for key in expected.fingerprints if ("source_account", "frankfurt") in key[1]}
    assert {key: result.fingerprints[key] for key in right} == {
        key: expected.fingerprints[key] for key in right
    }
    for stream in ("events", "customers", "coupons", "orders", "tickets"):
        assert result.stream(f"vivenu.{stream}", "auckland")["extracted"] == 0


def test_after_the_key_is_repaired_the_same_command_ends_with_match(locked_out, undisturbed):
    *_, repaired = locked_out
    _, expected, *_ = undisturbed
    assert repaired.matched().fingerprints == expected.fingerprints
    assert repaired.json["resumed"] is True


def test_no_key_password_or_token_is_printed_or_written(locked_out):
    site, wrong, _, written, repaired = locked_out
    texts = [wrong.text, repaired.text, *written, *site.written()]
    for secret in (*WRONG.values(), *site.env.values(), "sandbox-token-", "Bearer "):
        assert not any(secret in text for text in texts), "a secret came out"


def test_a_write_to_a_sandbox_is_refused_and_counted():
    with serve(PLUGINS[1].split(",")) as boxes:
        assert len(boxes) == 2
        for box in boxes:
            assert box.traffic() == {"requests": 0, "refused_writes": 0}
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = httpx2.request(method, f"{box.url}/api/tickets", json={"status": "VALID"})
                assert answer.status_code == 405, (box.plugin, method)
            httpx2.get(f"{box.url}/api/tickets")
            assert box.traffic() == {"requests": 5, "refused_writes": 4}


@pytest.fixture(scope="module")
def part(new_site, new_sources):
    """One tenant, and of that what changed of late; and then all of that tenant."""
    with new_sources() as sources:
        site = new_site().configure(sources)
        some = site.run("--plugins", "vivenu", "--tenant", "auckland", "--since", SINCE)
        late = site.count("tickets", f"source_updated_at >= '{SINCE}'"), site.count("tickets")
        calls = tuple(sources.calls)
        everything = site.run(
            "--plugins", "vivenu", "--tenant", "auckland", "--since", "2016-01-01"
        )
        yield sources, some, late, calls, everything


def test_with_tenant_only_that_tenant_is_asked_for_and_written(part):
    _, result, _, calls, _ = part
    result.matched()
    assert {call.tenant for call in calls} == {"auckland"}
    assert {it["tenant"] for it in result.json["streams"]} == {"auckland"}
    assert {it["scope"]["source_account"] for it in result.json["tables"]} == {"auckland"}


def test_with_since_only_what_changed_since_then_is_read(part):
    sources, result, (late, tickets), calls, _ = part
    bounds = [call.asked.get("updatedAt[$gte]") for call in calls if call.path == "/api/tickets"]
    assert bounds
    assert all(bound >= SINCE for bound in bounds)
    served = [it for _, it in sources.records("auckland", "tickets") if it["updatedAt"] >= SINCE]
    assert result.stream("vivenu.tickets", "auckland")["extracted"] == len(served)
    assert 0 < late == tickets < len(sources.records("auckland", "tickets"))


def test_what_since_left_out_comes_with_a_later_run_and_replaces_its_stubs(part, undisturbed):
    *_, everything = part
    _, expected, *_ = undisturbed
    mine = {
        key: it
        for key, it in expected.fingerprints.items()
        if ("source_account", "auckland") in key[1]
    }
    assert everything.matched().fingerprints == mine


def test_a_tenant_that_there_is_not_is_a_mistake_on_the_command_line(loaded):
    site, sources = loaded
    result = site.run("--tenant", "atlantis").ended(2)
    assert "'atlantis'" in result.json["error"]["what"]
    for tenant in ("auckland", "frankfurt", "default"):
        assert tenant in result.json["error"]["why"]
    assert sources.calls == []


@pytest.fixture(scope="module")
def sandboxed(loaded):
    """A sandbox run where another target and other sources are configured."""
    site, sources = loaded
    before = site.query("SELECT count(*), max(started_at) FROM messy_migration_run")
    result = site.run("--sandbox", "--select", "eventcombo.events", MIGRATE_TARGET=site.target)
    after = site.query("SELECT count(*), max(started_at) FROM messy_migration_run")
    return result.matched(), before == after, len(sources.calls)


def test_a_sandbox_run_leaves_the_configured_target_and_sources_alone(loaded, sandboxed):
    site, _ = loaded
    result, is_untouched, calls = sandboxed
    assert result.json["target"].endswith("/sandbox.db")
    assert is_untouched
    assert calls == 0
    with closing(sqlite3.connect(site.folder / "sandbox.db")) as connection:
        stamp = connection.execute("SELECT kind FROM messy_migration_stamp").fetchall()
        assert stamp == [("sandbox",)]
        assert connection.execute("SELECT count(*) FROM events").fetchone()[0] > 0


def test_real_data_never_goes_into_a_sandbox_target(loaded, sandboxed):
    site, sources = loaded
    result = site.run("--target", "sqlite:///sandbox.db").ended(3)
    assert "belongs to a sandbox" in result.json["error"]["what"]
    assert sources.calls == []
    with closing(sqlite3.connect(site.folder / "sandbox.db")) as connection:
        assert connection.execute("SELECT count(*) FROM messy_migration_run").fetchone() == (1,)


def test_sandbox_data_never_goes_into_a_real_target(loaded):
    site, _ = loaded
    arguments = ("--sandbox", "--select", "eventcombo.events", "--target", site.target)
    result = site.run(*arguments).ended(3)
    assert "belongs to real data" in result.json["error"]["what"]
