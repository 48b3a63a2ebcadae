"""The way to the server breaks, or the server does: the run goes on by itself, or says why not.

A fault that did not fire fails its test. What holds at the end is the oracle's to say.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration.testing.servers.proxy import proxy

from .faults.oracle import findings
from .faults.site import until

LOST = "the answer to a COMMIT was lost; the ledger says: "
TOLD = {"before": "it is not", "after": "it is committed", "late": "it is"}


def sweep(*values):
    """A case for the environment that has the time."""
    return pytest.param(*values, marks=pytest.mark.sweep)


@pytest.fixture
def ground_and_way(ground):
    """A cleared Postgres site, what a run leaves there, and a proxy on the way to it."""
    site, golden = ground("postgres")
    url = make_url(site.target)
    with proxy(url.host, url.port) as way:
        yield site, golden, way


def through(site, way, **more):
    """The variables of a run that takes the proxy."""
    url = make_url(site.target).set(port=way.port).render_as_string(hide_password=False)
    return {"MIGRATE_TARGET": url, **more}


def started(site, way, **more):
    """A slow run through the proxy whose workers are at work."""
    way.latency = 0.005
    run = site.start(environment=through(site, way, **more))
    assert until(lambda: len(site.backends()) > 2 and is_open(site), 30)
    return run


def is_open(site):
    """The run is in the ledger, and signals are caught."""
    try:
        return bool(site.query(f"SELECT 1 FROM {site.ledger('run')} WHERE state = 'open'"))
    except psycopg.Error:
        return False


def is_as_undisturbed(site, golden, result):
    assert result.code == 0, result.err
    assert findings(site, golden, result) == []


@pytest.mark.parametrize("moment", ["before", "after", "late"])
def test_a_lost_commit_is_looked_up_and_neither_lost_nor_doubled(ground_and_way, moment):
    site, golden, way = ground_and_way
    way.cut_commit(moment, times=3, skip=1, seconds=0.5)
    result = site.run(environment=through(site, way))
    assert way.fired[f"commit_{moment}"] == 3
    assert result.err.count(LOST + TOLD[moment]) == 3, result.err
    is_as_undisturbed(site, golden, result)


def test_one_lost_commit_is_one_line_of_the_log_and_no_outage(ground_and_way):
    site, golden, way = ground_and_way
    way.cut_commit("after", times=1, skip=1, seconds=0.0)
    command = ("run", "--json", "--log-format", "json")
    result = site.run(*command, environment=through(site, way))
    assert way.fired["commit_after"] == 1
    lines = [json.loads(line) for line in result.err.splitlines()]
    (line,) = [line for line in lines if line["event"] == "commit.unanswered"]
    assert line["is_committed"] is True
    assert line["stream"]
    assert not [line for line in lines if line["event"] == "db.unreachable"]
    told = sorted(line["batch"] for line in lines if line["event"] == "batch.committed")
    receipts = site.query(f"SELECT batch_id FROM {site.ledger('receipt')} WHERE kind = 'load'")
    assert told == sorted(batch for (batch,) in receipts)
    is_as_undisturbed(site, golden, result)


@pytest.mark.sweep
@pytest.mark.parametrize("moment", ["before", "after", "late"])
def test_lost_commits_fifty_times(ground_and_way, moment):
    site, golden, way = ground_and_way
    draw = random.Random(moment)
    looked_up = 0
    for _ in range(50):
        site.clear()
        way.fired.clear()
        times = draw.randint(1, 3)
        way.cut_commit(moment, times=times, skip=draw.randint(0, 6), seconds=draw.random())
        result = site.run(environment=through(site, way))
        assert way.fired[f"commit_{moment}"] == times
        assert result.err.count(LOST) == times, result.err
        looked_up += times
        is_as_undisturbed(site, golden, result)
    assert looked_up >= 50


@pytest.mark.parametrize("how", [sweep("SIGINT"), "SIGQUIT", sweep("SIGKILL")])
def test_a_restart_of_the_server_is_ridden_out(ground, how):
    site, golden = ground("postgres")
    run, restarts = site.start(), 0
    assert until(lambda: len(site.backends()) > 2, 20)
    while restarts < 2 and not run.ends_within(0.5 * restarts):
        site.server.stop(signal.Signals[how])
        time.sleep(0.2)
        site.server.start()
        restarts += 1
    result = run.wait()
    assert "waiting up to 60 s" in result.err
    is_as_undisturbed(site, golden, result)


def test_sessions_that_an_administrator_ends_are_opened_again(ground_and_way):
    site, golden, way = ground_and_way
    run, ended = started(site, way), 0
    while not run.ends_within(0.5) and ended < 60:
        ended += len(
            site.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'mm:%'"
            )
        )
    assert ended >= 3
    is_as_undisturbed(site, golden, run.wait())


def test_connections_that_are_reset_are_opened_again(ground_and_way):
    site, golden, way = ground_and_way
    run = started(site, way)
    while not run.ends_within(0.7) and way.fired["reset"] < 30:
        way.reset()
    assert way.fired["reset"] >= 3
    is_as_undisturbed(site, golden, run.wait())


@pytest.mark.parametrize("sender", ["client", sweep("server")])
def test_a_connection_that_breaks_after_some_bytes_is_opened_again(ground_and_way, sender):
    site, golden, way = ground_and_way
    draw = random.Random(sender)
    run = started(site, way)
    while not run.ends_within(0.2) and way.fired["cut_after"] < 12:
        way.cut_after(draw.randint(1, 3000), sender)
    assert way.fired["cut_after"] >= 3
    is_as_undisturbed(site, golden, run.wait())


def test_an_outage_beyond_the_deadline_is_exit_6_and_resumable(ground_and_way):
    site, golden, way = ground_and_way
    run = started(site, way, MIGRATE_OUTAGE_SECONDS="2")
    way.refuses = True
    way.reset()
    began = time.monotonic()
    result = run.wait()
    assert time.monotonic() - began < 20
    assert way.fired["refused"] > 3
    assert result.code == 6, result.err
    assert "waiting up to 2 s" in result.err
    assert "MATCH" not in result.out
    is_as_undisturbed(site, golden, site.finish())


def test_a_commit_whose_outcome_stays_unknown_is_never_a_success(ground_and_way):
    site, golden, way = ground_and_way
    way.cut_commit("after")
    run = site.start(environment=through(site, way, MIGRATE_OUTAGE_SECONDS="2"))
    assert until(lambda: way.fired["commit_after"], 30)
    way.refuses = True
    way.reset()
    result = run.wait()
    assert result.code == 6, result.err
    assert "the outcome of a batch is unknown" in result.err
    assert "UNKNOWN" in result.err
    assert LOST not in result.err
    is_as_undisturbed(site, golden, site.finish())


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), sweep(signal.SIGINT, 130)])
def test_a_run_that_is_told_to_stop_does_not_wait_for_a_silent_server(ground_and_way, number, code):
    site, golden, way = ground_and_way
    run = started(site, way)
    way.black_hole()
    time.sleep(0.5)
    os.kill(run.pid, number)
    began = time.monotonic()
    result = run.wait()
    assert time.monotonic() - began < 30
    assert result.code == code, result.err
    assert "the run was stopped" in result.err
    way.black_hole(on=False)
    way.reset()
    is_as_undisturbed(site, golden, site.finish())
