"""The server fails over to a standby that has everything, and the run goes on there.

A primary and a streaming standby that every commit waits for; the primary is stopped in the
middle of a run, the standby promoted, and the proxy leads to it.
"""

from __future__ import annotations

import signal
import time

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration.testing.servers.cluster import standby
from messy_migration.testing.servers.postgres import server
from messy_migration.testing.servers.proxy import proxy

from .faults.oracle import Golden, findings
from .faults.site import ALONE, Site, until

PRIMARY = {"synchronous_commit": "on", "wal_level": "replica", "max_wal_senders": "4"}
RECOVERED_SECONDS = 60.0


def at(url, port):
    return make_url(url).set(port=port).render_as_string(hide_password=False)


def ask(url, statement):
    """The first row of a statement, if it gives rows."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


@pytest.fixture
def primary(source, warm, tmp_path):
    """A site on a server of its own, and what an undisturbed run leaves there."""
    with server(**PRIMARY) as running, running.database() as url:
        if running.cluster is None:
            pytest.skip("NOT EXERCISED: a server of this provider has no standby")
        site = Site(tmp_path / "site", url, source, warm, running)
        site.clear()
        assert site.run(*ALONE).code == 0
        golden = Golden(site)
        site.clear()
        yield site, golden
        running.start()  # or its database could not be dropped, nor while it waits for a standby
        ask(url, "ALTER SYSTEM RESET synchronous_standby_names")
        ask(url, "SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(n, marks=pytest.mark.sweep) for n in range(1, 20))]
)
def test_a_failover_to_a_synchronous_standby_is_exact(primary, number):
    site, golden = primary
    url = make_url(site.target)
    with standby(site.server.cluster) as second, proxy(url.host, url.port) as way:
        ask(site.target, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        ask(site.target, "SELECT pg_reload_conf()")
        sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        assert until(lambda: ask(site.target, sync) == (1,), 20) is not None
        way.latency = 0.005
        run = site.start(environment={"MIGRATE_TARGET": at(site.target, way.port)})
        assert until(lambda: len(site.backends()) > 2, 30)
        time.sleep(0.3 + 0.2 * (number % 7))
        assert not run.ends_within(0), "the run ended before its fault came"
        site.server.stop(signal.SIGQUIT)
        began = time.monotonic()
        assert ask(at(site.target, second.port), "SELECT pg_promote()") == (True,)
        way.repoint("127.0.0.1", second.port)
        way.reset()
        result = run.wait()
        assert time.monotonic() - began < RECOVERED_SECONDS
        assert way.fired["repoint"] == 1
        assert result.code == 0, result.err
        site.target = at(site.target, second.port)
        assert findings(site, golden, result) == []
        site.target = url.render_as_string(hide_password=False)
