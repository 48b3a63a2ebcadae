"""A run that is stopped before its tables have their keys, and whoever comes next."""

from __future__ import annotations

import signal

import pytest

HAS_KEY = "SELECT count(*) FROM pg_index WHERE indisprimary AND indrelid = 'flights'::regclass"
STATE = "SELECT state FROM messy_migration.table_state WHERE table_name = 'flights'"


@pytest.fixture
def stopped(new_site, busy_data):
    """A target whose run was killed in the middle of its load."""
    with new_site("postgres", busy_data) as site:
        run = site.start("run", "--json", "--workers", "2")
        # The batches in which a key comes twice are in different files.
        site.wait_for_commits(site.data.batches // 2)
        run.signal(signal.SIGKILL, group=True)
        run.wait()
        yield site


def looked_at(site):
    return site.query(HAS_KEY)[0][0], site.query(STATE)[0][0]


def test_what_was_loaded_without_a_key_is_proven_and_the_same_command_adds_it(stopped, undisturbed):
    site = stopped
    assert looked_at(site) == (0, "key_pending")
    judged = site.reconcile().json
    assert {item["table"]: item["verdict"] for item in judged["tables"]}["flights"] != "MISMATCH"
    assert judged["differences"] == []
    result = site.run("--workers", "2").matched()
    assert result.json["resumed"] is True
    assert result.fingerprints == undisturbed
    assert looked_at(site) == (1, "ready")
    counts = result.stream("files.flights")
    assert (counts["extracted"], counts["quarantined"], counts["filtered"]) == (4800, 8, 8)


def test_a_run_of_another_selection_adds_the_key_before_it_merges(stopped):
    site = stopped
    result = site.run("--select", "files.flights").matched()
    assert result.json["resumed"] is False
    assert looked_at(site) == (1, "ready")
    keys = [row[:4] for row in site.rows("flights")]
    assert sorted(keys) == sorted({row[:4] for row in site.data.rows("flights")})
    site.run().matched()
    site.reconcile().matched()
