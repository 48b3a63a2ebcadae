"""A pooler before the server: in transaction mode it cannot hold a lock and is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress

import psycopg
import pytest
from sqlalchemy import make_url, text

from messy_migration.databases.open import open_target
from messy_migration.errors import TargetError
from messy_migration.testing.servers.throwaway import free_port, give, temporary_home

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def pooler(url, mode, **more):
    """The URL of a pgbouncer before a database."""
    if PGBOUNCER is None:
        pytest.skip("NOT EXERCISED: pgbouncer is not installed")
    place, port = make_url(url), free_port()
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "auth_type": "any",
        "pool_mode": mode,
        "unix_socket_dir": "",
        **more,
    }
    with temporary_home("messy-migration-pgbouncer-") as home:
        configuration = home / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n{place.database} = host={place.host} port={place.port}"
            f" user={place.username} password={place.password}\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in settings.items())
        )
        give(configuration)
        user = {"user": "nobody"} if os.geteuid() == 0 else {}
        process = subprocess.Popen(
            [PGBOUNCER, "-q", configuration],
            cwd=home,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **user,
        )
        try:
            there = place.set(port=port)
            _wait(there)
            yield there
        finally:
            process.terminate()
            process.wait(30)


def _wait(url):
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with suppress(psycopg.OperationalError):
            psycopg.connect(plain).close()
            return
        time.sleep(0.05)
    raise AssertionError("pgbouncer does not come up")


@pytest.mark.parametrize("round_robin", [0, 1])
@pytest.mark.parametrize("idle", [1, 3])
def test_a_transaction_pooler_is_refused_and_left_as_it_was(postgres_url, round_robin, idle):
    with pooler(postgres_url, "transaction", server_round_robin=round_robin) as url:
        fill(url, idle)
        target = open_target(url, "mm:run")
        with (
            pytest.raises(TargetError, match="transaction pooler") as caught,
            target.dialect.lock(target.engine),
        ):
            pytest.fail("it was locked")
        assert caught.value.exit_code == 6
        direct = open_target(make_url(postgres_url), "watcher")
        with direct.engine.connect() as connection:
            locks = (
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
            assert connection.execute(text(locks)).scalar_one() == 0
        with target.engine.connect() as connection:
            # What a run sets for itself would stay with a session that others use.
            assert connection.execute(text("SHOW tcp_user_timeout")).scalar_one() == "0"


def fill(url, count):
    """Let the pooler open so many sessions and keep them."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    opened = [psycopg.connect(plain) for _ in range(count)]
    for connection in opened:
        connection.execute("SELECT 1")
    for connection in opened:
        connection.close()


def test_a_session_pooler_holds_the_lock(postgres_url):
    with pooler(postgres_url, "session") as url:
        target, other = open_target(url, "mm:one"), open_target(make_url(postgres_url), "mm:two")
        with target.dialect.lock(target.engine) as held:
            assert held()
            with other.dialect.lock(other.engine) as second:
                assert second is None
            assert "run one" in other.dialect.holder(other.engine)
            with target.engine.connect() as connection, other.engine.connect() as direct:
                session = target.dialect.session(connection)
                ours = direct.execute(
                    text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid"),
                    {"pid": int(session)},
                )
                assert ours.scalar_one() == 1


PINS = (
    "search_path",
    "row_security",
    "TimeZone",
    "DateStyle",
    "extra_float_digits",
    "bytea_output",
)


def shown(url):
    """The settings that a program finds that comes after us, in the only session that there is."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()
        return pid, [connection.execute(f"SHOW {name}").fetchone() for name in PINS]


def test_what_is_pinned_ends_with_its_transaction(postgres_url):
    with pooler(postgres_url, "transaction", default_pool_size=1) as url:
        before = shown(url)
        target = open_target(url, "mm:run")
        with target.dialect.reading(target.engine) as connection:
            pinned = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in PINS]
            pid = connection.execute(text("SELECT pg_catalog.pg_backend_pid()")).scalar_one()
        assert pinned[:3] == ["pg_catalog, pg_temp", "off", "UTC"]
        assert (pid,) == before[0]
        assert shown(url) == before
        with target.engine.begin() as connection:
            assert connection.execute(text("SHOW search_path")).scalar_one() != pinned[0]
            assert connection.execute(text("SHOW row_security")).scalar_one() == "on"
        assert shown(url) == before
